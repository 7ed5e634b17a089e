"""What specimens may be called: shares of the taxa of their group, and who is unlike all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import Names

Floats = NDArray[np.float64]

BY_EXAMPLES: Final = "examples"
"""What a name that was learnt from examples is named by."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """What N specimens may be called.

    Attributes
    ----------
    taxa : tuple of str
        The K names that were given in any of their groups, in their alphabet.
    shares : ndarray, shape (N, K)
        Calibrated probabilities; 0 for a taxon that was not named in the specimen's group. A row adds up to 1, or to 0
        where nothing was named in the group.
    distances : ndarray, shape (N,)
        Mahalanobis distance to the nearest mean of the group; infinite where nothing was named in it.
    unlike : ndarray of bool, shape (N,)
        Which are farther from all than nearly all named ones are from theirs: unlike anything named so far.
    """

    taxa: tuple[str, ...]
    shares: Floats
    distances: Floats
    unlike: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.shares)

    def top(self, number: int = 3) -> NDArray[np.intp]:
        """Return the places of the taxa with the largest shares, the best first, shape (N, at most ``number``)."""
        return np.argsort(-self.shares, axis=1, kind="stable")[:, :number]

    def suggestions(self, row: int, number: int = 3) -> tuple[tuple[str, float], ...]:
        """Return the best names of a specimen with their shares; none with a share of 0."""
        best = np.argsort(-self.shares[row], kind="stable")[:number].tolist()
        return tuple((self.taxa[k], float(self.shares[row, k])) for k in best if self.shares[row, k] > 0)

    def names(self, threshold: float, by: str = BY_EXAMPLES, genera: Mapping[str, str] | None = None) -> Names:
        """Return the shares as names: the taxon where that is sure, else its genus where that is, else unknown.

        What is unlike anything named so far is unknown.

        Parameters
        ----------
        threshold : float
            Share under which a name is not given.
        by : str
            What the names are said to be given by.
        genera : mapping of str to str, optional
            The genus of a taxon where it is not the one that its name begins with; empty where it has none.

        Raises
        ------
        InputError
            When no taxon was named.
        """
        if not self.taxa:
            raise InputError("No specimen is named yet, so no name can be suggested: name some specimens first.")
        shares = self.shares.astype(np.float32)
        return Names(self.taxa, shares, threshold, by, {} if genera is None else genera, self.unlike)


def divided_by_hand(ranking: Ranking, own: Ranking) -> Ranking:
    """Return a ranking in which taxa that are mirror images of each other are told apart.

    What they are given together stays; how it is divided among them is what ``own`` says.

    Parameters
    ----------
    ranking : Ranking
        By vectors that are the same for a specimen and its mirror image.
    own : Ranking
        Of the same specimens and some of the taxa, by vectors that are not.
    """
    columns = np.array([ranking.taxa.index(name) for name in own.taxa], dtype=np.intp)
    told = np.flatnonzero(own.shares.sum(axis=1) > 0)
    shares = ranking.shares.copy()
    cells = np.ix_(told, columns)
    shares[cells] = shares[cells].sum(axis=1, keepdims=True) * own.shares[told]
    return replace(ranking, shares=shares)
