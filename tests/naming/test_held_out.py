"""What is said of specimens that were left out, in closed form, is what discriminants say that never saw them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.naming import calibration, held_out
from napari_diatom.naming.calibration import (
    expected_calibration_error,
    mean_log_loss,
    temperature_of_examples,
)
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.held_out import HeldOut, hold_out, leave_one_out, leave_slides_out
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.rule_pair import tempered_shares


def simulated(
    number: int, taxa: int = 4, dimensions: int = 5, seed: int = 0, slides: int = 3, sizes: int = 0
) -> NamedVectors:
    """Return specimens of taxa that overlap; a third of them of unknown size where there are sizes."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, taxa, number)
    vectors = rng.normal(0, 1, (taxa, dimensions))[ids] + rng.normal(0, 0.8, (number, dimensions))
    known = np.arange(taxa)[ids, None] + rng.normal(0, 20, (number, sizes)) if sizes else None
    if known is not None:
        known[rng.random(number) < 1 / 3, -1] = np.nan
    where = [f"slide {k}" for k in rng.integers(0, slides, number)]
    return NamedVectors.of(vectors, [f"taxon {k}" for k in ids], sizes=known, slides=where)


def assert_as_if_not_named(found: HeldOut, named: NamedVectors, parts: np.ndarray, shrinkage: float | None) -> None:
    """Compare with discriminants that are fitted without each part; sizes keep the scale that they had."""
    fitted = GroupSums.of(named).discriminants(shrinkage)[1]
    for part in np.unique(parts):
        rest, rows = GroupSums.of(named[parts != part]), np.flatnonzero(parts == part)
        if not len(rest.plain):
            assert np.isinf(found.log_shares[rows]).all()
            continue
        plain, sized = rest.discriminants(shrinkage, fitted.spectrum.scale if fitted and not found.by_slide else None)
        for row in rows:
            shares = log_softmax(plain.decisions(named.vectors[[row]])[0])
            expected = dict(zip(plain.taxa, shares, strict=True))
            if sized is not None and named.sized[row]:
                divided = log_softmax(sized.decisions(named.with_sizes[[row]])[0])
                left = np.logaddexp.reduce([expected[name] for name in sized.taxa])
                expected |= dict(zip(sized.taxa, divided + left, strict=True))
            for k, name in enumerate(found.taxa):
                assert found.log_shares[row, k] == pytest.approx(expected.get(name, -np.inf), rel=1e-5, abs=1e-5)
            distances = dict(zip(plain.taxa, plain.squared_distances(named.vectors[[row]])[0], strict=True))
            for k, name in enumerate(found.taxa):
                assert found.distances[row, k] == pytest.approx(distances.get(name, np.inf), rel=1e-5, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(12, 40),
    st.integers(1, 8),
    st.sampled_from([1, 3, 15]),
    st.sampled_from([0.05, 0.6, 1.0, None]),
    st.sampled_from([0, 2]),
    st.integers(0, 1000),
)
def test_leaving_one_out_in_closed_form(
    number: int, taxa: int, dimensions: int, shrinkage: float | None, sizes: int, seed: int
) -> None:
    named = simulated(number, taxa, dimensions, seed, sizes=sizes)
    assert_as_if_not_named(leave_one_out(named, shrinkage), named, np.arange(number), shrinkage)


