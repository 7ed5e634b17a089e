"""From a map of classes to specimens: connected regions, and touching ones separated at their necks.

Regions are found band by band and cut out in their own bounds, so that memory grows neither with the image nor with the
number of specimens times the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_diatom.core.detections import CUT_BY_EDGE, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.measurement.morphometry import oriented_box

SLACK: Final = 2.0
"""Pixels by which widths are taken to be unsure: a needle of 3 pixels is not a chain of beads."""

HOLLOW: Final = 0.04
"""Share of its area that a convex region may lack to its hull, ..."""
RAGGED: Final = 0.3
"""... and pixels per pixel of the hull's perimeter, which a slanting edge lacks for its steps. Convex regions are one
specimen without a closer look."""

FINE: Final = 24.0
"""Pixels of half a width beyond which a region is made smaller to find its necks."""

_BAND: Final = 1 << 25
"""Pixels whose regions are looked for at a time."""


@dataclass(frozen=True)
class SplitOptions:
    """How a map becomes specimens.

    Attributes
    ----------
    min_area_px : float
        Smaller regions are left out, in square pixels.
    neck : float
        Touching specimens are separated where they are narrower than this share of the smaller one's width; 0 never
        separates. A waist of one valve is rarely narrower than half its width.
    max_hole : float
        Holes up to this share of a specimen's area are filled; 0 fills none.
    edge : {"keep", "drop"}
        Whether specimens that touch the image's edge are kept.
    """

    min_area_px: Annotated[float, Field(ge=0, title="Smallest area")] = 60.0
    neck: Annotated[float, Field(ge=0, le=1, title="Separate at necks")] = 0.6
    max_hole: Annotated[float, Field(ge=0, le=1, title="Largest hole to fill")] = 0.1
    edge: Annotated[
        Literal["keep", "drop"],
        Field(title="Cut by the edge", json_schema_extra={"titles": {"keep": "keep", "drop": "leave out"}}),
    ] = "keep"

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.min_area_px < np.inf:
            problems.append(f"the least area is 0 or more square pixels, not {self.min_area_px}")
        for name, value in (("neck", self.neck), ("largest hole", self.max_hole)):
            if not 0 <= value <= 1:
                problems.append(f"the {name} is a share from 0 to 1, not {value}")
        if self.edge not in ("keep", "drop"):
            problems.append(f"specimens at the edge are 'keep' or 'drop', not {self.edge!r}")
        if problems:
            raise InputError("Specimens cannot be separated like this: " + "; ".join(problems) + ".")


def split(
    class_map: NDArray[np.uint8],
    foreground: NDArray[np.uint8] | None,
    classes: Sequence[str],
    options: SplitOptions | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> Detections:
    """Return the specimens in a map of classes, with their masks, from top to bottom.

    Parameters
    ----------
    class_map : ndarray of uint8, shape (height, width)
        0 is the background, k the class k - 1.
    foreground : ndarray of uint8, shape (height, width), optional
        Probability of any class, 255 being certainty; a specimen's score is its mean. Without it scores are 1.
    classes : sequence of str
        Class names.
    options : SplitOptions, optional
        What is left out, filled and separated.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; heeded per region.

    Raises
    ------
    InputError
        When the two maps differ in size.
    Stopped
        When a stop was asked for.
    """
    options = options or SplitOptions()
    if class_map.ndim != 2 or (foreground is not None and foreground.shape != class_map.shape):
        sizes = [str(array.shape) for array in (class_map, foreground) if array is not None]
        raise InputError(f"A map of classes and its probabilities have one size, not {' and '.join(sizes)}.")
    height, width = class_map.shape
    found: list[tuple[CroppedMask, int, float, bool]] = []
    for class_id in range(len(classes)):
        for region in regions(class_map, class_id + 1, options.min_area_px):
            monitor.check()
            for piece in separated(region, options.neck):
                if piece.area < max(options.min_area_px, 1):
                    continue
                rows, columns = piece.pixels.shape
                cut = piece.x0 == 0 or piece.y0 == 0 or piece.x0 + columns == width or piece.y0 + rows == height
                if cut and options.edge == "drop":
                    continue
                score = 1.0
                if foreground is not None:
                    window = foreground[piece.y0 : piece.y0 + rows, piece.x0 : piece.x0 + columns]
                    score = float(window[piece.pixels].mean()) / 255
                found.append((fill_small_holes(piece, options.max_hole), class_id, score, cut))
    found.sort(key=lambda item: (item[0].y0, item[0].x0, item[1], item[0].pixels.shape))
    return Detections.of(
        [oriented_box(mask) for mask, *_ in found],
        class_ids=[class_id for _, class_id, *_ in found],
        scores=[score for *_, score, _ in found],
        classes=classes,
        masks=[mask for mask, *_ in found],
        cut=[CUT_BY_EDGE if cut else 0 for *_, cut in found],
    )


def regions(class_map: NDArray[np.uint8], value: int, min_area: float = 0.0, rows: int = 0) -> Iterator[CroppedMask]:
    """Yield the connected regions of a value; pixels that touch by a corner are connected.

    Parameters
    ----------
    class_map : ndarray of uint8, shape (height, width)
        The map.
    value : int
        Of the regions' pixels.
    min_area : float
        Smaller regions are left out.
    rows : int
        Of the bands in which they are looked for; 0 takes as many as memory allows with ease.
    """
    import cv2

    height, width = class_map.shape
    rows = rows or max(_BAND // width, 1)
    waiting: dict[int, list[CroppedMask]] = {}
    above = np.zeros(width, dtype=np.int64)
    taken = 0
    for top in range(0, height, rows):
        band = (np.asarray(class_map[top : top + rows]) == value).view(np.uint8)
        number, labels, stats, _ = cv2.connectedComponentsWithStats(band, connectivity=8, ltype=cv2.CV_32S)
        # Regions of different bands need names of their own; those at a seam wait for the rest of them.
        names = np.where(np.arange(number) > 0, np.arange(number) + taken, 0)
        taken += number
        at_seam = set(np.unique(labels[[0, -1]]).tolist())
        for label in range(1, number):
            x, y, w, h, area = stats[label].tolist()
            if label in at_seam:
                waiting[int(names[label])] = [_cut_out(labels, label, x, y, w, h, top)]
            elif area >= min_area:
                yield _cut_out(labels, label, x, y, w, h, top)
        roots = _roots(waiting, above, names[labels[0]])
        above = names[labels[-1]]
        present, position = np.unique(above, return_inverse=True)
        above = np.array([roots.get(name, 0) for name in present.tolist()])[position]
        joined: dict[int, list[CroppedMask]] = {}
        for name, pieces in waiting.items():
            joined.setdefault(roots[name], []).extend(pieces)
        go_on = set(above.tolist()) if top + rows < height else set()
        waiting = {name: pieces for name, pieces in joined.items() if name in go_on}
        for name, pieces in joined.items():
            if name not in go_on and sum(piece.area for piece in pieces) >= min_area:
                yield _pasted(pieces)


def separated(region: CroppedMask, neck: float) -> list[CroppedMask]:
    """Cut a region at its necks.

    The distance to the region's edge is half its width. Each of its domes that stands out from the saddle to a higher
    one becomes the middle of a specimen (the h-maxima of Soille 2003, on a logarithmic scale, so that ``neck`` is a
    share and not a number of pixels), and the watershed between them the cut (Meyer and Beucher 1990).

    Parameters
    ----------
    region : CroppedMask
        One connected region.
    neck : float
        Share of the smaller peak below which a saddle is a neck; 0 never cuts.
    """
    import cv2

    if neck <= 0 or _is_convex(region):
        return [region]
    from skimage.segmentation import watershed

    pixels = np.pad(region.pixels, 1)
    depth = cv2.distanceTransform(pixels.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    shrink = max(float(depth.max()) / FINE, 1.0)
    coarse = depth
    if shrink > 1:
        size = max(round(depth.shape[1] / shrink), 1), max(round(depth.shape[0] / shrink), 1)
        coarse = cv2.resize(depth, size, interpolation=cv2.INTER_AREA) / np.float32(shrink)
    markers, number = _domes(np.log(coarse / np.float32(SLACK) + 1), -float(np.log(neck)))
    if number < 2:
        return [region]
    if shrink > 1:
        markers = np.asarray(cv2.resize(markers, depth.shape[::-1], interpolation=cv2.INTER_NEAREST), dtype=np.int32)
    labels = watershed(-depth, markers, mask=pixels)[1:-1, 1:-1]  # type: ignore[no-untyped-call]
    pieces = []
    for label in range(1, number + 1):
        inside = labels == label
        if inside.any():
            pieces.append(_trimmed(CroppedMask(inside, region.x0, region.y0)))
    return pieces


def _domes(height: NDArray[np.float32], least: float) -> tuple[NDArray[np.int32], int]:
    """Return labels of the domes that rise by ``least`` from the saddle to any higher one, and how many there are.

    Domes as high as each other are one where no saddle so deep lies between them.
    """
    import cv2
    from skimage.morphology import reconstruction

    rise = height - reconstruction(height - np.float32(least), height)  # type: ignore[no-untyped-call]
    number, labels = cv2.connectedComponents((rise > 1e-6).view(np.uint8), connectivity=8, ltype=cv2.CV_32S)
    high = np.zeros(number, dtype=np.int32)
    high[np.unique(labels[rise >= least - 1e-4])] = 1
    high[0] = 0
    names = np.cumsum(high, dtype=np.int32) * high
    return names[labels], int(high.sum())


def fill_small_holes(mask: CroppedMask, max_hole: float) -> CroppedMask:
    """Fill the holes of up to ``max_hole`` times the mask's area."""
    import cv2

    outside = np.pad(~mask.pixels, 1, constant_values=True).view(np.uint8)
    rest = outside.copy()
    cv2.floodFill(rest, None, (0, 0), 0)
    if not rest.any():
        return mask
    _, labels, stats, _ = cv2.connectedComponentsWithStats(rest, connectivity=4, ltype=cv2.CV_32S)
    small = stats[:, cv2.CC_STAT_AREA] <= max_hole * mask.area
    small[0] = False
    return CroppedMask(mask.pixels | small[labels[1:-1, 1:-1]], mask.x0, mask.y0)


