"""Which specimens of a field two persons have both seen: by their outlines where both have one, else by their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy import sparse

from napari_diatom.core.detections import Detections
from napari_diatom.project.specimen import Specimen
from napari_diatom.tiling.pair_overlaps import overlaps

SAME: Final = 0.5
"""IoU above which two may be one specimen; needles in line are by what they share of their lengths."""


def overlap_table(first: Sequence[Specimen], second: Sequence[Specimen]) -> sparse.coo_array:
    """Return the overlap (IoU) of specimens that may be the same, shape (N, M).

    Parameters
    ----------
    first, second : sequence of Specimen, lengths N and M
        Of one image, by two persons.

    Returns
    -------
    coo_array of float64
        Only pairs that are nearly one: of outlines or boxes that share more than :data:`SAME`, and of needles in line
        that share as much of their lengths.
    """
    everyone = range(len(first)), range(len(second))
    outlined = [[k for k, item in enumerate(items) if item.shape == "polygon"] for items in (first, second)]
    found = _pairs(first, second, everyone, by_outline=False)
    ours, theirs = map(set, outlined)
    found = {(i, k): value for (i, k), value in found.items() if i not in ours or k not in theirs}
    found |= _pairs(first, second, outlined, by_outline=True)
    rows, columns = np.array(list(found), dtype=np.intp).reshape(-1, 2).T
    return sparse.coo_array((np.array(list(found.values())), (rows, columns)), shape=(len(first), len(second)))


def _pairs(
    first: Sequence[Specimen], second: Sequence[Specimen], chosen: Sequence[Sequence[int]], by_outline: bool
) -> dict[tuple[int, int], float]:
    """Return the overlap of those of the chosen specimens that may be the same, by their places."""
    ours, theirs = chosen
    if not len(ours) or not len(theirs):
        return {}
    found: dict[tuple[int, int], float] = {}
    both = _detections([first[i] for i in ours], by_outline), _detections([second[k] for k in theirs], by_outline)
    for pairs in overlaps(*both):
        for n in np.flatnonzero(pairs.are_copies(SAME)).tolist():
            found[ours[pairs.i[n]], theirs[pairs.j[n]]] = float(pairs.iou[n])
    return found


def _detections(items: Sequence[Specimen], by_outline: bool) -> Detections:
    boxes = np.array([item.box for item in items]).reshape(-1, 5)
    return Detections.of(boxes, masks=[item.filled for item in items] if by_outline else None)
