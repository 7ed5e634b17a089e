"""What lies together in the vectors is found, grouped and mapped together, the same each time."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.naming import grouping
from napari_diatom.naming.embedding_map import PRINCIPAL_COMPONENTS, UMAP, map_specimens
from napari_diatom.naming.grouping import NO_GROUP, GroupingMethod, group_specimens
from napari_diatom.naming.next_to_name import Reason, next_to_name, worth_naming
from napari_diatom.naming.ranking import Ranking
from napari_diatom.naming.similarity import most_similar
from napari_diatom.naming.vectors import unit_vectors


def clouds(taxa: int, each: int, dimensions: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of taxa that hardly overlap, in any order, with the taxon of each."""
    rng = np.random.default_rng(seed)
    ids = rng.permutation(np.repeat(np.arange(taxa), each))
    return rng.normal(0, 1, (taxa, dimensions))[ids] + rng.normal(0, 0.15, (taxa * each, dimensions)), ids


def test_pages_of_similar_specimens_are_the_beginning_of_all() -> None:
    vectors, ids = clouds(10, 30)
    units = unit_vectors(vectors)
    everything = most_similar(units, [5], number=len(units))
    assert len(everything.rows) == len(units) - 1
    assert 5 not in everything.rows
    assert (np.diff(everything.cosines) <= 0).all()
    cosines = vectors @ vectors[5] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[5])
    np.testing.assert_allclose(everything.cosines, cosines[everything.rows], atol=1e-5)
    assert (ids[everything.rows[:29]] == ids[5]).all()
    for number in (0, 1, 40, 299, 1000):
        np.testing.assert_array_equal(most_similar(units, [5], number).rows, everything.rows[:number])


def test_several_chosen_specimens_ask_together() -> None:
    vectors, ids = clouds(6, 20)
    units = unit_vectors(vectors)
    chosen = [int(np.flatnonzero(ids == k)[0]) for k in (0, 1)]
    found = most_similar(units, chosen, 38)
    assert set(ids[found.rows]) == {0, 1}
    np.testing.assert_allclose(found.cosines, (units[found.rows] @ units[chosen].T).mean(axis=1), atol=1e-6)
    some = most_similar(units, chosen, 200, among=ids == 3)
    assert set(some.rows) == set(np.flatnonzero(ids == 3))
    for wrong in ([], [-1], [120]):
        with pytest.raises(InputError, match="from 0 to 119"):
            most_similar(units, wrong)


def test_equal_vectors_come_in_their_order() -> None:
    units = unit_vectors(np.ones((50, 3)))
    assert most_similar(units, [7], 49).rows.tolist() == [k for k in range(50) if k != 7]
    assert len(most_similar(units, [7], 10).rows) == 10


