"""Make one specimen of its copies from overlapping tiles and several scales.

Copies are compared as oriented rectangles, or as masks where there are masks, never by their upright bounds: two
crossed needles share nearly one upright rectangle.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom import geometry, masks
from napari_diatom.detections import CUT_BY_TILE, Detections
from napari_diatom.seams import meet_at_seam
from napari_diatom.tiling import CUT_BOTTOM, CUT_LEFT, CUT_RIGHT, CUT_SIDES, CUT_TOP

HEAD: Final = 128
"""Boxes that are compared among themselves before the rest is compared with them."""
CUT_WORTH: Final = 0.4
"""A copy cut by its tile counts as a whole one with this share of its score."""
NEEDLE: Final = 4.0
"""Length/width from which boxes are compared along their axis: there a degree of turn undoes the IoU."""
TURN: Final = 1.5
"""Two boxes have one direction when they part by at most this many widths over the shorter one's length, ..."""
LEAST_TURN, MOST_TURN, MOST_TURN_OF_PIECES = np.deg2rad([3.0, 10.0, 15.0])
"""... within these bounds; the short end of a needle that a tile cut off has a less certain direction."""
BESIDE: Final = 0.65
"""Widths between two axes from which parallel needles are two."""
LEAST_WIDTH_RATIO: Final = 0.4
"""Narrower over wider below which two boxes are not one specimen, nor two pieces of one."""
NEARBY: Final = np.array([1, 1, 1.1, 1.3, 1])
"""A whole box is grown by this before pieces are looked for in it: a sliver of a valve lies along its very edge."""
DIRECTED: Final = 1.2
"""Length/width from which the copies of a specimen are asked for its direction."""
ENDS, AXIS = 8, 2
"""Powers of the score that weigh the copies of a specimen: for where its ends lie, and for its axis and width."""
ABOUT_AS_SURE: Final = 0.7
"""Share of the best copy's score from which a copy seen at a finer scale lends it its mask."""
SEAM_GAP: Final = 0.5
"""Widths by which two pieces may miss each other at a seam."""
LEAST_INSIDE: Final = 0.4
"""Share of a piece's mask that has to lie in another one where their boxes say that it is a copy: a sliver along a
valve's edge lies partly beside the valve's mask, a piece of a neighbour wholly."""

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
        Of all tiles and scales, in image pixels, as :func:`~napari_diatom.tiling.place` returns them.
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
    """Return the pairs of which the second gives way to the first, in order; ``worse`` is ``better`` itself if None."""
    cut_i = (better.cut & CUT_BY_TILE) > 0
    cut_j = cut_i if worse is None else (worse.cut & CUT_BY_TILE) > 0
    found: list[tuple[Indices, Indices]] = [(np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp))]
    for pair in _overlaps(better, worse):
        i_is_cut, j_is_cut = cut_i[pair.i], cut_j[pair.j]
        same = pair.are_copies(iou) & ~(i_is_cut & j_is_cut)
        same |= pair.holds(inside, ~i_is_cut & j_is_cut)
        found.append((pair.i[same], pair.j[same]))
    return np.concatenate([i for i, _ in found]), np.concatenate([j for _, j in found])


def _without_lesser_pieces(found: Detections, iou: float, inside: float) -> Detections:
    """Drop the pieces that repeat larger pieces."""
    pieces = np.flatnonzero(found.cut & CUT_BY_TILE)
    pieces = pieces[np.argsort(-_areas(found[pieces]), kind="stable")]
    some = found[pieces]
    lesser: set[int] = set()
    for pair in _overlaps(some):
        no_surer = CUT_WORTH * some.scores[pair.j] <= some.scores[pair.i]
        repeats = pair.are_copies(iou) | pair.holds(inside) & no_surer
        for i, j in zip(pair.i[repeats].tolist(), pair.j[repeats].tolist(), strict=True):
            if i not in lesser:
                lesser.add(j)
    keep = np.ones(len(found), dtype=bool)
    keep[pieces[sorted(lesser)]] = False
    return found[keep]


