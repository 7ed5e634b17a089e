"""Masks to polygons along the edges of pixels, and polygons to masks; inverse of each other, pixel for pixel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import Outline
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.errors import InputError

FARTHEST: Final = 1e7
"""Pixels from the origin beyond which a coordinate is absurd."""
LARGEST: Final = 2**26
"""Pixels that the bounds of one specimen may have which is known by its outline or mask."""
LARGEST_BOX: Final = 2**32
"""Pixels that the bounds of a box may have."""
MOST_POINTS: Final = 1_000_000
"""Points that one outline may have; the edges of a specimen's pixels have some thousands."""
_AT_ONCE: Final = 2**20
"""Crossings of edges and rows that are worked out at a time."""


def trace(mask: CroppedMask) -> Outline:
    """Return the polygons along the pixel edges of a mask, in image coordinates.

    Every ring is simple: pixels that touch by a corner only are apart, and a ring never meets itself. Outlines run
    clockwise on the screen (y down), holes counter-clockwise.

    Raises
    ------
    InputError
        When the edges of its pixels are absurdly many, as those of noise.
    """
    import cv2

    padded = np.pad(mask.pixels, 1)
    _, labels = cv2.connectedComponents(padded.astype(np.uint8), connectivity=4)
    polygons: dict[int, tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]] = {}
    for label, ring in _rings(np.asarray(labels, dtype=np.int32)):
        outer, holes = polygons.setdefault(label, ([], []))
        points = (ring + np.array([mask.x0 - 1, mask.y0 - 1])).astype(np.float64)
        (outer if _signed_area(ring) > 0 else holes).append(_without_midpoints(points))
    return tuple((*outer, *holes) for _, (outer, holes) in sorted(polygons.items()))


def check_near(numbers: NDArray[np.float64]) -> None:
    """Refuse coordinates or sizes (px) that are NaN, infinite or beyond :data:`FARTHEST`.

    Raises
    ------
    InputError
        When one of them is; the message continues after what they outline.
    """
    # NaN is not within anything.
    if not np.abs(numbers).max(initial=0) <= FARTHEST:
        raise InputError("has NaN, infinite or absurdly large coordinates")


def fill(outline: Outline) -> CroppedMask:
    """Return the mask of the pixels whose centres lie inside the polygons (even-odd rule).

    A polygon that holds no pixel centre gives an empty mask of one pixel.

    Raises
    ------
    InputError
        When it would be absurdly large, or the outline goes up and down without end; the message continues after what
        the polygons outline.
    """
    rings = [ring for polygon in outline for ring in polygon]
    points = np.concatenate(rings)
    low, high = points.min(axis=0), points.max(axis=0)
    check_near(points)
    check_span(*(high - low).tolist())
    x0, y0 = np.floor(low).astype(int)
    x1, y1 = np.ceil(high).astype(int)
    width, height = max(int(x1 - x0), 1), max(int(y1 - y0), 1)
    if sum(float(np.abs(np.diff(ring[:, 1], append=ring[:1, 1])).sum()) for ring in rings) > LARGEST:
        raise InputError("has an outline that goes up and down without end")
    # Only odd and even count, so that a byte may overflow.
    toggles = np.zeros((height, width + 1), dtype=np.uint8)
    for start, end in (edges for ring in rings for edges in _edges(ring - (x0, y0))):
        lower = np.where((start[:, 1] <= end[:, 1])[:, None], start, end)
        upper = np.where((start[:, 1] <= end[:, 1])[:, None], end, start)
        # Rows whose centre line y + 0.5 is crossed by an edge, half open so that a shared vertex counts once.
        first = np.ceil(lower[:, 1] - 0.5).astype(int)
        count = np.maximum(np.ceil(upper[:, 1] - 0.5).astype(int) - first, 0)
        edge = np.repeat(np.arange(len(start)), count)
        row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
        rise = upper[edge, 1] - lower[edge, 1]
        x = lower[edge, 0] + (row + 0.5 - lower[edge, 1]) * (upper[edge, 0] - lower[edge, 0]) / rise
        column = np.clip(np.ceil(x - 0.5).astype(int), 0, width)
        # One index for both axes: for two, numpy takes several times as long.
        np.add.at(toggles.reshape(-1), row * (width + 1) + column, np.uint8(1))
    inside = (np.cumsum(toggles, axis=1, dtype=np.uint8)[:, :-1] & 1).astype(bool)
    return CroppedMask(inside, int(x0), int(y0))


