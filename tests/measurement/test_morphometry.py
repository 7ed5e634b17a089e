"""Sizes and shapes of masks against those of the outlines that they were drawn from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.shapes import ellipse, ellipse_perimeter, mask_of, placed, rectangle, ribbon
from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.measurement import contour, morphometry
from napari_diatom.measurement.morphometry import SHAPE_NAMES, measure_shape, oriented_box

angles = st.floats(-math.pi / 2, math.pi / 2)
places = st.floats(300, 301)


# A mask with upright sides may be a pixel wider or narrower than what was drawn, however it is measured.
@settings(max_examples=40)
@given(angle=angles, x=places, y=places, length=st.floats(60, 300), ratio=st.floats(1.3, 6))
def test_ellipses(angle: float, x: float, y: float, length: float, ratio: float) -> None:
    width = length / ratio
    shape = measure_shape(mask_of(placed(ellipse(length, width), angle, x, y)))
    assert shape.box[:2] == pytest.approx((x, y), abs=0.8)
    assert shape.box[2] == pytest.approx(length, abs=1.6)
    assert shape.box[3] == pytest.approx(width, abs=1.5)
    turn = math.remainder(shape.box[4] - angle, math.pi)
    assert abs(turn) < 0.05
    assert shape.midline_length == pytest.approx(shape.box[2], rel=0.01)
    assert shape.width_max == pytest.approx(width, abs=1.5)
    assert shape.width_centre == pytest.approx(width, abs=1.5)
    assert shape.perimeter == pytest.approx(ellipse_perimeter(length, width), rel=0.04)
    assert shape.rectangularity == pytest.approx(math.pi / 4, abs=0.1)
    assert min(shape.solidity, shape.convexity) > 0.97
    assert min(shape.symmetry_apical, shape.symmetry_transapical) > 0.95


@pytest.mark.parametrize(
    ("outline", "length", "width", "area", "perimeter"),
    [
        (ellipse(90, 90), 90, 90, math.pi * 45**2, math.pi * 90),
        (ellipse(120, 40), 120, 40, math.pi * 1200, ellipse_perimeter(120, 40)),
        (ellipse(200, 20), 200, 20, math.pi * 1000, ellipse_perimeter(200, 20)),
        (rectangle(90, 45), 90, 45, 4050, 270),
        (rectangle(160, 20), 160, 20, 3200, 360),
    ],
    ids=["circle", "ellipse", "needle", "girdle", "narrow girdle"],
)
def test_sizes_are_right_at_every_angle(outline, length, width, area, perimeter):
    errors = []
    for angle in np.radians(np.arange(0, 180, 7.3)):
        mask = mask_of(placed(outline, angle))
        shape = measure_shape(mask)
        assert np.allclose(oriented_box(mask), shape.box)
        errors.append(np.array([shape.box[2], shape.box[3], mask.area, shape.perimeter]))
    bias = np.median(errors, axis=0) / (length, width, area, perimeter) - 1
    spread = np.median(np.abs(errors / np.array([length, width, area, perimeter]) - 1), axis=0)
    assert (np.abs(bias) < (0.005, 0.01, 0.005, 0.01)).all()
    assert (spread < (0.005, 0.015, 0.005, 0.01)).all()


def test_shapes_that_share_names_with_imagej():
    circle, box = (measure_shape(mask_of(placed(outline, 0.4))) for outline in (ellipse(100, 100), rectangle(100, 50)))
    assert circle.circularity == pytest.approx(1, abs=0.01)
    assert box.circularity == pytest.approx(4 * math.pi * 5000 / 300**2, rel=0.015)
    assert circle.solidity == pytest.approx(1, abs=0.01)
    assert box.feret == pytest.approx(math.hypot(100, 50), rel=0.01)
    assert box.min_feret == pytest.approx(50, rel=0.01)
    # ImageJ counts anticlockwise with y up: an axis that falls to the right lies beyond 90 degrees.
    assert measure_shape(mask_of(placed(ellipse(100, 20), math.radians(30)))).feret_angle_deg == pytest.approx(
        150, abs=1
    )
    assert measure_shape(mask_of(placed(ellipse(100, 20), math.radians(-30)))).feret_angle_deg == pytest.approx(
        30, abs=1
    )
    cross = np.zeros((60, 60), bool)
    cross[20:40] = cross[:, 20:40] = True
    shape = measure_shape(CroppedMask(cross, 0, 0))
    assert shape.solidity == pytest.approx(2000 / 2800, rel=0.03)
    assert shape.convexity == pytest.approx((80 + 4 * math.hypot(20, 20)) / 240, rel=0.02)


@settings(max_examples=30)
@given(angle=angles, bend=st.floats(20, 110), length=st.floats(70, 200))
def test_bent_valves(angle: float, bend: float, length: float) -> None:
    turns = np.radians(np.linspace(-bend / 2, bend / 2, 200))
    radius = length / math.radians(bend)
    line = radius * np.column_stack([np.sin(turns), -np.cos(turns)])
    width = 0.25 * length
    widths = width * (1 - (turns / turns[-1]) ** 4) ** 0.5
    shape = measure_shape(mask_of(placed(ribbon(line, widths), angle)))
    assert shape.midline_length == pytest.approx(length, rel=0.03)
    assert shape.width_max == pytest.approx(width, abs=max(0.03 * width, 1.5))
    assert shape.width_centre == pytest.approx(width, abs=max(0.03 * width, 1.5))
    assert shape.symmetry_transapical > 0.93
    assert shape.symmetry_apical < 0.9 or bend < 40


def test_sigmoid_valves_lie_along_the_line_between_their_apices():
    t = np.linspace(-1, 1, 300)
    line = np.column_stack([80 * t, 10 * np.sin(math.pi * t)])
    for angle in np.radians([-80, -31, 4, 47]):
        shape = measure_shape(mask_of(placed(ribbon(line, 15 * np.sqrt(1 - t**2)), angle)))
        edges = np.diff(line, axis=0)
        assert shape.midline_length == pytest.approx(np.hypot(edges[:, 0], edges[:, 1]).sum(), rel=0.015)
        # Moments alone would tilt the axis by five degrees.
        assert abs(math.remainder(shape.box[4] - angle, math.pi)) < math.radians(2.5)


def test_symmetry_tells_the_axes_apart():
    t = np.linspace(-1, 1, 200)
    arch = np.sqrt(1 - t**2)
    dorsal = np.concatenate([np.column_stack([60 * t, 5 * arch]), np.column_stack([60 * t, -30 * arch])[::-1]])
    wedge = np.concatenate([np.column_stack([60 * t, s * (15 + 9 * t) * arch])[::s] for s in (1, -1)])
    cymbella, gomphonema = (measure_shape(mask_of(placed(outline, 0.7))) for outline in (dorsal, wedge))
    assert cymbella.symmetry_transapical > 0.97 > 0.9 > cymbella.symmetry_apical
    assert gomphonema.symmetry_apical > 0.97 > 0.9 > gomphonema.symmetry_transapical
    assert gomphonema.box[3] == pytest.approx(2 * ((15 + 9 * t) * arch).max(), rel=0.02)


def test_a_broken_end_is_no_apex(monkeypatch):
    whole = placed(ellipse(300, 24), 0.5, 0, 0)
    cos, sin = math.cos(0.5), math.sin(0.5)
    along, across = whole @ (cos, sin), whole @ (-sin, cos)
    mask = mask_of(whole[along + 0.4 * across < 80] + 300)

    def aside() -> float:
        return abs(math.remainder(oriented_box(mask)[4] - 0.5, math.pi))

    kept = aside()
    assert kept < math.radians(1.5)
    # The stump's slanting edge would draw the line from end to end aside.
    monkeypatch.setattr(morphometry, "ALIKE", 100)
    assert aside() > 1.2 * kept


@given(
    rows=st.integers(1, 12).flatmap(
        lambda width: st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=12)
    )
)
def test_any_mask_is_measured(rows: list[list[bool]]) -> None:
    mask = CroppedMask(np.array(rows, dtype=bool), -3, 7)
    if not mask.pixels.any():
        with pytest.raises(InputError, match="empty mask"):
            oriented_box(mask)
        return
    shape = measure_shape(mask)
    numbers = np.array([getattr(shape, name) for name in SHAPE_NAMES])
    assert np.isfinite(numbers).all()
    assert (numbers >= 0).all()
    assert np.allclose(geometry.canonical([shape.box])[0], shape.box)
    assert shape.box[2] >= shape.box[3] > 0.3
    assert shape.feret >= shape.box[2] - 1e-9
    assert shape.min_feret <= shape.box[3] + 1e-9
    for name in ("circularity", "rectangularity", "solidity", "convexity", "symmetry_apical", "symmetry_transapical"):
        assert 0 <= getattr(shape, name) <= 1
    part = contour.island(mask)
    assert -4 <= shape.box[0] - part.x0 - part.pixels.shape[1] / 2 <= 4


def test_one_pixel_and_lines_of_pixels():
    assert oriented_box(CroppedMask(np.ones((1, 1), bool), 4, 6)) == pytest.approx([4.5, 6.5, 1, 1, 0], abs=0.05)
    line = oriented_box(CroppedMask(np.ones((1, 60), bool), 0, 0))
    assert line[2:] == pytest.approx([60, 1, 0], abs=0.6)
    slanting = measure_shape(CroppedMask(np.eye(50, dtype=bool), 0, 0))
    assert slanting.box[2:] == pytest.approx((50 * math.sqrt(2), 0.7, math.pi / 4), abs=1)


def test_islands_and_holes():
    main = mask_of(placed(ellipse(80, 30), 0.3))
    with_hole = main.pixels.copy()
    with_hole[main.pixels.shape[0] // 2 - 2 : main.pixels.shape[0] // 2 + 2, 30:50] = False
    with_island = np.pad(with_hole, ((0, 0), (0, 12)))
    with_island[3:6, -4:-1] = True
    assert measure_shape(CroppedMask(with_island, main.x0, main.y0)) == measure_shape(main)
    two = np.zeros((20, 20), bool)
    two[2:8, 2:8] = two[12:18, 12:18] = True
    assert oriented_box(CroppedMask(two, 0, 0))[:2] == pytest.approx([5, 5], abs=0.05)


def test_a_mask_cut_by_the_frame_ends_there():
    whole = mask_of(placed(ellipse(100, 40), 0, 50, 30))
    cut = CroppedMask(whole.pixels[:, 40:], 40, whole.y0)
    box = oriented_box(cut)
    assert box[0] - box[2] / 2 == pytest.approx(40, abs=0.3)
    assert box[0] + box[2] / 2 == pytest.approx(100, abs=0.5)


def test_a_mask_of_many_pixels_is_averaged_first(monkeypatch):
    mask = mask_of(placed(ellipse(600, 200), 0.4, 500, 500))
    exact = measure_shape(CroppedMask(mask.pixels, mask.x0, mask.y0))
    monkeypatch.setattr(contour, "MOST_PIXELS", mask.pixels.size // 8)
    fast = measure_shape(CroppedMask(mask.pixels, mask.x0, mask.y0))
    assert fast.box == pytest.approx(exact.box, rel=2e-3)
    assert fast.perimeter == pytest.approx(exact.perimeter, rel=3e-3)


def test_a_mask_is_measured_once():
    mask = mask_of(placed(ellipse(60, 20), 0))
    assert measure_shape(mask) is measure_shape(mask)
