"""Learns from two vectors of each specimen: its own, and that of its mirror image."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.naming.method_choice import GroupChoice
from napari_diatom.naming.name_learner import NameLearner
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.ranking import Ranking, divided_by_hand


class PairLearner:
    """What is known of the named specimens, where taxa of some names are mirror images of each other.

    A specimen and its mirror image are the same taxon: the mean of both vectors teaches. Only taxa that are *handed*
    are told apart from each other by their own vectors.

    Parameters
    ----------
    dimensions : int
        D, columns of a vector.
    sizes : int
        Q, columns of sizes.
    handed : collection of str
        Taxa whose mirror image is another one.
    """

    def __init__(self, dimensions: int, sizes: int = 0, handed: Collection[str] = ()) -> None:
        self._handed = frozenset(handed)
        self._means = NameLearner(dimensions, sizes)
        self._own = NameLearner(dimensions, sizes)

    @classmethod
    def of(cls, pairs: NDArray[np.float32], named: NamedVectors, handed: Collection[str] = ()) -> Self:
        """Return what has learnt from many specimens at once.

        Parameters
        ----------
        pairs : ndarray, shape (N, 2, D)
            Their vectors.
        named : NamedVectors
            The same specimens with the means of both vectors.
        handed : collection of str
            Taxa whose mirror image is another one.
        """
        learner = cls(named.vectors.shape[1], named.sizes.shape[1], handed)
        rows = np.flatnonzero([name in learner._handed for name in named.taxa])
        learner._means = NameLearner.of(named)
        if len(rows):
            of = named[rows]
            learner._own = NameLearner.of(
                NamedVectors.of(
                    pairs[rows, 0], of.taxa, keys=of.keys, sizes=of.sizes, groups=of.groups, slides=of.slides
                )
            )
        return learner

    def copy(self) -> Self:
        """Return what has learnt the same, and learns by itself from now on."""
        twin = self.__class__(self._means.dimensions, self._means.sizes, self._handed)
        twin._means, twin._own = self._means.copy(), self._own.copy()
        return twin

    def __len__(self) -> int:
        return len(self._means)

    def name(
        self, key: str, taxon: str, pair: NDArray[np.float32], *, sizes: ArrayLike, group: str = "", slide: str = ""
    ) -> None:
        """Learn from one specimen, see :meth:`NameLearner.name`; ``pair`` has the shape (2, D)."""
        self._means.name(key, taxon, pair.mean(axis=0), sizes=sizes, group=group, slide=slide)
        self._own.forget(key)
        if taxon in self._handed:
            self._own.name(key, taxon, pair[0], sizes=sizes, group=group, slide=slide)

    def forget(self, key: str) -> None:
        """Take back the name of a specimen; one that was not named stays so."""
        self._means.forget(key)
        self._own.forget(key)

    def named(self) -> NamedVectors:
        """Return all named specimens with the means of their vectors, for work in the background."""
        return self._means.named()

    def choose(self, choices: Mapping[str, GroupChoice]) -> None:
        """Name by these methods from now on."""
        self._means.choose(choices)

    def choice(self, group: str = "") -> GroupChoice:
        """Return how a group is named."""
        return self._means.choice(group)

    def rank(
        self,
        pairs: NDArray[np.float32],
        *,
        sizes: ArrayLike,
        groups: Sequence[str] | None = None,
        counted: Mapping[str, float] | None = None,
    ) -> Ranking:
        """Return what N specimens may be called, see :meth:`NameLearner.rank`; ``pairs`` has the shape (N, 2, D)."""
        ranking = self._means.rank(pairs.mean(axis=1), sizes=sizes, groups=groups, counted=counted)
        if not len(self._own):
            return ranking
        return divided_by_hand(ranking, self._own.rank(pairs[:, 0], sizes=sizes, groups=groups))
