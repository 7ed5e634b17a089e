"""How good the names of specimens are, how sure a classifier may say it is, and when it should rather say nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.names import Names, genus_of

BETA: Final = 0.5
"""Of the F-measure that the threshold of names is tuned by: a wrong name costs a count more than a missing one, so
precision weighs twice as much as recall (van Rijsbergen 1979)."""
BINS: Final = 10
"""Bins of confidence for the calibration error."""
WIDEST: Final = 20.0
"""Largest temperature that is tried, and its inverse the smallest."""

_LEAST: Final = 1e-12


@dataclass(frozen=True)
class NamingMetrics:
    """Figures of N named specimens; NaN where there is nothing to tell.

    Attributes
    ----------
    accuracy : float
        Share whose most probable class is the true one.
    macro_f1 : float
        Mean F1 of the classes that occur, in the truth or among the names.
    top3 : float
        Share whose true class is among the three most probable ones.
    genus_accuracy : float
        Share, of specimens with a genus, whose most probable genus is the true one.
    named : float
        Share that is surer than the threshold.
    precision_named : float
        Share of right names among those.
    calibration_error : float
        Mean difference of confidence and share of right names over :data:`BINS` bins of confidence (Guo et al. 2017).
    class_f1 : tuple of float
        F1 of each class.
    """

    accuracy: float
    macro_f1: float
    top3: float
    genus_accuracy: float
    named: float
    precision_named: float
    calibration_error: float
    class_f1: tuple[float, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain data for :func:`json.dumps`; NaN becomes None."""
        data = asdict(self) | {"class_f1": [None if v != v else v for v in self.class_f1]}
        return {name: None if value != value else value for name, value in data.items()}

    def figures(self) -> dict[str, float]:
        """Return what is known of all classes together, rounded, for a model's card."""
        single = {name: value for name, value in asdict(self).items() if name != "class_f1"}
        return {name: round(value, 4) for name, value in single.items() if value == value}


def evaluate_names(names: Names, truth: ArrayLike) -> NamingMetrics:
    """Compare names with the true classes, shape (N,), as indices into ``names.classes``; N has to be above 0."""
    true = np.asarray(truth, dtype=np.int64)
    ranked = names.top(3)
    right = ranked[:, 0] == true
    table = np.zeros((len(names.classes),) * 2, dtype=np.int64)
    np.add.at(table, (true, ranked[:, 0]), 1)
    genera = [genus_of(name) for name in names.classes]
    rows = np.array([bool(genera[k]) for k in true.tolist()], dtype=bool)
    genus_right = float("nan")
    if rows.any():
        best = names.genus_probabilities[rows].argmax(axis=1)
        genus_right = float(np.mean([names.genera[k] == genera[t] for k, t in zip(best, true[rows], strict=True)]))
    sure = ~names.unknown
    return NamingMetrics(
        accuracy=float(right.mean()),
        macro_f1=macro_f1(table),
        top3=float((ranked == true[:, None]).any(axis=1).mean()),
        genus_accuracy=genus_right,
        named=float(sure.mean()),
        precision_named=float(right[sure].mean()) if sure.any() else float("nan"),
        calibration_error=calibration_error(names.confidence, right),
        class_f1=tuple(_f1(table).tolist()),
    )


def macro_f1(table: NDArray[np.int64]) -> float:
    """Return the mean F1 of the classes that occur, from a table of counts by true (rows) and found class."""
    scores = _f1(table)
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else float("nan")


def _f1(table: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the F1 of each class, NaN where it is neither true nor found."""
    total = table.sum(axis=0) + table.sum(axis=1)
    return np.where(total > 0, 2 * np.diag(table) / np.maximum(total, 1), np.nan)


def calibration_error(confidence: ArrayLike, right: ArrayLike) -> float:
    """Return the expected calibration error of confidences, shape (N,), by whether each name is right."""
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gaps = [abs(float(sure[bins == k].sum() - hit[bins == k].sum())) for k in range(BINS)]
    return sum(gaps) / max(len(sure), 1)


def likelihood_loss(probabilities: ArrayLike, truth: ArrayLike, temperature: float = 1.0) -> float:
    """Return the mean negative log-likelihood of the true classes at a temperature.

    Parameters
    ----------
    probabilities : array-like, shape (N, C)
        Of a network; their logarithms are its logits, but for a constant in each row.
    truth : array-like of int, shape (N,)
        The true classes.
    temperature : float
        By which the logits are divided.
    """
    logits = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST)) / temperature
    true = logits[np.arange(len(logits)), np.asarray(truth)]
    most = logits.max(axis=1)
    return float(np.mean(most + np.log(np.exp(logits - most[:, None]).sum(axis=1)) - true))


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Return the temperature of the least negative log-likelihood (Guo et al. 2017), within :data:`WIDEST` of 1.

    Parameters
    ----------
    probabilities : array-like, shape (N, C)
        What a network says at a temperature of 1 of specimens that it did not learn from.
    truth : array-like of int, shape (N,)
        Their true classes; N has to be above 0.
    """
    from scipy.optimize import minimize_scalar

    reach = np.log(WIDEST)
    found = minimize_scalar(
        lambda log: likelihood_loss(probabilities, truth, float(np.exp(log))), bounds=(-reach, reach), method="bounded"
    )
    return float(np.exp(found.x))


def tempered(probabilities: ArrayLike, temperature: float) -> NDArray[np.float32]:
    """Return probabilities, shape (N, C), at another temperature."""
    logits = np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), _LEAST)) / temperature
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


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
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=bool)
    tried = np.arange(1, 100) / 100
    named = (sure >= tried[:, None]).sum(axis=1)
    hits = ((sure >= tried[:, None]) & hit).sum(axis=1)
    scores = (1 + BETA**2) * hits / (named + BETA**2 * len(sure))
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    # The plateau may have gaps; its longest piece is what matters.
    pieces = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    piece = max(pieces, key=len)
    return round(float(tried[piece[len(piece) // 2]]), 2)
