"""Half a valve is not a valve: what a network found of a specimen beside the whole goes.

A part is less sure than its whole, or as sure and smaller. A threshold that shows the part shows the whole too, so
parts can be dropped before any threshold is chosen.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from napari_diatom.core.detections import Detections
from napari_diatom.tiling.pair_overlaps import Bools, Pairs, areas, overlaps

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


def without_parts(found: Detections) -> Detections:
    """Return specimens without those that are parts of larger and surer ones; the order stays.

    A network takes a piece of a valve for a valve now and then, beside the whole: half of it along the raphe, or a
    piece of any shape where it outlines specimens. Only what stays makes others go, so the surest of a group stays, and
    the specimens above any score are the same whether they are chosen before or after.

    Parameters
    ----------
    found : Detections
        Specimens with masks or with oriented boxes, each once. Not upright boxes: a small valve anywhere in the upright
        box of a large slanted one would be a part of it.

    Returns
    -------
    Detections
        Without masks whose area lies in a larger one by at least :data:`OF_A_MASK`. Of boxes, without those that lie
        along the axis of a larger one, by at least :data:`OF_A_BOX` of their area, and are more than :data:`LONG` of
        its length. In a round box, which has no axis, they lie at any angle and are at least :data:`SPANNING` of its
        length. Boxes that are round themselves stay: they have no axis, and are not halves.
    """
    surest_first = np.lexsort((*found.boxes.T[::-1], -areas(found), -found.scores))
    ordered = found[surest_first]
    stays = [True] * len(ordered)
    for pairs in overlaps(ordered):
        part = pairs.larger & (_lengthwise_inside(pairs) if pairs.masks is None else _mostly_inside(pairs))
        # Pairs come in the order of the surer ones: whether those stay is settled.
        for whole, piece in zip(pairs.i[part].tolist(), pairs.j[part].tolist(), strict=True):
            if stays[whole]:
                stays[piece] = False
    kept = np.empty(len(found), dtype=bool)
    kept[surest_first] = stays
    return found[kept]


def _mostly_inside(pairs: Pairs) -> Bools:
    """Tell which masks j lie in the masks i."""
    return np.asarray(pairs.inside >= OF_A_MASK)


def _lengthwise_inside(pairs: Pairs) -> Bools:
    """Tell which boxes j lie in the boxes i along their axis, over most of their length."""
    whole, piece = pairs.boxes_i, pairs.boxes_j
    share = piece[:, 2] / whole[:, 2]
    whole_is_round, piece_is_round = (box[:, 2] < DIRECTED * box[:, 3] for box in (whole, piece))
    along = np.where(whole_is_round, share >= SPANNING, (pairs.turn <= ONE_AXIS) & (share > LONG))
    return np.asarray((pairs.inside >= OF_A_BOX) & along & ~piece_is_round)
