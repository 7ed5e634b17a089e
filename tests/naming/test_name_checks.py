"""Wrong names are found among right ones, and what is said of how good names are is so."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.proportions import wilson
from napari_diatom.naming.doubtful_names import Doubt, least_typical, mixed_up_pairs, neighbours_disagree
from napari_diatom.naming.held_out import hold_out
from napari_diatom.naming.learning_curve import (
    LearningCurve,
    TaxonAccuracy,
    learning_curve,
    most_helped,
    right_so_far,
)
from napari_diatom.naming.named_vectors import NamedVectors


def named_specimens(taxa: int = 6, each: int = 20, noise: float = 0.3, dimensions: int = 10) -> NamedVectors:
    """Return named specimens on three slides."""
    rng = np.random.default_rng(0)
    ids = np.repeat(np.arange(taxa), each)
    vectors = rng.normal(0, 1, (taxa, dimensions))[ids] + rng.normal(0, noise, (len(ids), dimensions))
    slides = [f"s{k % 3}" for k in range(len(ids))]
    return NamedVectors.of(vectors, [f"t{k}" for k in ids], keys=[f"v{k}" for k in range(len(ids))], slides=slides)


def with_wrong_names(named: NamedVectors, wrong: dict[int, str]) -> NamedVectors:
    """Return the specimens with some other names."""
    taxa = [wrong.get(row, name) for row, name in enumerate(named.taxa)]
    return NamedVectors.of(named.vectors, taxa, keys=named.keys, slides=named.slides)


def test_wrong_names_are_found_by_their_neighbours_and_by_their_distance() -> None:
    named = with_wrong_names(named_specimens(), {3: "t5", 50: "t0"})
    found = neighbours_disagree(named)
    assert {(one.key, one.taxon, one.offered) for one in found[:2]} == {("v3", "t5", "t0"), ("v50", "t0", "t2")}
    assert [one.doubt for one in found[:2]] == [1, 1]
    assert all(0 < one.doubt <= 1 and one.reason is Doubt.NEIGHBOURS for one in found)
    held = hold_out(named)
    far = least_typical(named, held, per_taxon=2)
    assert {(one.key, one.offered) for one in far[:2]} == {("v3", "t0"), ("v50", "t2")}
    assert len(far) == 12
    assert far[0].doubt > 0.97
    assert [one.doubt for one in far] == sorted((one.doubt for one in far), reverse=True)


def test_names_of_one_example_are_not_doubted() -> None:
    named = NamedVectors.of(np.eye(4), ["a", "b", "c", "d"])
    assert neighbours_disagree(named) == ()
    assert least_typical(named, hold_out(named)) == ()
    assert mixed_up_pairs(hold_out(named)) == ()
    assert neighbours_disagree(NamedVectors.of(np.empty((0, 2)), [])) == ()
    # The one other example is nearest, so nothing speaks against either.
    pair = NamedVectors.of([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], ["a", "a", "b", "c"])
    assert neighbours_disagree(pair) == ()


def test_the_check_of_neighbours_stops_when_asked() -> None:
    with pytest.raises(Stopped):
        neighbours_disagree(named_specimens(), monitor=ProgressMonitor(should_stop=lambda: True))


def test_taxa_that_are_mixed_up_are_told_with_their_share() -> None:
    named = named_specimens(each=30)
    swapped = {row: "t2" if name == "t1" else "t1" for row, name in enumerate(named.taxa) if name in ("t1", "t2")}
    some = {row: name for row, name in swapped.items() if row % 3 == 0}
    pairs = mixed_up_pairs(hold_out(with_wrong_names(named, some)))
    assert (pairs[0].first, pairs[0].second) == ("t1", "t2")
    assert pairs[0].of == 60
    assert pairs[0].mixed >= 15
    assert (pairs[0].low, pairs[0].high) == wilson(pairs[0].mixed, 60)
    assert [pair.low for pair in pairs] == sorted((pair.low for pair in pairs), reverse=True)


def test_right_so_far_says_of_how_many() -> None:
    named = named_specimens()
    more = NamedVectors.of(
        np.vstack([named.vectors, np.zeros(10)]), [*named.taxa, "alone"], slides=[*named.slides, "s0"]
    )
    held = hold_out(more)
    found = right_so_far(held)
    assert [one.taxon for one in found] == ["alone", *(f"t{k}" for k in range(6))]
    assert (found[0].named, found[0].asked, found[0].right) == (1, 0, 0)
    assert np.isnan(found[0].low)
    assert all(one.named == one.asked == 20 and one.right >= 18 for one in found[1:])
    assert sum(one.right for one in found) == held.right.sum()
    assert all(one.low <= one.right / one.asked <= one.high for one in found[1:])


def test_names_get_better_with_examples() -> None:
    named = named_specimens(taxa=8, each=30, noise=1.2)
    curve = learning_curve(named, seed=3)
    assert curve.examples == (1, 2, 3, 5, 10, 20)
    shares = curve.shares()
    assert shares[-1][1] > shares[0][1] + 0.1
    assert all(low <= share <= high for _, share, low, high in shares)
    assert (curve.right <= curve.first_three).all()
    assert (curve.first_three <= curve.asked).all()
    # The same specimens are asked, whatever was learnt from.
    assert (curve.asked == 30).all()
    assert 0 < curve.exponent() < 2
    np.testing.assert_array_equal(learning_curve(named, seed=3).right, curve.right)
    assert curve.error_with(4) == 1 - shares[2][1]
    with pytest.raises(Stopped):
        learning_curve(named, monitor=ProgressMonitor(should_stop=lambda: True))


def test_a_curve_of_single_examples_says_nothing() -> None:
    curve = learning_curve(NamedVectors.of(np.eye(3), ["a", "b", "c"]))
    assert curve.shares() == []
    assert curve.exponent() == 0.5
    assert curve.error_with(3) == 0.5


def test_more_examples_help_taxa_that_are_thin_and_often_wrong() -> None:
    counts = np.array([40, 4, 4])
    right = np.array([[20, 2, 4], [30, 3, 4]])
    curve = LearningCurve(("a", "b", "c"), (1, 4), counts, right, right, np.tile(counts, (2, 1)))
    assert curve.exponent() == pytest.approx(np.log(20.5 / 10.5) / np.log(4))
    accuracies = [
        TaxonAccuracy("a", 40, 30, 40, 0, 1),
        TaxonAccuracy("b", 4, 1, 4, 0, 1),
        TaxonAccuracy("c", 4, 4, 4, 0, 1),
    ]
    found = most_helped(accuracies, curve)
    assert [one.taxon for one in found] == ["b", "c", "a"]
    error = (3 + 2 * (1 - 37 / 48)) / 6
    assert found[0].error == pytest.approx(error)
    assert found[0].gain == pytest.approx(error * (1 - 3.5 ** -curve.exponent()))
    many = most_helped(accuracies, curve, expected={"a": 1000, "b": 1})
    assert [one.taxon for one in many] == ["a", "b", "c"]
    assert many[-1].gain == 0
