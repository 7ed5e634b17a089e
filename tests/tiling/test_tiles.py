"""Tiles cover the image, come in order, and what is found in them lands where it was."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_diatom.core.detections import CUT_BY_EDGE, CUT_BY_TILE, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.tiling.tiles import CUT_SIDES, Window, plan_tiles, prefetch, source_window, to_image_coordinates


class Picture:
    """An image in memory that remembers what was read."""

    def __init__(self, pixels: NDArray[np.uint8], fail_at: int | None = None, wait: float = 0) -> None:
        self.pixels, self.fail_at, self.wait = pixels, fail_at, wait
        self.height, self.width = pixels.shape[:2]
        self.reads: list[tuple[int, ...]] = []

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> NDArray[np.uint8]:
        if len(self.reads) == self.fail_at:
            raise InputError("The file ends early.")
        time.sleep(self.wait)
        self.reads.append((x0, y0, x1, y1))
        step = round(1 / scale)
        return self.pixels[y0:y1:step, x0:x1:step]


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 700), st.floats(0, 0.9))
def test_tiles_cover_the_image_exactly(height: int, width: int, tile: int, overlap: float) -> None:
    if max(height, width) > 40 * tile:
        height, width = height % (40 * tile) + 1, width % (40 * tile) + 1
    windows = plan_tiles(height, width, tile, overlap)
    for low, high, size in (("x0", "x1", width), ("y0", "y1", height)):
        spans = sorted({(getattr(window, low), getattr(window, high)) for window in windows})
        assert spans[0][0] == 0
        assert max(end for _, end in spans) == size
        assert all(end - begin == min(tile, size) for begin, end in spans)
        gaps = np.diff([begin for begin, _ in spans])
        assert (gaps <= max(1, tile - np.ceil(tile * overlap))).all()
        assert np.ptp(gaps) <= 1 if len(gaps) else True
        assert len(gaps) <= np.ceil(max(0, size - tile) / max(1, tile - np.ceil(tile * overlap)))
    assert len(set(windows)) == len(windows)


def test_windows_come_row_by_row() -> None:
    assert plan_tiles(100, 250, 100, 0.25) == (
        Window(0, 0, 100, 100),
        Window(75, 0, 175, 100),
        Window(150, 0, 250, 100),
    )
    assert plan_tiles(50, 60, 100, 0.25) == (Window(0, 0, 60, 50),)


@pytest.mark.parametrize(("height", "tile", "overlap"), [(0, 10, 0.2), (10, 0, 0.2), (10, 10, 1.0), (10, 10, -0.1)])
def test_impossible_plans(height: int, tile: int, overlap: float) -> None:
    with pytest.raises(InputError, match=r"tiles of|overlap by"):
        plan_tiles(height, 10, tile, overlap)


@given(st.integers(1, 4000), st.floats(0.05, 1.0), st.floats(0, 0.5))
def test_the_scaled_images_tiles_cover_the_image(size: int, scale: float, overlap: float) -> None:
    scaled = max(1, round(size * scale))
    areas = [source_window(window, scale, size, size) for window in plan_tiles(scaled, scaled, 256, overlap)]
    spans = sorted({(area.x0, area.x1) for area in areas})
    assert spans[0][0] == 0
    assert max(end for _, end in spans) == size
    assert all(later[0] <= earlier[1] for earlier, later in itertools.pairwise(spans))


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.25])
def test_detections_land_where_they_were(scale: float) -> None:
    window = Window(300, 200, 940, 840)
    found = Detections.of([[100, 150, 80, 20, 0.3]], scores=[0.7])
    [box] = to_image_coordinates(found, window, scale, 10_000, 10_000).boxes
    assert box == pytest.approx([(300 + 100) / scale, (200 + 150) / scale, 80 / scale, 20 / scale, 0.3])


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ([320, 320, 100, 20, 0.7], 0),
        ([51, 320, 100, 20, 0], CUT_BY_TILE),
        ([589.5, 320, 100, 20, 0], CUT_BY_TILE),
        ([320, 589.5, 100, 20, np.pi / 2], CUT_BY_TILE),
        ([54, 320, 100, 20, 0], 0),
        ([320, 50, 100, 20, np.pi / 2], CUT_BY_EDGE),
        ([51, 9.5, 100, 20, 0], CUT_BY_EDGE | CUT_BY_TILE),
    ],
)
def test_what_an_edge_cut_is_flagged(box: list[float], cut: int) -> None:
    placed = to_image_coordinates(Detections.of([box]), Window(500, 0, 1140, 640), 1.0, 4000, 4000)
    assert int(placed.cut[0]) & ~CUT_SIDES == cut
    assert bool(placed.cut[0] & CUT_SIDES) == bool(cut & CUT_BY_TILE)


def test_the_last_tile_of_an_image_of_odd_size_ends_at_its_edge() -> None:
    placed = to_image_coordinates(Detections.of([[450, 20, 100, 20, 0]]), Window(0, 0, 500, 500), 0.5, 1001, 1001)
    assert placed.cut[0] == CUT_BY_EDGE


def test_prefetch_reads_in_order_and_not_far_ahead() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)
    picture = Picture(pixels)
    windows = plan_tiles(90, 120, 32, 0.25)
    tiles = prefetch(picture, windows, 1.0, depth=3)
    for count, (tile, window) in enumerate(zip(tiles, windows, strict=True), start=1):
        assert tile.index == count - 1
        np.testing.assert_array_equal(tile.pixels, pixels[window.y0 : window.y1, window.x0 : window.x1])
        assert len(picture.reads) <= count + 3


def test_tiles_are_never_larger_than_their_window() -> None:
    picture = Picture(np.zeros((101, 101, 3), dtype=np.uint8))
    [tile] = prefetch(picture, plan_tiles(50, 50, 64, 0), 0.5)
    assert tile.pixels.shape == (50, 50, 3)
    assert picture.reads == [(0, 0, 101, 101)]


def test_a_reading_error_arrives_where_the_tiles_are_used() -> None:
    picture = Picture(np.zeros((64, 640, 3), dtype=np.uint8), fail_at=3)
    tiles = prefetch(picture, plan_tiles(64, 640, 64, 0), 1.0)
    assert [next(tiles).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="ends early"):
        next(tiles)


def test_reading_stops_with_the_consumer() -> None:
    picture = Picture(np.zeros((64, 6400, 3), dtype=np.uint8), wait=0.005)
    tiles = prefetch(picture, plan_tiles(64, 6400, 64, 0), 1.0, depth=4)
    next(tiles)
    tiles.close()  # type: ignore[attr-defined]
    done = len(picture.reads)
    assert done <= 6
    time.sleep(0.05)
    assert len(picture.reads) == done
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tiles")]
