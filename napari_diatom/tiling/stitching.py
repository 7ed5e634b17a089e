"""Make one specimen of its copies from overlapping tiles and several scales.

Copies are compared as oriented rectangles, or as masks where there are masks, never by their upright bounds: two
crossed needles share nearly one upright rectangle.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.detections import CUT_BY_TILE, Detections
from napari_diatom.tiling.pair_overlaps import (
    MOST_TURN_OF_PIECES,
    Bools,
    Floats,
    Indices,
    Pairs,
    overlaps,
    specimen_areas,
)
from napari_diatom.tiling.seam_matching import meet_at_seam
from napari_diatom.tiling.tiles import CUT_BOTTOM, CUT_LEFT, CUT_RIGHT, CUT_SIDES, CUT_TOP

HEAD: Final = 128
"""Boxes that are compared among themselves before the rest is compared with them."""
CUT_WORTH: Final = 0.4
"""A copy cut by its tile counts as a whole one with this share of its score."""
DIRECTED: Final = 1.2
"""Length/width from which the copies of a specimen are asked for its direction."""
ENDS, AXIS = 8, 2
"""Powers of the score that weigh the copies of a specimen: for where its ends lie, and for its axis and width."""
ABOUT_AS_SURE: Final = 0.7
"""Share of the best copy's score from which a copy seen at a finer scale lends it its mask."""
SEAM_GAP: Final = 0.5
"""Widths by which two pieces may miss each other at a seam."""


def stitch(
    detections: Detections, iou: float = 0.5, inside: float = 0.7, scales: NDArray[np.floating] | None = None
) -> Detections:
    """Merge the copies of each specimen; the order of the input does not matter.

    1. Going from the best copy down, a copy gives way to a kept one that it shares ``iou`` with, or, for needles, whose
       axis it shares; and a copy cut by its tile gives way to a whole one that most of it lies in. Whole copies go
       before cut ones unless their score is much lower. What is kept takes the best score among its copies, and a box
       that its whole copies agree on, or keeps its own mask and box. A
       small specimen that lies on a large one stays, since neither is cut. Of two cut copies both stay for now: each
       may show a part that the other does not.
    2. Of objects longer than a tile there is no whole copy. Pieces in one line whose cut ends face each other and meet
       are joined, piece after piece, into a whole; pieces with masks, of any shape, where their masks meet at the seam.
    3. Joined specimens are compared with the rest as in 1, and pieces that repeat larger pieces go.

    Parameters
    ----------
    detections : Detections
        Of all tiles and scales, in image pixels, as :func:`~napari_diatom.tiling.tiles.to_image_coordinates` returns
        them.
    iou : float
        Intersection over union above which two copies show one specimen.
    inside : float
        Share of a cut copy within another one above which it is a copy of the same specimen.
    scales : ndarray, shape (N,), optional
        The scale that each copy was seen at, in network pixels per image pixel. Of the masks of one specimen that are
        about as sure as the best, the finest is kept; without scales, the best copy's.

    Returns
    -------
    Detections
        Best score first, ties by coordinates. Pieces that stayed alone keep ``CUT_BY_TILE``, with the lower
        score of a cut copy: what no other tile and no other scale shows whole is seldom a specimen.
    """
    order = _order(detections)
    found = _suppressed(detections[order], iou, inside, None if scales is None else scales[order])
    joined = _joined(found, iou, inside)
    if len(joined) < len(found):
        found = _suppressed(joined[_order(joined)], iou, inside)
    found = _without_lesser_pieces(found, iou, inside)
    found = replace(found, scores=_worth(found), cut=found.cut & np.uint8(0xFF ^ CUT_SIDES))
    return found[_order(found, by_worth=False)]


def _order(detections: Detections, by_worth: bool = True) -> Indices:
    """Return the indices from the best down: by worth or plain score, ties by all else that tells boxes apart."""
    first = _worth(detections) if by_worth else detections.scores
    keys = [*detections.boxes.T, detections.class_ids, detections.cut, detections.status]
    if detections.masks is not None:
        # Two masks may well have one box.
        tight = [mask.trimmed() for mask in detections.masks]
        marks = [(mask.x0, mask.y0, mask.area, zlib.crc32(np.packbits(mask.pixels).tobytes())) for mask in tight]
        keys += list(np.array(marks, dtype=np.int64).reshape(-1, 4).T)
    return np.lexsort([*reversed(keys), -first])


