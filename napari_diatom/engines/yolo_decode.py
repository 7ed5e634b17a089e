"""From a YOLO head's raw output to boxes, in numpy.

Only the anchors above the score threshold are decoded, whatever computed the output.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections

STRIDES: Final = (8, 16, 32)
"""Pixels between the anchors of the three levels."""

MOST: Final = 1000
"""Anchors kept for a tile, best first, before duplicates are removed."""


def anchors(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the anchors' centres, shape (A, 2), and strides, shape (A,), of a tile in pixels."""
    centres, strides = [], []
    for stride in STRIDES:
        y, x = np.mgrid[: height // stride, : width // stride].astype(np.float32)
        centres.append((np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * stride)
        strides.append(np.full(x.size, stride, dtype=np.float32))
    return np.concatenate(centres), np.concatenate(strides)


def decode(
    raw: NDArray[np.float32], height: int, width: int, classes: tuple[str, ...], oriented: bool, threshold: float
) -> Detections:
    """Decode a tile's output; see :func:`decode_with_anchors`."""
    return decode_with_anchors(raw, height, width, classes, oriented, threshold)[0]


def decode_with_anchors(
    raw: NDArray[np.float32], height: int, width: int, classes: tuple[str, ...], oriented: bool, threshold: float
) -> tuple[Detections, NDArray[np.intp]]:
    """Decode a tile's output, and tell which anchor each box is of.

    Parameters
    ----------
    raw : ndarray, shape (4 * bins + classes (+ 1), A)
        For each anchor the logits of the distances left, top, right and bottom over ``bins`` bins (one bin: the
        distances themselves), the class logits, and an oriented head's angle in radians.
    height, width : int
        Of the network's input in pixels.
    classes : tuple of str
        Class names.
    oriented : bool
        Whether the last row is an angle.
    threshold : float
        Least score.

    Notes
    -----
    Distances are expectations over the bins (Li et al. 2020, Generalized Focal Loss); an oriented box's centre is the
    anchor plus half the difference of opposite distances, turned by the angle.
    """
    n_classes = len(classes)
    bins = (len(raw) - n_classes - int(oriented)) // 4
    logits = raw[4 * bins : 4 * bins + n_classes]
    best = logits.argmax(axis=0)
    top = logits[best, np.arange(logits.shape[1])]
    least = -np.inf if threshold <= 0 else np.inf if threshold >= 1 else np.log(threshold / (1 - threshold))
    chosen = np.flatnonzero(top >= least)
    if len(chosen) > MOST:
        chosen = np.sort(chosen[np.argsort(-top[chosen], kind="stable")[:MOST]])
    centres, strides = anchors(height, width)
    scores = 1 / (1 + np.exp(-top[chosen].astype(np.float64)))
    distance = raw[: 4 * bins, chosen].reshape(4, bins, -1).astype(np.float64)
    if bins > 1:
        distance = np.exp(distance - distance.max(axis=1, keepdims=True))
        distance /= distance.sum(axis=1, keepdims=True)
        distance = (distance * np.arange(bins)[None, :, None]).sum(axis=1)
    else:
        distance = distance[:, 0]
    left, top_side, right, bottom = distance * strides[chosen]
    angle = raw[-1, chosen].astype(np.float64) if oriented else np.zeros(len(chosen))
    along, across = (right - left) / 2, (bottom - top_side) / 2
    boxes = np.stack(
        [
            centres[chosen, 0] + along * np.cos(angle) - across * np.sin(angle),
            centres[chosen, 1] + along * np.sin(angle) + across * np.cos(angle),
            left + right,
            top_side + bottom,
            angle,
        ],
        axis=1,
    )
    sound = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > 1) & (boxes[:, 3] > 1)
    found = Detections.of(boxes[sound], class_ids=best[chosen][sound], scores=scores[sound], classes=classes)
    return found, chosen[sound]
