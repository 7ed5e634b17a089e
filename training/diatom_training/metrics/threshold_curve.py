"""Precision, recall and F1 as the threshold rises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.matching import Matches
from diatom_training.metrics.threshold_sweep import TRIED
from napari_diatom.analysis.pipeline import FLOOR


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Figures at each of T thresholds, at IoU 0.5.

    Attributes
    ----------
    thresholds : ndarray, shape (T,)
        In hundredths, from the lowest score that is looked at.
    precision : ndarray, shape (T,)
        NaN where nothing reaches the threshold.
    recall, f1 : ndarray, shape (T,)
        NaN where there are no specimens, F1 only where nothing is found either.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def threshold_curve(matches: Matches) -> ThresholdCurve:
    """Return precision, recall and F1 of matched detections at each threshold.

    Detections are matched best score first, so those above a threshold are matched alike whatever lies below it.
    """
    thresholds = TRIED[TRIED >= FLOOR]
    # Scores have single precision, and are sorted from the best to the worst.
    found = np.searchsorted(-matches.scores, -thresholds.astype(np.float32).astype(np.float64), side="right")
    right = np.concatenate([[0], np.cumsum(matches.hits[0])])[found]
    specimens = int(matches.truths.sum())
    every = np.full(len(thresholds), specimens)
    return ThresholdCurve(
        thresholds=thresholds,
        precision=_shares(right, found),
        recall=_shares(right, every),
        f1=_shares(2 * right, found + every),
    )


def _shares(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return quotients, NaN where the divisor is 0."""
    shares: NDArray[np.float64] = np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)
    return shares
