"""How the pictures of the lessons are kept, and what several of them draw alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_diatom.plots.style import BLUE, INK, ORANGE, png, styled

COLOURS: Final = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", INK)
"""Told apart by the colour-blind (Okabe & Ito 2008)."""
FEWER_COLOURS: Final = 128
"""A PNG file of so many colours is a third as large, and looks the same."""


@contextmanager
def picture(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of that size in inches, and keep it as a PNG file after the block."""
    from PIL import Image

    with styled(width, height) as figure:
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(figure))
    with Image.open(path) as whole:
        whole.convert("RGB").quantize(FEWER_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def show(axes: Axes, pixels: NDArray[Any], title: str = "", **options: Any) -> None:
    """Show an image without axes."""
    axes.imshow(pixels, **({"cmap": "gray"} | options))
    axes.set_title(title, fontsize=8)
    axes.set_axis_off()


def show_in_a_row(path: Path, pictures: Sequence[tuple[str, NDArray[Any]]], side: float = 1.5, rows: int = 1) -> None:
    """Keep pictures with their titles, side by side."""
    columns = -(-len(pictures) // rows)
    with picture(path, side * columns, (side + 0.25) * rows) as figure:
        grid = np.atleast_1d(figure.subplots(rows, columns)).flat
        for axes in grid:
            axes.set_axis_off()
        for axes, (title, pixels) in zip(figure.axes, pictures, strict=False):
            show(axes, pixels, title)


def draw_rings(pixels: NDArray[np.uint8], rings: Sequence[NDArray[Any]], colour: tuple[int, int, int]) -> None:
    """Draw closed polygons, each of shape (K, 2) with x and y, into RGB pixels."""
    for ring in rings:
        points = np.rint(16 * (np.asarray(ring) - 0.5)).astype(np.int32)
        cv2.polylines(pixels, [points], True, colour, 2, cv2.LINE_AA, shift=4)