def _worth(detections: Detections) -> NDArray[np.float32]:
    """Return the scores, lowered for copies cut by a tile."""
    share = np.where(detections.cut & CUT_BY_TILE, np.float32(CUT_WORTH), np.float32(1))
    return np.asarray(detections.scores * share)


def _suppressed(
    ordered: Detections, iou: float, inside: float, scales: NDArray[np.floating] | None = None
) -> Detections:
    """Drop the copies of better ones; ``ordered`` goes from the best down.

    The best are compared among themselves first, and what is left of them with the rest, and so on: most of a network's
    raw boxes are copies, and are gone before they are compared with each other.
    """
    scores = ordered.scores.copy()
    host = np.arange(len(ordered))
    kept: list[Indices] = []
    rest = np.arange(len(ordered))
    size = max(HEAD, len(ordered) // 64)
    while len(rest):
        head, rest, size = rest[:size], rest[size:], 2 * size
        alive = [True] * len(head)
        for i, j in zip(*(side.tolist() for side in _copies(ordered[head], None, iou, inside)), strict=True):
            if alive[i] and alive[j]:
                alive[j] = False
                scores[head[i]] = max(scores[head[i]], scores[head[j]])
                host[head[j]] = head[i]
        head = head[alive]
        kept.append(head)
        better, worse = _copies(ordered[head], ordered[rest], iou, inside)
        # Pairs come in the order of the better ones: the first of each worse one is the best that it gives way to.
        worse, first = np.unique(worse, return_index=True)
        np.maximum.at(scores, head[better[first]], scores[rest[worse]])
        host[rest[worse]] = head[better[first]]
        rest = np.delete(rest, worse)
    chosen = np.concatenate([np.empty(0, dtype=np.intp), *kept])
    if ordered.masks is None:
        return replace(ordered, scores=scores, boxes=_agreed(ordered, host))[chosen]
    finest = np.arange(len(ordered)) if scales is None else _finest(ordered, host, scales)
    shown = tuple(ordered.masks[i] for i in finest)
    return replace(ordered, scores=scores, boxes=ordered.boxes[finest], masks=shown)[chosen]


def _finest(ordered: Detections, host: Indices, scales: NDArray[np.floating]) -> Indices:
    """Return for each copy the one whose mask and box it is to have: the finest of about the same score.

    ``host`` names the copy that each gave way to. Only whole copies count, and only those of one class.
    """
    best = np.arange(len(ordered))
    whole = (ordered.cut & CUT_BY_TILE) == 0
    sure = ordered.scores >= ABOUT_AS_SURE * ordered.scores[host]
    fits = whole & whole[host] & sure & (ordered.class_ids == ordered.class_ids[host]) & (host != best)
    for copy in np.flatnonzero(fits).tolist():
        kept = host[copy]
        if scales[copy] > scales[best[kept]]:
            best[kept] = copy
    return best


def _agreed(ordered: Detections, host: Indices) -> NDArray[np.float32]:
    """Return the boxes, each kept one as its whole copies agree on it; ``host`` names the copy that each gave way to.

    Copies from several tiles and scales err independently. The axis and the width are the copies' mean, weighted by
    the square of their scores; the ends follow the best copies alone, which saw them best.
    """
    whole = (ordered.cut & CUT_BY_TILE) == 0
    copy = np.flatnonzero((host != np.arange(len(host))) & whole & whole[host])
    best = host[copy]
    boxes = ordered.boxes.astype(np.float64)
    mine, theirs = boxes[best], boxes[copy]
    turn = np.mod(theirs[:, 4] - mine[:, 4] + np.pi / 2, np.pi) - np.pi / 2
    turn[mine[:, 2] < DIRECTED * mine[:, 3]] = 0.0
    cos, sin = np.cos(mine[:, 4]), np.sin(mine[:, 4])
    dx, dy = theirs[:, 0] - mine[:, 0], theirs[:, 1] - mine[:, 1]
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    scores = np.maximum(ordered.scores.astype(np.float64), geometry.TINY)
    relative = np.where(np.abs(turn) < MOST_TURN_OF_PIECES, scores[copy] / scores[best], 0.0)
    total = np.ones((len(boxes), 2))
    shift = np.zeros((len(boxes), 5))
    for column, (change, power) in enumerate(
        (
            (along, ENDS),
            (theirs[:, 2] - mine[:, 2], ENDS),
            (across, AXIS),
            (theirs[:, 3] - mine[:, 3], AXIS),
            (turn, AXIS),
        )
    ):
        np.add.at(shift[:, column], best, relative**power * change)
    for column, power in enumerate((ENDS, AXIS)):
        np.add.at(total[:, column], best, relative**power)
    shift /= total[:, [0, 0, 1, 1, 1]]
    cos, sin = np.cos(boxes[:, 4]), np.sin(boxes[:, 4])
    boxes[:, 0] += shift[:, 0] * cos - shift[:, 2] * sin
    boxes[:, 1] += shift[:, 0] * sin + shift[:, 2] * cos
    boxes[:, 2:] += shift[:, [1, 3, 4]]
    return geometry.canonical(boxes).astype(np.float32)


def _copies(better: Detections, worse: Detections | None, iou: float, inside: float) -> tuple[Indices, Indices]:
    """Return the pairs whose second gives way to the first, in order; ``worse`` is ``better`` itself if None."""
    cut_i = (better.cut & CUT_BY_TILE) > 0
    cut_j = cut_i if worse is None else (worse.cut & CUT_BY_TILE) > 0
    found: list[tuple[Indices, Indices]] = [(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp))]
    for pair in overlaps(better, worse):
        i_is_cut, j_is_cut = cut_i[pair.i], cut_j[pair.j]
        same = pair.are_copies(iou) & ~(i_is_cut & j_is_cut)
        same |= pair.holds(inside, ~i_is_cut & j_is_cut)
        found.append((pair.i[same], pair.j[same]))
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def _without_lesser_pieces(found: Detections, iou: float, inside: float) -> Detections:
    """Drop the pieces that repeat larger pieces."""
    pieces = np.flatnonzero(found.cut & CUT_BY_TILE)
    pieces = pieces[np.argsort(-specimen_areas(found[pieces]), kind="stable")]
    some = found[pieces]
    lesser: set[int] = set()
    for pair in overlaps(some):
        no_surer = CUT_WORTH * some.scores[pair.j] <= some.scores[pair.i]
        repeats = pair.are_copies(iou) | pair.holds(inside) & no_surer
        for i, j in zip(pair.i[repeats].tolist(), pair.j[repeats].tolist(), strict=True):
            if i not in lesser:
                lesser.add(j)
    keep = np.ones(len(found), dtype=bool)
    keep[pieces[sorted(lesser)]] = False
    return found[keep]