@pytest.mark.parametrize("shrinkage", [0.3, None])
@pytest.mark.parametrize("sizes", [0, 2])
def test_leaving_slides_out(shrinkage: float | None, sizes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    named = simulated(40, 5, 4, 7, slides=5, sizes=sizes)
    assert_as_if_not_named(leave_slides_out(named, shrinkage), named, named.slide_ids, shrinkage)
    monkeypatch.setattr(held_out, "MOST_PARTS", 2)
    assert_as_if_not_named(leave_slides_out(named, shrinkage), named, named.slide_ids % 2, shrinkage)
    alone = simulated(10, 2, 3, slides=1)
    assert_as_if_not_named(leave_slides_out(alone), alone, alone.slide_ids, None)


def test_the_only_two_of_a_taxon_leave_nothing_that_scatters() -> None:
    rng = np.random.default_rng(0)
    named = NamedVectors.of(rng.normal(0, 1, (5, 3)), ["a", "a", "b", "c", "d"])
    assert_as_if_not_named(leave_one_out(named), named, np.arange(5), None)
    found = leave_one_out(named)
    assert found.answerable.tolist() == [True, True, False, False, False]
    # Two of a taxon that are the same, and a third that is not.
    named = NamedVectors.of([[1.0, 0], [1.0, 0], [0, 1], [0, 1.5], [2, 2]], ["a", "a", "b", "b", "c"])
    assert_as_if_not_named(leave_one_out(named), named, np.arange(5), None)


@pytest.mark.parametrize("taxa", [["a"], ["a", "b"], ["a", "a"], ["a", "a", "b"]])
def test_the_first_few_names(taxa: list[str]) -> None:
    named = NamedVectors.of([[float(len(name)), float(k % 2)] for k, name in enumerate(taxa)], taxa)
    found = leave_one_out(named)
    assert found.answerable.tolist() == [taxa.count(name) > 1 for name in taxa]
    assert not np.isnan(found.log_shares).any()
    assert not np.isnan(found.distances).any()


def test_slides_are_left_out_where_taxa_are_on_several() -> None:
    assert hold_out(simulated(60, slides=4)).by_slide
    assert not hold_out(simulated(60, slides=1)).by_slide
    named = simulated(60)
    each = NamedVectors.of(named.vectors, named.taxa, slides=named.taxa)
    assert not hold_out(each).by_slide


def test_work_on_slides_stops_when_asked() -> None:
    with pytest.raises(Stopped):
        hold_out(simulated(60), monitor=ProgressMonitor(should_stop=lambda: True))


def test_shares_of_those_left_out_become_honest() -> None:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, 6, 300)
    vectors = rng.normal(0, 0.5, (6, 20))[ids] + rng.normal(0, 1, (300, 20))
    found = leave_one_out(NamedVectors.of(vectors, [f"taxon {k}" for k in ids]))
    assert 0.5 < found.right.mean() < 0.95
    temperature = temperature_of_examples(found.log_shares, found.truth)
    losses = [mean_log_loss(found.log_shares, found.truth, temperature * factor) for factor in (0.8, 1, 1.25)]
    assert losses[1] == min(losses)
    # Ten times as sure, ten times the temperature.
    hot = temperature_of_examples(10 * found.log_shares, found.truth)
    assert hot == pytest.approx(10 * temperature, rel=1e-3)
    shares, sure = (tempered_shares(found.log_shares, value) for value in (temperature, temperature / 10))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    error = expected_calibration_error(shares.max(axis=1), found.right)
    assert error < 0.08
    assert error < expected_calibration_error(sure.max(axis=1), found.right)


def test_specimens_that_cannot_be_answered_do_not_count() -> None:
    named = simulated(40, slides=1)
    one_more = NamedVectors.of(np.vstack([named.vectors, np.zeros(5)]), [*named.taxa, "alone"])
    found = leave_one_out(one_more)
    rows = np.flatnonzero(found.answerable)
    assert len(rows) == 40
    assert temperature_of_examples(found.log_shares, found.truth) == pytest.approx(
        temperature_of_examples(found.log_shares[rows], found.truth[rows])
    )


def test_calibration_error_is_the_mean_over_bins() -> None:
    shares, right = [0.95, 0.97, 0.55, 0.05, 1.0], [True, False, True, False, True]
    by_hand = (3 * abs((0.95 + 0.97 + 1.0) / 3 - 2 / 3) + abs(0.55 - 1) + 0.05) / 5
    assert expected_calibration_error(shares, right) == pytest.approx(by_hand)
    assert np.isnan(expected_calibration_error([], []))


def test_many_specimens_tell_the_same_temperature_by_a_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    named = simulated(400, 4, 5, slides=1)
    found = leave_one_out(named)
    everything = temperature_of_examples(found.log_shares, found.truth)
    monkeypatch.setattr(calibration, "ENOUGH", 200)
    assert temperature_of_examples(found.log_shares, found.truth) == pytest.approx(everything, rel=0.15)


@pytest.mark.parametrize("number", [20, 500])
def test_names_that_all_are_right_are_not_certain(number: int) -> None:
    truth = np.arange(number) % 3
    log_shares = np.log(np.where(np.arange(3) == truth[:, None], 1 - 1e-6, 5e-7))
    shares = tempered_shares(log_shares, temperature_of_examples(log_shares, truth))
    np.testing.assert_allclose(shares.max(axis=1), (number + 1) / (number + 2), rtol=1e-3)


def test_a_single_taxon_tells_no_temperature() -> None:
    assert temperature_of_examples(np.zeros((30, 1)), np.zeros(30, dtype=int)) == 1
    assert temperature_of_examples(np.full((2, 2), -np.inf), np.array([0, 1])) == 1
