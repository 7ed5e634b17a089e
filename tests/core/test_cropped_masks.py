"""Masks keep their area when they are resampled, and their shape when tiles cut them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.detections import CUT_BY_TILE, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.tiling.stitching import stitch, without_parts
from napari_diatom.tiling.tiles import plan_tiles, to_image_coordinates


def ellipse(x: float, y: float, length: float, width: float, angle: float) -> CroppedMask:
    reach = int(length / 2) + 2
    left, top = int(x) - reach, int(y) - reach
    yy, xx = np.mgrid[: 2 * reach, : 2 * reach] + 0.5
    dx, dy = xx + left - x, yy + top - y
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return CroppedMask((along / length) ** 2 + (across / width) ** 2 <= 0.25, left, top).trimmed()


def same(a: CroppedMask, b: CroppedMask) -> bool:
    a, b = a.trimmed(), b.trimmed()
    return (a.x0, a.y0) == (b.x0, b.y0) and np.array_equal(a.pixels, b.pixels)


def test_bounds_area_and_parts() -> None:
    pixels = np.zeros((6, 9), dtype=bool)
    pixels[2:5, 3:7] = True
    mask = CroppedMask(pixels, 10, 20)
    assert (mask.area, mask.bounds) == (12, (13, 22, 17, 25))
    assert mask.trimmed().pixels.all()
    assert mask.within(0, 0, 15, 100).area == 6
    assert mask.within(50, 50, 60, 60).area == 0
    assert mask.within(0, 0, 100, 100) is mask
    assert CroppedMask(np.zeros((2, 2), dtype=bool), 5, 5).bounds == (5, 5, 5, 5)


@given(
    st.floats(25, 120),
    st.floats(0.15, 1),
    st.floats(-1.6, 1.6),
    st.sampled_from([0.125, 0.25, 0.4, 0.5, 0.8, 1.7, 2.0]),
    st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
)
@settings(max_examples=60)
def test_resampling_keeps_area_and_place(
    length: float, share: float, angle: float, scale: float, shift: tuple[float, float]
) -> None:
    mask = ellipse(200.3, 150.7, length, max(length * share, 8), angle)
    moved = cropped_masks.resample_mask(mask, *shift, scale)
    # Pixels that the edge of an upright mask halves come in or stay out together, along both of its sides.
    ties = length * scale / 2 if scale > 1 else max(5, length * scale)
    assert moved.area * scale**2 == pytest.approx(mask.area, rel=0.05, abs=ties)
    y, x = np.nonzero(mask.pixels)
    my, mx = np.nonzero(moved.pixels)
    centre = (x.mean() + mask.x0 + 0.5) / scale + shift[0], (y.mean() + mask.y0 + 0.5) / scale + shift[1]
    assert (mx.mean() + moved.x0 + 0.5, my.mean() + moved.y0 + 0.5) == pytest.approx(centre, abs=0.5 / min(scale, 1))


def test_resampling_there_and_back_gives_the_same_rectangle() -> None:
    mask = CroppedMask(np.ones((7, 31), dtype=bool), 12, -3)
    there = cropped_masks.resample_mask(mask, 5, 7, 0.25)
    assert there.pixels.shape == (28, 124)
    assert same(cropped_masks.resample_mask(there, -20 / 16, -28 / 16, 4), mask)


def test_thin_masks_do_not_vanish_and_empty_ones_stay_empty() -> None:
    thread = CroppedMask(np.ones((1, 80), dtype=bool), 100, 50)
    smaller = cropped_masks.resample_mask(thread, 0, 0, 8)
    assert smaller.pixels.shape[0] == 1
    assert smaller.area in (9, 10, 11)
    assert smaller.pixels.all()
    assert cropped_masks.resample_mask(CroppedMask(np.zeros((3, 3), dtype=bool), 4, 4), 0, 0, 0.5).area == 0


def test_probabilities_fill_their_box_without_islands() -> None:
    full = cropped_masks.of_probabilities(np.ones((28, 28)), 10.0, 20.0, 50.0, 30.0)
    assert (full.bounds, full.area) == ((10, 20, 50, 30), 400)
    parts = np.zeros((28, 28))
    parts[2:12, 2:20] = 0.9
    parts[20:22, 20:22] = 0.9
    parts[18:28, 2:10] = 0.8
    mask = cropped_masks.of_probabilities(parts, 0, 0, 56, 56)
    number, _ = cv2.connectedComponents(mask.pixels.astype(np.uint8))
    assert number == 3
    assert cropped_masks.of_probabilities(np.zeros((28, 28)), 3, 3, 9, 9).area == 0


def test_overlaps() -> None:
    a = CroppedMask(np.ones((10, 10), dtype=bool), 0, 0)
    b = CroppedMask(np.ones((4, 10), dtype=bool), 5, 3)
    assert cropped_masks.shared_pixels(a, b) == 20
    assert cropped_masks.mask_iou(a, b) == pytest.approx(20 / 120)
    assert cropped_masks.mask_overlap_coefficient(a, b) == pytest.approx(0.5)
    assert cropped_masks.shared_pixels(a, b.shifted(5, 0)) == 0
    assert cropped_masks.united([a, b.shifted(10, 0)]).area == 140


@given(st.floats(40, 200), st.floats(0.1, 0.8), st.floats(-1.57, 1.57))
def test_the_box_of_a_mask(length: float, share: float, angle: float) -> None:
    truth = [300.4, 250.6, length, max(share * length, 10), angle]
    corners = geometry.corners(truth)[0]
    yy, xx = np.mgrid[100:400, 150:450] + 0.5
    inside = np.ones(xx.shape, dtype=bool)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (b[0] - a[0]) * (yy - a[1]) - (b[1] - a[1]) * (xx - a[0]) >= 0
    box = cropped_masks.least_box(CroppedMask(inside, 150, 100))
    assert box[:2] == pytest.approx(truth[:2], abs=0.6)
    # Sides that lean by less than two pixels from end to end look upright; then the lean counts as length and width.
    lean = min(abs(np.sin(angle)), abs(np.cos(angle)))
    unseen = lean * np.array(truth[3:1:-1]) if lean * max(truth[2:4]) < 2 else np.zeros(2)
    assert (abs(box[2:4] - truth[2:4]) <= 1.1 + unseen).all()


def test_a_mask_without_pixels_has_no_box() -> None:
    with pytest.raises(InputError, match="without pixels"):
        cropped_masks.least_box(CroppedMask(np.zeros((2, 2), dtype=bool), 0, 0))


def test_the_outline_goes_round_the_largest_part() -> None:
    pixels = ellipse(60, 60, 80, 40, 0.5).pixels.copy()
    pixels[pixels.shape[0] // 2, pixels.shape[1] // 2] = False
    pixels[0, 0] = True
    ring = cropped_masks.trace_outline(CroppedMask(pixels, 10, 20))
    x, y = ring.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == pytest.approx(np.pi * 800, rel=0.03)
    assert ring.mean(axis=0) == pytest.approx([10 + pixels.shape[1] / 2, 20 + pixels.shape[0] / 2], abs=5)
    assert len(cropped_masks.trace_outline(CroppedMask(np.ones((1, 1), dtype=bool), 3, 4))) >= 3


def blobs(seed: int, size: int) -> list[CroppedMask]:
    """Return parts that do not touch, of any shape, with holes."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (size, size)), (0, 0), rng.uniform(5, 14))
    level = np.quantile(noise, rng.uniform(0.6, 0.9))
    number, labels, stats, _ = cv2.connectedComponentsWithStats((noise > level).astype(np.uint8), connectivity=8)
    found = []
    for k in range(1, number):
        x, y, w, h, area = stats[k]
        if area >= 30:
            found.append(CroppedMask(labels[y : y + h, x : x + w] == k, int(x), int(y)))
    return found


