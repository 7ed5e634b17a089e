"""What counts of taxa are: numbers that are finite and not negative, and whole where an estimator needs individuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError


def present_counts(counts: ArrayLike) -> NDArray[np.float64]:
    """Return the counts of the taxa that are there.

    Parameters
    ----------
    counts : array-like, shape (S,)
        Of each taxon; halves are possible, where a valve is half a frustule.

    Raises
    ------
    InputError
        When a count is negative, infinite or not a number.
    """
    found = np.asarray(counts, dtype=np.float64).ravel()
    if not (np.isfinite(found) & (found >= 0)).all():
        raise InputError("Counts must be finite numbers of 0 or more.")
    return found[found > 0]


def present_individuals(counts: ArrayLike) -> NDArray[np.int64]:
    """Return the numbers of individuals of the taxa that are there, as :func:`present_counts`.

    Raises
    ------
    InputError
        When a count is negative or not whole.
    """
    found = present_counts(counts)
    if (found != np.floor(found)).any():
        raise InputError("Singletons and subsamples are of individuals: give whole numbers.")
    return found.astype(np.int64)


def present_shares(counts: ArrayLike) -> NDArray[np.float64]:
    """Return the shares of the taxa that are there, empty where nothing was counted; raises as `present_counts`."""
    found = present_counts(counts)
    return found / found.sum() if len(found) else found
