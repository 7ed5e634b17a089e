"""The specimen at one point of an image: a detector and a network for outlines on the surroundings of a click."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.analysis.pipeline import halved_scales, plan_scales
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import CUT_BY_TILE, Detections
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.measurement.outline_refinement import refined_box
from napari_diatom.tiling.scale_merging import fits_scale, merge_copies
from napari_diatom.tiling.tiles import Tile, Window, source_window, to_image_coordinates

if TYPE_CHECKING:
    from napari_diatom.engines.protocols import Engine, Outliner
    from napari_diatom.images.slide_image import SlideImage

CROP: Final = 384
"""Side of the crops that the detector sees, in pixels; the click lies in their middle, as far as the image allows."""
MOST_SCALES: Final = 4
"""Crops of one click: at 1, 1/2, 1/4 and 1/8 of the image's resolution."""
REACH: Final = 0.45
"""Share of a crop up to which a specimen may span at any but the coarsest scale: it is whole wherever it is clicked."""
LEAST_SCORE: Final = 0.1
"""Score of a specimen that a person has pointed at; that is more than the detector knows."""
AS_SURE: Final = 0.5
"""Share of the best score from which a smaller specimen under the click goes before a larger one."""
MOST_OUTLINED: Final = 3
"""Specimens that a click may be meant for, which are outlined to see which of them lies there."""
SLACK: Final = 2.0
"""Pixels by which a click may miss a box, or an outline."""
BETWEEN: Final = 1.4
"""Times the scales of the crops, at which the detector looks once more where it has seen nothing."""


@dataclass(frozen=True, eq=False)
class ClickedSpecimen:
    """What was found where somebody clicked.

    Attributes
    ----------
    box : ndarray of float64, shape (5,)
        That of the outline, or the detector's where the two contradict each other.
    mask : CroppedMask or None
        The outline; None where it contradicts the detector's box.
    flag : int
        Of :class:`~napari_diatom.measurement.outline_refinement.BoxOutlines`.
    score : float
        How sure the detector is.
    """

    box: NDArray[np.float64]
    mask: CroppedMask | None
    flag: int
    score: float


def specimen_at(
    image: SlideImage,
    x: float,
    y: float,
    detector: Engine,
    outliner: Outliner,
    monitor: ProgressMonitor = UNWATCHED,
) -> ClickedSpecimen | None:
    """Return the specimen that lies under a point of an image, None where the detector finds none there.

    Parameters
    ----------
    image : SlideImage
        Read round the point only.
    x, y : float
        The point, in pixels from the outer corner of the first one.
    detector : Engine
        Finds specimens, with oriented or upright boxes; masks that it gives are not used.
    outliner : Outliner
        Outlines the one that is chosen.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; a stop is heeded between the crops.

    Raises
    ------
    InputError
        When the image cannot be read.
    Stopped
        When a stop was asked for.
    """
    if not (0 <= x < image.width and 0 <= y < image.height):
        return None
    scales = crop_scales(image.height, image.width, image.pixel_size_um, detector.card.pixel_size_um)
    found = _under(_seen_round(image, x, y, scales, detector, monitor), x, y)
    if not len(found):
        between = tuple(BETWEEN * scale for scale in scales)
        found = _under(_seen_round(image, x, y, between, detector, monitor), x, y)
    if not len(found):
        return None
    monitor.check()
    boxes = found.boxes.astype(np.float64)
    outlines = outliner.outlines(image, boxes, monitor)
    flags = outlines.flags.tolist()
    agreeing = (k for k, mask in enumerate(outlines.masks) if not flags[k] and _covers(mask, x, y))
    # A box may hold the point, as those of needles that cross do, and the specimen not.
    chosen = next(agreeing, 0)
    mask, flag, score = outlines.masks[chosen], flags[chosen], float(found.scores[chosen])
    if not flag:
        # Along the box of its outline, a specimen fills the picture as those do that the network learnt from.
        again = outliner.outlines(image, refined_box(boxes[chosen], mask, 0)[None], monitor)
        if not again.flags[0] and _covers(again.masks[0], x, y):
            mask = again.masks[0]
    return ClickedSpecimen(refined_box(boxes[chosen], mask, flag), None if flag else mask, flag, score)


