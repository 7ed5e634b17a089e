"""The figures by which models are judged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.evaluate import angle_errors_deg, evaluate, match
from napari_diatom.detections import Detections
from napari_diatom.errors import InputError

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


def test_nothing_to_tell_is_null_in_json() -> None:
    metrics = evaluate([Detections.empty()], [Detections.empty()], [SIZE], 0.5)
    assert np.isnan(metrics.ap50)
    assert json.loads(json.dumps(metrics.to_json()))["ap50"] is None


def test_sequences_of_different_lengths() -> None:
    with pytest.raises(InputError, match="do not go together"):
        evaluate([TRUTH], [], [SIZE], 0.5)
