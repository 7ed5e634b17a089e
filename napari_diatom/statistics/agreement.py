"""How far two counts of the same material agree: of shares, of names, and of who saw what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components

from napari_diatom.core.errors import InputError
from napari_diatom.core.proportions import wilson

_NO_VARIANCE: Final = 1e-15
"""Variance of kappa below which it is that of rounding."""


def bray_curtis(first: ArrayLike, second: ArrayLike) -> float:
    """Return the Bray-Curtis dissimilarity sum |a - b| / sum (a + b): 0 for equal counts, 1 where no taxon is shared.

    Parameters
    ----------
    first, second : array-like, shape (S,)
        Counts, or shares, of the same taxa in the same order; of shares it does not see how much was counted.

    Raises
    ------
    InputError
        When they are not of the same taxa.

    References
    ----------
    Bray and Curtis 1957, Ecological Monographs 27:325.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise InputError(f"Counts of {a.size} and {b.size} taxa cannot be compared.")
    total = float((a + b).sum())
    return float(np.abs(a - b).sum()) / total if total else math.nan


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Return Cohen's kappa of two people's names for the same specimens: agreement beyond that of chance.

    Parameters
    ----------
    first, second : sequence of str, length N
        The names, specimen by specimen.

    Returns
    -------
    float
        1 for full agreement, 0 for that of chance; NaN without specimens, and where both have one name for all.

    Raises
    ------
    InputError
        When they are not as many.

    References
    ----------
    Cohen 1960, Educational and Psychological Measurement 20:37.
    """
    table = _name_pairs(first, second)
    n = table.sum()
    if not n:
        return math.nan
    by_chance = _by_chance(table / n)
    return (float(np.trace(table)) / n - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


def kappa_bounds(first: Sequence[str], second: Sequence[str], level: float = 0.95) -> tuple[float, float]:
    """Return the interval of Cohen's kappa, by its standard error for large samples.

    Where all names agree that error is 0. The lower end is then that of Wilson's interval of the share that agrees.

    Parameters
    ----------
    first, second : sequence of str, length N
        The names, specimen by specimen.
    level : float
        Share of samples whose interval holds the true kappa.

    Returns
    -------
    tuple of float
        Within -1 and 1; NaN where kappa is, and where a person has one name for all, for which it is always 0.

    Raises
    ------
    InputError
        When they are not as many.

    References
    ----------
    Fleiss, Cohen and Everitt 1969, Psychological Bulletin 72:323.
    """
    kappa = cohen_kappa(first, second)
    if math.isnan(kappa):
        return math.nan, math.nan
    n = len(first)
    shares = _name_pairs(first, second) / n
    by_chance = _by_chance(shares)
    if not (shares - np.diag(np.diag(shares))).any():
        return (wilson(n, n, level)[0] - by_chance) / (1 - by_chance), 1.0
    ours, theirs = shares.sum(axis=1), shares.sum(axis=0)
    diagonal = np.diag(shares) * (1 - (ours + theirs) * (1 - kappa)) ** 2
    others = shares * (theirs[:, None] + ours[None, :]) ** 2
    spread = diagonal.sum() + (1 - kappa) ** 2 * (others.sum() - np.trace(others))
    variance = (spread - (kappa - by_chance * (1 - kappa)) ** 2) / ((1 - by_chance) ** 2 * n)
    if variance <= _NO_VARIANCE:
        return math.nan, math.nan
    half = NormalDist().inv_cdf((1 + level) / 2) * math.sqrt(variance)
    return max(float(kappa - half), -1.0), min(float(kappa + half), 1.0)


def _name_pairs(first: Sequence[str], second: Sequence[str]) -> NDArray[np.float64]:
    """Return how many specimens have which two names, shape (K, K)."""
    if len(first) != len(second):
        raise InputError(f"{len(first)} and {len(second)} names are not of the same specimens.")
    number = {name: i for i, name in enumerate(sorted({*first, *second}))}
    table = np.zeros((len(number), len(number)))
    np.add.at(table, ([number[name] for name in first], [number[name] for name in second]), 1)
    return table


def _by_chance(shares: NDArray[np.float64]) -> float:
    """Return which share of specimens would have one name by chance."""
    return float(shares.sum(axis=0) @ shares.sum(axis=1))


@dataclass(frozen=True)
class MatchedCounts:
    """Which specimens two people have both seen.

    Attributes
    ----------
    pairs : tuple of (int, int)
        Places of the same specimen in the first and the second count.
    only_first, only_second : tuple of int
        Places of the specimens that one of them has seen.
    """

    pairs: tuple[tuple[int, int], ...]
    only_first: tuple[int, ...]
    only_second: tuple[int, ...]

    @property
    def share_of_both(self) -> float:
        """Share of all specimens seen that both have seen (Jaccard); NaN where nobody has seen any."""
        seen = len(self.pairs) + len(self.only_first) + len(self.only_second)
        return len(self.pairs) / seen if seen else math.nan


def matched_counts(overlaps: ArrayLike | sparse.coo_array, least: float = 0.5) -> MatchedCounts:
    """Return which specimens of two counts are the same, so that the sum of overlaps is the greatest.

    Parameters
    ----------
    overlaps : array-like or sparse array, shape (N, M)
        Overlap (intersection over union, 0 to 1) of each specimen of the first count with each of the second. Of a
        sparse array only pairs that it holds can be the same.
    least : float
        Overlap from which two are the same.
    """
    dense = None if sparse.issparse(overlaps) else np.atleast_2d(np.asarray(overlaps, dtype=np.float64))
    table: Any = sparse.coo_array(overlaps if dense is None else dense)
    number, others = table.shape
    kept = table.data >= least
    rows, columns, values = table.row[kept], table.col[kept], table.data[kept]
    # Specimens that overlap none of each other's are matched apart: a slide has thousands, and a few in a heap.
    nodes = (np.ones(len(rows)), (rows, number + columns))
    _, heaps = connected_components(sparse.coo_array(nodes, shape=(number + others, number + others)), directed=False)
    order = np.argsort(heaps[rows], kind="stable")
    pairs: list[tuple[int, int]] = []
    for heap in np.split(order, np.flatnonzero(np.diff(heaps[rows][order])) + 1):
        pairs += _best_pairs(rows[heap], columns[heap], values[heap])
    first, second = {i for i, _ in pairs}, {k for _, k in pairs}
    return MatchedCounts(
        tuple(sorted(pairs)),
        tuple(i for i in range(number) if i not in first),
        tuple(k for k in range(others) if k not in second),
    )


def _best_pairs(
    rows: NDArray[np.intp], columns: NDArray[np.intp], values: NDArray[np.float64]
) -> list[tuple[int, int]]:
    """Return those of some pairs that have the greatest sum of values, each row and column in one of them."""
    if len(rows) < 2:
        return list(zip(rows.tolist(), columns.tolist(), strict=True))
    (our, i), (their, k) = np.unique(rows, return_inverse=True), np.unique(columns, return_inverse=True)
    table = np.zeros((len(our), len(their)))
    table[i, k] = values
    allowed = np.zeros(table.shape, dtype=np.bool_)
    allowed[i, k] = True
    best = zip(*(part.tolist() for part in linear_sum_assignment(table, maximize=True)), strict=True)
    return [(int(our[a]), int(their[b])) for a, b in best if allowed[a, b]]
