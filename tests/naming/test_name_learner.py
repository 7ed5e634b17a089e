"""Names by example: what is suggested follows from the specimens of the same kind that are named now."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.naming import method_choice
from napari_diatom.naming.discriminant import TaxonSums
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.logistic_rule import INVERSE_PENALTY, fit_logistic
from napari_diatom.naming.method_choice import (
    UNTRIED,
    Method,
    choose_method,
    choose_methods,
    cross_validated,
    cross_validation_parts,
)
from napari_diatom.naming.name_learner import NameLearner
from napari_diatom.naming.named_vectors import NamedVectors

GROUPS = ("girdle view", "valve")


def specimens(number: int, taxa: int, dimensions: int = 8, seed: int = 0, noise: float = 0.5) -> NamedVectors:
    """Return specimens on four slides whose taxa have means of their own."""
    rng = np.random.default_rng(seed)
    ids = np.arange(number) % taxa
    vectors = rng.normal(0, 1, (taxa, dimensions))[ids] + rng.normal(0, noise, (number, dimensions))
    return NamedVectors.of(vectors, [f"t{k:02d}" for k in ids], slides=[f"s{k}" for k in rng.integers(0, 4, number)])


CHANGE = st.tuples(st.integers(0, 19), st.sampled_from(["name", "forget", "rename", "join"]), st.integers(0, 3))


@settings(max_examples=30, deadline=None)
@given(st.lists(CHANGE, min_size=1, max_size=80))
def test_what_is_suggested_follows_from_what_is_named_now(changes: list[tuple[int, str, int]]) -> None:
    rng = np.random.default_rng(0)
    vectors, sizes = rng.normal(0, 1, (20, 5)), rng.normal(3, 1, (20, 2))
    sizes[::3, 1] = np.nan
    learner, named = NameLearner(5, 2), dict[str, tuple[int, str, str]]()
    for row, kind, number in changes:
        key, taxon, group = f"specimen {row}", f"t{number}", GROUPS[row % 2]
        if kind == "name":
            learner.name(key, taxon, vectors[row], sizes=sizes[row], group=group)
            named[key] = (row, taxon, group)
        elif kind == "forget":
            learner.forget(key)
            named.pop(key, None)
        elif kind == "rename" and key in named:
            learner.rename(key, taxon)
            named[key] = (row, taxon, group)
        elif kind == "join":
            learner.rename_taxon(f"t{row % 4}", taxon)
            named = {k: (r, taxon if name == f"t{row % 4}" else name, g) for k, (r, name, g) in named.items()}
    rows = [row for row, _, _ in named.values()]
    again = NameLearner.of(
        NamedVectors.of(
            vectors[rows],
            [taxon for _, taxon, _ in named.values()],
            keys=list(named),
            sizes=sizes[rows],
            groups=[group for _, _, group in named.values()],
        )
    )
    assert len(learner) == len(named)
    assert all(learner.taxon(key) == taxon for key, (_, taxon, _) in named.items())
    ours, theirs = (
        one.rank(vectors, sizes=sizes, groups=[GROUPS[k % 2] for k in range(20)]) for one in (learner, again)
    )
    assert ours.taxa == theirs.taxa
    np.testing.assert_allclose(ours.shares, theirs.shares, atol=1e-6)
    np.testing.assert_allclose(ours.distances, theirs.distances, rtol=1e-4, atol=1e-5)
    snapshot = learner.named()
    assert dict(zip(snapshot.keys, snapshot.taxa, strict=True)) == {key: taxon for key, (_, taxon, _) in named.items()}


def test_groups_do_not_teach_one_another() -> None:
    named = specimens(40, 4)
    learner = NameLearner.of(named)
    before = learner.rank(named.vectors)
    learner.name("girdle", "t99", named.vectors[0] + 9, group="girdle view")
    after = learner.rank(named.vectors)
    assert after.taxa == (*before.taxa, "t99")
    np.testing.assert_array_equal(after.shares[:, :4], before.shares)
    assert not after.shares[:, 4].any()
    mixed = learner.rank(named.vectors[:3], groups=["girdle view", "broken", ""])
    assert mixed.suggestions(0) == (("t99", 1.0),)
    # Nothing was named that is broken, so nothing is suggested.
    assert mixed.suggestions(1) == ()
    assert np.isinf(mixed.distances[1])
    assert [name.taxon for name in mixed.names(0.5).verdicts][:2] == ["t99", "unknown"]
    assert mixed.names(0.5).verdicts[1].others == ()
    learner.forget("girdle")
    np.testing.assert_array_equal(learner.rank(named.vectors).shares, before.shares)


def test_shares_before_calibration_are_those_of_an_unbiased_covariance() -> None:
    named = specimens(30, 5)
    found = TaxonSums.of(named.vectors, named.taxa).discriminant()
    expected = softmax(found.decisions(named.vectors) * (30 - 5) / 30, axis=1)
    np.testing.assert_allclose(NameLearner.of(named).rank(named.vectors).shares, expected, atol=1e-9)


def test_how_common_a_taxon_is_counts_where_the_person_says_so() -> None:
    named = specimens(40, 4, noise=1.5)
    learner = NameLearner.of(named)
    alike, common = learner.rank(named.vectors), learner.rank(named.vectors, counted={"t02": 99, "t00": 9})
    odds = (common.shares / alike.shares)[:, [2, 0, 1, 3]]
    np.testing.assert_allclose(odds / odds[:, [2]], np.tile([100, 10, 1, 1], (40, 1)), rtol=1e-6)
    np.testing.assert_allclose(common.shares.sum(axis=1), 1)


def test_sizes_tell_apart_what_vectors_do_not_where_both_know_them() -> None:
    rng = np.random.default_rng(0)
    vectors, length = rng.normal(0, 1, (60, 6)), np.repeat([2.0, 4.0, 3.0], 20)[:, None] + rng.normal(0, 0.1, (60, 1))
    taxa = ["short"] * 20 + ["long"] * 20 + ["from an atlas"] * 20
    length[40:] = np.nan
    named = NamedVectors.of(vectors, taxa, sizes=length)
    learner = NameLearner.of(named)
    asked = rng.normal(0, 1, (30, 6))
    without, short = learner.rank(asked), learner.rank(asked, sizes=np.full((30, 1), 2.0))
    names = list(short.taxa)
    assert (short.shares[:, names.index("short")] > 10 * short.shares[:, names.index("long")]).all()
    # A taxon of unknown size keeps its share: sizes speak neither for nor against it.
    rules, atlas = GroupSums.of(named).rules(), names.index("from an atlas")
    evidence = [rules.log_shares(asked, np.full((30, 1), length)) for length in (2.0, np.nan)]
    np.testing.assert_allclose(evidence[0][:, atlas], evidence[1][:, atlas])
    np.testing.assert_allclose(short.shares.sum(axis=1), 1)
    unknown = learner.rank(asked, sizes=np.full((30, 1), np.nan))
    np.testing.assert_array_equal(unknown.shares, without.shares)


def test_the_genus_is_offered_where_no_species_is_sure() -> None:
    rng = np.random.default_rng(0)
    means = {"Navicula cf. gregaria": 0.0, "Navicula gregaria": 0.02, "Nitzschia palea": 8.0, "sp. 1": -8.0}
    vectors = np.vstack([mean + rng.normal(0, 1, (10, 4)) for mean in means.values()])
    learner = NameLearner.of(NamedVectors.of(vectors, [name for name in means for _ in range(10)]))
    asked = learner.rank(np.array([[0.01] * 4, [8.0] * 4, [-8.0] * 4]))
    assert [(name.taxon, name.genus) for name in asked.names(0.7).verdicts] == [
        ("Navicula sp.", "Navicula"),
        ("Nitzschia palea", "Nitzschia"),
        ("sp. 1", ""),
    ]
    assert asked.suggestions(0, 2)[0][0] in {"Navicula cf. gregaria", "Navicula gregaria"}
    joined = {"Navicula gregaria": "Craticula"}
    assert [name.taxon for name in asked.names(0.7, genera=joined).verdicts][:2] == ["unknown", "Nitzschia palea"]
    assert asked.names(0.7, genera={"sp. 1": "Amphora"}).verdicts[2].genus == "Amphora"
    with pytest.raises(InputError, match="name some specimens first"):
        NameLearner(4).rank(np.ones((1, 4))).names(0.5)


def test_a_specimen_that_cannot_be_learnt_from_changes_nothing() -> None:
    learner = NameLearner(3, 1)
    learner.name("a", "Amphora", [1, 2, 3], sizes=[np.nan])
    for vector, sizes in (([1, np.nan, 3], None), ([1, 2], None), ([1, 2, 3], [np.inf]), ([1, 2, 3], [1, 2])):
        with pytest.raises(InputError):
            learner.name("a", "Navicula", vector, sizes=sizes)
    assert learner.taxon("a") == "Amphora"
    assert learner.counts() == {"Amphora": 1}
    assert learner.taxon("b") is None
    with pytest.raises(InputError, match="specimen b holds NaN"):
        learner.name("b", "Navicula", [np.nan] * 3)
    with pytest.raises(InputError, match="Specimen b has an empty name"):
        learner.name("b", "", [1, 2, 3])
    with pytest.raises(InputError, match="Specimen 1 has an empty name"):
        NamedVectors.of(np.eye(2), ["a", ""])
    for count in (-1, np.nan, np.inf):
        with pytest.raises(InputError, match="Amphora was counted"):
            learner.rank([[1, 2, 3]], counted={"Amphora": count})
    with pytest.raises(InputError, match="b was not named"):
        learner.rename("b", "Navicula")
    with pytest.raises(InputError, match="2 groups do not match 1"):
        learner.rank([[1, 2, 3]], groups=["a", "b"])
    with pytest.raises(InputError, match="same key"):
        NameLearner.of(NamedVectors.of(np.eye(2), ["a", "b"], keys=["x", "x"]))
    with pytest.raises(InputError, match="1 slides do not match 2"):
        NamedVectors.of(np.eye(2), ["a", "b"], slides=["x"])


def test_what_is_unlike_anything_is_told_from_what_is_not() -> None:
    everything = specimens(600, 30, 20, seed=4, noise=0.6)
    known = everything[everything.taxon_ids < 20]
    learned = np.arange(len(known)) % 40 < 20
    learner = NameLearner.of(known[learned])
    learner.choose(choose_methods(learner.named()))
    new = everything[everything.taxon_ids >= 20]
    like, unlike = learner.rank(known[~learned].vectors), learner.rank(new.vectors)
    distances = np.concatenate([like.distances, unlike.distances])
    assert roc_auc_score(np.repeat([0, 1], [len(like), len(unlike)]), distances) > 0.9
    assert like.unlike.mean() < 0.15
    assert unlike.unlike.mean() > 0.5


def test_the_better_method_is_chosen_and_calibrated() -> None:
    rng = np.random.default_rng(0)
    named = specimens(240, 6, 12, noise=0.0)
    noise = rng.normal(0, np.geomspace(0.3, 6, 12), (240, 12)) @ np.linalg.qr(rng.normal(0, 1, (12, 12)))[0]
    turned = NamedVectors.of(0.3 * named.vectors + noise, named.taxa, slides=named.slides)
    steps: list[Progress] = []
    choice = choose_method(turned, ProgressMonitor(steps.append))
    assert choice.by_slide
    assert choice.right[Method.DISCRIMINANT] > choice.right[Method.NEAREST_MEAN] + 0.1
    assert choice.right[choice.method] == max(choice.right.values())
    assert choice.calibration_error < 0.1
    assert {step.stage for step in steps} == {"slides", "parts"}
    learner = NameLearner.of(turned)
    first = learner.rank(turned.vectors)
    learner.choose({"": choice})
    assert np.abs(learner.rank(turned.vectors).shares - first.shares).max() > 0
    with pytest.raises(Stopped):
        choose_methods(turned, ProgressMonitor(should_stop=lambda: True))


def test_too_few_names_leave_the_discriminant_as_it_is() -> None:
    assert choose_method(specimens(12, 4)) is UNTRIED
    assert choose_method(NamedVectors.of(np.eye(30), [f"t{k}" for k in range(30)])) is UNTRIED
    assert choose_methods(NamedVectors.of(np.empty((0, 3)), [])) == {}


@pytest.mark.parametrize("taxa", [1, 2, 5])
def test_logistic_regression_is_scikit_learns(taxa: int) -> None:
    named = specimens(60, taxa, noise=1.5)
    rule = fit_logistic(named).plain
    shares = softmax(rule.decisions(named.vectors), axis=1)
    if taxa == 1:
        np.testing.assert_array_equal(shares, 1)
        return
    found = TaxonSums.of(named.vectors, named.taxa).discriminant()
    white = named.vectors @ found.spectrum.axes / np.sqrt(found.variances)
    theirs = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", tol=1e-8).fit(white, named.taxa)
    np.testing.assert_allclose(shares, theirs.predict_proba(white), atol=0.01)


def test_many_taxa_of_two_specimens_are_nothing_to_warn_of() -> None:
    named = specimens(44, 22)
    assert choose_method(named).method in Method
    assert fit_logistic(named).taxa == named.known_taxa


def test_logistic_regression_stands_aside_when_a_taxon_is_new() -> None:
    named = specimens(60, 3, noise=1.0)
    learner, choice = NameLearner.of(named), choose_method(named)
    logistic = choice.__class__(
        Method.LOGISTIC, temperatures={Method.LOGISTIC: 2.0}, logistic=fit_logistic(named), unlike_beyond=3.0
    )
    discriminant = learner.rank(named.vectors)
    learner.choose({"": logistic})
    expected = softmax(fit_logistic(named).plain.decisions(named.vectors) / 2, axis=1)
    np.testing.assert_allclose(learner.rank(named.vectors).shares, expected, atol=1e-9)
    learner.name("new", "t99", named.vectors[0] + 5)
    assert learner.rank([named.vectors[0] + 5]).suggestions(0)[0][0] == "t99"
    learner.forget("new")
    np.testing.assert_allclose(learner.rank(named.vectors).shares, expected, atol=1e-9)
    np.testing.assert_allclose(learner.rank(named.vectors).distances, discriminant.distances)


def test_slides_are_kept_apart_in_parts_of_even_taxa() -> None:
    named = specimens(200, 8)
    parts = cross_validation_parts(named, 3)
    assert all(len(set(parts[named.slide_ids == slide])) == 1 for slide in range(4))
    assert set(parts) == {0, 1, 2}
    alone = NamedVectors.of(named.vectors, named.taxa)
    parts = cross_validation_parts(alone)
    table = np.array([np.bincount(parts[alone.taxon_ids == k], minlength=5) for k in range(8)])
    assert (np.ptp(table, axis=1) <= 1).all()
    turned = alone[::-1]
    np.testing.assert_array_equal(cross_validation_parts(turned), parts[::-1])
    said = cross_validated(named, Method.DISCRIMINANT)
    assert np.isfinite(said).all()


def test_of_many_specimens_one_part_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    named = specimens(200, 8, noise=1.0)
    everything = cross_validated(named, Method.LOGISTIC)
    monkeypatch.setattr(method_choice, "MOST_CELLS", 1000)
    part = cross_validated(named, Method.LOGISTIC)
    first = cross_validation_parts(named) == 0
    np.testing.assert_array_equal(part[first], everything[first])
    assert np.isneginf(part[~first]).all()
    choice = choose_method(named)
    assert choice.asked == first.sum()
    assert len(choice.right) == 3