def through_tiles(specimens: list[CroppedMask], size: int, tile: int, overlap: float) -> Detections:
    """Return what a perfect network would find in each tile."""
    parts = []
    for window in plan_tiles(size, size, tile, overlap):
        seen = [mask.within(*window).trimmed().shifted(-window.x0, -window.y0) for mask in specimens]
        seen = [mask for mask in seen if mask.area]
        boxes = [cropped_masks.least_box(mask) for mask in seen]
        parts.append(to_image_coordinates(Detections.of(boxes, masks=seen), window, 1.0, size, size))
    return Detections.concatenate(parts)


@given(st.integers(0, 10**6), st.integers(70, 200), st.floats(0.1, 0.4))
@settings(max_examples=25)
def test_tiles_leave_no_trace_in_masks_of_any_shape(seed: int, tile: int, overlap: float) -> None:
    truth = blobs(seed, 300)
    pieces = through_tiles(truth, 300, tile, overlap)
    order = np.random.default_rng(seed).permutation(len(pieces))
    found = stitch(pieces[order])
    assert found.masks is not None
    key = {(mask.trimmed().x0, mask.trimmed().y0, mask.area): mask for mask in found.masks}
    assert len(found) == len(truth)
    for mask in truth:
        assert same(key[mask.x0, mask.y0, mask.area], mask)
    assert not (found.cut & CUT_BY_TILE).any()


@given(st.integers(0, 10**6))
@settings(max_examples=15)
def test_the_order_of_masks_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pieces = through_tiles(blobs(seed, 200), 200, 90, 0.3)
    one, other = stitch(pieces), stitch(pieces[rng.permutation(len(pieces))])
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert all(same(a, b) for a, b in zip(one.masks or (), other.masks or (), strict=True))


def test_pieces_go_with_the_whole_that_is_surer() -> None:
    whole, piece = ellipse(200, 200, 160, 50, 0.4), ellipse(230, 212, 60, 30, 0.4)
    beside, upon = ellipse(330, 300, 60, 30, 0), ellipse(180, 192, 40, 20, 1.2)
    some = [upon, whole, piece, beside]
    found = Detections.of([cropped_masks.least_box(mask) for mask in some], scores=[0.9, 0.8, 0.7, 0.6], masks=some)
    left = without_parts(found).masks
    assert left is not None
    assert [any(same(mask, other) for other in left) for mask in some] == [True, True, False, True]
    assert len(without_parts(Detections.empty(with_masks=True))) == 0
