"""Maps without seams, whatever the order of the tiles, and as large as disks allow."""

from __future__ import annotations

import itertools
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_diatom.core.errors import InputError, OutputError, Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.tiling import map_blending
from napari_diatom.tiling.map_blending import ALIGNED, Blender, merge_scales, plan_map_tiles, scratch
from napari_diatom.tiling.tiles import Window


def smooth(channels: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return probabilities that vary slowly, shape (channels, height, width)."""
    import cv2

    coarse = np.random.default_rng(seed).random((6, 6, channels)).astype(np.float32)
    values = cv2.resize(coarse, (width, height)).reshape(height, width, channels) + 0.05
    return np.ascontiguousarray((values / values.sum(axis=2, keepdims=True)).transpose(2, 0, 1))


@given(st.integers(1, 900), st.integers(1, 900), st.integers(32, 300), st.floats(0, 0.9))
@settings(max_examples=80)
def test_tiles_cover_the_image_aligned_and_overlap_enough(height, width, tile, overlap):
    windows = plan_map_tiles(height, width, tile, overlap)
    assert windows == tuple(sorted(windows, key=lambda window: (window.y0, window.x0)))
    for size, begins, ends in ((height, 1, 3), (width, 0, 2)):
        spans = sorted({(window[begins], window[ends]) for window in windows})
        assert spans[0][0] == 0
        assert spans[-1][1] == size
        assert all(begin % ALIGNED == 0 and end - begin <= tile for begin, end in spans)
        for (_, end), (begin, _) in itertools.pairwise(spans):
            # A step is at least one grid cell, however small the tile.
            assert end - begin >= min(overlap * tile - 1e-9, tile - ALIGNED)


def test_maps_cannot_be_planned_from_nothing():
    for arguments, words in (
        ((0, 5, 64, 0.2), "5 x 0"),
        ((5, 5, 16, 0.2), "tiles of 16"),
        ((500, 500, 64, 0.95), "share from 0 to 0.9"),
        ((500, 500, 64, float("nan")), "share from 0 to 0.9"),
    ):
        with pytest.raises(InputError, match=words):
            plan_map_tiles(*arguments)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_what_all_tiles_agree_on_comes_out_as_it_is(overlap):
    truth = smooth(3, 301, 420)
    blender = Blender(3, 301, 420, 128, overlap)
    for window in plan_map_tiles(301, 420, 128, overlap):
        blender.add(window, truth[:, window.y0 : window.y1, window.x0 : window.x1])
    planes = blender.planes()
    assert planes.shape == truth.shape
    assert abs(planes / 255 - truth).max() <= 0.5 / 255 + 0.5 / map_blending.PARTS + 1e-6


@given(st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_the_order_of_tiles_within_a_row_does_not_matter(random):
    rng = np.random.default_rng(1)
    windows = plan_map_tiles(200, 260, 96, 0.4)
    tiles = [(window, rng.random((2, window.y1 - window.y0, window.x1 - window.x0), np.float32)) for window in windows]
    planes = []
    for shuffled in (False, True):
        blender = Blender(2, 200, 260, 96, 0.4)
        keys = [random.random() for _ in tiles]
        order = sorted(range(len(tiles)), key=lambda k: (tiles[k][0].y0, keys[k] if shuffled else k))
        for k in order:
            blender.add(*tiles[k])
        planes.append(blender.planes())
    np.testing.assert_array_equal(*planes)


def test_edges_of_tiles_never_win_and_change_is_gradual():
    size, tile = 256, 128
    blender = Blender(1, size, size, tile, 0.25)
    for window in plan_map_tiles(size, size, tile, 0.25):
        wrong = np.ones((1, window.y1 - window.y0, window.x1 - window.x0), np.float32)
        left, top = 8 * (window.x0 > 0), 8 * (window.y0 > 0)
        right = wrong.shape[2] - 8 * (window.x1 < size)
        bottom = wrong.shape[1] - 8 * (window.y1 < size)
        wrong[:, top:bottom, left:right] = 0
        blender.add(window, wrong)
    assert blender.planes().max() <= 0.05 * 255

    ends = Blender(1, 64, 224, 128, 0.25)
    for window in (Window(0, 0, 128, 64), Window(96, 0, 224, 64)):
        ends.add(window, np.full((1, 64, 128), float(window.x0 > 0), np.float32))
    ramp = ends.planes()[0, 0].astype(int)
    assert (ramp[0], ramp[-1]) == (0, 255)
    assert np.diff(ramp).min() >= 0
    assert np.diff(ramp).max() < 40


def test_scales_count_alike_and_the_background_wins_a_tie():
    fine = np.zeros((2, 40, 60), np.uint8)
    fine[1, :, :30] = 255
    fine[0] = 255 - fine[1]
    coarse = np.full((2, 10, 15), 127, np.uint8)
    coarse[0] = 128
    merged = merge_scales([fine, coarse], 40, 60)
    assert (merged.classes[:, :30] == 1).all()
    assert (merged.classes[:, 30:] == 0).all()
    assert set(np.unique(merged.foreground)) == {64, 191} or abs(merged.foreground[0, 0] - 191.0) <= 1
    level = np.full((2, 4, 4), 100, np.uint8)
    assert not merge_scales([level], 4, 4).classes.any()
    with pytest.raises(Stopped):
        merge_scales([level], 4, 4, ProgressMonitor(should_stop=lambda: True))


def test_what_is_thick_is_judged_at_the_coarsest_scale():
    side = 800
    fine, coarse = np.zeros((2, side, side), np.uint8), np.zeros((2, side // 4, side // 4), np.uint8)
    rows, columns = np.mgrid[:side, :side]
    disc = np.hypot(rows - 300, columns - 300) < 150
    # The fine scale sees but the margin of a large valve, and a needle for certain; the coarse one hardly the needle.
    fine[1][disc & (np.hypot(rows - 300, columns - 300) > 120)] = 255
    needle = (abs(columns - 700) < 6) & (rows > 200)
    fine[1][needle] = 255
    coarse[1] = np.where(needle, 20, 255 * disc)[2::4, 2::4]
    for planes in (fine, coarse):
        planes[0] = 255 - planes[1]
    found = merge_scales([fine, coarse], side, side).classes > 0
    expected = disc | needle
    assert (found & expected).sum() / (found | expected).sum() > 0.97
    assert merge_scales([fine], side, side).classes[300, 300] == 0


@pytest.mark.parametrize(("height", "width"), [(400, 300), (131, 77), (50, 40)])
def test_maps_are_enlarged_band_by_band_as_a_whole_image_would_be(monkeypatch, height, width):
    import cv2

    monkeypatch.setattr(map_blending, "_BAND", 1000)
    small = np.rint(smooth(2, 100, 75, seed=2) * 255).astype(np.uint8)
    merged = merge_scales([small], height, width)
    expected = 255 - cv2.resize(small[0].astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    assert abs(merged.foreground - expected).max() <= 0.51


def test_large_maps_lie_in_a_file_that_goes_with_them(monkeypatch, tmp_path):
    monkeypatch.setattr(map_blending, "IN_MEMORY", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    large = scratch((3, 100, 20))
    assert isinstance(large, np.memmap)
    large[:] = 7
    assert (large == 7).all()
    assert list(tmp_path.iterdir()) == []
    assert not isinstance(scratch((10, 10)), np.memmap)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(OutputError, match="does not fit"):
        scratch((3, 100, 20))
