"""What the discriminant says of the named specimens when it has not learnt from them: by specimen, or by slide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.naming.discriminant import Discriminant, TaxonSums, oas_shrinkage
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.rule_pair import log_shares_of, spread, with_known_sizes

Floats = NDArray[np.float64]

MOST_PARTS: Final = 100
"""Parts in which slides are left out at most; of more slides, several are left out at a time."""
_NEARLY_SINGULAR: Final = 1e-8
"""Of a determinant after a downdate, relative to the one before: under it, the sums are made again instead."""
_BLOCK: Final = 2048
"""Specimens that are left out in one product of matrices."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What is said of N named specimens, each by a discriminant that has not seen it.

    Attributes
    ----------
    taxa : tuple of str
        The K names that were given.
    truth : ndarray of int, shape (N,)
        The place of each specimen's name among them.
    log_shares : ndarray, shape (N, K)
        Logarithm of the shares, all taxa being equally common; ``-inf`` for a taxon of which no example was left.
    distances : ndarray, shape (N, K)
        Squared Mahalanobis distances to the means, without sizes, see :meth:`Discriminant.squared_distances`;
        infinite for a taxon of which no example was left.
    by_slide : bool
        Whether the whole slide of a specimen was left out, not the specimen alone.
    """

    taxa: tuple[str, ...]
    truth: NDArray[np.intp]
    log_shares: Floats
    distances: Floats
    by_slide: bool

    @cached_property
    def answerable(self) -> NDArray[np.bool_]:
        """Of whose taxon an example was left, shape (N,)."""
        return np.asarray(np.isfinite(self.log_shares[np.arange(len(self.truth)), self.truth]))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whose name is the first that is said, shape (N,)."""
        return np.asarray((self.log_shares.argmax(axis=1) == self.truth) & self.answerable)

    @property
    def nearest(self) -> Floats:
        """Squared distance of each to the nearest mean, shape (N,)."""
        return np.asarray(self.distances.min(axis=1))

    @property
    def own(self) -> Floats:
        """Squared distance of each to the mean of its own taxon, shape (N,)."""
        return np.asarray(self.distances[np.arange(len(self.truth)), self.truth])


def leave_one_out(named: NamedVectors, shrinkage: float | None = None) -> HeldOut:
    """Leave each specimen of one group out, in closed form: no discriminant is fitted anew.

    Taking a specimen with the residual r out of a taxon of n is a downdate of the scatter by n/(n - 1) r r', so that
    the inverse of the covariance follows from the formula of Sherman and Morrison (1950), in the principal axes of the
    scatter, where the shrinkage only changes the diagonal. The scale of the sizes is kept.

    Parameters
    ----------
    named : NamedVectors
        N specimens of one group, at least one.
    shrinkage : float, optional
        Of the discriminants; the oracle approximating shrinkage of what is left by default.
    """
    sums = GroupSums.of(named)
    plain, sized = sums.discriminants(shrinkage)
    raw = _left_out_distances(named.vectors, named.taxon_ids, plain, sums.plain, shrinkage)
    log_shares = log_shares_of(-0.5 * raw)
    rows = np.flatnonzero(named.sized)
    if sized is not None and sums.sized is not None and len(rows):
        ids = named[rows].taxon_ids
        with_sizes = _left_out_distances(named.with_sizes[rows], ids, sized, sums.sized, shrinkage)
        evidence = spread(-0.5 * with_sizes, sized.taxa, plain.taxa)
        log_shares[rows] = with_known_sizes(log_shares[rows], evidence)
    counts = np.tile(plain.counts, (len(named), 1))
    counts[np.arange(len(named)), named.taxon_ids] -= 1
    distances = np.where(counts > 0, raw / (1 + 1 / np.maximum(counts, 1)), np.inf)
    return HeldOut(plain.taxa, named.taxon_ids, log_shares, distances, by_slide=False)


def leave_slides_out(
    named: NamedVectors, shrinkage: float | None = None, monitor: ProgressMonitor = UNWATCHED
) -> HeldOut:
    """Leave each slide of one group out, several together where there are more than :data:`MOST_PARTS`.

    Parameters
    ----------
    named : NamedVectors
        N specimens of one group, at least one.
    shrinkage : float, optional
        Of the discriminants; the oracle approximating shrinkage of what is left by default.
    monitor : ProgressMonitor
        Gets a step for each part.
    """
    sums, taxa = GroupSums.of(named), named.known_taxa
    log_shares = np.full((len(named), len(taxa)), -np.inf)
    distances = np.full((len(named), len(taxa)), np.inf)
    parts = named.slide_ids % MOST_PARTS
    numbers = np.unique(parts).tolist()
    for done, part in enumerate(numbers):
        monitor.check()
        monitor.report(Progress("slides", done, len(numbers)))
        rows, left = np.flatnonzero(parts == part), sums.copy()
        for row in rows.tolist():
            left.remove(named.vectors[row], named.sizes[row], named.taxa[row])
        if not len(left.plain):
            continue
        rules = left.rules(shrinkage)
        shares = rules.log_shares(named.vectors[rows], named.sizes[rows])
        log_shares[rows] = spread(shares, rules.taxa, taxa)
        apart = left.plain.discriminant(shrinkage).squared_distances(named.vectors[rows])
        distances[rows] = spread(apart, rules.taxa, taxa, np.inf)
    monitor.report(Progress("slides", len(numbers), len(numbers)))
    return HeldOut(taxa, named.taxon_ids, log_shares, distances, by_slide=True)


