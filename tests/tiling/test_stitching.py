"""One specimen out of its copies, and two out of two that look like copies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, CUT_BY_TILE, CroppedMask, Detections
from napari_diatom.tiling.stitching import stitch
from napari_diatom.tiling.tiles import Window, plan_tiles, to_image_coordinates

NEEDLE = np.array([2000.0, 1500.0, 1500.0, 30.0, 0.4])
DEGREE = np.pi / 180


def whole(*boxes: Sequence[float], scores: Sequence[float] | None = None) -> Detections:
    return Detections.of(boxes, scores=scores)


def shifted(box: np.ndarray, along: float = 0, across: float = 0, turn: float = 0, stretch: float = 1) -> list[float]:
    cos, sin = np.cos(box[4]), np.sin(box[4])
    x, y = box[0] + along * cos - across * sin, box[1] + along * sin + across * cos
    return [x, y, box[2] * stretch, box[3], box[4] + turn]


def seen_through_tiles(
    specimens: Sequence[Sequence[float]],
    size: int,
    scales: Sequence[float] = (1.0,),
    tile: int = 640,
    overlap: float = 0.25,
    noise: float = 0,
    seed: int = 0,
) -> Detections:
    """Return what a network would find: every specimen's part in every tile, boxed, from 25 pixels up."""
    rng = np.random.default_rng(seed)
    parts = []
    for scale in scales:
        for window in plan_tiles(round(size * scale), round(size * scale), tile, overlap):
            boxes = []
            for specimen in specimens:
                x, y, length, width, angle = specimen
                cos, sin = np.cos(angle), np.sin(angle)
                # The part of the axis within the tile; whole widths of it, as networks draw boxes.
                steps = np.linspace(-length / 2, length / 2, 4 * int(length) + 1)
                px, py = (x + steps * cos) * scale, (y + steps * sin) * scale
                seen = (px >= window.x0) & (px <= window.x1) & (py >= window.y0) & (py <= window.y1)
                if not seen.any() or np.ptp(steps[seen]) * scale < 25:
                    continue
                middle, part = (steps[seen].min() + steps[seen].max()) / 2, np.ptp(steps[seen])
                box = np.array([x + middle * cos, y + middle * sin, part, width, angle])
                box[:4] *= scale
                box[:2] -= window.x0, window.y0
                box += rng.normal(0, noise, 5) * [1, 1, 1, 0.3, 0.5 * DEGREE]
                boxes.append(box)
            found = Detections.of(boxes, scores=rng.uniform(0.4, 0.9, len(boxes)))
            parts.append(to_image_coordinates(found, window, scale, size, size))
    return Detections.concatenate(parts)


def test_nothing() -> None:
    assert len(stitch(Detections.empty())) == 0
    assert stitch(Detections.empty(with_masks=True)).masks == ()


def test_copies_become_one_near_the_best() -> None:
    copies = [[101, 99, 82, 29, 0.52], [100, 100, 80, 30, 0.5], [99, 100, 79, 30, 0.48]]
    found = stitch(whole(*copies, scores=[0.6, 0.9, 0.3]))
    assert found.scores == pytest.approx([0.9])
    assert geometry.box_ious(found.boxes, np.array([copies[1]]))[0] > 0.95
    assert (found.boxes[0] >= np.min(copies, axis=0) - 1e-4).all()
    assert (found.boxes[0] <= np.max(copies, axis=0) + 1e-4).all()


def test_equal_copies_agree_on_their_mean_axis_and_round_ones_on_no_direction() -> None:
    found = stitch(whole([100, 100, 80, 20, 0.10], [100, 104, 80, 24, 0.14]))
    assert found.boxes[0] == pytest.approx([99.88, 102, 80, 22, 0.12], abs=0.3)
    assert stitch(whole([50, 50, 40, 39, 0], [51, 50, 42, 39, 0.7])).boxes[0, 4] == 0


def test_crossed_needles_are_two() -> None:
    for turn in (12 * DEGREE, 30 * DEGREE, 90 * DEGREE):
        assert len(stitch(whole(NEEDLE.tolist(), shifted(NEEDLE, turn=turn)))) == 2


def test_crossed_needles_that_share_their_upright_bounds_are_two() -> None:
    crossed = [[500, 500, 1000, 25, np.pi / 4], [500, 500, 1000, 25, -np.pi / 4]]
    bounds = geometry.bounds(crossed)
    np.testing.assert_allclose(bounds[0], bounds[1])
    assert len(stitch(whole(*crossed, *crossed))) == 2


@pytest.mark.parametrize("turn", [1.5, -1.5, 2.5])
@pytest.mark.parametrize("along", [0, 150])
def test_copies_of_a_needle_at_slightly_different_angles_are_one(turn: float, along: float) -> None:
    other = shifted(NEEDLE, along=along, across=6, turn=turn * DEGREE, stretch=0.95)
    assert geometry.box_ious(NEEDLE, other)[0] < 0.5
    found = stitch(whole(NEEDLE.tolist(), other, scores=[0.5, 0.8]))
    assert len(found) == 1
    # The ends are those of the better copy, the axis lies between both and nearer to it.
    assert found.boxes[0, 2] == pytest.approx(other[2], rel=0.01)
    share = (found.boxes[0, 4] - NEEDLE[4]) / (turn * DEGREE)
    assert 0.5 < share < 1


