"""How far two counts of the same material agree: of shares, of names, and of who saw what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from napari_diatom.core.errors import InputError


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
    if len(first) != len(second):
        raise InputError(f"{len(first)} and {len(second)} names are not of the same specimens.")
    names = sorted({*first, *second})
    number = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names), len(names)))
    np.add.at(table, ([number[name] for name in first], [number[name] for name in second]), 1)
    n = table.sum()
    if not n:
        return math.nan
    by_chance = float(table.sum(axis=0) @ table.sum(axis=1)) / n**2
    return (float(np.trace(table)) / n - by_chance) / (1 - by_chance) if by_chance < 1 else math.nan


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


def matched_counts(overlaps: ArrayLike, least: float = 0.5) -> MatchedCounts:
    """Return which specimens of two counts are the same, so that the sum of overlaps is the greatest.

    Parameters
    ----------
    overlaps : array-like, shape (N, M)
        Overlap (intersection over union, 0 to 1) of each specimen of the first count with each of the second.
    least : float
        Overlap from which two are the same.
    """
    table: NDArray[np.float64] = np.atleast_2d(np.asarray(overlaps, dtype=np.float64))
    rows, columns = linear_sum_assignment(np.where(table >= least, table, 0), maximize=True)
    pairs = tuple((i, k) for i, k in zip(rows.tolist(), columns.tolist(), strict=True) if table[i, k] >= least)
    first, second = {i for i, _ in pairs}, {k for _, k in pairs}
    return MatchedCounts(
        pairs,
        tuple(i for i in range(table.shape[0]) if i not in first),
        tuple(k for k in range(table.shape[1]) if k not in second),
    )