def _joined(found: Detections, iou: float, inside: float) -> Detections:
    """Join the pieces of objects longer than a tile; returns fewer detections where any were joined."""
    pieces = np.flatnonzero(found.cut & CUT_BY_TILE)
    some = found[pieces]
    parent = np.arange(len(pieces))
    facing: list[int] = []
    for pair in overlaps(some, margin=SEAM_GAP):
        one_class = some.class_ids[pair.i] == some.class_ids[pair.j]
        one_line = pair.in_line(MOST_TURN_OF_PIECES) & one_class
        narrower = np.minimum(pair.boxes_i[:, 3], pair.boxes_j[:, 3])
        meet = (pair.shared >= -SEAM_GAP * narrower) & _cuts_face(pair, some.cut[pair.i], some.cut[pair.j]) & one_line
        if some.masks is not None:
            meet = _masks_meet(some, pair, meet) & one_class
        facing += pair.i[meet].tolist()
        # Pieces that repeat each other belong together even where no cut ends face.
        if pair.masks is None:
            meet |= (pair.are_copies(iou) | pair.holds(inside)) & one_line
        else:
            meet |= (pair.inside > inside) & one_class
        for i, j in zip(pair.i[meet].tolist(), pair.j[meet].tolist(), strict=True):
            a, b = _root(parent, i), _root(parent, j)
            parent[max(a, b)] = min(a, b)
    groups: dict[int, list[int]] = {_root(parent, k): [] for k in facing}
    for k in range(len(pieces)):
        if (root := _root(parent, k)) in groups:
            groups[root].append(k)
    alone = np.ones(len(found), dtype=bool)
    alone[pieces[[k for group in groups.values() for k in group]]] = False
    return Detections.concatenate([found[alone], *(_union(some[group]) for group in groups.values())])


