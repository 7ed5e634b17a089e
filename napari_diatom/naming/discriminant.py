"""A shrunken linear discriminant from running sums: naming one more specimen does not read all others again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh

from napari_diatom.core.errors import InputError
from napari_diatom.naming.vectors import checked_vectors

Floats = NDArray[np.float64]

NEAREST_MEAN: Final = 1.0
"""Shrinkage at which the covariance is a sphere, so that the nearest mean decides."""
_FEW: Final = 5
"""Degrees of freedom at which the variance of sizes within taxa weighs as much as that over all specimens."""
_NO_SCATTER: Final = 1e-12
"""Share of the specimens' mean square under which their scatter within taxa is rounding error."""


def oas_shrinkage(trace: ArrayLike, trace_of_square: ArrayLike, dimensions: int, degrees: ArrayLike) -> Floats:
    """Return how far to shrink covariances towards spheres: the oracle approximating shrinkage.

    It is the Ledoit-Wolf shrinkage (2004) of normal data, in closed form from two traces (Chen, Wiesel, Eldar and
    Hero 2010, eq. 23, without its terms in 2/p, as scikit-learn computes it).

    Parameters
    ----------
    trace, trace_of_square : array-like, shape (...)
        Of the covariance or the scatter S: tr(S) and tr(S S).
    dimensions : int
        Rows of S.
    degrees : array-like, shape (...)
        Degrees of freedom of S.

    Returns
    -------
    ndarray, shape (...)
        0 to 1.
    """
    mean, square = np.square(trace) / dimensions**2, np.asarray(trace_of_square, np.float64) / dimensions**2
    least = (np.asarray(degrees, np.float64) + 1) * (square - mean / dimensions)
    return np.asarray(np.where(least > square + mean, (square + mean) / np.where(least > 0, least, 1), 1.0))


@dataclass(frozen=True, eq=False)
class ScatterSpectrum:
    """The scatter of specimens about the means of their taxa, as its principal axes.

    Attributes
    ----------
    scale : ndarray, shape (D,)
        By which each column is multiplied first.
    axes : ndarray, shape (D, D)
        Unit vectors, one a column.
    values : ndarray, shape (D,)
        Sum of the squares along each axis, at least 0.
    degrees : int
        Degrees of freedom: specimens less taxa.
    """

    scale: Floats
    axes: Floats
    values: Floats
    degrees: int

    def shrinkage(self) -> float:
        """Return the oracle approximating shrinkage."""
        values = self.values
        return float(oas_shrinkage(values.sum(), values @ values, len(values), self.degrees))


@dataclass(frozen=True, eq=False)
class Discriminant:
    """A linear discriminant (Fisher 1936) of K taxa in D dimensions.

    All taxa share one covariance C = ((1 - s) W + s tr(W)/D I) / n, where W is their pooled scatter, n the number of
    specimens and s the shrinkage. It is what ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s)`` of
    scikit-learn fits.

    Attributes
    ----------
    taxa : tuple of str
        K names, in their alphabet.
    counts : ndarray, shape (K,)
        Specimens of each.
    means : ndarray, shape (K, D)
        Of each.
    spectrum : ScatterSpectrum
        The scatter W.
    shrinkage : float
        s, from 0 (none) to 1 (a sphere).
    variances : ndarray, shape (D,)
        Of C, along the axes of the spectrum.
    """

    taxa: tuple[str, ...]
    counts: Floats
    means: Floats
    spectrum: ScatterSpectrum
    shrinkage: float
    variances: Floats

    @property
    def total(self) -> int:
        """How many specimens it was learnt from."""
        return int(self.counts.sum())

    @cached_property
    def coefficients(self) -> Floats:
        """Of the decision values, shape (K, D)."""
        whitening = self._whitening
        return np.asarray((self.means @ whitening) @ whitening.T)

    @cached_property
    def intercepts(self) -> Floats:
        """Of the decision values without a prior, shape (K,)."""
        return np.asarray(-0.5 * np.einsum("kd,kd->k", self.means, self.coefficients))

    def decisions(self, vectors: ArrayLike, log_prior: ArrayLike = 0.0) -> Floats:
        """Return the decision values of specimens, shape (N, K): the logarithms of probabilities, but for a constant.

        Parameters
        ----------
        vectors : array-like, shape (N, D)
            Of the specimens.
        log_prior : array-like, shape (K,)
            Logarithm of how common each taxon is; all are equally common without it.
        """
        values = checked_vectors(vectors, self.means.shape[1])
        return np.asarray(values @ self.coefficients.T + (self.intercepts + np.asarray(log_prior)))

    def squared_distances(self, vectors: ArrayLike) -> Floats:
        """Return the squared Mahalanobis distances of specimens, shape (N, D), to the means, shape (N, K).

        Each is divided by 1 + 1/n for a mean of n specimens: that much farther off is a new specimen of the taxon,
        because the mean is uncertain too.
        """
        values, centre = checked_vectors(vectors, self.means.shape[1]), self.means.mean(axis=0)
        specimens, means = (values - centre) @ self._whitening, (self.means - centre) @ self._whitening
        squares = np.square(specimens).sum(axis=1)[:, None] + np.square(means).sum(axis=1) - 2 * specimens @ means.T
        return np.asarray(np.maximum(squares, 0) / (1 + 1 / self.counts))

    @cached_property
    def _whitening(self) -> Floats:
        return self.spectrum.scale[:, None] * self.spectrum.axes / np.sqrt(self.variances)