@dataclass(frozen=True)
class _Pairs:
    """How the boxes i of one and j of another set lie to each other.

    ``turn`` is the angle between their axes; ``offset`` the distance between their axes, in mean widths, in the middle
    of what they share along the axis; ``shared`` the length of that (negative: the gap), in pixels; ``width_ratio``
    is the narrower over the wider; ``larger`` tells whether i is at least as large as j, and ``inside``
    is the share of the smaller mask that lies in the other, where there are masks.
    """

    i: Indices
    j: Indices
    iou: Floats
    boxes_i: Floats
    boxes_j: Floats
    turn: Floats
    offset: Floats
    shared: Floats
    width_ratio: Floats
    larger: Bools
    inside: Floats | None

    @classmethod
    def of(cls, first: Detections, second: Detections, i: Indices, j: Indices) -> _Pairs:
        a, b = first.boxes[i].astype(np.float64), second.boxes[j].astype(np.float64)
        area_a, area_b = geometry.areas(a), geometry.areas(b)
        common = geometry.intersections(a, b)
        share = None
        if first.masks is not None and second.masks is not None:
            area_a, area_b, common = _mask_areas(first.masks, second.masks, i, j)
            share = common / np.maximum(np.minimum(area_a, area_b), 1)
        # All is measured along the longer box's axis: it knows the direction best.
        long_, short = np.where(a[:, 2:3] >= b[:, 2:3], (a, b), (b, a))
        dx, dy = short[:, 0] - long_[:, 0], short[:, 1] - long_[:, 1]
        cos, sin = np.cos(long_[:, 4]), np.sin(long_[:, 4])
        along, across = dx * cos + dy * sin, dy * cos - dx * sin
        turn = np.mod(short[:, 4] - long_[:, 4] + np.pi / 2, np.pi) - np.pi / 2
        half = short[:, 2] / 2 * np.cos(turn)
        begin = np.maximum(along - half, -long_[:, 2] / 2)
        end = np.minimum(along + half, long_[:, 2] / 2)
        slope = np.tan(np.clip(turn, -1.5, 1.5))
        offset = across + slope * ((begin + end) / 2 - along)
        return cls(
            i=i,
            j=j,
            iou=common / np.maximum(area_a + area_b - common, geometry.TINY),
            boxes_i=a,
            boxes_j=b,
            turn=np.abs(turn),
            offset=np.abs(offset) / ((a[:, 3] + b[:, 3]) / 2),
            shared=end - begin,
            width_ratio=np.minimum(a[:, 3], b[:, 3]) / np.maximum(a[:, 3], b[:, 3]),
            larger=area_a >= area_b,
            inside=share,
        )

    def in_line(self, most_turn: float) -> Bools:
        """Tell whether both lie on one axis, as far as their length and width let them know it."""
        shorter = np.minimum(self.boxes_i[:, 2], self.boxes_j[:, 2])
        width = (self.boxes_i[:, 3] + self.boxes_j[:, 3]) / 2
        one_direction = self.turn <= np.clip(TURN * width / shorter, LEAST_TURN, most_turn)
        return one_direction & (self.offset < BESIDE) & (self.width_ratio >= LEAST_WIDTH_RATIO)

    def are_copies(self, iou: float) -> Bools:
        """Tell which show one specimen: by their area, or as needles in line by what they share of their lengths."""
        needles = self._are_needles(self.boxes_i) & self._are_needles(self.boxes_j) & self.in_line(MOST_TURN)
        lengths = self.boxes_i[:, 2] + self.boxes_j[:, 2]
        return np.asarray((self.iou > iou) | needles & (self.shared > iou * (lengths - self.shared)))

    def holds(self, inside: float, asked: Bools | None = None) -> Bools:
        """Tell where at least ``inside`` of j lies in i: of its area, or of its length along the needle i.

        Only pairs that are ``asked`` for are looked at, all by default.
        """
        some = np.flatnonzero(self.larger if asked is None else self.larger & asked)
        grown, piece = self.boxes_i[some] * NEARBY, self.boxes_j[some]
        held = np.zeros(len(self.i), dtype=bool)
        held[some] = geometry.intersections(piece, grown) > inside * geometry.areas(piece)
        if self.inside is not None:
            held[some] = held[some] & (self.inside[some] > LEAST_INSIDE) | (self.inside[some] > inside)
        needle = self._are_needles(self.boxes_i) & self.in_line(MOST_TURN_OF_PIECES)
        part = (self.boxes_j[:, 2] <= self.boxes_i[:, 2]) & (self.shared > inside * self.boxes_j[:, 2])
        held |= needle & part if asked is None else needle & part & asked
        return held

    @staticmethod
    def _are_needles(boxes: Floats) -> Bools:
        return np.asarray(boxes[:, 2] >= NEEDLE * boxes[:, 3])