@pytest.mark.parametrize("offset", [0.8, 1.0, 1.3])
def test_needles_side_by_side_are_two(offset: float) -> None:
    assert len(stitch(whole(NEEDLE.tolist(), shifted(NEEDLE, across=offset * 30)))) == 2


@pytest.mark.parametrize("across", [0, 15])
def test_cells_of_a_step_chain_are_two(across: float) -> None:
    assert len(stitch(whole(NEEDLE.tolist(), shifted(NEEDLE, along=0.85 * 1500, across=across)))) == 2


def test_a_small_valve_on_a_large_one_stays() -> None:
    assert len(stitch(whole([500, 500, 400, 150, 0.2], [520, 500, 60, 20, 1.0]))) == 2


def test_a_thin_needle_along_a_wide_valve_stays() -> None:
    assert len(stitch(whole([500, 500, 500, 120, 0.2], [500, 500, 480, 20, 0.2]))) == 2


def test_a_whole_copy_beats_a_better_cut_one() -> None:
    boxes = [[500, 500, 200, 60, 0], [450, 500, 100, 58, 0]]
    found = stitch(Detections.of(boxes, scores=[0.5, 0.8], cut=[0, CUT_BY_TILE]))
    assert found.boxes[0] == pytest.approx(boxes[0])
    assert found.scores == pytest.approx([0.8])
    assert found.cut.tolist() == [0]


def test_a_copy_cut_by_the_images_edge_is_as_good_as_whole() -> None:
    boxes = [[50, 500, 100, 60, 0], [40, 500, 80, 58, 0]]
    found = stitch(Detections.of(boxes, scores=[0.5, 0.5], cut=[CUT_BY_EDGE, CUT_BY_TILE | CUT_BY_EDGE]))
    assert found.cut.tolist() == [CUT_BY_EDGE]


def test_a_doubtful_whole_copy_does_not_swallow_a_sure_cut_one() -> None:
    boxes = [[500, 500, 600, 300, 0], [400, 500, 200, 60, 0]]
    found = stitch(Detections.of(boxes, scores=[0.1, 0.9], cut=[0, CUT_BY_TILE]))
    assert len(found) == 2


def test_a_short_piece_of_a_needle_goes_with_the_whole_needle() -> None:
    piece = [*shifted(NEEDLE, along=600, across=10, turn=4 * DEGREE)[:2], 250, 24, 0.4 + 4 * DEGREE]
    found = stitch(Detections.of([NEEDLE, piece], scores=[0.6, 0.9], cut=[0, CUT_BY_TILE]))
    assert len(found) == 1
    assert found.boxes[0, 2] == pytest.approx(1500)


def test_a_sliver_along_the_edge_of_a_wide_valve_goes_with_the_valve() -> None:
    sliver = [500, 554, 420, 14, 0]
    found = stitch(Detections.of([[500, 500, 700, 100, 0], sliver], scores=[0.6, 0.5], cut=[0, CUT_BY_TILE]))
    assert found.boxes[:, 3].tolist() == [100]


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.2, -np.pi / 2, -0.8])
@pytest.mark.parametrize("noise", [0, 1])
def test_a_needle_longer_than_a_tile_is_joined(angle: float, noise: float) -> None:
    needle = [1510, 1490, 2500, 40, angle]
    found = stitch(seen_through_tiles([needle], 3000, noise=noise))
    assert len(found) == 1
    assert found.cut[0] == 0
    assert geometry.box_ious(found.boxes, [needle])[0] > (0.75 if noise else 0.93)
    assert found.boxes[0, 2] == pytest.approx(2500, rel=0.02)


def test_a_joined_needle_that_leaves_the_image_is_cut_by_its_edge() -> None:
    found = stitch(seen_through_tiles([[500, 1000, 2000, 40, 0.1]], 3000))
    assert found.cut.tolist() == [CUT_BY_EDGE]


def test_long_needles_side_by_side_and_crossing_stay_apart() -> None:
    needles = [[1500, 1500, 2200, 40, 0.3], [1500, 1545, 2200, 40, 0.3], [1500, 1500, 2200, 40, -0.9]]
    found = stitch(seen_through_tiles(needles, 3000, noise=0.5))
    assert len(found) == 3
    assert sorted(found.boxes[:, 2].tolist()) == pytest.approx([2200] * 3, rel=0.02)


def test_a_chain_longer_than_a_tile_keeps_its_cells() -> None:
    cos, sin = np.cos(0.2), np.sin(0.2)
    cells = [[600 + k * 340 * cos, 800 + k * 340 * sin, 400, 24, 0.2] for k in range(6)]
    found = stitch(seen_through_tiles(cells, 3000, noise=0.5))
    assert len(found) == 6
    assert found.boxes[:, 2] == pytest.approx([400] * 6, rel=0.03)


