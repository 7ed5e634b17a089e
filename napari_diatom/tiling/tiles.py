"""Cut an image into tiles for a network, and bring what was found in them back to the image."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, CUT_BY_TILE, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import ReadableImage

NEAR: Final = 2.0
"""Tile pixels from an inner edge within which a box counts as cut by it."""
NEAR_SHARE: Final = 0.005
"""The same as a share of the box's length: networks place the ends of long boxes less exactly."""
CELL: Final = 1 / 56
"""The same as a share of a mask's extent: a network's mask has so many cells, and may miss the edge by one."""

CUT_LEFT: Final = 4
CUT_TOP: Final = 8
CUT_RIGHT: Final = 16
CUT_BOTTOM: Final = 32
"""Which inner edges cut a box; :func:`to_image_coordinates` adds these flags to ``cut`` for
:func:`~napari_diatom.tiling.stitching.stitch`, which takes them away again."""
CUT_SIDES: Final = CUT_LEFT | CUT_TOP | CUT_RIGHT | CUT_BOTTOM


class Window(NamedTuple):
    """A rectangle of the scaled image in pixels; ``x1`` and ``y1`` lie just outside."""

    x0: int
    y0: int
    x1: int
    y1: int


def plan_tiles(height: int, width: int, tile: int, overlap: float) -> tuple[Window, ...]:
    """Cover an image with the fewest tiles of one size, spread evenly, row by row.

    Parameters
    ----------
    height, width : int
        Size of the scaled image in pixels.
    tile : int
        Side of a tile in pixels; where the image is smaller, its tiles are as small as the image.
    overlap : float
        Least overlap of neighbours as a share of the tile, from 0 to below 1.

    Raises
    ------
    InputError
        For an image or tile without pixels, or an overlap outside 0..1.
    """
    if height < 1 or width < 1 or tile < 1:
        raise InputError(f"An image of {width} x {height} pixels cannot be cut into tiles of {tile} pixels.")
    if not 0 <= overlap < 1:
        raise InputError(f"Tiles overlap by a share from 0 to below 1 of their side, not by {overlap}.")
    step = max(1, tile - math.ceil(tile * overlap))
    return tuple(
        Window(x0, y0, min(x0 + tile, width), min(y0 + tile, height))
        for y0 in _starts(height, tile, step)
        for x0 in _starts(width, tile, step)
    )


def _starts(size: int, tile: int, step: int) -> list[int]:
    """Return where tiles of ``tile`` pixels begin along a side so that none is further than ``step`` from the next."""
    gaps = max(0, math.ceil((size - tile) / step))
    return [(size - tile) * k // gaps for k in range(gaps + 1)] if gaps else [0]


def source_window(window: Window, scale: float, height: int, width: int) -> Window:
    """Return the full-resolution pixels that a window of the scaled image covers.

    Parameters
    ----------
    window : Window
        In pixels of the image scaled by ``scale``.
    scale : float
        Scaled pixels per image pixel.
    height, width : int
        Size of the image at full resolution.
    """

    def span(begin: int, end: int, size: int) -> tuple[int, int]:
        # The scaled image's size was rounded: its last pixel stands for all that is left.
        last = end > size * scale - 1
        return min(math.floor(begin / scale), size - 1), size if last else math.ceil(end / scale)

    x0, x1 = span(window.x0, window.x1, width)
    y0, y1 = span(window.y0, window.y1, height)
    return Window(x0, y0, x1, y1)


def to_image_coordinates(detections: Detections, window: Window, scale: float, height: int, width: int) -> Detections:
    """Convert a tile's detections to image coordinates and flag those that an edge may have cut.

    Parameters
    ----------
    detections : Detections
        In the tile's own pixels.
    window : Window
        The tile, in pixels of the scaled image.
    scale : float
        Tile pixels per image pixel.
    height, width : int
        Size of the image at full resolution.

    Returns
    -------
    Detections
        In image pixels. ``cut`` has ``CUT_BY_EDGE`` where a box, or a mask where there are masks, touches the image's
        edge, and ``CUT_BY_TILE``, with the flags of the sides, where it touches an edge of the tile with more of the
        image beyond. Masks end where the tile ends.
    """
    area = source_window(window, scale, height, width)
    placed = detections.moved(area.x0, area.y0, scale)
    x0, y0, x1, y1 = geometry.bounds(placed.boxes).T
    near = np.maximum(NEAR / scale, NEAR_SHARE * placed.boxes[:, 2])
    if placed.masks is not None:
        placed = replace(placed, masks=tuple(mask.within(*area) for mask in placed.masks))
        # The corners of a box stick out beyond a specimen that lies askew.
        x0, y0, x1, y1 = np.array([mask.bounds for mask in placed.masks or ()], dtype=np.float64).reshape(-1, 4).T
        near = np.maximum(NEAR / scale, CELL * np.maximum(x1 - x0, y1 - y0))
    cut = placed.cut.copy()
    for flag, inner, distance in (
        (CUT_LEFT, area.x0 > 0, x0 - area.x0),
        (CUT_TOP, area.y0 > 0, y0 - area.y0),
        (CUT_RIGHT, area.x1 < width, area.x1 - x1),
        (CUT_BOTTOM, area.y1 < height, area.y1 - y1),
    ):
        if inner:
            cut[distance <= near] |= flag | CUT_BY_TILE
        else:
            cut[distance <= 1 / scale] |= CUT_BY_EDGE
    return replace(placed, cut=cut)


def prefetch(
    image: ReadableImage,
    windows: Sequence[Window],
    scale: float,
    depth: int = 4,
    is_empty: Callable[[NDArray[np.uint8]], bool] | None = None,
) -> Generator[Tile, None, None]:
    """Read tiles in a thread ahead of their use.

    Parameters
    ----------
    image : ReadableImage
        The image.
    windows : sequence of Window
        In pixels of the image scaled by ``scale``.
    scale : float
        Tile pixels per image pixel.
    depth : int
        Most tiles held ready.
    is_empty : callable, optional
        Returns whether a tile's pixels show nothing; asked in the thread.

    Yields
    ------
    Tile
        In the order of ``windows``, with the window's position as its index. An error in reading is raised here;
        when the consumer stops early, reading stops with the tile at hand.
    """

    def read(index: int) -> Tile:
        window = windows[index]
        pixels = image.read(*source_window(window, scale, image.height, image.width), scale)
        pixels = pixels[: window.y1 - window.y0, : window.x1 - window.x0]
        return Tile(index, pixels, is_empty is not None and is_empty(pixels))

    waiting: deque[Future[Tile]] = deque()
    rest = iter(range(len(windows)))
    reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tiles")
    try:
        for _ in windows:
            while len(waiting) < max(1, depth) and (index := next(rest, None)) is not None:
                waiting.append(reader.submit(read, index))
            yield waiting.popleft().result()
    finally:
        reader.shutdown(cancel_futures=True)


@dataclass(frozen=True, eq=False)
class Tile:
    """A window of an image, read and scaled for the network.

    Attributes
    ----------
    index : int
        Position in the plan of tiles.
    pixels : ndarray of uint8, shape (h, w, 3)
        RGB, at most ``card.tile_size`` on a side; an engine pads smaller tiles itself.
    empty : bool
        Whether it shows nothing; such a tile is not given to an engine.
    """

    index: int
    pixels: NDArray[np.uint8]
    empty: bool = False
