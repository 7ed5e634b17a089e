"""The forty made-up histories are the same each time, whole, and what their drawing says they are."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.histories import KINDS, SEEDS, History, histories, history, stopped


def _smooth(curve: np.ndarray, width: int = 5) -> np.ndarray:
    """Return the running median: a spike of one epoch does not show in it."""
    padded = np.pad(curve, width // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)


def test_five_histories_of_each_of_eight_kinds():
    drawn = histories()
    assert [(one.kind, one.seed) for one in drawn] == [(kind, seed) for kind in KINDS for seed in SEEDS]
    assert len({one.training.tobytes() for one in drawn}) == 40
    for kind in KINDS:
        cases = [one.case for one in drawn if one.kind == kind]
        assert len({case.images for case in cases}) == 5
        assert len({one.training.size for one in drawn if one.kind == kind}) >= 4
        assert {"classes", "maps", "boxes", "outlines"} == {case.task for case in cases}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_history_is_reproducible_finite_and_as_long_as_stated(kind: str, seed: int):
    one, again = history(kind, seed), history(kind, seed)
    planned = sum(one.case.segments)
    length = planned if one.case.patience is None else stopped(one.validation, one.case.patience)
    assert 8 <= length <= 120
    assert [epoch for segment in one.segments for epoch in segment] == list(range(length))
    for name in ("training", "validation", "figure"):
        curve = getattr(one, name)
        np.testing.assert_array_equal(curve, getattr(again, name))
        assert curve.shape == (length,)
        assert np.isfinite(curve).all()
        assert (curve >= 0).all()
    assert (one.figure <= 1).all()
    assert one.training.min() > 0
    assert one.validation.min() > 0
    assert one.compared
    assert all(0 <= value <= 1 for value in one.compared.values())
    assert one.expected == kind
    assert (one.since is not None) == (kind == "overfitting")


@pytest.mark.parametrize("kind", KINDS)
def test_only_where_nothing_is_learnt_the_training_loss_stays_by_the_baseline(kind: str):
    for seed in SEEDS:
        one = history(kind, seed)
        assert (one.training.min() > 0.9 * one.line) == (kind == "nothing learnt")


@pytest.mark.parametrize("seed", SEEDS)
def test_overfitting_begins_where_the_smoothed_validation_loss_is_lowest(seed: int):
    one: History = history("overfitting", seed)
    smooth = _smooth(one.validation)
    assert one.since is not None
    assert abs(int(smooth.argmin()) + 1 - one.since) <= one.tolerance
    assert smooth[-1] > 1.05 * smooth.min()
    assert one.training[-1] < 0.85 * one.training[one.since - 1]
