"""Fields with their truth for the other scripts: freshly rendered ones, or photographs outlined by hand."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import from_coco, truth_of
from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.mask_polygons import fill
from napari_diatom.images.slide_image import SlideImage, from_array, open_images

SET_UP = """\
set-up, from a clone of the repository:
  python -m venv .venv
  .venv/bin/pip install -e '.[benchmark]'
  .venv/bin/python benchmarks/{script}
"""


@dataclass(frozen=True, eq=False)
class Field:
    """A field and what is in it.

    Attributes
    ----------
    image : SlideImage
        The picture.
    truth : Detections
        Oriented boxes and masks of its specimens.
    upright : Detections
        Upright boxes of the same.
    group : str
        What its figures are listed under: the modality of a classic field, the subject of another, or the station.
    """

    image: SlideImage
    truth: Detections
    upright: Detections
    group: str


def rendered(
    count: int, seed: int, height: int, width: int, processes: int, subjects: Sequence[str] = ("classic",)
) -> Iterator[Field]:
    """Yield freshly rendered fields, turned to each subject in turn; the same seed gives the same fields."""
    work = partial(_render, seed=seed, height=height, width=width, subjects=subjects)
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        # A few at a time: a hundred rendered fields take a gigabyte.
        for first in range(0, count, 2 * processes):
            indices = range(first, min(first + 2 * processes, count))
            for index, (pixels, truth, group) in zip(indices, pool.map(work, indices, chunksize=1), strict=True):
                image = from_array(pixels, f"field-{seed}-{index:03d}")
                yield Field(image, truth, _upright_of_masks(truth), group)


def photographs(annotations: Path, images: Path, station: str | None) -> Iterator[Field]:
    """Yield the photographs of a COCO file, of one station or all."""
    for example in from_coco(annotations, images, groups=[station] if station else None):
        corners = [(outline.min(axis=0), outline.max(axis=0)) for outline in example.outlines]
        upright = [[*(low + high) / 2, *(high - low), 0] for low, high in corners]
        [image] = open_images(example.image)
        masks = tuple(_mask(outline, image.width, image.height) for outline in example.outlines)
        yield Field(image, replace(truth_of(example), masks=masks), Detections.of(upright), example.group)


def _mask(outline: NDArray[np.float32], width: int, height: int) -> CroppedMask:
    """Return the mask of the part of an outline that lies on the image."""
    seen = geometry.clip_polygon(outline.astype(np.float64), 0, 0, width, height)
    return fill(((seen,),)) if len(seen) else CroppedMask(np.zeros((1, 1), dtype=bool), 0, 0)


def _render(
    index: int, seed: int, height: int, width: int, subjects: Sequence[str]
) -> tuple[NDArray[Any], Detections, str]:
    import cv2

    from diatom_training.synthesis import draw_options, render_field

    cv2.setNumThreads(1)
    rng = np.random.default_rng((seed, index))
    subject = subjects[index % len(subjects)]
    options = draw_options(rng, height, width, subject=subject)
    field = render_field(options, seed=int(rng.integers(2**31)))
    return field.image, field.truth, options.modality if subject == "classic" else subject


def _upright_of_masks(truth: Detections) -> Detections:
    """Return the upright bounds of the masks, or of the boxes where there are none."""
    bounds = geometry.bounds(truth.boxes)
    if truth.masks is not None:
        bounds = np.array([_bounds(mask) for mask in truth.masks], dtype=np.float64).reshape(-1, 4)
    centres, sizes = (bounds[:, :2] + bounds[:, 2:]) / 2, bounds[:, 2:] - bounds[:, :2]
    return Detections.of(np.column_stack([centres, sizes, np.zeros(len(bounds))]))


def _bounds(mask: CroppedMask) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.pixels.any(axis=1)), np.flatnonzero(mask.pixels.any(axis=0))
    return (
        mask.x0 + int(columns[0]),
        mask.y0 + int(rows[0]),
        mask.x0 + int(columns[-1]) + 1,
        mask.y0 + int(rows[-1]) + 1,
    )
