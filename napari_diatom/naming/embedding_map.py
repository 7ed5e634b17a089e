"""A map of all specimens: those that look alike lie close together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.naming.vectors import unit_vectors

UMAP: Final = "UMAP"
PRINCIPAL_COMPONENTS: Final = "principal components"
_NEIGHBOURS: Final = 15
"""Of UMAP: larger values show more of the whole, smaller ones more of what is near. Fewer specimens have no UMAP."""


@dataclass(frozen=True, eq=False)
class EmbeddingMap:
    """Where N specimens lie on the map.

    Attributes
    ----------
    places : ndarray of float32, shape (N, 2)
        In no unit; only what is near to what can be read.
    method : str
        :data:`UMAP` or :data:`PRINCIPAL_COMPONENTS`, to be shown with the map.
    """

    places: NDArray[np.float32]
    method: str


def map_specimens(vectors: ArrayLike, seed: int = 0) -> EmbeddingMap:
    """Return a map: by UMAP (McInnes et al. 2018) where umap-learn is installed, else by two principal components.

    Parameters
    ----------
    vectors : array-like, shape (N, D)
        One for each specimen; their lengths do not matter.
    seed : int
        Of UMAP: the same seed gives the same map.

    Raises
    ------
    InputError
        When a vector is not finite.
    """
    units = unit_vectors(vectors)
    umap = None
    if len(units) > _NEIGHBOURS:
        # A numba that does not know this version of NumPy raises ImportError, and another package may have this name.
        with suppress(ImportError, AttributeError):
            umap = import_module("umap").UMAP
    if umap is None:
        return EmbeddingMap(_principal(units), PRINCIPAL_COMPONENTS)
    # One job, because several of them make the map depend on which ends first.
    model = umap(n_components=2, n_neighbors=_NEIGHBOURS, metric="cosine", random_state=seed, n_jobs=1)
    return EmbeddingMap(np.asarray(model.fit_transform(units), dtype=np.float32), UMAP)


def _principal(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first two principal components; their signs are such that the largest loading is positive."""
    if not len(units):
        return np.empty((0, 2), dtype=np.float32)
    apart = units.astype(np.float64) - units.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(apart.T @ apart)
    axes = axes[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    places = np.zeros((len(units), 2), dtype=np.float32)
    places[:, : axes.shape[1]] = apart @ axes
    return places