def hold_out(named: NamedVectors, shrinkage: float | None = None, monitor: ProgressMonitor = UNWATCHED) -> HeldOut:
    """Leave slides out, or single specimens where that would leave too few examples.

    Neighbours on a slide share its light, its focus and its preparation; only what is said of another slide tells how
    good names are there. Where less than half of the specimens that have company in their taxon have it on another
    slide, specimens are left out one by one.

    Parameters
    ----------
    named : NamedVectors
        N specimens of one group, at least one.
    shrinkage : float, optional
        Of the discriminants; the oracle approximating shrinkage of what is left by default.
    monitor : ProgressMonitor
        Gets a step for each part.
    """
    if apart_by_slide(named):
        return leave_slides_out(named, shrinkage, monitor)
    return leave_one_out(named, shrinkage)


def apart_by_slide(named: NamedVectors) -> bool:
    """Return whether enough taxa are on several slides for slides to be kept apart, see :func:`hold_out`."""
    slides, taxa = named.slide_ids, named.taxon_ids
    table = np.zeros((taxa.max(initial=0) + 1, slides.max(initial=0) + 1))
    np.add.at(table, (taxa, slides), 1)
    of_taxon = table.sum(axis=1)[taxa]
    accompanied, elsewhere = (of_taxon > 1).sum(), (of_taxon > table[taxa, slides]).sum()
    return bool(elsewhere and 2 * elsewhere >= accompanied)


def _left_out_distances(
    vectors: Floats, taxa: NDArray[np.intp], fitted: Discriminant, sums: TaxonSums, shrinkage: float | None
) -> Floats:
    """Return squared Mahalanobis distances to the means, shape (N, K), each row as if its specimen was not named.

    Parameters
    ----------
    vectors : ndarray, shape (N, D)
        Of all specimens that were learnt from.
    taxa : ndarray of int, shape (N,)
        The place of each one's name.
    fitted : Discriminant
        Of all of them.
    sums : TaxonSums
        What it was fitted from.
    shrinkage : float or None
        It was fitted with.
    """
    axes, centre = fitted.spectrum.scale[:, None] * fitted.spectrum.axes, fitted.means.mean(axis=0)
    rotated, means = (vectors - centre) @ axes, (fitted.means - centre) @ axes
    squares = np.empty((len(vectors), len(fitted.taxa)))
    again: list[int] = []
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        squares[block], uncertain = _downdated(rotated[block], taxa[block], means, fitted, shrinkage)
        again += (start + np.flatnonzero(uncertain)).tolist()
    for row in again:
        left, taxon = sums.copy(), fitted.taxa[taxa[row]]
        left.remove(vectors[row], taxon)
        fewer = left.discriminant(shrinkage, fitted.spectrum.scale)
        apart = fewer.squared_distances(vectors[row : row + 1]) * (1 + 1 / fewer.counts)
        squares[row] = spread(apart, fewer.taxa, fitted.taxa, np.inf)[0]
    return squares


def _downdated(
    rotated: Floats, taxa: NDArray[np.intp], means: Floats, fitted: Discriminant, shrinkage: float | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the distances of some specimens in the principal axes, and where the formula is not to be trusted."""
    values, rows = fitted.spectrum.values, np.arange(len(rotated))
    dimensions, counts = len(values), fitted.counts[taxa]
    alone, left = counts == 1, fitted.total - 1
    residuals = rotated - means[taxa]
    factor = np.where(alone, 0, counts / np.maximum(counts - 1, 1))
    lengths = np.square(residuals).sum(axis=1)
    trace = values.sum() - factor * lengths
    if values.any():
        shares: Floats = np.full(len(rotated), shrinkage)
        if shrinkage is None:
            along = np.square(residuals) @ values
            of_square = values @ values - 2 * factor * along + np.square(factor * lengths)
            shares = oas_shrinkage(trace, of_square, dimensions, fitted.spectrum.degrees - ~alone)
        diagonal = ((1 - shares)[:, None] * values + (shares * trace / dimensions)[:, None]) / max(left, 1)
        part = (1 - shares) * factor / max(left, 1)
    else:
        # Nothing scatters yet: the nearest mean decides, with or without the specimen.
        diagonal, part = np.tile(fitted.variances, (len(rotated), 1)), np.zeros(len(rotated))
    uncertain = trace <= _NEARLY_SINGULAR * values.sum() if values.any() else np.zeros(len(rotated), bool)
    inverse = 1 / np.where(uncertain[:, None], 1, diagonal)
    turned = residuals * inverse
    own = np.einsum("nd,nd->n", residuals, turned)
    determinant = 1 - part * own
    uncertain |= determinant < _NEARLY_SINGULAR
    determinant = np.where(uncertain, 1, determinant)
    plain = np.einsum("nd,nd->n", np.square(rotated), inverse)[:, None] + inverse @ np.square(means).T
    plain -= 2 * (rotated * inverse) @ means.T
    along_residual = np.einsum("nd,nd->n", rotated, turned)[:, None] - turned @ means.T
    squares = np.maximum(plain, 0) + (part / determinant)[:, None] * np.square(along_residual)
    squares[rows, taxa] = np.where(alone, np.inf, np.square(factor) * own / determinant)
    return squares, uncertain
