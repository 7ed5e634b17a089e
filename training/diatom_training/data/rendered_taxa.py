"""Rendered specimens of taxa, kept on disk: what embedders are learnt from and measured on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.synthesis.taxon_specimens import (
    PIXEL_SIZE_UM,
    TaxonSpecimen,
    draw_slides,
    draw_taxon,
    render_specimen,
)
from napari_diatom.core.atomic_files import atomic
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.images.slide_image import SlideImage, from_array

_BOX_STREAM: Final = 3
"""What the errors of the boxes are drawn from, beside the seed of the taxon and the number of the specimen."""
_SHIFT_SD, _SIZE_SD, _ANGLE_SD = 0.015, 0.03, math.radians(1.5)
"""By how much a box is off: its centre in lengths, the logarithm of its sides, and its angle."""


@dataclass(frozen=True, eq=False)
class TaxonExample:
    """A specimen of a taxon as a detector with outlines gives it.

    Attributes
    ----------
    taxon : str
        Its name.
    slide : int
        Which of the study's slides it lies on.
    image : SlideImage
        A field round it, with its pixel size.
    box : ndarray, shape (5,)
        Oriented, a little off.
    outline : ndarray, shape (K, 2)
        Of the truth, x and y in pixels.
    """

    taxon: str
    slide: int
    image: SlideImage
    box: NDArray[np.float64]
    outline: NDArray[np.float64]


def render_taxa(
    folder: Path,
    seeds: Sequence[int],
    specimens: int,
    study: int,
    slides: int = 4,
    monitor: ProgressMonitor = UNWATCHED,
) -> list[TaxonExample]:
    """Render specimens of taxa and return them, taxon by taxon.

    What an interrupted call left is kept and completed. The same seeds give the same specimens.

    Parameters
    ----------
    folder : Path
        Where the specimens are kept, a file a taxon.
    seeds : sequence of int
        Of the taxa.
    specimens : int
        Of each taxon.
    study : int
        What the light of the slides is drawn from.
    slides : int
        How many slides there are.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"taxa"`` per taxon, and stops there when asked.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    lights = draw_slides(study, slides)
    examples: list[TaxonExample] = []
    for done, seed in enumerate(seeds):
        monitor.report(Progress("taxa", done, len(seeds)))
        monitor.check()
        path = folder / f"{study}-{slides}-{seed}-{specimens}.npz"
        taxon = draw_taxon(seed)
        if not path.exists():
            drawn = [_entries(render_specimen(taxon, lights, number), number) for number in range(specimens)]
            entries: dict[str, Any] = {f"{key}{n}": value for n, one in enumerate(drawn) for key, value in one.items()}
            with atomic(path) as stream:
                np.savez(stream, **entries)
        with np.load(path) as kept:
            for n in range(specimens):
                image = from_array(kept[f"pixels{n}"], f"{taxon.name}-{n}", PIXEL_SIZE_UM)
                examples.append(
                    TaxonExample(taxon.name, int(kept[f"slide{n}"]), image, kept[f"box{n}"], kept[f"outline{n}"])
                )
    monitor.report(Progress("taxa", len(seeds), len(seeds)))
    return examples


def _entries(specimen: TaxonSpecimen, number: int) -> dict[str, NDArray[np.generic]]:
    """Return what is kept of a specimen."""
    rng = np.random.default_rng((specimen.taxon.seed, number, _BOX_STREAM))
    box = specimen.truth.boxes[0].astype(np.float64)
    box[:2] += rng.normal(0, _SHIFT_SD, 2) * box[2]
    box[2:4] *= np.exp(rng.normal(0, _SIZE_SD, 2))
    box[4] += rng.normal(0, _ANGLE_SD)
    outline = specimen.truth.outline(0)
    image = specimen.image
    return {
        "pixels": image.read(0, 0, image.width, image.height),
        "box": box,
        "outline": np.empty((0, 2)) if outline is None else outline,
        "slide": np.array(specimen.slide),
    }