def _overlaps(first: Detections, second: Detections | None = None, margin: float = 0.0) -> Iterator[_Pairs]:
    """Yield the pairs of boxes that meet, or miss each other by up to ``margin`` widths.

    Between ``first`` and ``second``, or i < j within ``first``; in the order of i. With masks, also the pairs whose
    masks' bounds meet: the box of a round specimen is turned upright and need not hold all of its mask.
    """

    def grown(some: Detections) -> Floats:
        boxes = geometry.bounds(some.boxes) + some.boxes[:, 3:4] * np.array([-margin, -margin, margin, margin])
        if some.masks is None:
            return np.asarray(boxes)
        inner = _mask_bounds(some.masks)
        return np.concatenate([np.minimum(boxes[:, :2], inner[:, :2]), np.maximum(boxes[:, 2:], inner[:, 2:])], axis=1)

    other = first if second is None else second
    # In single precision and one array per column: this runs over far more pairs than are left after it.
    boxes = np.concatenate([first.boxes, other.boxes])
    x, y, length, width, angle = np.ascontiguousarray(boxes.T)
    axes = np.stack([np.cos(angle), np.sin(angle)])
    for i, j in geometry.pairs(grown(first), None if second is None else grown(second)):
        k = j + len(first)
        longer = np.where(length[i] >= length[k], i, k)
        shorter = i + k - longer
        (cos, sin), (u, v) = axes[:, longer], axes[:, shorter]
        dx, dy = x[shorter] - x[longer], y[shorter] - y[longer]
        half_length, half_width = length[shorter] / 2, width[shorter] / 2
        parallel, crossing = np.abs(u * cos + v * sin), np.abs(v * cos - u * sin)
        slack = margin * (width[longer] + width[shorter]) + 1
        near = np.abs(dx * cos + dy * sin) <= (
            length[longer] / 2 + half_length * parallel + half_width * crossing + slack
        )
        near &= np.abs(dy * cos - dx * sin) <= (
            width[longer] / 2 + half_length * crossing + half_width * parallel + slack
        )
        if first.masks is not None and other.masks is not None:
            a, b = _mask_bounds(first.masks)[i], _mask_bounds(other.masks)[j]
            near |= ((a[:, :2] < b[:, 2:]) & (b[:, :2] < a[:, 2:])).all(axis=1)
        yield _Pairs.of(first, other, i[near], j[near])


def _areas(detections: Detections) -> Floats:
    """Return the masks' areas in square pixels, the boxes' where there are none."""
    if detections.masks is None:
        return geometry.areas(detections.boxes)
    return np.array([mask.area for mask in detections.masks], dtype=np.float64)


def _mask_bounds(some: tuple[masks.CroppedMask, ...]) -> Floats:
    """Return the upright bounds of masks, shape (N, 4)."""
    return np.array([mask.bounds for mask in some], dtype=np.float64).reshape(-1, 4)


def _mask_areas(
    first: tuple[masks.CroppedMask, ...], second: tuple[masks.CroppedMask, ...], i: Indices, j: Indices
) -> tuple[Floats, Floats, Floats]:
    """Return the masks' areas and the pixels they share, pair by pair."""
    pairs = [(first[a], second[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)]
    rows = [(a.area, b.area, masks.shared_pixels(a, b)) for a, b in pairs]
    area_i, area_j, common = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return area_i, area_j, common


def _joined(found: Detections, iou: float, inside: float) -> Detections:
    """Join the pieces of objects longer than a tile; returns fewer detections where any were joined."""
    pieces = np.flatnonzero(found.cut & CUT_BY_TILE)
    some = found[pieces]
    parent = np.arange(len(pieces))
    facing: list[int] = []
    for pair in _overlaps(some, margin=SEAM_GAP):
        one_class = some.class_ids[pair.i] == some.class_ids[pair.j]
        one_line = pair.in_line(MOST_TURN_OF_PIECES) & one_class
        narrower = np.minimum(pair.boxes_i[:, 3], pair.boxes_j[:, 3])
        meet = (pair.shared >= -SEAM_GAP * narrower) & _cuts_face(pair, some.cut[pair.i], some.cut[pair.j]) & one_line
        if some.masks is not None:
            meet = _masks_meet(some, pair, meet) & one_class
        facing += pair.i[meet].tolist()
        # Pieces that repeat each other belong together even where no cut ends face.
        if pair.inside is None:
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


def _masks_meet(some: Detections, pair: _Pairs, in_line: Bools) -> Bools:
    """Tell which pieces' masks meet at a seam; of pieces ``in_line``, thin as they may be, a shared pixel will do."""
    assert some.masks is not None
    assert pair.inside is not None
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


def _cuts_face(pair: _Pairs, cut_i: NDArray[np.uint8], cut_j: NDArray[np.uint8]) -> Bools:
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
    whole = None if pieces.masks is None else masks.united(pieces.masks)
    box = _spanning(pieces.boxes.astype(np.float64)) if whole is None else masks.oriented_box(whole)
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
