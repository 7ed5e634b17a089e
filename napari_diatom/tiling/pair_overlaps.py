"""How specimens lie to each other, pair by pair: as oriented boxes, and as masks where there are masks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask, share_near, shared_pixels
from napari_diatom.core.detections import Detections

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
BRINK: Final = 0.1
"""Widths round a whole mask in which a sliver of the same valve may lie: two masks of one valve differ that much."""

Indices = NDArray[np.intp]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """How the boxes i of one and j of another set lie to each other.

    ``turn`` is the angle between their axes; ``offset`` the distance between their axes, in mean widths, in the middle
    of what they share along the axis; ``shared`` the length of that (negative: the gap), in pixels; ``width_ratio``
    is the narrower over the wider; ``larger`` tells whether i is at least as large as j, and ``inside``
    is the share of the smaller mask that lies in the other, where there are masks: those of both sets.
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
    masks: tuple[tuple[CroppedMask, ...], tuple[CroppedMask, ...]] | None

    @classmethod
    def of(cls, first: Detections, second: Detections, i: Indices, j: Indices) -> Pairs:
        """Return how the boxes ``i`` of ``first`` and ``j`` of ``second`` lie to each other."""
        a, b = first.boxes[i].astype(np.float64), second.boxes[j].astype(np.float64)
        area_a, area_b = geometry.box_areas(a), geometry.box_areas(b)
        common = geometry.intersections(a, b)
        share, both = None, None
        if first.masks is not None and second.masks is not None:
            area_a, area_b, common = _mask_areas(first.masks, second.masks, i, j)
            both = first.masks, second.masks
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
            masks=both,
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
        held[some] = geometry.intersections(piece, grown) > inside * geometry.box_areas(piece)
        if self.masks is not None and self.inside is not None:
            for k in some[held[some] & (self.inside[some] <= inside)].tolist():
                whole, part = self.masks[0][self.i[k]], self.masks[1][self.j[k]]
                reach = math.ceil(BRINK * self.boxes_i[k, 3])
                held[k] = share_near(part, whole, reach) > inside
            held[some] |= self.inside[some] > inside
        needle = self._are_needles(self.boxes_i) & self.in_line(MOST_TURN_OF_PIECES)
        part = (self.boxes_j[:, 2] <= self.boxes_i[:, 2]) & (self.shared > inside * self.boxes_j[:, 2])
        held |= needle & part if asked is None else needle & part & asked
        return held

    @staticmethod
    def _are_needles(boxes: Floats) -> Bools:
        return np.asarray(boxes[:, 2] >= NEEDLE * boxes[:, 3])


def overlaps(first: Detections, second: Detections | None = None, margin: float = 0.0) -> Iterator[Pairs]:
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
    bounds = None
    if first.masks is not None and other.masks is not None:
        bounds = _mask_bounds(first.masks), _mask_bounds(other.masks)
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
        if bounds is not None:
            a, b = bounds[0][i], bounds[1][j]
            near |= ((a[:, :2] < b[:, 2:]) & (b[:, :2] < a[:, 2:])).all(axis=1)
        yield Pairs.of(first, other, i[near], j[near])


def specimen_areas(detections: Detections) -> Floats:
    """Return the masks' areas in square pixels, the boxes' where there are none."""
    if detections.masks is None:
        return geometry.box_areas(detections.boxes)
    return np.array([mask.area for mask in detections.masks], dtype=np.float64)


def _mask_bounds(some: tuple[CroppedMask, ...]) -> Floats:
    """Return the upright bounds of masks, shape (N, 4)."""
    return np.array([mask.bounds for mask in some], dtype=np.float64).reshape(-1, 4)


def _mask_areas(
    first: tuple[CroppedMask, ...], second: tuple[CroppedMask, ...], i: Indices, j: Indices
) -> tuple[Floats, Floats, Floats]:
    """Return the masks' areas and the pixels they share, pair by pair."""
    pairs = [(first[a], second[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)]
    rows = [(a.area, b.area, shared_pixels(a, b)) for a, b in pairs]
    area_i, area_j, common = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return area_i, area_j, common
