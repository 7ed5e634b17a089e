"""How many taxa a smaller count of the same sample would have found."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.statistics.count_vectors import present_individuals

_POINTS: Final = 50
"""Of a curve, at most: no screen shows more."""


def rarefied_richness(counts: ArrayLike, sizes: ArrayLike) -> NDArray[np.float64]:
    """Return how many taxa are expected among m individuals: sum of 1 - C(N - Ni, m) / C(N, m).

    The quotient of the binomials is a product of (N - m - k) / (N - k), k < Ni, taken as a sum of logarithms: a count
    of 100,000 is rarefied to 1e-9, which differences of log-gamma functions, of a million each, do not reach.

    Parameters
    ----------
    counts : array-like, shape (S,)
        Whole numbers of individuals of each taxon, N in all.
    sizes : array-like, shape (M,)
        Whole numbers m of individuals, 0 to N.

    Returns
    -------
    ndarray of float64, shape (M,)
        Expected numbers of taxa.

    Raises
    ------
    InputError
        When a number is not whole, or more individuals are to be drawn than there are.

    References
    ----------
    Hurlbert 1971, Ecology 52:577; Heck et al. 1975, Ecology 56:1459.
    """
    found = present_individuals(counts)
    total = int(found.sum())
    drawn = np.atleast_1d(np.asarray(sizes))
    if drawn.size and (drawn != np.floor(drawn)).any():
        raise InputError("Subsamples are of individuals: give whole numbers.")
    if drawn.size and (drawn.min() < 0 or drawn.max() > total):
        raise InputError(f"Subsamples of 0 to {total} individuals can be drawn, not of {drawn.min()} to {drawn.max()}.")
    if not total:
        return np.zeros(len(drawn))
    k = np.arange(int(found.max()))
    richness = []
    for m in drawn.tolist():
        with np.errstate(divide="ignore"):
            log_absent = np.cumsum(np.log1p(-m / (total - k[: total - m + 1])))
        # A taxon of more individuals than are left out is always among those drawn.
        drawn_for_sure = found > len(log_absent)
        absent = np.exp(log_absent[found[~drawn_for_sure] - 1])
        richness.append(len(found) - float(absent.sum()))
    return np.array(richness)


def rarefaction_curve(counts: ArrayLike, points: int = _POINTS) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return sizes from 1 to all individuals, evenly spaced, and the taxa expected at each of them.

    Parameters
    ----------
    counts : array-like, shape (S,)
        Whole numbers of individuals of each taxon.
    points : int
        Most points of the curve.

    Returns
    -------
    tuple of ndarray, shape (M,)
        Numbers of individuals, and of taxa.
    """
    total = int(present_individuals(counts).sum())
    sizes = np.unique(np.linspace(1, total, min(points, total)).round().astype(np.int64)) if total else np.zeros(0, int)
    return sizes, rarefied_richness(counts, sizes)