def _roots(names: Iterable[int], above: NDArray[np.int64], below: NDArray[np.int64]) -> dict[int, int]:
    """Return, for each name, the least of those that it is connected with across a seam."""
    parent = {name: name for name in names}

    def root(name: int) -> int:
        while parent[name] != name:
            name = parent[name]
        return name

    width = len(above)
    for shift in (-1, 0, 1):
        a = above[max(-shift, 0) : width - max(shift, 0)]
        b = below[max(shift, 0) : width - max(-shift, 0)]
        touching = (a > 0) & (b > 0)
        for first, second in np.unique(np.stack([a[touching], b[touching]]), axis=1).T.tolist():
            low, high = sorted((root(first), root(second)))
            parent[high] = low
    return {name: root(name) for name in parent}


def _cut_out(labels: NDArray[np.int32], label: int, x: int, y: int, w: int, h: int, top: int) -> CroppedMask:
    """Return a labelled region of a band that begins at row ``top``."""
    return CroppedMask(labels[y : y + h, x : x + w] == label, x, top + y)


def _pasted(pieces: Sequence[CroppedMask]) -> CroppedMask:
    """Join pieces to one mask."""
    if len(pieces) == 1:
        return pieces[0]
    x0, y0 = min(piece.x0 for piece in pieces), min(piece.y0 for piece in pieces)
    x1 = max(piece.x0 + piece.pixels.shape[1] for piece in pieces)
    y1 = max(piece.y0 + piece.pixels.shape[0] for piece in pieces)
    pixels = np.zeros((y1 - y0, x1 - x0), dtype=np.bool_)
    for piece in pieces:
        rows, columns = piece.pixels.shape
        pixels[piece.y0 - y0 : piece.y0 - y0 + rows, piece.x0 - x0 : piece.x0 - x0 + columns] |= piece.pixels
    return CroppedMask(pixels, x0, y0)