def test_a_pyramid_finds_each_specimen_once() -> None:
    rng = np.random.default_rng(3)
    specimens = [
        [*rng.uniform(300, 2700, 2), length, length / rng.uniform(3, 15), rng.uniform(-1.5, 1.5)]
        for length in (60, 80, 120, 200, 300, 500, 900, 1500, 2200)
    ]
    found = stitch(seen_through_tiles(specimens, 3000, scales=(1, 0.5, 0.25), noise=0.5))
    assert len(found) == len(specimens)
    assert sorted(found.boxes[:, 2]) == pytest.approx(sorted(specimen[2] for specimen in specimens), rel=0.06, abs=6)


def test_pieces_of_different_classes_are_not_joined() -> None:
    pieces = Detections.of(
        [[300, 300, 600, 30, 0], [750, 300, 600, 30, 0]], class_ids=[0, 1], classes=("a", "b"), cut=[2, 2]
    )
    assert len(stitch(pieces)) == 2
    assert len(stitch(Detections.of(pieces.boxes, cut=pieces.cut))) == 1


def test_a_piece_without_a_partner_stays_cut() -> None:
    found = stitch(Detections.of([[300, 300, 600, 30, 0]], cut=[CUT_BY_TILE]))
    assert found.cut.tolist() == [CUT_BY_TILE]


def disc(x: int, y: int, radius: int) -> CroppedMask:
    yy, xx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return CroppedMask(xx**2 + yy**2 <= radius**2, x - radius, y - radius)


def test_masks_decide_where_there_are_masks() -> None:
    ring = disc(100, 100, 50)
    pixels = ring.pixels.copy()
    pixels[20:81, 20:81] = False
    masks = [CroppedMask(pixels, ring.x0, ring.y0), disc(100, 100, 28), disc(101, 100, 28)]
    found = stitch(Detections.of([[100, 100, 101, 101, 0]] * 3, scores=[0.9, 0.8, 0.7], masks=masks))
    assert [mask.area for mask in found.masks or ()] == [masks[0].area, masks[1].area]


def test_a_sliver_just_beside_a_mask_goes_with_it_and_a_neighbour_stays() -> None:
    whole = disc(100, 100, 30)
    sliver = CroppedMask(np.ones((9, 2), dtype=bool), 131, 96)
    neighbour = disc(142, 100, 11)
    some = Detections.of(
        [[100.5, 100.5, 61, 61, 0], [132, 100.5, 9, 2, np.pi / 2], [142.5, 100.5, 23, 23, 0]],
        scores=[0.9, 0.8, 0.7],
        masks=[whole, sliver, neighbour],
        cut=[0, CUT_BY_TILE, CUT_BY_TILE],
    )
    assert [mask.area for mask in stitch(some).masks or ()] == [whole.area, neighbour.area]


def test_the_finest_mask_of_about_the_same_score_is_kept() -> None:
    masks = [disc(100, 100, 30), disc(101, 100, 30), disc(100, 101, 30)]
    some = Detections.of([[100.5, 100.5, 61, 61, 0]] * 3, scores=[0.9, 0.8, 0.3], masks=masks)
    for order in ([0, 1, 2], [2, 1, 0]):
        found = stitch(some[order], scales=np.array([0.25, 0.5, 1.0])[order])
        assert [(mask.x0, mask.y0) for mask in found.masks or ()] == [(71, 70)]
        assert found.scores == pytest.approx([0.9])
    assert [(mask.x0, mask.y0) for mask in stitch(some).masks or ()] == [(70, 70)]


def test_joining_unites_the_masks() -> None:
    def bar(x0: int, x1: int) -> CroppedMask:
        return CroppedMask(np.ones((20, x1 - x0), dtype=bool), x0, 100)

    windows = Window(0, 0, 640, 640), Window(480, 0, 1120, 640)
    parts = [
        to_image_coordinates(
            Detections.of(
                [[(x0 + x1) / 2 - window.x0, 110, x1 - x0, 20, 0]], masks=[bar(x0, x1).shifted(-window.x0, 0)]
            ),
            window,
            1.0,
            640,
            2000,
        )
        for window, x0, x1 in zip(windows, (100, 480), (640, 1000), strict=True)
    ]
    found = stitch(Detections.concatenate(parts))
    assert len(found) == 1
    assert found.masks is not None
    assert (found.masks[0].x0, found.masks[0].y0, found.masks[0].area) == (100, 100, 900 * 20)
    assert found.boxes[0] == pytest.approx([550, 110, 900, 20, 0], abs=0.5)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_the_input_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 60))
    boxes = np.column_stack(
        [rng.uniform(0, 400, (count, 2)), rng.uniform(5, 300, (count, 2)), rng.uniform(-2, 2, count)]
    )
    some = Detections.of(
        np.concatenate([boxes, boxes[: count // 3] + rng.normal(0, 1, (count // 3, 5)) * [1, 1, 0, 0, 0.01]]),
        scores=np.round(rng.uniform(0, 1, count + count // 3), 1),
        cut=rng.integers(0, 4, count + count // 3),
    )
    one, other = stitch(some), stitch(some[rng.permutation(len(some))])
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.cut, other.cut)
    again = stitch(one)
    assert len(again) <= len(one)
