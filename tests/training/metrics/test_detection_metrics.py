"""The figures by which models are evaluated."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.metrics.detection_metrics import angle_errors_deg, best_threshold, evaluate, match
from diatom_training.metrics.mask_metrics import confusion, draw_class_map, map_metrics, mask_overlaps
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError

SIZE = (400, 600)
TRUTH = Detections.of(
    [[100, 100, 80, 20, 0.3], [300, 200, 200, 10, -1.2], [500, 300, 60, 60, 0], [50, 300, 90, 15, 1.5]]
)


def with_scores(detections: Detections, *scores: float) -> Detections:
    return Detections.of(detections.boxes, scores=scores)


def test_the_truth_itself_is_perfect() -> None:
    metrics = evaluate([TRUTH, Detections.empty()], [TRUTH, Detections.empty()], [SIZE, SIZE], 0.5)
    assert (metrics.images, metrics.specimens, metrics.found) == (2, 4, 4)
    assert (metrics.ap50, metrics.ap50_95) == (pytest.approx(1), pytest.approx(1))
    assert (metrics.precision, metrics.recall, metrics.f1, metrics.count_error) == (1, 1, 1, 0)
    assert (metrics.angle_error_deg, metrics.length_error) == (0, 0)


def test_a_missed_and_a_false_specimen() -> None:
    found = Detections.of([*TRUTH.boxes[:3], [500, 100, 40, 40, 0]], scores=[0.9, 0.8, 0.7, 0.6])
    metrics = evaluate([TRUTH], [found], [SIZE], 0.5)
    assert metrics.ap50 == pytest.approx(0.75, abs=0.01)
    assert (metrics.precision, metrics.recall) == (0.75, 0.75)
    assert metrics.count_error == 0
    above = evaluate([TRUTH], [found], [SIZE], 0.65)
    assert (above.precision, above.recall, above.found) == (1, 0.75, 3)
    assert (above.count_error, above.relative_count_error) == (1, 0.25)
    assert above.ap50 == metrics.ap50


def test_a_false_one_with_the_best_score_costs_precision() -> None:
    found = Detections.of([*TRUTH.boxes, [500, 100, 40, 40, 0]], scores=[0.8, 0.7, 0.6, 0.5, 0.9])
    assert evaluate([TRUTH], [found], [SIZE], 0.1).ap50 == pytest.approx(0.8, abs=0.01)


def test_a_copy_counts_once() -> None:
    found = Detections.of([TRUTH.boxes[0], TRUTH.boxes[0] + [1, 1, 0, 0, 0]], scores=[0.5, 0.9])
    which, whose = match(TRUTH, found)
    assert (which.tolist(), whose.tolist()) == ([1], [0])


def test_no_more_than_the_best_300_detections_are_looked_at() -> None:
    rubbish = np.tile([550.0, 50, 20, 20, 0], (400, 1))
    found = Detections.of([*rubbish, *TRUTH.boxes], scores=[0.9] * 400 + [0.5] * 4)
    assert evaluate([TRUTH], [found], [SIZE], 0.5).ap50 == 0


def test_boxes_beyond_the_frame_are_compared_within_it() -> None:
    truth = Detections.of([[-20, 100, 120, 30, 0]])
    found = Detections.of([[-10, 100, 100, 30, 0]])
    assert evaluate([truth], [found], [SIZE], 0.5).ap50_95 == pytest.approx(1)


@given(st.floats(-1.4, 1.4), st.floats(-0.3, 0.3))
def test_angles_are_compared_modulo_half_a_turn(angle: float, error: float) -> None:
    truth = Detections.of([[100, 100, 80, 20, angle]])
    found = Detections.of([[100, 100, 80, 20, angle + error]])
    assert angle_errors_deg(truth, found)[0] == pytest.approx(abs(np.rad2deg(error)), abs=1e-3)


def test_the_best_threshold_is_the_middle_of_the_best_ones() -> None:
    found = Detections.of([*TRUTH.boxes, [300, 300, 20, 10, 0]], scores=[0.9] * len(TRUTH) + [0.5])
    assert best_threshold([TRUTH], [found]) == (0.71, 1)
    # With nothing but right finds, all from the least score that is looked at are as good.
    assert best_threshold([TRUTH], [found[: len(TRUTH)]]) == (0.5, 1)
    # 0.7 as float32 is less than 0.7.
    sharp = replace(found, scores=np.array([0.7] * len(TRUTH) + [0.69], dtype=np.float32))
    assert best_threshold([TRUTH], [sharp]) == (0.7, 1)
    assert sharp.above(0.7).scores.tolist() == sharp.scores[:-1].tolist()


def test_where_nothing_is_right_the_threshold_is_the_usual_one() -> None:
    wrong = Detections.of([[300, 300, 20, 10, 0]], scores=[0.8])
    for found in (wrong, Detections.empty(), replace(TRUTH, scores=np.full(len(TRUTH), 0.05, np.float32))):
        assert best_threshold([TRUTH], [found]) == (0.25, 0)
    assert best_threshold([Detections.empty()], [wrong]) == (0.25, 0)


def test_nothing_to_tell_is_null_in_json() -> None:
    metrics = evaluate([Detections.empty()], [Detections.empty()], [SIZE], 0.5)
    assert np.isnan(metrics.ap50)
    assert json.loads(json.dumps(metrics.to_json()))["ap50"] is None


def test_sequences_of_different_lengths() -> None:
    with pytest.raises(InputError, match="do not go together"):
        evaluate([TRUTH], [], [SIZE], 0.5)


def masked(*corners: tuple[int, int, int, int], scores: tuple[float, ...] | None = None) -> Detections:
    """Return rectangles x0, y0, x1, y1 with their masks."""
    boxes = [[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0] for x0, y0, x1, y1 in corners]
    masks = [CroppedMask(np.ones((y1 - y0, x1 - x0), dtype=bool), x0, y0) for x0, y0, x1, y1 in corners]
    return Detections.of(boxes, scores=scores, masks=masks)


def test_masks_are_compared_as_masks() -> None:
    truth = masked((10, 10, 60, 20), (100, 50, 140, 90))
    # Both boxes are right; one mask covers less than half of its specimen.
    found = masked((10, 10, 60, 20), (100, 50, 140, 90), scores=(0.9, 0.8))
    pixels = np.zeros((40, 40), dtype=bool)
    pixels[:, :18] = True
    found = replace(found, masks=(found.masks[0], CroppedMask(pixels, 100, 50)))
    np.testing.assert_allclose(mask_overlaps(found, truth), [[1, 0], [0, 0.45]])
    assert evaluate([truth], [found], [SIZE], 0.5).f1 == 1
    metrics = evaluate([truth], [found], [SIZE], 0.5, masks=True)
    assert (metrics.precision, metrics.recall) == (0.5, 0.5)
    assert metrics.ap50 == pytest.approx(0.5, abs=0.01)
    assert best_threshold([truth], [found], masks=True) == (0.86, pytest.approx(2 / 3))
    perfect = evaluate([truth, Detections.empty(with_masks=True)], [truth, masked()], [SIZE, SIZE], 0.5, masks=True)
    assert (perfect.ap50, perfect.ap50_95, perfect.f1) == (pytest.approx(1), pytest.approx(1), 1)
    with pytest.raises(InputError, match="without masks"):
        evaluate([TRUTH], [TRUTH], [SIZE], 0.5, masks=True)


def test_class_maps_are_counted_pixel_by_pixel() -> None:
    truth = np.array([[0, 0, 1, 1], [0, 0, 2, 2]])
    found = np.array([[0, 1, 1, 1], [0, 0, 2, 1]])
    metrics = map_metrics(confusion(truth, found, 2))
    assert metrics.pixel_accuracy == 6 / 8
    assert metrics.class_iou == (3 / 4, 2 / 4, 1 / 2)
    assert metrics.miou == pytest.approx((3 / 4 + 2 / 4 + 1 / 2) / 3)
    assert metrics.dice == pytest.approx(2 * 4 / (4 + 5))
    assert metrics.iou == pytest.approx(4 / 5)
    with pytest.raises(InputError, match="shape"):
        confusion(truth, found[:1], 2)
    with pytest.raises(InputError, match="classes other"):
        confusion(truth, found, 1)
    nothing = map_metrics(confusion(truth * 0, found * 0, 2))
    assert (nothing.miou, nothing.pixel_accuracy) == (1, 1)
    assert nothing.to_json()["dice"] is None
    assert json.dumps(nothing.to_json())


def test_a_class_map_shows_small_masks_on_large_ones_and_nothing_beyond_the_image() -> None:
    truth = Detections.of(
        [[5, 5, 20, 20, 0], [5, 5, 4, 4, 0]],
        class_ids=[0, 1],
        classes=("a", "b"),
        masks=[CroppedMask(np.ones((20, 20), bool), -5, -5), CroppedMask(np.ones((4, 4), bool), 3, 3)],
    )
    drawn = draw_class_map(truth, 12, 14)
    assert drawn.shape == (12, 14)
    assert (drawn == 2).sum() == 16
    assert (drawn == 1).sum() == 12 * 14 - 16
