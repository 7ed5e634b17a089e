"""Vectors of specimens, checked before anything learns from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, many

_SHOWN: Final = 3
"""Specimens that a message names at most."""


def checked_vectors(
    values: ArrayLike, dimensions: int | None = None, keys: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Return vectors in double precision.

    Parameters
    ----------
    values : array-like, shape (N, D)
        One vector for each specimen.
    dimensions : int, optional
        The D that is expected.
    keys : sequence of str, optional
        What a message calls the specimens; their numbers from 0 otherwise.

    Raises
    ------
    InputError
        When the shape is another one, or a number is NaN or infinite; the message names the specimens.
    """
    vectors = np.asarray(values, dtype=np.float64)
    if vectors.ndim != 2 or (dimensions is not None and vectors.shape[1] != dimensions):
        expected = f"(N, {'D' if dimensions is None else dimensions})"
        raise InputError(f"Vectors of shape {expected} are needed, not of shape {vectors.shape}.")
    _refuse(np.logical_not(np.isfinite(vectors).all(axis=1)), "vector", "NaN or infinite numbers", keys)
    return vectors


def checked_sizes(
    values: ArrayLike, specimens: int, columns: int, keys: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Return sizes in double precision; NaN where one is not known.

    Parameters
    ----------
    values : array-like, shape (N, Q)
        One row for each specimen.
    specimens, columns : int
        The N and Q that are expected.
    keys : sequence of str, optional
        What a message calls the specimens; their numbers from 0 otherwise.

    Raises
    ------
    InputError
        When the shape is another one, or a size is infinite; the message names the specimens.
    """
    sizes = np.asarray(values, dtype=np.float64)
    if sizes.shape != (specimens, columns):
        raise InputError(f"Sizes of shape ({specimens}, {columns}) are needed, not of shape {sizes.shape}.")
    _refuse(np.isinf(sizes).any(axis=1), "row of sizes", "infinite numbers", keys)
    return sizes


def unit_vectors(values: ArrayLike) -> NDArray[np.float32]:
    """Return vectors, shape (N, D), with a length of 1; zeros where the length is 0.

    Raises
    ------
    InputError
        When a number is NaN or infinite.
    """
    vectors = np.asarray(values, dtype=np.float32)
    if vectors.ndim != 2:
        raise InputError(f"Vectors of shape (N, D) are needed, not of shape {vectors.shape}.")
    # Numbers of the largest size would overflow when they are squared.
    largest = np.abs(vectors).max(axis=1, initial=0)
    _refuse(~np.isfinite(largest), "vector", "NaN or infinite numbers", None)
    if largest.max(initial=0) > 1e15 or (largest[largest > 0].min(initial=1) < 1e-15):
        vectors = np.asarray(vectors / np.where(largest > 0, largest, 1)[:, None], np.float32)
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return np.asarray(vectors / np.where(length > 0, length, 1)[:, None])


def _refuse(bad: ArrayLike, what: str, held: str, keys: Sequence[str] | None) -> None:
    """Raise an error that names the specimens whose ``bad`` is true."""
    rows = np.flatnonzero(bad)
    if not len(rows):
        return
    called = [str(row) if keys is None else keys[row] for row in rows[:_SHOWN].tolist()]
    more = f" and {many(len(rows) - _SHOWN, 'more', 'more')}" if len(rows) > _SHOWN else ""
    raise InputError(
        f"The {what} of {either(len(rows), 'specimen', 'specimens')} {', '.join(called)}{more} holds {held}: "
        "compute it again, or leave the specimen out."
    )
