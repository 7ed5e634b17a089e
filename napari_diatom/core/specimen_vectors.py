"""Vectors of specimens: numbers by which similar ones lie near each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SpecimenVectors:
    """What an embedder gives for N specimens, in their order.

    Attributes
    ----------
    vectors : ndarray of float32, shape (N, 2, D)
        Of each specimen two: that of its cut-out together with the half turn, and that of the two mirror images. Which
        end is up changes neither; a mirror image exchanges the two. NaN where there is none.
    problems : tuple of str
        Why a specimen has no vectors, as a sentence; empty where it has.
    model : str
        Name and version of the embedder. Vectors of different embedders cannot be compared.
    """

    vectors: NDArray[np.float32]
    problems: tuple[str, ...]
    model: str

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which specimens have vectors, shape (N,)."""
        return np.array([not problem for problem in self.problems], dtype=np.bool_)

    def unhanded(self) -> NDArray[np.float32]:
        """Return the means of both vectors, shape (N, D): the same for a specimen and its mirror image."""
        return np.asarray(self.vectors.mean(axis=1, dtype=np.float32))
