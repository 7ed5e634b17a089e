"""How sure a specimen is by all scales that should have seen it.

A network that sees a specimen at several scales errs at each in its own way: half a cell of a chain, or two cells taken
for one, is mostly seen at one scale alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import mask_ious
from napari_diatom.core.detections import Detections
from napari_diatom.tiling.pair_overlaps import NEEDLE

WEIGHT: Final = 0.25
"""Of the mean over the scales against the best copy's score, as powers in their product."""
SAME: Final = 0.4
"""Intersection over union, of the masks or the oriented boxes, from which a copy at some scale shows the specimen."""
UNSEEN: Final = 0.05
"""Score of a scale that should have seen the specimen and did not."""
LEAST_SEEN: Final = 25.0
"""Tile pixels that a specimen has to span for a coarse scale to be asked."""


def supported(
    found: Detections, copies: Detections, scales: NDArray[np.floating], asked: Sequence[float], reach: float
) -> Detections:
    """Return the specimens with scores that all scales have a say in, best first.

    Parameters
    ----------
    found : Detections
        The stitched specimens.
    copies : Detections
        What they were stitched of, in image pixels.
    scales : ndarray, shape (N,)
        The scale that each copy was seen at.
    asked : sequence of float
        All scales that the network saw the image at.
    reach : float
        Tile pixels that a specimen may span to be compared at any but the coarsest scale.

    Returns
    -------
    Detections
        A score is the best copy's to the power of 1 - :data:`WEIGHT` times, to the power of :data:`WEIGHT`, the mean
        over the scales at which the specimen is neither too long nor too short of the best score there.
    """
    if len(asked) < 2 or not len(found):
        return found
    pairs = list(geometry.pairs(geometry.bounds(found.boxes), geometry.bounds(copies.boxes)))
    specimen = np.concatenate([i for i, _ in pairs]) if pairs else np.empty(0, dtype=np.intp)
    copy = np.concatenate([j for _, j in pairs]) if pairs else np.empty(0, dtype=np.intp)
    same = geometry.box_ious(found.boxes[specimen], copies.boxes[copy]) > SAME
    if found.masks is not None and copies.masks is not None:
        # Thin masks of one needle may pass each other by.
        needle = found.boxes[specimen, 2] >= NEEDLE * found.boxes[specimen, 3]
        same = same & needle | (mask_ious(found.masks, copies.masks, specimen, copy) > SAME)
    specimen, copy = specimen[same], copy[same]
    spans = found.boxes[:, 2].astype(np.float64)
    total, number = np.zeros(len(found)), np.zeros(len(found))
    for scale in asked:
        fits = (spans * scale <= reach) | (scale == min(asked))
        fits &= (spans * scale >= LEAST_SEEN) | (scale == max(asked))
        best = np.full(len(found), UNSEEN)
        here = scales[copy] == scale
        np.maximum.at(best, specimen[here], copies.scores[copy[here]])
        total += np.where(fits, best, 0.0)
        number += fits
    own = found.scores.astype(np.float64)
    mean = np.where(number > 0, total / np.maximum(number, 1), own)
    scores = (own ** (1 - WEIGHT) * mean**WEIGHT).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    return replace(found, scores=scores)[order]
