"""Boxes, maps and instances of the same specimens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from lessons.drawing import COLOURS, draw_rings, picture, show
from lessons.finding import FOUND
from lessons.material import CROWD, slide
from napari_diatom import engines
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core import cropped_masks, geometry
from napari_diatom.images.slide_image import from_array
from napari_diatom.models import library

PLACE: Final = (slice(0, 512), slice(0, 640))
MODELS: Final = ("diatom-box", "diatom-obb", "diatom-deeplab", "diatom-maskrcnn")
TITLES: Final = ("upright boxes", "rotated boxes", "map (semantic)", "masks (instances)")


def laid_over(pixels: NDArray[np.uint8], rings: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """Return a picture with outlines, in colours that tell neighbours apart."""
    from matplotlib.colors import to_rgb

    shown = pixels.copy()
    for number, ring in enumerate(rings):
        red, green, blue = (round(255 * part) for part in to_rgb(COLOURS[number % 6]))
        draw_rings(shown, [ring], (red, green, blue))
    return shown


def teach(folder: Path, steps: int | None) -> dict[str, float]:
    """Draw the chapter's picture and return its figures."""
    torch.set_num_threads(1)
    pixels = np.ascontiguousarray(slide(CROWD)[PLACE if steps is None else (slice(0, 224), slice(0, 224))])
    figures: dict[str, float] = {}
    with picture(folder / "tasks.png", 8, 6.6) as figure:
        for axes, name, title in zip(figure.subplots(2, 2).flat, MODELS, TITLES, strict=True):
            options = AnalysisOptions(keep_probability=name == "diatom-deeplab")
            analysis = analyse(from_array(pixels, name), engines.load(library.resolve_model(name), "cpu"), options)
            found = analysis.kept
            figures[title] = len(found)
            if found.masks is None:
                shown = pixels.copy()
                draw_rings(shown, list(geometry.corners(found.boxes)), FOUND)
            else:
                shown = laid_over(pixels, [cropped_masks.trace_outline(mask) for mask in found.masks])
            show(axes, shown, f"{title}: {len(found)}")
    return figures