def _masks_meet(some: Detections, pair: Pairs, in_line: Bools) -> Bools:
    """Tell which pieces' masks meet at a seam; of pieces ``in_line``, thin as they may be, a shared pixel will do."""
    assert some.masks is not None
    found = in_line & (pair.inside > 0)
    for k in np.flatnonzero(~found):
        i, j = pair.i[k], pair.j[k]
        found[k] = meet_at_seam(some.masks[i], int(some.cut[i]), some.masks[j], int(some.cut[j]))
    return found


def _root(parent: Indices, k: int) -> int:
    """Return the least member of ``k``'s group (union-find, halving the paths on the way)."""
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = int(parent[k])
    return k


def _cuts_face(pair: Pairs, cut_i: NDArray[np.uint8], cut_j: NDArray[np.uint8]) -> Bools:
    """Tell where the ends that tiles cut face each other; two cells of a chain show each other their own tips."""
    dx, dy = (pair.boxes_j[:, :2] - pair.boxes_i[:, :2]).T
    steep, level = np.abs(dy) > np.abs(dx) / 4, np.abs(dx) > np.abs(dy) / 4

    def facing(cut: NDArray[np.uint8], dx: Floats, dy: Floats) -> Bools:
        on_x = np.where(dx > 0, cut & CUT_RIGHT, cut & CUT_LEFT) > 0
        on_y = np.where(dy > 0, cut & CUT_BOTTOM, cut & CUT_TOP) > 0
        # Where a caller flagged no sides, either end may be the cut one.
        return np.asarray(on_x & level | on_y & steep | ((cut & CUT_SIDES) == 0))

    return np.asarray(facing(cut_i, dx, dy) & facing(cut_j, -dx, -dy))


def _union(pieces: Detections) -> Detections:
    """Return the one whole specimen of its pieces, with their mean score: a longer one is not the surer for it."""
    best = pieces[[int(np.argmax(pieces.scores))]]
    score = np.average(pieces.scores.astype(np.float64), weights=pieces.boxes[:, 2])
    whole = None if pieces.masks is None else cropped_masks.united(pieces.masks)
    box = _spanning(pieces.boxes.astype(np.float64)) if whole is None else cropped_masks.least_box(whole)
    edge = np.bitwise_or.reduce(pieces.cut) & np.uint8(0xFF ^ CUT_BY_TILE ^ CUT_SIDES)
    return replace(
        best,
        boxes=box[None].astype(np.float32),
        scores=np.array([score], dtype=np.float32),
        masks=None if whole is None else (whole,),
        cut=np.array([edge]),
    )


def _spanning(boxes: Floats) -> Floats:
    """Return the box over boxes in one line, shape (5,).

    Its axis is fitted to the ends of theirs, and its width is theirs plus the bow of their centres: the bounds of all
    corners would grow with each piece's error in angle.
    """
    axes = np.stack([np.cos(boxes[:, 4]), np.sin(boxes[:, 4])], axis=1) * boxes[:, 2:3] / 2
    ends = np.concatenate([boxes[:, :2] - axes, boxes[:, :2] + axes])
    weight = np.tile(boxes[:, 2], 2)[:, None] / (2 * boxes[:, 2].sum())
    middle = (weight * ends).sum(axis=0)
    spread = (weight * (ends - middle)).T @ (ends - middle)
    direction = np.linalg.eigh(spread)[1][:, 1]
    normal = np.array([-direction[1], direction[0]])
    along = (ends - middle) @ direction
    across = (boxes[:, :2] - middle) @ normal
    width = np.average(boxes[:, 3], weights=boxes[:, 2]) + np.ptp(across)
    centre = middle + direction * (along.min() + along.max()) / 2 + normal * (across.min() + across.max()) / 2
    angle = np.arctan2(direction[1], direction[0])
    return np.asarray(geometry.canonical([[*centre, np.ptp(along), width, angle]])[0])
