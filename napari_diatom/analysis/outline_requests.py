"""Outlines by the child process of parts of an image, however large the image is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.analysis import worker_process
from napari_diatom.analysis.worker_process import Job
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.tiling.tiles import Window

if TYPE_CHECKING:
    from napari_diatom.analysis.click_outlining import ClickedSpecimen
    from napari_diatom.images.slide_image import SlideImage
    from napari_diatom.measurement.outline_refinement import BoxOutlines

CELL: Final = 2048
"""Side in pixels of the squares in which the centres of those boxes lie that are outlined together."""
MARGIN: Final = 0.75
"""Lengths of a box that are read on all sides of it, for the picture of the box, and of one that fits better."""
ROUND_A_CLICK: Final = 2000
"""Pixels on all sides of a click that are read: more than its coarsest crop, and the picture of what is found there."""


def outline_in_parts(
    image: SlideImage, boxes: ArrayLike, outliner: Path, monitor: ProgressMonitor = UNWATCHED
) -> BoxOutlines:
    """Have a model outline what is in boxes, part after part of the image.

    Parameters
    ----------
    image : SlideImage
        Only parts with boxes are read.
    boxes : array-like, shape (N, 5)
        Oriented or upright.
    outliner : Path
        The model's folder.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; counts specimens.

    Raises
    ------
    Stopped
        When a stop was asked for.
    DiatomError
        What reading or outlining raised.
    """
    from napari_diatom.measurement.outline_refinement import NO_OUTLINE, BoxOutlines

    given = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
    masks = [CroppedMask(np.zeros((1, 1), dtype=np.bool_), 0, 0)] * len(given)
    flags = np.full(len(given), NO_OUTLINE, dtype=np.uint8)
    done = 0
    for numbers, window in _parts(given, image.height, image.width):
        job = _job(image, window, outliner)
        within = given[numbers] - (window.x0, window.y0, 0, 0, 0)

        def report(progress: Progress, done: int = done) -> None:
            if progress.stage == "outlines":
                monitor.report(replace(progress, done=done + progress.done, total=len(given)))

        outlines = worker_process.outline_boxes(job, within, ProgressMonitor(report, monitor.should_stop))
        for number, mask, flag in zip(numbers.tolist(), outlines.masks, outlines.flags.tolist(), strict=True):
            masks[number], flags[number] = mask.shifted(window.x0, window.y0), flag
        done += len(numbers)
    return BoxOutlines(tuple(masks), flags)


def outline_at(
    image: SlideImage, x: float, y: float, detector: Path, outliner: Path, monitor: ProgressMonitor = UNWATCHED
) -> ClickedSpecimen | None:
    """Have two models find and outline the specimen at a point, None where there is none; raises as outline_in_parts.

    Parameters
    ----------
    image : SlideImage
        Read round the point.
    x, y : float
        The point in pixels.
    detector, outliner : Path
        The models' folders.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.
    """
    reach = ROUND_A_CLICK
    window = _clipped(x - reach, y - reach, x + reach, y + reach, image.height, image.width)
    if not (window.x0 <= x < window.x1 and window.y0 <= y < window.y1):
        return None
    job = _job(image, window, detector)
    found = worker_process.outline_point(job, x - window.x0, y - window.y0, outliner, monitor)
    if found is None:
        return None
    mask = found.mask
    if mask is not None:
        mask = mask.shifted(window.x0, window.y0)
    return replace(found, box=found.box + np.array([window.x0, window.y0, 0, 0, 0]), mask=mask)


def _parts(boxes: NDArray[np.float64], height: int, width: int) -> Iterator[tuple[NDArray[np.intp], Window]]:
    """Yield the numbers of boxes that lie near each other, and the window that they need, where it has pixels."""
    cells = np.floor(boxes[:, :2] / CELL).astype(np.int64)
    _, which = np.unique(cells, axis=0, return_inverse=True)
    for cell in range(which.max(initial=-1) + 1):
        numbers = np.flatnonzero(which.reshape(-1) == cell)
        edges = geometry.bounds(boxes[numbers])
        margin = np.ceil(MARGIN * boxes[numbers, 2:4].max(axis=1, keepdims=True)) + 2
        x0, y0 = (edges[:, :2] - margin).min(axis=0)
        x1, y1 = (edges[:, 2:] + margin).max(axis=0)
        window = _clipped(x0, y0, x1, y1, height, width)
        if window.x0 < window.x1 and window.y0 < window.y1:
            yield numbers, window


def _clipped(x0: float, y0: float, x1: float, y1: float, height: int, width: int) -> Window:
    """Return a window of whole pixels, as far as it lies in the image."""
    return Window(
        max(int(np.floor(x0)), 0),
        max(int(np.floor(y0)), 0),
        min(int(np.ceil(x1)), width),
        min(int(np.ceil(y1)), height),
    )


def _job(image: SlideImage, window: Window, model: Path) -> Job:
    pixels = image.read(*window)
    return Job(image.name, pixels, model, rgb=True, pixel_size_um=image.pixel_size_um)
