"""How well probabilities of a class put its specimens before all others: ROC and precision-recall curves.

Each class is looked at alone, against the rest. The area under its ROC curve is the chance that a specimen of the class
has a higher probability than one of the rest (Hanley and McNeil 1982); its average precision is the mean precision over
the recalls that are reached, without interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import NAN, mean
from diatom_training.metrics.bootstrap import Figures
from diatom_training.metrics.test_cases import Units


@dataclass(frozen=True, eq=False)
class OneAgainstRest:
    """A class against all others; NaN and empty where all specimens, or none, are of it.

    Attributes
    ----------
    auc, average_precision : float
        Areas under the two curves.
    false_alarms, hits : ndarray, shape (K,)
        The ROC curve: share of the other specimens, and of this class's, that reach each probability.
    recalls, precisions : ndarray, shape (L,)
        The precision-recall curve, from all specimens to none.
    """

    auc: float
    average_precision: float
    false_alarms: NDArray[np.float64]
    hits: NDArray[np.float64]
    recalls: NDArray[np.float64]
    precisions: NDArray[np.float64]


def one_against_rest(probability: NDArray[np.float64], is_it: NDArray[np.bool_]) -> OneAgainstRest:
    """Return the curves of one class, as torchmetrics has them.

    Parameters
    ----------
    probability : ndarray, shape (N,)
        Of the class, 0 to 1.
    is_it : ndarray of bool, shape (N,)
        Whether each specimen is of the class.
    """
    import torch
    from torchmetrics.functional.classification import (
        binary_auroc,
        binary_average_precision,
        binary_precision_recall_curve,
        binary_roc,
    )

    if is_it.all() or not is_it.any():
        return OneAgainstRest(NAN, NAN, *(np.empty(0),) * 4)
    given, true = torch.from_numpy(probability), torch.from_numpy(is_it.astype(np.int64))
    false_alarms, hits, _ = binary_roc(given, true)
    precisions, recalls, _ = binary_precision_recall_curve(given, true)
    curves = (curve.numpy().astype(np.float64) for curve in (false_alarms, hits, recalls, precisions))
    return OneAgainstRest(float(binary_auroc(given, true)), float(binary_average_precision(given, true)), *curves)


def figures_of_ranking(ids: NDArray[np.int64], probabilities: NDArray[np.float64], units: Units) -> Figures:
    """Return ``auc, average_precision``, means over classes, as a function of how often each unit is taken.

    The classes are those that have specimens and are not alone.

    Parameters
    ----------
    ids : ndarray of int, shape (N,)
        True class of each specimen.
    probabilities : ndarray, shape (N, C)
        Of each class.
    units : Units
        What is resampled; ``units.of`` has the unit of each specimen.
    """
    ranked = []
    for k, column in enumerate(probabilities.T):
        # Specimens of one probability share a place; the highest comes first.
        levels, place = np.unique(-column, return_inverse=True)
        ranked.append((place, ids == k, len(levels)))

    def figures(taken: NDArray[np.int64]) -> dict[str, float]:
        times = taken[units.of]
        areas = [_areas(place, is_it, levels, times) for place, is_it, levels in ranked]
        return {
            "auc": mean([area[0] for area in areas]),
            "average_precision": mean([area[1] for area in areas]),
        }

    return figures


def _areas(
    place: NDArray[np.intp], is_it: NDArray[np.bool_], levels: int, times: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the area under the ROC curve, and average precision, of specimens that are taken some times."""
    ours = np.bincount(place[is_it], times[is_it], levels)
    theirs = np.bincount(place[~is_it], times[~is_it], levels)
    number, rest = float(ours.sum()), float(theirs.sum())
    if not number or not rest:
        return NAN, NAN
    hits, alarms = np.cumsum(ours), np.cumsum(theirs)
    auc = float(theirs @ (hits - ours / 2)) / (number * rest)
    return auc, float(ours @ (hits / np.maximum(hits + alarms, 1))) / number
