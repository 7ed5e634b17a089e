"""Whether scores can be taken at their word: of what has a score of 0.8, eight in ten should be right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.naming.calibration import BINS, binned_calibration_error


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores beside how often they are right, in bins; NaN in empty bins.

    Attributes
    ----------
    edges : ndarray, shape (B + 1,)
        Of the bins.
    number : ndarray of int, shape (B,)
        How many there are in each.
    score, right : ndarray, shape (B,)
        Their mean score, and the share of them that is right.
    error : float
        Expected calibration error (Naeini et al. 2015): how far the two are apart, mean over all scores; NaN of none.
    """

    edges: NDArray[np.float64]
    number: NDArray[np.int64]
    score: NDArray[np.float64]
    right: NDArray[np.float64]
    error: float


def calibration(scores: ArrayLike, right: ArrayLike, bins: int = BINS) -> Calibration:
    """Compare scores with what came true.

    The bins are those of torchmetrics.

    Parameters
    ----------
    scores : array-like, shape (N,)
        0 to 1.
    right : array-like of bool, shape (N,)
        Whether each was right.
    bins : int
        How many, of equal width.
    """
    import torch

    score, hit = np.asarray(scores, dtype=np.float32), np.asarray(right, dtype=bool)
    edges = torch.linspace(0, 1, bins + 1).numpy()
    inside = np.minimum(np.searchsorted(edges, score, side="right") - 1, bins - 1)
    number = np.bincount(inside, minlength=bins)
    mean_score, mean_right = (
        np.divide(np.bincount(inside, values, bins), number, out=np.full(bins, np.nan), where=number > 0)
        for values in (score, hit)
    )
    error = binned_calibration_error(number, mean_score, mean_right)
    return Calibration(edges.astype(np.float64), number, mean_score, mean_right, error)
