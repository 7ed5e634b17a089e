"""Half a valve is not a valve: what a network found of a specimen beside the whole goes.

A part is less sure than its whole, or as sure and smaller. A threshold that shows the part shows the whole too, so
parts can be dropped before any threshold is chosen.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_diatom.core.detections import Detections
from napari_diatom.tiling.pair_overlaps import Bools, Floats, Pairs, overlaps, specimen_areas

OF_A_MASK: Final = 0.8
"""Share of a mask in a larger and surer one from which it is a part of that."""
OF_A_BOX: Final = 0.75
"""Share of a box in a larger and surer one from which it may be a part of that, ..."""
ONE_AXIS: Final = float(np.deg2rad(12.0))
"""... if their axes part by at most this, ..."""
LONG: Final = 0.55
"""... and it has more than this share of the other's length: shorter ones are small valves on large ones."""
DIRECTED: Final = 1.2
"""Length/width from which a box has an axis."""
SPANNING: Final = 0.8
"""The share of the length for round wholes, which halves may lie in at any angle: half a disc is as long as that."""
RIBBON: Final = 3
"""Boxes side by side in a larger one from which they are the cells of a ribbon: at most two are halves, ..."""
BESIDE_EACH_OTHER: Final = 0.7
"""... if their axes part by at least this many widths, ..."""
ALIKE: Final = 0.75
"""... and the narrower has at least this share of the wider one's width."""


def without_parts(found: Detections, counts_from: float = 0.0) -> Detections:
    """Return specimens without those that are parts of larger and surer ones; the order stays.

    A network takes a piece of a valve for a valve now and then, beside the whole: half of it along the raphe, or a
    piece of any shape where it outlines specimens. Only what stays makes others go, so the surest of a group stays, and
    the specimens above a score are the same whether they are chosen before or after, from ``counts_from`` down.

    Parameters
    ----------
    found : Detections
        Specimens with masks or with oriented boxes, each once. Not upright boxes: a small valve anywhere in the upright
        box of a large slanted one would be a part of it.
    counts_from : float
        Score from which boxes count as cells of a ribbon.

    Returns
    -------
    Detections
        Without masks whose area lies in a larger one by at least :data:`OF_A_MASK`. Of boxes, without those that lie
        along the axis of a larger one, by at least :data:`OF_A_BOX` of their area, and are more than :data:`LONG` of
        its length. In a round box, which has no axis, they lie at any angle and are at least :data:`SPANNING` of its
        length. Boxes that are round themselves stay: they have no axis, and are not halves.
    """
    surest_first = np.lexsort((*found.boxes.T[::-1], -specimen_areas(found), -found.scores))
    ordered = found[surest_first]
    stays = [True] * len(ordered)
    for pairs in overlaps(ordered):
        if pairs.masks is None:
            part = pairs.larger & _lengthwise_inside(pairs)
            part &= ~_cells_of_ribbons(pairs, part & (ordered.scores[pairs.j] >= counts_from))
        else:
            part = pairs.larger & (pairs.inside >= OF_A_MASK)
        # Pairs come in the order of the surer ones: whether those stay is settled.
        for whole, piece in zip(pairs.i[part].tolist(), pairs.j[part].tolist(), strict=True):
            if stays[whole]:
                stays[piece] = False
    kept = np.empty(len(found), dtype=bool)
    kept[surest_first] = stays
    return found[kept]


def _lengthwise_inside(pairs: Pairs) -> Bools:
    """Tell which boxes j lie in the boxes i along their axis, over most of their length."""
    whole, piece = pairs.boxes_i, pairs.boxes_j
    share = piece[:, 2] / whole[:, 2]
    whole_is_round, piece_is_round = (box[:, 2] < DIRECTED * box[:, 3] for box in (whole, piece))
    along = np.where(whole_is_round, share >= SPANNING, (pairs.turn <= ONE_AXIS) & (share > LONG))
    return np.asarray((pairs.inside >= OF_A_BOX) & along & ~piece_is_round)


def _cells_of_ribbons(pairs: Pairs, part: Bools) -> Bools:
    """Tell which parts are the cells of a ribbon that was boxed as one."""
    cells = np.zeros(len(part), dtype=bool)
    parts = np.flatnonzero(part)
    # Pairs come in the order of i: the parts of one box follow each other.
    for group in np.split(parts, np.flatnonzero(np.diff(pairs.i[parts])) + 1):
        if len(group) >= RIBBON:
            cells[group] = _side_by_side(pairs.boxes_j[group])
    return cells


def _side_by_side(boxes: Floats) -> Bools:
    """Tell which boxes lie in a row of at least :data:`RIBBON` of one width and direction."""
    in_row = np.zeros(len(boxes), dtype=bool)
    for k, (x, y, _, width, angle) in enumerate(boxes):
        turn = np.abs(np.mod(boxes[:, 4] - angle + np.pi / 2, np.pi) - np.pi / 2)
        alike = np.minimum(boxes[:, 3], width) >= ALIKE * np.maximum(boxes[:, 3], width)
        some = boxes[(turn <= ONE_AXIS) & alike]
        number, last = 0, -np.inf
        for place in np.sort((some[:, 1] - y) * np.cos(angle) - (some[:, 0] - x) * np.sin(angle)):
            if place >= last + BESIDE_EACH_OTHER * width:
                number, last = number + 1, place
        in_row[k] = number >= RIBBON
    return in_row