def check_span(width: float, height: float, largest: int = LARGEST) -> None:
    """Refuse a specimen whose bounds have absurdly many pixels.

    Raises
    ------
    InputError
        When they have; the message continues after what spans them.
    """
    if not (width + 1) * (height + 1) <= largest:
        raise InputError(f"spans {width:.0f} x {height:.0f} pixels, which is absurdly large")


def _edges(ring: NDArray[np.float64]) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the starts and ends of a ring's edges, so many at a time that they cross a bounded number of rows."""
    ends = np.concatenate([ring[1:], ring[:1]])
    rows = np.cumsum(np.abs(ends[:, 1] - ring[:, 1]) + 1)
    if rows[-1] < _AT_ONCE:
        yield ring, ends
        return
    cuts = np.flatnonzero(np.diff(rows // _AT_ONCE)) + 1
    yield from zip(np.split(ring, cuts), np.split(ends, cuts), strict=True)


def _rings(labels: NDArray[np.int32]) -> list[tuple[int, NDArray[np.int64]]]:
    """Return ``(label, corner points)`` of every simple ring round the labelled pixels of a padded image."""
    stride = labels.shape[1] + 1
    starts: list[NDArray[np.int64]] = []
    ends: list[NDArray[np.int64]] = []
    owners: list[NDArray[np.int32]] = []
    # The four sides of a pixel: the neighbour beyond (dy, dx), and the directed edge (x, y of its start and end)
    # that has the pixel on its right hand.
    sides = ((-1, 0, (0, 0), (1, 0)), (0, 1, (1, 0), (1, 1)), (1, 0, (1, 1), (0, 1)), (0, -1, (0, 1), (0, 0)))
    for dy, dx, a, b in sides:
        neighbour = np.roll(labels, (-dy, -dx), axis=(0, 1))
        y, x = np.nonzero((labels > 0) & (neighbour == 0))
        starts.append((y + a[1]) * stride + x + a[0])
        ends.append((y + b[1]) * stride + x + b[0])
        owners.append(labels[y, x])
    label_of = np.concatenate(owners)
    if len(label_of) > MOST_POINTS:
        raise InputError(
            f"A mask has {len(label_of):,} edges of pixels along its outline; up to {MOST_POINTS:,} can be drawn."
        )
    follow: dict[tuple[int, int], list[int]] = {}
    for start, end, owner in zip(
        np.concatenate(starts).tolist(), np.concatenate(ends).tolist(), label_of.tolist(), strict=True
    ):
        follow.setdefault((owner, start), []).append(end)
    rings: list[tuple[int, NDArray[np.int64]]] = []
    for owner, start in list(follow):
        while follow[owner, start]:
            rings += [(owner, _points(ring, stride)) for ring in _walk(follow, owner, start)]
    return rings


def _walk(follow: dict[tuple[int, int], list[int]], owner: int, start: int) -> list[list[int]]:
    """Use up one closed chain of edges and return it as simple rings, split where it meets itself."""
    rings: list[list[int]] = []
    path = [start]
    position = {start: 0}
    while True:
        point = follow[owner, path[-1]].pop()
        if point in position:
            cut = position[point]
            ring = path[cut:]
            rings.append(ring)
            for passed in ring[1:]:
                del position[passed]
            del path[cut + 1 :]
            if cut == 0:
                return rings
        else:
            position[point] = len(path)
            path.append(point)


def _points(ring: list[int], stride: int) -> NDArray[np.int64]:
    """Return corner numbers as points x, y."""
    y, x = np.divmod(np.asarray(ring, dtype=np.int64), stride)
    return np.stack([x, y], axis=1)


def _signed_area(ring: NDArray[np.int64]) -> float:
    """Return twice the area, above 0 for rings that run clockwise on the screen."""
    after = np.roll(ring, -1, axis=0)
    return float((ring[:, 0] * after[:, 1] - after[:, 0] * ring[:, 1]).sum())


def _without_midpoints(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Drop the points on straight stretches."""
    before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
    turns = (before != ring).argmax(axis=1) != (after != ring).argmax(axis=1)
    return np.asarray(ring[turns])
