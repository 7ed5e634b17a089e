"""Show more like this: specimens in the order of their similarity to chosen ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError


@dataclass(frozen=True, eq=False)
class SimilarSpecimens:
    """Specimens, the most similar first.

    Attributes
    ----------
    rows : ndarray of int, shape (M,)
        Their numbers.
    cosines : ndarray of float32, shape (M,)
        Mean cosine of the angles to the chosen ones: 1 for the same direction, -1 for the opposite one.
    """

    rows: NDArray[np.intp]
    cosines: NDArray[np.float32]


def most_similar(
    units: NDArray[np.float32], chosen: Sequence[int], number: int = 100, among: ArrayLike | None = None
) -> SimilarSpecimens:
    """Return the specimens that are most similar to one or several chosen ones, without these.

    Parameters
    ----------
    units : ndarray of float32, shape (N, D)
        Vectors of length 1, as :func:`~napari_diatom.naming.vectors.unit_vectors` makes them, once for all searches.
    chosen : sequence of int
        Numbers of the chosen specimens.
    number : int
        How many to return at most: a page, or N for all.
    among : array-like of bool, shape (N,), optional
        Which specimens to search; all by default.

    Raises
    ------
    InputError
        When nothing is chosen, or a number is not one of a specimen.
    """
    picked = np.asarray(chosen, dtype=np.intp)
    if not len(picked) or picked.min() < 0 or picked.max() >= len(units):
        raise InputError(f"Choose specimens by numbers from 0 to {len(units) - 1}, at least one.")
    return rank_cosines(units @ units[picked].mean(axis=0), chosen, number, among)


def rank_cosines(
    cosines: NDArray[np.float32], chosen: Sequence[int], number: int = 100, among: ArrayLike | None = None
) -> SimilarSpecimens:
    """Return the specimens with the largest cosines, without the chosen ones; see :func:`most_similar`.

    Parameters
    ----------
    cosines : ndarray of float32, shape (N,)
        Mean cosine of the angles to the chosen ones.
    chosen : sequence of int
        Numbers of the chosen specimens.
    number : int
        How many to return at most.
    among : array-like of bool, shape (N,), optional
        Which specimens to search; all by default.
    """
    picked = np.asarray(chosen, dtype=np.intp)
    searched = np.ones(len(cosines), dtype=bool) if among is None else np.array(among, dtype=bool)
    searched[picked] = False
    rows = np.flatnonzero(searched)
    if number < len(rows):
        rows = np.sort(rows[np.argpartition(-cosines[rows], number - 1)[:number]] if number > 0 else rows[:0])
    order = rows[np.argsort(-cosines[rows], kind="stable")]
    return SimilarSpecimens(order, cosines[order])
