"""True shares of taxa behind the names that a classifier gave, from its confusion matrix."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError

_STEPS: Final = 2000
_CONVERGED: Final = 1e-10
"""Change of a share at which the search for the most likely shares ends."""


def corrected_shares(counts: ArrayLike, confusion: ArrayLike) -> NDArray[np.float64]:
    """Return the most likely true shares, given what the classifier called the specimens.

    For two taxa this is Rogan and Gladen's (share called so + specificity - 1) / (sensitivity + specificity - 1), kept
    within 0 and 1. For more it is found by expectation maximisation.

    Parameters
    ----------
    counts : array-like, shape (K,)
        Specimens that were called each taxon.
    confusion : array-like, shape (K, K)
        Test specimens by true taxon (row) and by what they were called (column). Other than a correction by columns,
        it does not need a test set in which taxa are as common as in the sample.

    Raises
    ------
    InputError
        When the shapes do not fit, a number is negative, or a taxon was never tested.

    References
    ----------
    Rogan and Gladen 1978, American Journal of Epidemiology 107:71; Saerens et al. 2002, Neural Computation 14:21.
    """
    called, table = _checked(counts, confusion)
    rates = table / table.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = _most_likely(called[None] / max(called.sum(), 1), rates[None])[0]
    return shares


def share_bounds(
    counts: ArrayLike, confusion: ArrayLike, level: float = 0.95, replicates: int = 500, seed: int = 0
) -> NDArray[np.float64]:
    """Return intervals of the true shares, by resampling the count and the rows of the confusion matrix.

    Parameters
    ----------
    counts, confusion
        As in :func:`corrected_shares`, which gives the shares of each replicate.
    level : float
        Share of replicates within the interval.
    replicates : int
        How often to resample.
    seed : int
        The same seed gives the same intervals.

    Returns
    -------
    ndarray of float64, shape (K, 2)
        Ends of the intervals, NaN where nothing was counted.

    Raises
    ------
    InputError
        As of :func:`corrected_shares`.
    """
    called, table = _checked(counts, confusion)
    total = called.sum()
    if not total:
        return np.full((len(called), 2), np.nan)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(total, called / total, replicates) / total
    rows = [random.multinomial(row.sum(), row / row.sum(), replicates) / row.sum() for row in table]
    shares = _most_likely(drawn, np.stack(rows, axis=1))
    ends: NDArray[np.float64] = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2], axis=0).T
    return ends


def _checked(counts: ArrayLike, confusion: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    called, table = np.asarray(counts), np.asarray(confusion)
    if called.ndim != 1 or table.shape != (len(called), len(called)):
        raise InputError(f"Counts of shape {called.shape} do not fit a confusion matrix of shape {table.shape}.")
    if any((part < 0).any() or (part != np.floor(part)).any() for part in (called, table)):
        raise InputError("Counts and confusion matrix must be whole numbers of 0 or more.")
    if untested := np.flatnonzero(table.sum(axis=1) == 0).tolist():
        raise InputError(f"The confusion matrix has no test specimen of the taxa {', '.join(map(str, untested))}.")
    return called.astype(np.int64), table.astype(np.int64)


def _most_likely(called: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return true shares, shape (R, K), of shares called, shape (R, K), and rates of names by taxon, (R, K, K)."""
    shares = np.full(called.shape, 1 / max(called.shape[1], 1))
    for _ in range(_STEPS):
        expected = np.einsum("ri,rij->rj", shares, rates)
        quotient = np.divide(called, expected, out=np.zeros_like(called), where=expected > 0)
        new = shares * np.einsum("rij,rj->ri", rates, quotient)
        sums = new.sum(axis=1, keepdims=True)
        # What was called a name that no taxon of a replicate gets says nothing.
        new = np.divide(new, sums, out=shares.copy(), where=sums > 0)
        moved = float(np.abs(new - shares).max(initial=0))
        shares = new
        if moved < _CONVERGED:
            break
    return shares
