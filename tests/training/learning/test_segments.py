"""The learning rate over segments of epochs, and when each of them ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diatom_training.learning.lr_schedule import rate
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.segments import Segment, is_over, next_rate, segment_rate, total_epochs

OPTIONS = LearningOptions(epochs=6, crops=40, batch=8, rate=1e-2, warmup=3, patience=3)
ADDED = (Segment(first=4, epochs=5, rate=2e-3), Segment(first=9, epochs=2, rate=1e-4))


@given(st.integers(0, 29))
def test_the_epochs_before_have_the_rate_that_they_had(step: int) -> None:
    assert segment_rate(OPTIONS, (), step, [], 5) == rate(OPTIONS, step, 30, [])
    if step < 20:
        assert segment_rate(OPTIONS, ADDED, step, [], 5) == segment_rate(OPTIONS, (), step, [], 5)


def test_each_segment_begins_at_its_rate_and_falls_to_its_end() -> None:
    assert segment_rate(OPTIONS, ADDED, 20, [], 5) == pytest.approx(2e-3)
    assert segment_rate(OPTIONS, ADDED, 44, [], 5) < 4e-4
    assert segment_rate(OPTIONS, ADDED, 45, [], 5) == pytest.approx(1e-4)
    falls = [segment_rate(OPTIONS, ADDED, step, [], 5) for step in range(20, 45)]
    assert falls == sorted(falls, reverse=True)
    assert total_epochs(OPTIONS, ADDED) == 11
    assert total_epochs(OPTIONS, ()) == 6


def test_a_segment_has_a_patience_of_its_own() -> None:
    history = [{"val_loss": loss} for loss in (1.0, 2.0, 2.0, 2.0)]
    assert is_over(OPTIONS, (), history)
    assert not is_over(OPTIONS, ADDED, history)
    assert not is_over(OPTIONS, ADDED, [*history, {"val_loss": 2.0}, {"val_loss": 2.0}])
    assert is_over(OPTIONS, ADDED, [*history, *[{"val_loss": 2.0}] * 3])


def test_the_next_rate_is_a_third_of_the_last_one_or_the_constant_one() -> None:
    assert next_rate(OPTIONS, ()) == pytest.approx(3e-3)
    assert next_rate(OPTIONS, ADDED) == pytest.approx(3e-5)
    assert next_rate(OPTIONS.model_copy(update={"schedule": "constant"}), ADDED) == pytest.approx(1e-4)