@pytest.mark.parametrize("method", list(GroupingMethod))
@pytest.mark.parametrize("many", [False, True])
def test_groups_are_what_lies_together(method: GroupingMethod, many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if many:
        monkeypatch.setattr(grouping, "MOST_AT_ONCE", 200)
        monkeypatch.setattr(grouping, "CENTRES", 120)
    vectors, ids = clouds(8, 40)
    steps: list[Progress] = []
    groups = group_specimens(
        vectors, method, 40 if method is GroupingMethod.AGGLOMERATIVE else 10, monitor=ProgressMonitor(steps.append)
    )
    inside = groups.labels != NO_GROUP
    assert inside.mean() > 0.7
    assert adjusted_rand_score(ids[inside], groups.labels[inside]) > 0.85
    assert [step.stage for step in steps] == ["centres"] * many + ["groups"] * 2
    sizes = [len(groups.members(k)) for k in range(len(groups))]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == inside.sum()
    first = groups.members(0)
    assert (np.diff(groups.cosines[first]) <= 0).all()
    again = group_specimens(7 * vectors, method, 40 if method is GroupingMethod.AGGLOMERATIVE else 10)
    np.testing.assert_array_equal(groups.labels, again.labels)
    with pytest.raises(Stopped):
        group_specimens(vectors, method, monitor=ProgressMonitor(should_stop=lambda: True))


@pytest.mark.parametrize("method", list(GroupingMethod))
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_few_specimens_are_grouped_too(method: GroupingMethod, number: int) -> None:
    groups = group_specimens(np.eye(3)[:number], method)
    assert len(groups.labels) == number
    assert len(groups) <= 1
    with pytest.raises(InputError, match="at least 2"):
        group_specimens(np.eye(3), method, usual_size=1)


def test_the_map_has_two_principal_components_that_do_not_flip(monkeypatch: pytest.MonkeyPatch) -> None:
    # As where it is not installed.
    monkeypatch.setitem(sys.modules, "umap", None)
    vectors, _ = clouds(5, 20)
    found = map_specimens(vectors)
    assert found.method == PRINCIPAL_COMPONENTS
    units = unit_vectors(vectors)
    singular = np.linalg.svd(units - units.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.linalg.norm(found.places, axis=0), singular[:2], rtol=1e-4)
    np.testing.assert_allclose(map_specimens(vectors[::-1]).places[::-1], found.places, atol=1e-4)
    for few in (0, 1, 2):
        assert map_specimens(vectors[:few]).places.shape == (few, 2)
    assert map_specimens(vectors[:, :1]).places.shape == (100, 2)


def test_the_map_is_umap_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    class Umap:
        def __init__(self, **options: object) -> None:
            asked.update(options)

        def fit_transform(self, vectors: np.ndarray) -> np.ndarray:
            return vectors[:, :2]

    module = types.ModuleType("umap")
    module.UMAP = Umap
    monkeypatch.setitem(sys.modules, "umap", module)
    vectors, _ = clouds(4, 4)
    found = map_specimens(vectors, seed=5)
    assert found.method == UMAP
    assert found.places.dtype == np.float32
    assert asked == {"n_components": 2, "n_neighbors": 15, "metric": "cosine", "random_state": 5, "n_jobs": 1}
    assert map_specimens(vectors[:15]).method == PRINCIPAL_COMPONENTS
    # Another package of this name, and one that cannot be loaded, are none.
    monkeypatch.setitem(sys.modules, "umap", types.ModuleType("umap"))
    assert map_specimens(vectors).method == PRINCIPAL_COMPONENTS
    monkeypatch.setitem(sys.modules, "umap", None)
    assert map_specimens(vectors).method == PRINCIPAL_COMPONENTS


def test_reasons_to_name_a_specimen() -> None:
    shares = np.array([[0.5, 0.5, 0.0], [0.9, 0.05, 0.05], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]])
    ranking = Ranking(("a", "b", "c"), shares, np.array([1.0, 7.0, 2.0, np.inf]), np.zeros(4, bool))
    counts = {"a": 100, "b": 100, "c": 1}
    np.testing.assert_allclose(worth_naming(ranking, Reason.UNSURE, counts), [1, 0.15, 1, 1])
    assert worth_naming(ranking, Reason.UNLIKE, counts).argsort().tolist() == [0, 2, 1, 3]
    telling = worth_naming(ranking, Reason.TELLING, counts)
    assert telling.argmax() == 2
    assert telling[1] > telling[0] > telling[3]


def test_what_to_name_next_is_not_ten_times_the_same() -> None:
    vectors, ids = clouds(10, 10)
    worth = 1.0 - np.abs(ids - 3) - np.arange(100) / 1000
    alike = np.argsort(-worth)[:5]
    assert set(ids[alike]) == {3}
    picked = next_to_name(worth, unit_vectors(vectors), 5)
    assert picked[0] == alike[0]
    assert len(set(ids[picked])) >= 4
    assert len(next_to_name(worth, unit_vectors(vectors), 500)) == 100
    assert len(set(next_to_name(worth, unit_vectors(vectors), 500))) == 100
    assert len(next_to_name(np.empty(0), np.empty((0, 3), np.float32))) == 0
