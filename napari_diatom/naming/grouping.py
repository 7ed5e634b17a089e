"""Groups of specimens that look alike, so that a group without a name is named at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.naming.vectors import unit_vectors

MOST_AT_ONCE: Final = 5000
"""Vectors that are grouped themselves; of more, :data:`CENTRES` centres are."""
CENTRES: Final = 2000
"""Centres of k-means that stand for many vectors."""
NO_GROUP: Final = -1
"""The group of specimens that are like no others."""
_BATCH: Final = 4096


class GroupingMethod(StrEnum):
    """How groups are found."""

    AGGLOMERATIVE = "agglomerative"
    """The two most similar groups are joined again and again (Ward 1963); every specimen is in a group."""
    HDBSCAN = "hdbscan"
    """Groups are denser than what is between them (Campello et al. 2013); some specimens are in none."""


@dataclass(frozen=True, eq=False)
class SpecimenGroups:
    """Groups of N specimens, the largest first.

    Attributes
    ----------
    labels : ndarray of int, shape (N,)
        The group of each, from 0; :data:`NO_GROUP` for those in none.
    cosines : ndarray of float32, shape (N,)
        Of each with the mean of its group; 0 for those in none.
    """

    labels: NDArray[np.intp]
    cosines: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.labels.max(initial=NO_GROUP)) + 1

    def members(self, group: int) -> NDArray[np.intp]:
        """Return the specimens of a group, the most typical first."""
        rows = np.flatnonzero(self.labels == group)
        return rows[np.argsort(-self.cosines[rows], kind="stable")]


def group_specimens(
    vectors: ArrayLike,
    method: GroupingMethod = GroupingMethod.AGGLOMERATIVE,
    usual_size: int = 10,
    seed: int = 0,
    monitor: ProgressMonitor = UNWATCHED,
) -> SpecimenGroups:
    """Return groups of specimens whose vectors point in similar directions.

    Parameters
    ----------
    vectors : array-like, shape (N, D)
        One for each specimen; their lengths do not matter.
    method : GroupingMethod
        How groups are found.
    usual_size : int
        Specimens of a group, on average (agglomerative), or twice the fewest of one (HDBSCAN). At least 2. Of many
        vectors, groups are at least as large as what a centre stands for.
    seed : int
        Of the centres of many vectors: the same seed gives the same groups.
    monitor : ProgressMonitor
        Gets a step before each part of the work, and is asked for a stop there.

    Raises
    ------
    InputError
        When a vector is not finite, or the usual size is under 2.
    """
    if usual_size < 2:
        raise InputError(f"Groups of {usual_size} specimens are not possible: choose at least 2.")
    units = unit_vectors(vectors)
    if len(units) < 2:
        return SpecimenGroups(np.zeros(len(units), dtype=np.intp), np.ones(len(units), dtype=np.float32))
    points, of_point = units, np.arange(len(units))
    if len(units) > MOST_AT_ONCE:
        monitor.check()
        monitor.report(Progress("centres", 0, 2))
        points, of_point = _centres(units, seed)
    monitor.check()
    monitor.report(Progress("groups", 1, 2))
    number = max(round(len(units) / usual_size), 1)
    labels = _hdbscan(points, usual_size // 2) if method is GroupingMethod.HDBSCAN else _ward(points, number)
    monitor.report(Progress("groups", 2, 2))
    return _largest_first(units, labels[of_point])


def _centres(units: NDArray[np.float32], seed: int) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return centres, and the centre of each vector."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(CENTRES, init="random", n_init=1, max_iter=10, batch_size=_BATCH, random_state=seed)
    of_point = model.fit_predict(units)
    return unit_vectors(model.cluster_centers_), np.asarray(of_point, dtype=np.intp)


def _ward(points: NDArray[np.float32], number: int) -> NDArray[np.intp]:
    from sklearn.cluster import AgglomerativeClustering

    found = AgglomerativeClustering(n_clusters=min(number, len(points)), linkage="ward").fit_predict(points)
    return np.asarray(found, dtype=np.intp)


def _hdbscan(points: NDArray[np.float32], fewest: int) -> NDArray[np.intp]:
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=min(max(fewest, 2), len(points)), copy=True).fit_predict(points)
    return np.asarray(found, dtype=np.intp)


def _largest_first(units: NDArray[np.float32], labels: NDArray[np.intp]) -> SpecimenGroups:
    inside = labels >= 0
    found, first, number = np.unique(labels[inside], return_index=True, return_counts=True)
    place = np.empty(labels.max(initial=0) + 1, dtype=np.intp)
    place[found[np.lexsort((first, -number))]] = np.arange(len(found))
    renumbered = np.where(inside, place[np.maximum(labels, 0)] if len(found) else NO_GROUP, NO_GROUP)
    sums = np.zeros((len(found), units.shape[1]))
    np.add.at(sums, renumbered[inside], units[inside])
    cosines = np.zeros(len(units), dtype=np.float32)
    cosines[inside] = np.einsum("nd,nd->n", units[inside], unit_vectors(sums)[renumbered[inside]])
    return SpecimenGroups(renumbered, cosines)
