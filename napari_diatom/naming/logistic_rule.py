"""Regularized logistic regression, which takes longer than the discriminant and asks less of the data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.naming.discriminant import Discriminant
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.rule_pair import RulePair
from napari_diatom.naming.vectors import checked_vectors

Floats = NDArray[np.float64]

INVERSE_PENALTY: Final = 0.03
"""``C`` of scikit-learn, for columns with a standard deviation of 1 within taxa."""
_TOLERANCE: Final = 1e-4
_MOST_STEPS: Final = 1000


@dataclass(frozen=True, eq=False)
class LogisticRule:
    """A multinomial logistic regression of K taxa in D dimensions.

    Attributes
    ----------
    taxa : tuple of str
        K names, in their alphabet.
    coefficients : ndarray, shape (K, D)
        Of the decision values.
    intercepts : ndarray, shape (K,)
        Of the decision values.
    """

    taxa: tuple[str, ...]
    coefficients: Floats
    intercepts: Floats

    def decisions(self, vectors: ArrayLike) -> Floats:
        """Return the decision values of vectors of shape (N, D), shape (N, K)."""
        values = checked_vectors(vectors, self.coefficients.shape[1])
        return np.asarray(values @ self.coefficients.T + self.intercepts)


def fit_logistic(named: NamedVectors) -> RulePair:
    """Return logistic regressions of one group, without sizes and with them.

    The columns are whitened by the covariance of the discriminant first, so that one penalty suits all embedders. Taxa
    count alike, however often they were named.
    """
    plain, sized = GroupSums.of(named).discriminants()
    with_sizes = None
    if sized is not None:
        rows = named[named.sized]
        with_sizes = _fitted(rows.with_sizes, rows.taxon_ids, sized)
    return RulePair(_fitted(named.vectors, named.taxon_ids, plain), with_sizes)


def _fitted(vectors: Floats, ids: NDArray[np.intp], whitener: Discriminant) -> LogisticRule:
    from sklearn.linear_model import LogisticRegression

    dimensions, taxa = vectors.shape[1], whitener.taxa
    if len(taxa) == 1:
        return LogisticRule(taxa, np.zeros((1, dimensions)), np.zeros(1))
    whitening = whitener.spectrum.scale[:, None] * whitener.spectrum.axes / np.sqrt(whitener.variances)
    centre = whitener.means.mean(axis=0)
    model = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", tol=_TOLERANCE, max_iter=_MOST_STEPS)
    with warnings.catch_warnings():
        # Many taxa of few specimens are what examples are like, and cross-validation judges what has not converged.
        warnings.simplefilter("ignore")
        model.fit((vectors - centre) @ whitening, ids)
    found, intercepts = model.coef_, model.intercept_
    if len(taxa) == 2:
        # Of two, scikit-learn keeps what speaks for the second.
        found, intercepts = np.vstack([0 * found, found]), np.concatenate([0 * intercepts, intercepts])
    coefficients = found @ whitening.T
    return LogisticRule(taxa, coefficients, intercepts - coefficients @ centre)