def _trimmed(mask: CroppedMask) -> CroppedMask:
    """Crop a mask to its bounds."""
    rows, columns = np.flatnonzero(mask.pixels.any(axis=1)), np.flatnonzero(mask.pixels.any(axis=0))
    pixels = mask.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return CroppedMask(pixels.copy(), mask.x0 + int(columns[0]), mask.y0 + int(rows[0]))


def _hull(mask: CroppedMask) -> NDArray[np.int32]:
    """Return the convex hull of a mask's pixels, shape (M, 2), x and y in the mask."""
    import cv2

    rows = np.flatnonzero(mask.pixels.any(axis=1))
    left = mask.pixels[rows].argmax(axis=1)
    right = mask.pixels.shape[1] - mask.pixels[rows, ::-1].argmax(axis=1)
    x, y = np.concatenate([left, left, right, right]), np.concatenate([rows, rows + 1, rows, rows + 1])
    return np.asarray(cv2.convexHull(np.stack([x, y], axis=1).astype(np.int32))[:, 0])


def _is_convex(mask: CroppedMask) -> bool:
    """Tell whether a mask fills its convex hull, as far as pixels can."""
    import cv2

    hull = _hull(mask)
    lacking = cv2.contourArea(hull) - mask.area
    return bool(lacking <= HOLLOW * mask.area + RAGGED * cv2.arcLength(hull, closed=True))
