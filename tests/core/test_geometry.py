"""Oriented boxes against shapely, on everything from needles to discs."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, width=32)


@st.composite
def boxes(draw: st.DrawFn) -> NDArray[np.float64]:
    length = draw(floats(1, 1500))
    return np.array(
        [draw(floats(-400, 400)), draw(floats(-400, 400)), length, length / draw(floats(1, 50)), draw(floats(-7, 7))]
    )


def polygon(box: NDArray[np.float64]) -> shapely.Polygon:
    return shapely.Polygon(geometry.corners(box)[0])


@given(boxes(), boxes())
def test_intersection_is_shapelys(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    expected = polygon(a).intersection(polygon(b)).area
    assert geometry.intersections(a, b)[0] == pytest.approx(expected, abs=1e-6 + 1e-9 * a[2] * a[3])


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_bounded(a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    one, other = geometry.box_ious(a, b)[0], geometry.box_ious(b, a)[0]
    assert one == pytest.approx(other, abs=1e-9)
    assert 0 <= one <= 1


@given(boxes(), floats(-4, 4), floats(-1e5, 1e5))
def test_overlap_does_not_depend_on_where_and_how_the_pair_lies(
    a: NDArray[np.float64], turn: float, shift: float
) -> None:
    b = np.add(a, [a[3] / 3, a[3] / 4, 1, 0, 0.02])
    before = geometry.box_ious(a, b)[0]
    cos, sin = np.cos(turn), np.sin(turn)

    def moved(box: NDArray[np.float64]) -> list[float]:
        x, y, length, width, angle = box
        return [x * cos - y * sin + shift, x * sin + y * cos - shift, length, width, angle + turn]

    assert geometry.box_ious(moved(a), moved(b))[0] == pytest.approx(before, abs=1e-6)


def test_a_box_in_canonical_form_stays_as_it_is() -> None:
    form = [[3.0, 4.0, 20.0, 5.0, 1.2658702530643495e-08], [0, 0, 9, 2, -np.pi / 2]]
    np.testing.assert_array_equal(geometry.canonical(form)[0], form[0])
    once = geometry.canonical(form)
    np.testing.assert_array_equal(geometry.canonical(once), once)


@given(boxes())
def test_a_box_with_itself_and_its_half(a: NDArray[np.float64]) -> None:
    assert geometry.box_ious(a, a)[0] == pytest.approx(1)
    cos, sin = np.cos(a[4]), np.sin(a[4])
    half = np.add(a, [cos * a[2] / 4, sin * a[2] / 4, -a[2] / 2, 0, 0])
    assert geometry.box_ious(a, half)[0] == pytest.approx(0.5)
    assert geometry.intersections(half, a)[0] == pytest.approx(geometry.box_areas(half)[0])


@given(boxes(), st.sampled_from(["end", "side"]))
def test_boxes_that_touch_share_nothing(a: NDArray[np.float64], where: str) -> None:
    angle, step = (a[4], a[2]) if where == "end" else (a[4] + np.pi / 2, a[3])
    b = np.add(a, [np.cos(angle) * step, np.sin(angle) * step, 0, 0, 0])
    assert geometry.intersections(a, b)[0] == pytest.approx(0, abs=1e-6)


def test_crossed_needles_share_a_rhombus() -> None:
    a, b = [0, 0, 1500, 30, 0.0], [0, 0, 1500, 30, np.pi / 6]
    assert geometry.intersections(a, b)[0] == pytest.approx(30 * 30 / np.sin(np.pi / 6))


def test_nothing_in_nothing_out() -> None:
    none = np.empty((0, 5))
    assert geometry.intersections(none, none).shape == (0,)
    assert geometry.bounds(none).shape == (0, 4)
    assert list(geometry.pairs(np.empty((0, 4)))) == []


@given(boxes())
def test_canonical_form_keeps_the_rectangle(a: NDArray[np.float64]) -> None:
    [form] = geometry.canonical([a])
    assert form[2] >= form[3] > 0
    assert -np.pi / 2 <= form[4] < np.pi / 2
    assert np.float32(-np.pi / 2) <= np.float32(form[4]) < np.float32(np.pi / 2)
    assert geometry.canonical([form])[0] == pytest.approx(form, abs=1e-9)
    if a[2] >= geometry.ROUND * a[3]:
        assert geometry.box_ious(a, form)[0] == pytest.approx(1, abs=1e-3)
        turned = a[[0, 1, 3, 2, 4]] + [0, 0, 0, 0, np.pi / 2]
        assert geometry.box_ious(geometry.canonical([turned]), form)[0] == pytest.approx(1, abs=1e-3)
    else:
        assert form[4] == 0


@given(boxes())
def test_corners_and_back(a: NDArray[np.float64]) -> None:
    assert geometry.from_corners(geometry.corners(a))[0] == pytest.approx(geometry.canonical([a])[0], abs=1e-6)
    x0, y0, x1, y1 = geometry.bounds(a)[0]
    assert (x0, y0, x1, y1) == pytest.approx(polygon(a).bounds)


@given(st.lists(boxes(), min_size=1, max_size=60), st.integers(1, 7))
def test_pairs_are_those_of_all_with_all(some: list[NDArray[np.float64]], block: int) -> None:
    bounds = geometry.bounds(some)
    found = [(i, j) for a, b in geometry.pairs(bounds, block=block) for i, j in zip(a, b, strict=True)]
    meet = (bounds[:, None, :2] <= bounds[None, :, 2:]).all(2) & (bounds[None, :, :2] <= bounds[:, None, 2:]).all(2)
    assert found == [(i, j) for i, j in np.argwhere(meet) if i < j]
    across = [(i, j) for a, b in geometry.pairs(bounds[:9], bounds, block) for i, j in zip(a, b, strict=True)]
    assert across == [(i, j) for i, j in np.argwhere(meet) if i < 9]


@given(boxes())
def test_least_box_of_a_rectangles_corners_is_the_rectangle(a: NDArray[np.float64]) -> None:
    found = geometry.min_area_box(geometry.corners(a)[0], smallest=1e-3)
    assert found[2:4] == pytest.approx(np.sort(a[2:4])[::-1], rel=1e-5, abs=1e-3)
    if found[2] >= geometry.ROUND * found[3]:
        assert geometry.box_ious(found, a)[0] == pytest.approx(1, abs=1e-3)
    else:
        assert found[4] == 0


@given(st.lists(st.tuples(floats(-500, 500), floats(-500, 500)), min_size=1, max_size=30))
def test_least_box_holds_all_points_and_is_not_larger_than_shapelys(points: list[tuple[float, float]]) -> None:
    found = geometry.min_area_box(points)
    tight = geometry.min_area_box(points, smallest=1e-6)
    if found[2] >= geometry.ROUND * found[3]:
        around = polygon(found).buffer(1e-3)
        assert all(around.covers(shapely.Point(point)) for point in points)
    assert tight[2] * tight[3] <= shapely.MultiPoint(points).minimum_rotated_rectangle.area * (1 + 1e-6) + 2e-3


def test_least_box_of_a_curved_outline() -> None:
    turn = np.linspace(0, np.pi, 100)
    arc = np.column_stack([100 * np.cos(turn), 30 * np.sin(turn)])
    assert geometry.min_area_box(arc) == pytest.approx([0, 15, 200, 30, 0], abs=0.1)


def test_points_on_a_line_get_the_smallest_width() -> None:
    assert geometry.min_area_box([[0, 0], [10, 10]]) == pytest.approx([5, 5, np.sqrt(200), 1, np.pi / 4])
    assert geometry.min_area_box([[3, 4]], smallest=2) == pytest.approx([3, 4, 2, 2, 0])


@pytest.mark.parametrize("points", [[], [[np.nan, 0]], [[0, np.inf], [1, 1]]])
def test_no_box_around_nothing(points: list[list[float]]) -> None:
    with pytest.raises(InputError, match="at least one point, with finite"):
        geometry.min_area_box(points)
