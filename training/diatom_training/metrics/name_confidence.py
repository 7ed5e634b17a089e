"""How sure a classifier may say it is of its names, and when it should rather say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diatom_training.metrics.threshold_sweep import TRIED, middle_of_best
from napari_diatom.naming.calibration import best_temperature, mean_log_loss

BETA: Final = 0.5
"""Of the F-measure that the threshold of names is tuned by: a wrong name costs a count more than a missing one, so
precision weighs twice as much as recall (van Rijsbergen 1979)."""
_LEAST: Final = 1e-12


def macro_f1(table: NDArray[np.int64]) -> float:
    """Return the mean F1 of the classes that occur, from a table of counts by true (rows) and found class."""
    scores = _f1(table)
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")


def _f1(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the F1 of each class, NaN where it is neither true nor found."""
    total = table.sum(axis=0) + table.sum(axis=1)
    return np.where(total > 0, 2 * np.diag(table) / np.maximum(total, 1), np.nan)


def likelihood_loss(
    probabilities: ArrayLike, truth: ArrayLike, temperature: float = 1.0, sigmoid: bool = False
) -> float:
    """Return the mean negative log-likelihood of the true classes at a temperature.

    Where each class says yes or no for itself, it is that of all their answers.

    Parameters
    ----------
    probabilities : array-like, shape (N, C)
        Of a network; their logarithms are its logits, but for a constant in each row.
    truth : array-like of int, shape (N,)
        The true classes.
    temperature : float
        By which the logits are divided.
    sigmoid : bool
        Each class says yes or no for itself.
    """
    if sigmoid:
        odds = _log_odds(probabilities) / temperature
        asked = np.arange(odds.shape[1]) == np.asarray(truth)[:, None]
        return float(np.logaddexp(0, np.where(asked, -odds, odds)).sum(axis=1).mean())
    return mean_log_loss(np.log(np.maximum(np.asarray(probabilities, np.float64), _LEAST)), truth, temperature)


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike, sigmoid: bool = False) -> float:
    """Return the temperature of the least negative log-likelihood (Guo et al. 2017), from 1/20 to 20.

    Parameters
    ----------
    probabilities : array-like, shape (N, C)
        What a network says at a temperature of 1 of specimens that it did not learn from.
    truth : array-like of int, shape (N,)
        Their true classes; N has to be above 0.
    sigmoid : bool
        Each class says yes or no for itself.
    """
    return best_temperature(lambda temperature: likelihood_loss(probabilities, truth, temperature, sigmoid))


def tempered(probabilities: ArrayLike, temperature: float, sigmoid: bool = False) -> NDArray[np.float32]:
    """Return probabilities, shape (N, C), at another temperature; with ``sigmoid``, those of classes by themselves."""
    if sigmoid:
        return np.asarray(1 / (1 + np.exp(-_log_odds(probabilities) / temperature)), dtype=np.float32)
    logits = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def _log_odds(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the logits of probabilities of yes or no."""
    given = np.clip(np.asarray(probabilities, dtype=np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(given) - np.log1p(-given))


def best_name_threshold(confidence: ArrayLike, right: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Return the confidence under which it is better to give no name.

    Of the thresholds with the best F-measure (see :data:`BETA`) the middle: where all names are right, neither doubt
    nor certainty should decide.

    Parameters
    ----------
    confidence : array-like, shape (N,)
        Of specimens that the network did not learn from.
    right : array-like of bool, shape (N,)
        Whether the most probable class is the true one; recall is of all N.
    """
    sure, hit = np.asarray(confidence, dtype=np.float32), np.asarray(right, dtype=bool)
    given = sure >= TRIED[:, None].astype(np.float32)
    scores = (1 + BETA**2) * (given & hit).sum(axis=1) / (given.sum(axis=1) + BETA**2 * len(sure))
    return float(TRIED[middle_of_best(scores)])
