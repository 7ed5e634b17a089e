"""How good class maps and masks are against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.formats.coco import rle

_BAND: Final = 1 << 22
"""Pixels that are counted at a time."""


@dataclass(frozen=True)
class MapMetrics:
    """Figures of class maps over a set of images; NaN where there is nothing to tell.

    Attributes
    ----------
    miou : float
        Mean intersection over union of all classes that occur, the background among them.
    iou, dice : float
        Intersection over union, and Dice's coefficient 2 |A & B| / (|A| + |B|), of everything except the background.
    pixel_accuracy : float
        Share of the pixels with the right class.
    class_iou : tuple of float
        Intersection over union of the background and of each class.
    """

    miou: float
    iou: float
    dice: float
    pixel_accuracy: float
    class_iou: tuple[float, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain data for :func:`json.dumps`; NaN becomes None."""
        data = asdict(self) | {"class_iou": [None if v != v else v for v in self.class_iou]}
        return {name: None if value != value else value for name, value in data.items()}


def confusion(truth: NDArray[np.integer], found: NDArray[np.integer], n_classes: int) -> NDArray[np.int64]:
    """Return the count of pixels by true class (rows) and found class (columns), shape (1 + n_classes, 1 + n_classes).

    Raises
    ------
    InputError
        When the two differ in shape, or hold other classes.
    """
    if truth.shape != found.shape:
        raise InputError(f"A map of shape {found.shape} cannot be compared with a truth of shape {truth.shape}.")
    if truth.size and not 0 <= min(truth.min(), found.min()) <= max(truth.max(), found.max()) <= n_classes:
        raise InputError(f"A map holds classes other than 0 to {n_classes}.")
    side = 1 + n_classes
    table = np.zeros(side * side, dtype=np.int64)
    rows, columns = truth.ravel(), found.ravel()
    # A band at a time: the codes take eight times the memory of the maps.
    for begin in range(0, rows.size, _BAND):
        codes = rows[begin : begin + _BAND].astype(np.int64) * side + columns[begin : begin + _BAND]
        table += np.bincount(codes, minlength=side * side)
    return table.reshape(side, side)


def map_metrics(table: NDArray[np.int64]) -> MapMetrics:
    """Return the figures of a table of :func:`confusion`, which adds up over images."""
    right, truth, found = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    union = truth + found - right
    ious = [_share(int(a), int(b)) for a, b in zip(right, union, strict=True)]
    present = [value for value in ious if value == value]
    both = int(table[1:, 1:].sum())
    true, guessed = int(truth[1:].sum()), int(found[1:].sum())
    return MapMetrics(
        miou=float(np.mean(present)) if present else float("nan"),
        iou=_share(both, true + guessed - both),
        dice=_share(2 * both, true + guessed),
        pixel_accuracy=_share(int(right.sum()), int(table.sum())),
        class_iou=tuple(ious),
    )


def draw_class_map(truth: Detections, height: int, width: int) -> NDArray[np.uint8]:
    """Draw masks as a class map, shape (height, width): 0 where there is nothing, else 1 + class; small ones on top.

    Raises
    ------
    InputError
        When there are no masks.
    """
    drawn = np.zeros((height, width), dtype=np.uint8)
    masks = require_masks(truth)
    for k in sorted(range(len(truth)), key=lambda k: -masks[k].area):
        paint(drawn, masks[k], 1 + int(truth.class_ids[k]))
    return drawn


def require_masks(detections: Detections) -> tuple[CroppedMask, ...]:
    """Return the masks of detections.

    Raises
    ------
    InputError
        When there are none.
    """
    if detections.masks is None:
        raise InputError("These detections are boxes without masks, and cannot be compared by their masks.")
    return detections.masks


def paint(canvas: NDArray[np.uint8], mask: CroppedMask, value: int) -> None:
    """Set the pixels of a mask, as far as they lie on the canvas, to ``value``."""
    height, width = canvas.shape
    y0, x0 = max(mask.y0, 0), max(mask.x0, 0)
    y1, x1 = min(mask.y0 + mask.pixels.shape[0], height), min(mask.x0 + mask.pixels.shape[1], width)
    if y0 < y1 and x0 < x1:
        canvas[y0:y1, x0:x1][mask.pixels[y0 - mask.y0 : y1 - mask.y0, x0 - mask.x0 : x1 - mask.x0]] = value


def encode_run_lengths(masks: Sequence[CroppedMask], height: int, width: int) -> list[dict[str, Any]]:
    """Return masks, as far as they lie on an image of that size, as COCO's run-length codes."""
    from pycocotools import mask as coco_mask

    counts = [
        rle.encode(part, height, width) if part.area else np.array([height * width])
        for part in (mask.within(0, 0, width, height) for mask in masks)
    ]
    codes = [{"size": [height, width], "counts": one.tolist()} for one in counts]
    return list(coco_mask.frPyObjects(codes, height, width)) if codes else []


def mask_overlaps(found: Detections, truth: Detections) -> NDArray[np.float64]:
    """Return the intersection over union of every mask found with every true one, shape (found, truth)."""
    from pycocotools import mask as coco_mask

    ours, theirs = require_masks(found), require_masks(truth)
    if not ours or not theirs:
        return np.zeros((len(ours), len(theirs)))
    every = (*ours, *theirs)
    x0, y0 = min(mask.x0 for mask in every), min(mask.y0 for mask in every)
    width = max(mask.x0 + mask.pixels.shape[1] for mask in every) - x0
    height = max(mask.y0 + mask.pixels.shape[0] for mask in every) - y0
    codes = encode_run_lengths([mask.shifted(-x0, -y0) for mask in every], height, width)
    table = coco_mask.iou(codes[: len(ours)], codes[len(ours) :], [0] * len(theirs))
    return np.asarray(table, dtype=np.float64).reshape(len(ours), len(theirs))


def _share(part: float, whole: float) -> float:
    return float(part) / whole if whole else float("nan")
