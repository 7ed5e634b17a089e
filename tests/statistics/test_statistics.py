"""Statistics of counts are those of scikit-bio, scipy and scikit-learn, or of an example worked by hand, to 1e-9."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import braycurtis
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from napari_diatom.core.errors import InputError
from napari_diatom.core.proportions import wilson
from napari_diatom.statistics import agreement, classifier_errors, diversity, intervals, rarefaction

EXACT = {"rel": 1e-9, "abs": 1e-9}
SAMPLES = {
    "river": [210, 88, 41, 23, 12, 9, 6, 4, 2, 2, 1, 1, 1, 0],
    "no doubletons": [40, 5, 3, 1, 1, 1],
    "no singletons": [40, 5, 3, 2, 2],
    "one singleton": [7, 3, 1],
    "all singletons": [1, 1, 1, 1],
    "one taxon": [12],
    "large": np.random.default_rng(5).multinomial(100_000, 0.8 ** np.arange(60) / (0.8 ** np.arange(60)).sum()),
}


@pytest.fixture(scope="module")
def alpha() -> Any:
    return pytest.importorskip("skbio.diversity.alpha", reason="scikit-bio is in the extra 'test'")


@pytest.mark.parametrize("name", SAMPLES)
def test_diversity_is_that_of_scikit_bio(alpha: Any, name: str) -> None:
    counts = SAMPLES[name]
    assert diversity.shannon(counts) == pytest.approx(alpha.shannon(counts, base=math.e), **EXACT)
    assert diversity.shannon(counts, 2) == pytest.approx(alpha.shannon(counts, base=2), **EXACT)
    assert diversity.simpson(counts) == pytest.approx(alpha.simpson(counts), **EXACT)
    assert diversity.hill_n2(counts) == pytest.approx(alpha.inv_simpson(counts), **EXACT)
    assert diversity.chao1(counts) == pytest.approx(alpha.chao1(counts), **EXACT)
    bounds = alpha.chao1_ci(counts, zscore=NormalDist().inv_cdf(0.975))
    assert diversity.chao1_bounds(counts) == pytest.approx(bounds, **EXACT)
    if name != "one taxon":
        assert diversity.pielou(counts) == pytest.approx(alpha.pielou_e(counts), **EXACT)


def test_diversity_of_a_worked_example() -> None:
    counts = [5, 3, 1, 1]
    h = -(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.1))
    assert diversity.shannon(counts) == pytest.approx(h, **EXACT)
    assert diversity.shannon([*counts, 0], 2) == pytest.approx(h / math.log(2), **EXACT)
    assert diversity.pielou(counts) == pytest.approx(h / math.log(4), **EXACT)
    assert diversity.simpson(counts) == pytest.approx(1 - 0.36, **EXACT)
    assert diversity.hill_n2(counts) == pytest.approx(1 / 0.36, **EXACT)
    # Two singletons and no doubletons: 4 + 2 x 1 / 2.
    assert diversity.chao1(counts) == pytest.approx(5, **EXACT)
    squares = 0.5 * math.log(0.5) ** 2 + 0.3 * math.log(0.3) ** 2 + 0.2 * math.log(0.1) ** 2
    half = NormalDist().inv_cdf(0.975) * math.sqrt((squares - h * h) / 10 + 3 / 200)
    assert diversity.shannon_bounds(counts) == pytest.approx((h - half, h + half), **EXACT)
    assert diversity.pielou_bounds(counts) == pytest.approx(((h - half) / math.log(4), 1.0), **EXACT)
    half = NormalDist().inv_cdf(0.975) * math.sqrt(4 * (0.125 + 0.027 + 0.002 - 0.36**2) / 10)
    assert diversity.simpson_bounds(counts) == pytest.approx((0.64 - half, 0.64 + half), **EXACT)
    low, high = diversity.hill_n2_bounds(counts)
    assert (low, high) == pytest.approx((1 / 0.36 - half / 0.36**2, 1 / 0.36 + half / 0.36**2), **EXACT)


def test_coverage_of_worked_examples() -> None:
    assert diversity.coverage([5, 2, 1, 1, 1]) == pytest.approx(1 - 0.3 * 27 / 29, **EXACT)
    # n = 10, f1 = 2, f2 = 1: 1 - 2/10 x 18 / (18 + 2)
    assert diversity.coverage([6, 2, 1, 1]) == pytest.approx(0.82, **EXACT)
    assert diversity.coverage([8, 1, 1]) == pytest.approx(0.8, **EXACT)
    assert diversity.coverage([8, 2]) == 1
    assert diversity.coverage([1]) == 0


def test_nothing_counted_has_no_diversity() -> None:
    for index in (diversity.shannon, diversity.pielou, diversity.simpson, diversity.hill_n2, diversity.coverage):
        assert math.isnan(index([]))
        assert math.isnan(index([0, 0]))
    for bounds in (
        diversity.shannon_bounds,
        diversity.simpson_bounds,
        diversity.hill_n2_bounds,
        diversity.chao1_bounds,
    ):
        assert all(map(math.isnan, bounds([0])))
    assert diversity.chao1([]) == 0
    assert intervals.effective_number(0, 0) == 0


@pytest.mark.parametrize("wrong", [[1, -1], [math.nan, 2], [math.inf]])
def test_counts_that_are_none_are_refused(wrong: list[float]) -> None:
    with pytest.raises(InputError, match="0 or more"):
        diversity.shannon(wrong)
    with pytest.raises(InputError):
        diversity.chao1(wrong)


def test_halves_have_shares_but_no_singletons() -> None:
    assert diversity.simpson([0.5, 0.5]) == pytest.approx(0.5)
    with pytest.raises(InputError, match="whole"):
        diversity.coverage([0.5, 1])


def exact_richness(counts: Any, drawn: int) -> float:
    total = int(sum(counts))
    chosen = math.comb(total, drawn)
    return float(sum(1 - Fraction(math.comb(total - int(n), drawn), chosen) for n in counts if n))


@pytest.mark.parametrize(("name", "drawn"), [("river", 100), ("river", 399), ("large", 2), ("large", 400)])
def test_rarefaction_is_exact(name: str, drawn: int) -> None:
    found = rarefaction.rarefied_richness(SAMPLES[name], drawn)
    assert found == pytest.approx([exact_richness(SAMPLES[name], drawn)], **EXACT)


def test_a_curve_goes_from_one_taxon_to_all() -> None:
    sizes, taxa = rarefaction.rarefaction_curve(SAMPLES["river"])
    assert (sizes[0], sizes[-1], len(sizes)) == (1, 400, 50)
    assert (taxa[0], taxa[-1]) == pytest.approx((1, 13), **EXACT)
    assert (np.diff(taxa) > 0).all()
    assert [len(part) for part in rarefaction.rarefaction_curve([0])] == [0, 0]
    # 3 of 1 and 1 of another: of two, the rare one is there half the time.
    assert rarefaction.rarefied_richness([3, 1], [0, 1, 2, 3, 4]) == pytest.approx([0, 1, 1.5, 1.75, 2], **EXACT)


@pytest.mark.parametrize("drawn", [401, -1, 2.5])
def test_more_than_there_is_cannot_be_drawn(drawn: float) -> None:
    with pytest.raises(InputError):
        rarefaction.rarefied_richness(SAMPLES["river"], drawn)


@pytest.mark.parametrize(("right", "of"), [(0, 10), (10, 10), (88, 400), (1, 3)])
def test_the_interval_of_a_share_is_that_of_scipy(right: int, of: int) -> None:
    expected = binomtest(right, of).proportion_ci(method="wilson")
    assert wilson(right, of) == pytest.approx((expected.low, expected.high), **EXACT)


def test_uncertainty_of_counts_by_hand() -> None:
    assert intervals.lund_error(400) == pytest.approx(0.1, **EXACT)
    assert intervals.relative_error(0.2, 400) == pytest.approx(0.1, **EXACT)
    # t of 0.975 and 9 degrees of freedom is 2.262157162740992 (any table); the mean is 40.
    low, high = intervals.per_field_bounds(400, 10)
    assert (low, high) == pytest.approx((40 - 2.262157162740992 * 2, 40 + 2.262157162740992 * 2), **EXACT)
    # 40 frustules of two valves each, and 20 single valves: 100^2 / 180.
    assert intervals.effective_number(100, 40 * 4 + 20) == pytest.approx(500 / 9, **EXACT)


@pytest.mark.parametrize(("count", "fields"), [(30, 10), (400, 1), (0, 0)])
def test_few_have_no_interval_by_field(count: int, fields: int) -> None:
    assert all(map(math.isnan, intervals.per_field_bounds(count, fields)))
    assert math.isnan(intervals.lund_error(0))
    assert math.isnan(intervals.relative_error(0, 400))


def test_a_classifiers_mistakes_are_taken_out_of_shares() -> None:
    # Sensitivity 0.9 and specificity 0.8: (0.55 + 0.8 - 1) / (0.9 + 0.8 - 1) = 0.5.
    confusion = [[90, 10], [20, 80]]
    assert classifier_errors.corrected_shares([55, 45], confusion) == pytest.approx([0.5, 0.5], abs=1e-7)
    bounds = classifier_errors.share_bounds([550, 450], confusion)
    assert bounds[0, 0] < 0.5 < bounds[0, 1]
    assert np.array_equal(bounds, classifier_errors.share_bounds([550, 450], confusion))
    # Where it makes no mistakes the interval is that of the count alone.
    right = classifier_errors.share_bounds([88, 312], [[1000, 0], [0, 1000]], replicates=1000)
    assert right[0] == pytest.approx(wilson(88, 400), abs=0.01)
    assert np.isnan(classifier_errors.share_bounds([0, 0], confusion)).all()


@pytest.mark.parametrize(
    ("counts", "confusion", "message"),
    [([1, 2], [[1]], "shape"), ([1, 2], [[1, 0], [0, 0]], "taxa 1"), ([-1, 2], [[1, 0], [0, 1]], "0 or more")],
)
def test_a_confusion_matrix_that_does_not_fit_is_refused(counts: Any, confusion: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        classifier_errors.share_bounds(counts, confusion)


def test_agreement_is_that_of_scipy_and_scikit_learn() -> None:
    first, second = SAMPLES["river"], [190, 99, 41, 20, 15, 9, 0, 4, 2, 2, 1, 1, 1, 3]
    assert agreement.bray_curtis(first, second) == pytest.approx(braycurtis(first, second), **EXACT)
    assert agreement.bray_curtis([1, 0], [0, 1]) == 1
    random = np.random.default_rng(2)
    ours, theirs = (random.choice(list("abcd"), 200).tolist() for _ in range(2))
    assert agreement.cohen_kappa(ours, theirs) == pytest.approx(cohen_kappa_score(ours, theirs), **EXACT)
    # 20 + 15 of 50 agree, 0.5 would by chance: (0.7 - 0.5) / (1 - 0.5), Cohen's own kind of example.
    first_names, second_names = list("y" * 25 + "n" * 25), list("y" * 20 + "n" * 5 + "y" * 10 + "n" * 15)
    assert agreement.cohen_kappa(first_names, second_names) == pytest.approx(0.4, **EXACT)
    assert math.isnan(agreement.cohen_kappa([], []))
    assert math.isnan(agreement.bray_curtis([0], [0]))


def test_the_interval_of_kappa_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(3)
    ours = random.choice(list("abcd"), 300, p=[0.5, 0.3, 0.15, 0.05])
    theirs = np.where(random.random(300) < 0.7, ours, random.choice(list("abcde"), 300))
    names = list("abcde")
    table = [[int(((ours == a) & (theirs == b)).sum()) for b in names] for a in names]
    expected = pytest.importorskip("statsmodels.stats.inter_rater").cohens_kappa(table)
    assert agreement.cohen_kappa(ours.tolist(), theirs.tolist()) == pytest.approx(expected.kappa, **EXACT)
    bounds = agreement.kappa_bounds(ours.tolist(), theirs.tolist())
    assert bounds == pytest.approx((expected.kappa_low, expected.kappa_upp), **EXACT)
    # All agree, half of them by chance: Wilson's lower end for 20 of 20.
    low, high = agreement.kappa_bounds(list("ab" * 10), list("ab" * 10))
    assert (low, high) == pytest.approx(((wilson(20, 20)[0] - 0.5) / 0.5, 1), **EXACT)
    for theirs_too in (["a", "a"], ["a", "b"]):
        assert all(map(math.isnan, agreement.kappa_bounds(["a", "a"], theirs_too)))


lists_of_names = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40)


@given(lists_of_names)
def test_kappa_does_not_depend_on_who_is_first(pairs: list[tuple[str, str]]) -> None:
    ours, theirs = (list(names) for names in zip(*pairs, strict=True))
    there, back = agreement.cohen_kappa(ours, theirs), agreement.cohen_kappa(theirs, ours)
    assert there == pytest.approx(back, nan_ok=True, **EXACT)
    bounds = agreement.kappa_bounds(ours, theirs)
    assert bounds == pytest.approx(agreement.kappa_bounds(theirs, ours), nan_ok=True, abs=1e-9)
    if not math.isnan(bounds[0]):
        assert -1 <= bounds[0] <= there + 1e-9
        assert there - 1e-9 <= bounds[1] <= 1


overlap_tables = st.integers(0, 6).flatmap(
    lambda rows: st.integers(0, 6).flatmap(
        lambda columns: arrays(np.float64, (rows, columns), elements=st.sampled_from([0, 0.3, 0.5, 0.6, 0.7, 0.9]))
    )
)


@given(overlap_tables)
def test_matching_is_the_same_from_both_sides_and_the_best_there_is(table: Any) -> None:
    there, back = agreement.matched_counts(table), agreement.matched_counts(table.T)
    for found, overlaps in ((there, table), (back, table.T)):
        firsts, seconds = [i for i, _ in found.pairs], [k for _, k in found.pairs]
        assert sorted([*firsts, *found.only_first]) == list(range(overlaps.shape[0]))
        assert sorted([*seconds, *found.only_second]) == list(range(overlaps.shape[1]))
        assert all(overlaps[pair] >= 0.5 for pair in found.pairs)
    best = np.where(table >= 0.5, table, 0)
    rows, columns = linear_sum_assignment(best, maximize=True)
    for found, overlaps in ((there, table), (back, table.T)):
        assert sum(overlaps[pair] for pair in found.pairs) == pytest.approx(best[rows, columns].sum())
    assert agreement.matched_counts(sparse.coo_array(table)) == there


def test_each_specimen_is_matched_once() -> None:
    # The first one overlaps two of the others; it goes to the one that leaves a partner for the second.
    found = agreement.matched_counts([[0.8, 0.7, 0], [0.75, 0.1, 0], [0, 0, 0.4]])
    assert found.pairs == ((0, 1), (1, 0))
    assert (found.only_first, found.only_second) == ((2,), (2,))
    assert found.share_of_both == 0.5
    assert agreement.matched_counts(np.zeros((0, 2))) == agreement.MatchedCounts((), (), (0, 1))


def test_counts_of_other_lengths_are_not_compared() -> None:
    with pytest.raises(InputError):
        agreement.bray_curtis([1, 2], [1])
    with pytest.raises(InputError):
        agreement.cohen_kappa(["a"], [])