def crop_scales(height: int, width: int, image_um: float | None, model_um: float | None) -> tuple[float, ...]:
    """Return the scales of the crops of a click, the finest first.

    One, where the pixel sizes of image and detector are known; else halves, until a crop holds the whole image.

    Raises
    ------
    InputError
        When the image would have to be made more than 16 times larger or 64 times smaller.
    """
    if image_um is not None and model_um is not None:
        return plan_scales(height, width, CROP, image_um, model_um)
    return halved_scales(max(height, width), CROP, MOST_SCALES)


def _seen_round(
    image: SlideImage, x: float, y: float, scales: tuple[float, ...], detector: Engine, monitor: ProgressMonitor
) -> Detections:
    """Return the specimens round a point that lie whole in a crop, with scores that all scales have a say in."""
    windows = [_crop(image, x, y, scale) for scale in scales]

    def crops() -> Iterator[Tile]:
        for index, (window, scale) in enumerate(zip(windows, scales, strict=True)):
            monitor.report(Progress("tiles", index, len(scales), image.name))
            monitor.check()
            pixels = image.read(*source_window(window, scale, image.height, image.width), scale)
            yield Tile(index, pixels[: window.y1 - window.y0, : window.x1 - window.x0])

    found: list[Detections] = []
    seen_at: list[float] = []
    for index, detections in detector.predict(crops(), LEAST_SCORE):
        scale = scales[index]
        boxes = replace(detections[fits_scale(detections.boxes[:, 2], scale, scales, REACH * CROP)], masks=None)
        placed = to_image_coordinates(boxes, windows[index], scale, image.height, image.width)
        found.append(placed[(placed.cut & CUT_BY_TILE) == 0])
        seen_at += [scale] * len(found[-1])
    copies, upright = Detections.concatenate(found, detector.card.classes), detector.card.task == "boxes"
    return merge_copies(copies, seen_at, scales, REACH * CROP, LEAST_SCORE, LEAST_SCORE, upright)


def _crop(image: SlideImage, x: float, y: float, scale: float) -> Window:
    """Return the crop round a point, in pixels of the image at a scale."""

    def span(at: float, size: int) -> tuple[int, int]:
        scaled = max(round(size * scale), 1)
        begin = min(max(round(at * scale) - CROP // 2, 0), max(scaled - CROP, 0))
        return begin, min(begin + CROP, scaled)

    (x0, x1), (y0, y1) = span(x, image.width), span(y, image.height)
    return Window(x0, y0, x1, y1)


def _under(found: Detections, x: float, y: float) -> Detections:
    """Return the specimens whose boxes hold a point, a few at most: of the sure ones the smallest first."""
    boxes = found.boxes.astype(np.float64)
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    dx, dy = x - boxes[:, 0], y - boxes[:, 1]
    along, across = np.abs(cos * dx + sin * dy), np.abs(cos * dy - sin * dx)
    here = np.flatnonzero((along <= boxes[:, 2] / 2 + SLACK) & (across <= boxes[:, 3] / 2 + SLACK))
    if not len(here):
        return found[here]
    scores = found.scores[here]
    sure = scores >= AS_SURE * scores.max()
    order = np.lexsort((np.where(sure, geometry.box_areas(boxes[here]), -scores), ~sure))
    return found[here[order[:MOST_OUTLINED]]]


def _covers(mask: CroppedMask, x: float, y: float) -> bool:
    """Return whether a mask has pixels within :data:`SLACK` of a point."""
    column, row = x - mask.x0, y - mask.y0
    reach = SLACK + 0.5
    rows = slice(max(int(row - reach), 0), max(int(row + reach), 0) + 1)
    columns = slice(max(int(column - reach), 0), max(int(column + reach), 0) + 1)
    return bool(mask.pixels[rows, columns].any())
