"""Specimens from maps: how many there are, where, and what is left out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_diatom.core.detections import CUT_BY_EDGE, CroppedMask
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.tiling.instance_splitting import SplitOptions, filled, regions, separated, split


def painted(*ellipses: tuple[float, float, float, float, float], height: int = 300, width: int = 400) -> np.ndarray:
    """Return a map with ellipses of a centre, two half axes and an angle in degrees."""
    canvas = np.zeros((height, width), np.uint8)
    for x, y, a, b, angle in ellipses:
        cv2.ellipse(canvas, (int(x), int(y)), (int(a), int(b)), angle, 0, 360, 1, -1)
    return canvas


def whole(pixels: np.ndarray) -> CroppedMask:
    return CroppedMask(pixels > 0, 0, 0)


def test_boxes_scores_classes_and_order():
    canvas = painted((100, 200, 60, 12, 30), (250, 80, 20, 20, 0))
    canvas[60:100, 229:272][canvas[60:100, 229:272] > 0] = 2
    canvas[100:102][canvas[100:102] > 0] = 2
    probability = np.where(canvas == 1, 204, 153).astype(np.uint8)
    found = split(canvas, probability, ("long", "round"))
    assert [found.classes[k] for k in found.class_ids] == ["round", "long"]
    np.testing.assert_allclose(found.scores, [0.6, 0.8], atol=1e-6)
    off = abs(found.boxes[1] - [100.5, 200.5, 121, 25, np.radians(30)])
    assert (off <= [1, 1, 2.5, 2, 0.05]).all()
    assert (found.cut == 0).all()
    for mask, class_id in zip(found.masks, found.class_ids, strict=True):
        rows, columns = mask.pixels.shape
        inside = canvas[mask.y0 : mask.y0 + rows, mask.x0 : mask.x0 + columns][mask.pixels]
        assert (inside == class_id + 1).all()
        assert mask.pixels[0].any()
        assert mask.pixels[:, -1].any()
    assert (split(canvas, None, ("long", "round")).scores == 1).all()


def test_empty_maps_and_maps_of_two_sizes():
    nothing = split(np.zeros((20, 30), np.uint8), None, ("diatom",))
    assert len(nothing) == 0
    assert nothing.masks == ()
    with pytest.raises(InputError, match=r"one size, not \(20, 30\) and \(30, 20\)"):
        split(np.zeros((20, 30), np.uint8), np.zeros((30, 20), np.uint8), ("diatom",))
    with pytest.raises(Stopped):
        split(painted((100, 100, 30, 10, 0)), None, ("diatom",), monitor=ProgressMonitor(should_stop=lambda: True))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_regions_do_not_depend_on_the_bands(seed, rows):
    rng = np.random.default_rng(seed)
    canvas = (cv2.blur(rng.random((60, 50)), (5, 5)) > 0.5).astype(np.uint8)
    both = []
    for height in (rows, 60):
        masks = list(regions(canvas, 1, 4, height))
        both.append(sorted((mask.y0, mask.x0, mask.pixels.shape, mask.pixels.tobytes()) for mask in masks))
    assert both[0] == both[1]
    number, labels = cv2.connectedComponents(canvas, connectivity=8)
    assert len(both[0]) == sum((labels == k).sum() >= 4 for k in range(1, number))


@pytest.mark.parametrize("angle", range(0, 180, 30))
@pytest.mark.parametrize("size", [1, 3, 12])
def test_touching_valves_are_separated_and_single_ones_are_not(angle, size):
    side = 100 * size
    turned = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1)

    def drawn(*ellipses: tuple[float, float, float, float]) -> CroppedMask:
        canvas = np.zeros((side, side), np.float32)
        for x, y, a, b in np.multiply(ellipses, size):
            centre = (int(x), int(y))
            cv2.ellipse(canvas, centre, (int(a), int(b)), 0, 0, 360, 1, -1)
        return CroppedMask(cv2.warpAffine(canvas, turned, (side, side)) > 0.5, 0, 0)

    touching = [drawn((30, 50, 20, 8), (69, 50, 20, 8))]
    if size == 12:
        # Smaller ones, side by side, share pixels along more than half their width.
        touching.append(drawn((50, 41, 30, 9), (50, 59, 30, 9)))
    for mask in touching:
        pieces = separated(mask, 0.6)
        assert len(pieces) == 2
        areas = [piece.area for piece in pieces]
        assert min(areas) > 0.9 * max(areas)
        assert sum(areas) == mask.area
        assert separated(mask, 0) == [mask]
    # A needle, a valve with a waist of two thirds, and a bent one.
    waisted = drawn((35, 50, 20, 12), (65, 50, 20, 12))
    for mask in (drawn((50, 50, 45, 2)), drawn((50, 50, 40, 12)), waisted):
        assert len(separated(mask, 0.6)) == 1


def test_a_bent_valve_and_a_ring_are_one():
    canvas = np.zeros((300, 300), np.uint8)
    cv2.ellipse(canvas, (150, 150), (120, 100), 20, 0, 150, 1, 14)
    assert len(separated(whole(canvas), 0.6)) == 1
    ring = np.zeros((300, 300), np.uint8)
    cv2.circle(ring, (150, 150), 100, 1, 12)
    assert len(separated(whole(ring), 0.6)) == 1


def test_holes_are_filled_up_to_a_size():
    canvas = painted((100, 100, 60, 40, 0))
    canvas[95:105, 95:105] = 0
    canvas[100, 60] = 0
    mask = whole(canvas)
    assert filled(mask, 0).area == mask.area
    assert filled(mask, 0.001).area == mask.area + 1
    assert filled(mask, 0.1).area == mask.area + 101
    found = split(canvas, np.full(canvas.shape, 255, np.uint8), ("diatom",))
    assert found.masks[0].area == mask.area + 101


def test_small_objects_and_those_at_the_edge():
    canvas = painted((0, 100, 60, 20, 0), (200, 100, 40, 20, 0), (300, 250, 3, 3, 0))
    found = split(canvas, None, ("diatom",))
    assert found.cut.tolist() == [CUT_BY_EDGE, 0]
    kept = split(canvas, None, ("diatom",), SplitOptions(edge="drop", min_area_px=10))
    assert kept.cut.tolist() == [0, 0]
    assert len(split(canvas, None, ("diatom",), SplitOptions(min_area_px=1e6))) == 0


def test_all_that_is_wrong_with_options_is_said():
    with pytest.raises(InputError, match=r"least area.*neck.*hole.*edge"):
        SplitOptions(min_area_px=-1, neck=2, max_hole=float("nan"), edge="maybe")  # type: ignore[arg-type]