class TaxonSums:
    """What a discriminant needs of named specimens: their number and sum by taxon, and the pooled scatter.

    Adding, removing and renaming a specimen are updates of rank one (Welford 1962).

    Parameters
    ----------
    dimensions : int
        D, columns of a vector.
    sizes : int
        How many of the last columns are sizes, in units of their own. They are scaled so that their variance within
        taxa is the mean one of the other columns, because the shrinkage makes the variances of all columns more alike.
        While few specimens tell the variance within taxa, that over all specimens weighs in.
    """

    def __init__(self, dimensions: int, sizes: int = 0) -> None:
        if not 0 <= sizes < dimensions:
            raise InputError(f"Of {dimensions} columns, {sizes} cannot be sizes.")
        self.dimensions = dimensions
        self.sizes = sizes
        self._counts: dict[str, int] = {}
        self._sums: dict[str, Floats] = {}
        self._scatter: Floats = np.zeros((dimensions, dimensions))

    @classmethod
    def of(cls, vectors: ArrayLike, taxa: Sequence[str], sizes: int = 0) -> Self:
        """Return the sums of many specimens at once.

        Parameters
        ----------
        vectors : array-like, shape (N, D)
            One for each specimen.
        taxa : sequence of str
            Their N names.
        sizes : int
            How many of the last columns are sizes.
        """
        values = checked_vectors(vectors)
        if len(values) != len(taxa):
            raise InputError(f"{len(taxa)} names do not match {len(values)} specimens.")
        sums = cls(values.shape[1], sizes)
        if not len(values):
            return sums
        names, inside = np.unique(np.asarray(taxa, dtype=object), return_inverse=True)
        counts = np.bincount(inside)
        totals = np.zeros((len(names), values.shape[1]))
        np.add.at(totals, inside, values)
        apart = values - (totals / counts[:, None])[inside]
        sums._counts = dict(zip(names.tolist(), counts.tolist(), strict=True))
        sums._sums = dict(zip(names.tolist(), totals, strict=True))
        sums._scatter = apart.T @ apart
        return sums

    def __len__(self) -> int:
        return sum(self._counts.values())

    @property
    def counts(self) -> Mapping[str, int]:
        """Specimens of each taxon, in the alphabet of the taxa."""
        return dict(sorted(self._counts.items()))

    def copy(self) -> Self:
        """Return sums that change by themselves."""
        twin = self.__class__(self.dimensions, self.sizes)
        twin._counts = dict(self._counts)
        twin._sums = {name: total.copy() for name, total in self._sums.items()}
        twin._scatter = self._scatter.copy()
        return twin

    def add(self, vector: ArrayLike, taxon: str) -> None:
        """Take one more specimen of a taxon, shape (D,)."""
        value = self._checked(vector)
        count = self._counts.get(taxon, 0)
        if count:
            apart = value - self._sums[taxon] / count
            self._scatter += np.outer(apart, apart * (count / (count + 1)))
            self._sums[taxon] = self._sums[taxon] + value
        else:
            self._sums[taxon] = value.copy()
        self._counts[taxon] = count + 1

    def remove(self, vector: ArrayLike, taxon: str) -> None:
        """Take a specimen, shape (D,), out of the taxon that it was added to.

        Raises
        ------
        InputError
            When the taxon has no specimen.
        """
        value = self._checked(vector)
        count = self._counts.get(taxon, 0)
        if not count:
            raise InputError(f"No specimen of {taxon} was named that could be removed.")
        if count == 1:
            del self._counts[taxon], self._sums[taxon]
        else:
            apart = value - self._sums[taxon] / count
            self._scatter -= np.outer(apart, apart * (count / (count - 1)))
            self._counts[taxon], self._sums[taxon] = count - 1, self._sums[taxon] - value
        if len(self) == len(self._counts):
            # Nothing is left that could scatter; the rest is rounding error.
            self._scatter[:] = 0

    def rename(self, vector: ArrayLike, former: str, taxon: str) -> None:
        """Take a specimen, shape (D,), from one taxon to another."""
        self.remove(vector, former)
        self.add(vector, taxon)

    def rename_taxon(self, former: str, taxon: str) -> None:
        """Give all specimens of a taxon another name; where that has specimens too, both are joined."""
        if former == taxon or former not in self._counts:
            return
        number, total = self._counts.pop(former), self._sums.pop(former)
        others = self._counts.get(taxon, 0)
        if others:
            apart = total / number - self._sums[taxon] / others
            self._scatter += np.outer(apart, apart * (number * others / (number + others)))
            total = total + self._sums[taxon]
        self._counts[taxon], self._sums[taxon] = number + others, total

    def discriminant(self, shrinkage: float | None = None, scale: Floats | None = None) -> Discriminant:
        """Return the discriminant of what was named so far.

        Until two specimens of a taxon differ, the nearest mean decides. Nothing tells then how far specimens of a
        taxon scatter, and their variance is taken to be the mean squared distance between the means: the decision
        values are timid on purpose.

        Parameters
        ----------
        shrinkage : float, optional
            Above 0, to 1 (:data:`NEAREST_MEAN`); the oracle approximating shrinkage by default.
        scale : ndarray of shape (D,), optional
            By which the columns are multiplied; by default from the variances, see :class:`TaxonSums`.

        Raises
        ------
        InputError
            When nothing was named, or the shrinkage is out of its range.
        """
        if not self._counts:
            raise InputError("No specimen was named that a discriminant could learn from.")
        if shrinkage is not None and not 0 < shrinkage <= 1:
            raise InputError(f"A shrinkage of {shrinkage} is not above 0 and at most 1.")
        taxa = tuple(sorted(self._counts))
        counts = np.array([self._counts[name] for name in taxa], dtype=np.float64)
        means = np.array([self._sums[name] for name in taxa]) / counts[:, None]
        scale = self._scale(counts, means) if scale is None else scale
        number = int(counts.sum())
        scatter = self._scatter * scale * scale[:, None]
        size = float(counts @ np.square(means * scale).sum(axis=1)) + np.trace(scatter)
        if number == len(taxa) or np.trace(scatter) <= _NO_SCATTER * size:
            spectrum = ScatterSpectrum(scale, np.eye(self.dimensions), np.zeros(self.dimensions), number - len(taxa))
            variances = np.full(self.dimensions, _distance_between(means * scale))
            return Discriminant(taxa, counts, means, spectrum, NEAREST_MEAN, variances)
        values, axes = eigh(scatter, check_finite=False)
        spectrum = ScatterSpectrum(scale, axes, np.maximum(values, 0), number - len(taxa))
        share = spectrum.shrinkage() if shrinkage is None else shrinkage
        variances = ((1 - share) * spectrum.values + share * spectrum.values.mean()) / number
        return Discriminant(taxa, counts, means, spectrum, share, variances)

    def _scale(self, counts: Floats, means: Floats) -> Floats:
        """Return the scale of each column, shape (D,): 1 for those that are not sizes."""
        scale = np.ones(self.dimensions)
        if not self.sizes:
            return scale
        apart = means - np.average(means, axis=0, weights=counts)
        within, number = np.diag(self._scatter), counts.sum()
        over_all = (within + counts @ np.square(apart)) / number
        variances = (within + _FEW * over_all) / (number - len(counts) + _FEW)
        of_vector, of_sizes = variances[: -self.sizes].mean(), variances[-self.sizes :]
        known = (of_sizes > _NO_SCATTER * np.square(means[:, -self.sizes :]).mean(axis=0)) & (of_vector > 0)
        scale[-self.sizes :] = np.sqrt(np.where(known, of_vector / np.where(known, of_sizes, 1), 1))
        return scale

    def _checked(self, vector: ArrayLike) -> Floats:
        [value] = checked_vectors(np.asarray(vector, dtype=np.float64)[None], self.dimensions)
        return np.asarray(value)


def _distance_between(means: Floats) -> float:
    """Return the mean squared distance between two of K means, shape (K, D); 1 where they do not differ."""
    squares = 2 * np.square(means - means.mean(axis=0)).sum() / max(len(means) - 1, 1)
    return float(squares) if squares > 0 else 1.0
