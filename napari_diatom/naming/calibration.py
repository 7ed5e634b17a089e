"""Shares that can be taken at their word: of the names given with a share of 0.8, eight in ten are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]

WIDEST: Final = 20.0
"""Largest temperature that is tried for a network, and its inverse the smallest."""
WIDEST_OF_EXAMPLES: Final = 1000.0
"""The same for rules that learn from examples: few examples in many dimensions are surer than any network."""
ENOUGH: Final = 3000
"""Specimens that tell the temperature to a few percent."""
BINS: Final = 10
"""Bins of equal width over the shares 0 to 1."""


def best_temperature(loss: Callable[[float], float], widest: float = WIDEST) -> float:
    """Return the temperature of the least loss, from ``1 / widest`` to ``widest``."""
    from scipy.optimize import minimize_scalar

    reach = np.log(widest)
    found = minimize_scalar(lambda log: loss(float(np.exp(log))), bounds=(-reach, reach), method="bounded")
    return float(np.exp(found.x))


def mean_log_loss(logits: ArrayLike, truth: ArrayLike, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the true classes at a temperature.

    Parameters
    ----------
    logits : array-like, shape (N, K)
        Logarithms of shares, but for a constant in each row; ``-inf`` for a class that cannot be.
    truth : array-like of int, shape (N,)
        The true classes, none of which has ``-inf``.
    temperature : float
        By which the logits are divided.
    """
    values = np.asarray(logits, dtype=np.float64) / temperature
    return float(np.mean(logsumexp(values, axis=1) - values[np.arange(len(values)), np.asarray(truth)]))


def temperature_of_examples(log_shares: Floats, truth: NDArray[np.intp]) -> float:
    """Return the temperature at which shares of specimens that were left out are most likely (Guo et al. 2017).

    Of N names that all are right, the next may still be wrong: each counts as wrong by 1/(N + 2) (Platt 1999), because
    the temperature would go to 0 otherwise and every share to 1.

    Parameters
    ----------
    log_shares : ndarray, shape (N, K)
        Logarithm of the shares at a temperature of 1, such as :attr:`HeldOut.log_shares`.
    truth : ndarray of int, shape (N,)
        The place of each name. Rows in which it has ``-inf``, or nothing else has a share, tell nothing and are left
        out. Of more than :data:`ENOUGH` rows, so many are used, evenly spaced.

    Returns
    -------
    float
        1 where no row tells anything.
    """
    known = np.isfinite(log_shares[np.arange(len(truth)), truth])
    told = np.flatnonzero(known & (np.isfinite(log_shares).sum(axis=1) > 1))
    if not len(told):
        return 1.0
    wrong = 1 / (len(told) + 2)
    if len(told) > ENOUGH:
        told = told[np.linspace(0, len(told) - 1, ENOUGH).astype(np.intp)]
    rows = np.arange(len(told))
    true, others = log_shares[told, truth[told]], log_shares[told]
    others[rows, truth[told]] = -np.inf

    def loss(temperature: float) -> float:
        against = logsumexp(others / temperature, axis=1) - true / temperature
        return float(np.mean((1 - wrong) * np.logaddexp(0, against) + wrong * np.logaddexp(0, -against)))

    return best_temperature(loss, WIDEST_OF_EXAMPLES)


def binned_calibration_error(number: ArrayLike, score: ArrayLike, right: ArrayLike) -> float:
    """Return how far scores are from how often they are right, mean over all (Naeini et al. 2015); NaN of none.

    Parameters
    ----------
    number : array-like, shape (B,)
        Scores in each bin.
    score, right : array-like, shape (B,)
        Their mean, and the share of them that is right; ignored in empty bins.
    """
    weights = np.asarray(number, dtype=np.float64)
    if not weights.any():
        return float("nan")
    apart = np.abs(np.asarray(score, dtype=np.float64) - np.asarray(right, dtype=np.float64))
    return float(np.sum(np.where(weights > 0, weights * apart, 0)) / weights.sum())


def expected_calibration_error(shares: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error of the first names (Naeini et al. 2015); NaN of none.

    Parameters
    ----------
    shares : array-like, shape (N,)
        What the first name of each specimen is given, 0 to 1.
    right : array-like of bool, shape (N,)
        Whether it is the right one.
    bins : int
        Bins of equal width.
    """
    score, hit = np.asarray(shares, dtype=np.float64), np.asarray(right, dtype=np.float64)
    inside = np.minimum((score * bins).astype(np.intp), bins - 1)
    number = np.bincount(inside, minlength=bins)
    filled = np.maximum(number, 1)
    return binned_calibration_error(
        number, np.bincount(inside, score, bins) / filled, np.bincount(inside, hit, bins) / filled
    )
