"""The discriminant from running sums is scikit-learn's, after any number of names given, taken back and changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.covariance import OAS
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from napari_diatom.core.errors import InputError
from napari_diatom.naming.discriminant import NEAREST_MEAN, Discriminant, TaxonSums
from napari_diatom.naming.vectors import checked_sizes, checked_vectors, unit_vectors

# scikit-learn's, of a taxon with one specimen.
pytestmark = pytest.mark.filterwarnings("ignore:Only one sample available")

TAXA = ("Amphora", "Navicula cf. gregaria", "Navicula gregaria", "Nitzschia", "sp. 1")


def clouds(
    rng: np.random.Generator, number: int, dimensions: int, taxa: int = len(TAXA)
) -> tuple[np.ndarray, list[str]]:
    """Return vectors of taxa that overlap, with their names."""
    means = rng.normal(0, 1, (taxa, dimensions))
    ids = np.concatenate([np.arange(taxa), rng.integers(0, taxa, number - taxa)])
    stretched = rng.normal(0, 1, (number, dimensions)) @ rng.normal(0, 0.5, (dimensions, dimensions))
    return means[ids] + stretched, [f"{TAXA[k % len(TAXA)]} {k // len(TAXA)}" for k in ids]


def assert_is_sklearns(found: Discriminant, vectors: np.ndarray, names: list[str], asked: np.ndarray, s: float) -> None:
    """Compare with scikit-learn, whose prior is how often a name was given."""
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s).fit(vectors, names)
    assert found.taxa == tuple(theirs.classes_)
    ours = found.decisions(asked, np.log(found.counts / found.total))
    np.testing.assert_allclose(softmax(ours, axis=1), theirs.predict_proba(asked), atol=1e-6)
    if len(found.taxa) == 2:
        ours = ours[:, 1] - ours[:, 0]
    np.testing.assert_allclose(ours, theirs.decision_function(asked), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
@pytest.mark.parametrize(("taxa", "dimensions"), [(2, 3), (5, 12), (17, 40)])
def test_it_is_scikit_learns(shrinkage: float, taxa: int, dimensions: int) -> None:
    rng = np.random.default_rng(taxa)
    vectors, names = clouds(rng, 60, dimensions, taxa)
    asked = rng.normal(0, 2, (20, dimensions))
    assert_is_sklearns(TaxonSums.of(vectors, names).discriminant(shrinkage), vectors, names, asked, shrinkage)


def test_it_is_scikit_learns_after_a_thousand_changes() -> None:
    rng = np.random.default_rng(3)
    vectors, named = clouds(rng, 400, 20)
    sums, names = TaxonSums(20), dict[int, str]()
    for change in range(1000):
        row = int(rng.integers(len(vectors)))
        if row not in names:
            names[row] = named[row]
            sums.add(vectors[row], named[row])
        elif change % 2:
            sums.remove(vectors[row], names.pop(row))
        else:
            taxon = str(rng.choice(named))
            sums.rename(vectors[row], names[row], taxon)
            names[row] = taxon
    rows = list(names)
    assert len(sums) == len(rows) > 100
    assert_is_sklearns(sums.discriminant(0.2), vectors[rows], list(names.values()), vectors[:30], 0.2)


CHANGE = st.tuples(st.integers(0, 29), st.sampled_from(["add", "remove", "rename", "join"]), st.integers(0, 4))


@settings(max_examples=60, deadline=None)
@given(st.lists(CHANGE, max_size=120), st.sampled_from([0.1, 1.0, None]), st.sampled_from([1e-3, 1.0, 1e4]))
def test_sums_are_those_of_what_is_named_now(
    changes: list[tuple[int, str, int]], shrinkage: float | None, scale: float
) -> None:
    rng = np.random.default_rng(0)
    vectors = scale * (rng.normal(0, 1, (30, 6)) + 3)
    sums, names = TaxonSums(6, sizes=2), dict[int, str]()
    for row, kind, number in changes:
        taxon = TAXA[number]
        if kind == "add" and row not in names:
            sums.add(vectors[row], taxon)
            names[row] = taxon
        elif kind == "remove" and row in names:
            sums.remove(vectors[row], names.pop(row))
        elif kind == "rename" and row in names:
            sums.rename(vectors[row], names[row], taxon)
            names[row] = taxon
        elif kind == "join":
            former = TAXA[row % 5]
            sums.rename_taxon(former, taxon)
            names = {key: taxon if name == former else name for key, name in names.items()}
    again = TaxonSums.of(vectors[list(names)], list(names.values()), sizes=2)
    assert sums.counts == again.counts
    if not names:
        with pytest.raises(InputError, match="No specimen was named"):
            sums.discriminant()
        return
    ours, theirs = sums.discriminant(shrinkage), again.discriminant(shrinkage)
    np.testing.assert_allclose(ours.decisions(vectors), theirs.decisions(vectors), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.squared_distances(vectors), theirs.squared_distances(vectors), rtol=1e-5, atol=1e-6)


def test_the_nearest_mean_decides_until_a_taxon_has_two_examples() -> None:
    rng = np.random.default_rng(1)
    vectors, asked = rng.normal(0, 1, (4, 8)), rng.normal(0, 1, (50, 8))
    sums = TaxonSums.of(vectors, ["a", "b", "c", "d"])
    nearest = np.linalg.norm(asked[:, None] - vectors, axis=2).argmin(axis=1)
    found = sums.discriminant()
    assert found.shrinkage == NEAREST_MEAN
    np.testing.assert_array_equal(found.decisions(asked).argmax(axis=1), nearest)
    # The same specimen twice tells nothing about scatter.
    sums.add(vectors[0], "a")
    np.testing.assert_array_equal(sums.discriminant().decisions(asked).argmax(axis=1), nearest)
    sums.add(vectors[0] + 0.1, "a")
    assert (sums.discriminant().variances < found.variances).all()
    sums.remove(vectors[0] + 0.1, "a")
    sums.remove(vectors[0], "a")
    np.testing.assert_allclose(sums.discriminant().decisions(asked), found.decisions(asked))


def test_a_single_taxon_is_certain() -> None:
    found = TaxonSums.of([[1.0, 2.0], [1.5, 2.0]], ["a", "a"]).discriminant()
    assert softmax(found.decisions([[9.0, 9.0]]), axis=1) == pytest.approx(1)


def test_its_own_shrinkage_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    vectors, names = clouds(rng, 80, 10)
    sums = TaxonSums.of(vectors, names)
    # One taxon: the scatter is that of the vectors about their mean, whose freedom is one less than their number.
    alone = TaxonSums.of(np.vstack([vectors, vectors.mean(axis=0)]), ["a"] * 81).discriminant()
    assert alone.shrinkage == pytest.approx(OAS().fit(vectors).shrinkage_)
    few = sums.copy()
    for vector, name in zip(vectors[:40], names[:40], strict=True):
        few.remove(vector, name)
    assert 0 < sums.discriminant().shrinkage < few.discriminant().shrinkage <= 1
    assert len(sums) == 80


def test_sizes_in_any_unit_give_the_same_names() -> None:
    rng = np.random.default_rng(2)
    vectors, names = clouds(rng, 50, 9)
    finer = vectors * [*[1] * 7, 1000, 0.01]
    ours, theirs = (TaxonSums.of(values, names, sizes=2).discriminant(0.3) for values in (vectors, finer))
    np.testing.assert_allclose(
        softmax(ours.decisions(vectors), axis=1), softmax(theirs.decisions(finer), axis=1), atol=1e-9
    )
    scaled = ours.spectrum.scale * vectors
    within = scaled - TaxonSums.of(scaled, names).discriminant(0.3).means[np.unique(names, return_inverse=True)[1]]
    assert within[:, 7].var() == pytest.approx(within[:, :7].var(axis=0).mean(), rel=0.2)
    assert_is_sklearns(TaxonSums.of(scaled, names).discriminant(0.3), scaled, names, scaled, 0.3)
    np.testing.assert_allclose(
        ours.decisions(vectors), TaxonSums.of(scaled, names).discriminant(0.3).decisions(scaled), rtol=1e-9
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    vectors = np.ones((7, 3))
    vectors[4, 1] = bad
    with pytest.raises(InputError, match="specimen 4 holds NaN or infinite"):
        TaxonSums.of(vectors, ["a"] * 7)
    with pytest.raises(InputError, match="specimen valve-5 holds"):
        checked_vectors(vectors, keys=[f"valve-{k + 1}" for k in range(7)])
    vectors[:] = bad
    with pytest.raises(InputError, match="specimens 0, 1, 2 and 4 more holds"):
        unit_vectors(vectors)
    sums = TaxonSums.of(np.eye(3), ["a", "b", "b"])
    with pytest.raises(InputError, match="NaN"):
        sums.discriminant().decisions(vectors)
    with pytest.raises(InputError, match="NaN"):
        sums.add(vectors[0], "a")
    assert len(sums) == 3
    sizes = np.array([[1.0, np.nan], [2.0, bad]])
    if np.isinf(bad):
        with pytest.raises(InputError, match="row of sizes of specimen 1 holds infinite"):
            checked_sizes(sizes, 2, 2)
    else:
        assert np.isnan(checked_sizes(sizes, 2, 2)[1, 1])


def test_other_shapes_are_refused() -> None:
    sums = TaxonSums.of(np.eye(3), ["a", "b", "b"])
    with pytest.raises(InputError, match=r"shape \(N, 3\) are needed"):
        sums.discriminant().decisions(np.ones((2, 4)))
    with pytest.raises(InputError, match="2 names do not match 3"):
        TaxonSums.of(np.eye(3), ["a", "b"])
    with pytest.raises(InputError, match="No specimen of c"):
        sums.remove(np.ones(3), "c")
    with pytest.raises(InputError, match="shrinkage of 0"):
        sums.discriminant(0)
    with pytest.raises(InputError, match="cannot be sizes"):
        TaxonSums(3, sizes=3)
    with pytest.raises(InputError, match=r"Sizes of shape \(2, 1\)"):
        checked_sizes([1.0, 2.0], 2, 1)


def test_vectors_of_any_magnitude_get_a_length_of_one() -> None:
    vectors = np.array([[3, 4], [3e30, 4e30], [3e-30, 4e-30], [0, 0]], np.float32)
    np.testing.assert_allclose(unit_vectors(vectors), [[0.6, 0.8]] * 3 + [[0, 0]], rtol=1e-6)
