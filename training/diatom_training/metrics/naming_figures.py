"""The figures of a model that names cut-outs of specimens, from torchmetrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diatom_training.metrics.averages import NAN, mean, share
from diatom_training.metrics.bootstrap import Figures
from diatom_training.metrics.one_against_rest import OneAgainstRest, one_against_rest
from diatom_training.metrics.reliability import Calibration, calibration
from diatom_training.metrics.test_cases import Units
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import Names

TOP = 3
"""How many of the likeliest names count: the right one among them counts as given."""


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """How well a class is separated from all others; NaN where that is not defined.

    Attributes
    ----------
    name : str
        Of the class.
    specimens, named : int
        In the truth, and by the model.
    precision, recall, f1 : float
        0 where the class occurs or is named, but never rightly.
    ranking : OneAgainstRest
        ROC and precision-recall curve of this class against all others.
    """

    name: str
    specimens: int
    named: int
    precision: float
    recall: float
    f1: float
    ranking: OneAgainstRest


@dataclass(frozen=True, eq=False)
class NamingFigures:
    """All figures of a model that names cut-outs; NaN where there is nothing to tell.

    Attributes
    ----------
    specimens : int
        How many.
    accuracy, top3 : float
        Share with the right name, and with the right one among the three likeliest; the latter is NaN with three
        classes or fewer.
    balanced_accuracy : float
        Mean recall of the classes that occur.
    precision, recall, f1 : float
        Means over the classes that occur or are named.
    weighted_precision, weighted_recall, weighted_f1 : float
        The same, each class weighted by its specimens; the weighted recall is the accuracy.
    auc, average_precision : float
        Means of the classes' areas under the ROC and the precision-recall curve, as far as they have them.
    genus_accuracy : float
        Share, of specimens whose class has a genus, with the right one as the likeliest: that of the largest sum over
        its species.
    threshold : float
        Probability under which no name is given; NaN where that was left out, as the two that follow.
    named, precision_named : float
        Share of the specimens that are given a name, and of rightly named ones among those.
    classes : tuple of ClassFigures
        Each class.
    confusion : ndarray of int64, shape (C, C)
        Specimens by true (rows) and given name.
    calibration : Calibration
        Of the likeliest name's probability.
    remarks : tuple of str
        What could not be computed, and why; a sentence each.
    """

    specimens: int
    accuracy: float
    top3: float
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    auc: float
    average_precision: float
    genus_accuracy: float
    threshold: float
    named: float
    precision_named: float
    classes: tuple[ClassFigures, ...]
    confusion: NDArray[np.int64]
    calibration: Calibration
    remarks: tuple[str, ...]


def naming_figures(
    truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[str], threshold: float = NAN
) -> NamingFigures:
    """Return all figures of names given to N specimens.

    Parameters
    ----------
    truth : array-like of int, shape (N,)
        Index of each specimen's class.
    probabilities : array-like, shape (N, C)
        Of each class, 0 to 1; they need not add up to 1. The likeliest one is the name; the first of equals.
    classes : sequence of str
        Names of the C classes.
    threshold : float
        Probability under which no name is given; tuned on the validation set.

    Raises
    ------
    InputError
        With every problem found: no specimens, shapes that do not go together, NaN, ids that name no class.
    """
    import torch
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_confusion_matrix,
        multiclass_f1_score,
        multiclass_precision,
        multiclass_recall,
    )

    ids, given = checked_names(truth, probabilities, classes)
    number = len(classes)
    true, likely = torch.from_numpy(ids), torch.from_numpy(given.argmax(axis=1))
    # torchmetrics needs at least two classes.
    choices = max(number, 2)
    table = multiclass_confusion_matrix(likely, true, num_classes=choices).numpy()[:number, :number]
    scores = {
        name: (
            score(likely, true, average="none", num_classes=choices).numpy()[:number],
            float(score(likely, true, average="macro", num_classes=choices)),
        )
        for name, score in (
            ("precision", multiclass_precision),
            ("recall", multiclass_recall),
            ("f1", multiclass_f1_score),
        )
    }
    specimens, named = table.sum(axis=1), table.sum(axis=0)
    rows = []
    for k, name in enumerate(classes):
        occurs = specimens[k] + named[k] > 0
        values = {title: float(each[k]) if occurs else NAN for title, (each, _) in scores.items()}
        rows.append(
            ClassFigures(
                name, int(specimens[k]), int(named[k]), ranking=one_against_rest(given[:, k], ids == k), **values
            )
        )
    remarks = []
    without = [row.name for row in rows if not len(row.ranking.hits)]
    if len(without) == number:
        remarks.append(
            "All specimens are of one class, so there is no ROC curve: it shows how well a class is separated from "
            "others."
        )
    elif without:
        remarks.append(f"Classes without specimens have no ROC curve: {', '.join(without)}.")
    top3 = NAN
    if number > TOP:
        right = multiclass_accuracy(torch.from_numpy(given), true, average="micro", top_k=TOP, num_classes=choices)
        top3 = float(right)
    names, right = Names(tuple(classes), given.astype(np.float32), threshold), given.argmax(axis=1) == ids
    sure = ~names.unknown & (threshold == threshold)
    return NamingFigures(
        specimens=len(ids),
        accuracy=share(int(np.trace(table)), len(ids)),
        top3=top3,
        **balanced_and_weighted(table),
        precision=scores["precision"][1],
        recall=scores["recall"][1],
        f1=scores["f1"][1],
        auc=mean([row.ranking.auc for row in rows]),
        average_precision=mean([row.ranking.average_precision for row in rows]),
        genus_accuracy=_genera_right(names, ids),
        threshold=threshold,
        named=share(int(sure.sum()), len(ids)) if threshold == threshold else NAN,
        precision_named=share(int(right[sure].sum()), int(sure.sum())),
        classes=tuple(rows),
        confusion=table.astype(np.int64),
        calibration=calibration(np.clip(given.max(axis=1), 0, 1), right),
        remarks=tuple(remarks),
    )


def _genera_right(names: Names, ids: NDArray[np.int64]) -> float:
    """Return the share of right genera, NaN where no class of the truth has one."""
    genera = [names.class_genera[k] for k in ids.tolist()]
    rows = np.array([bool(genus) for genus in genera], dtype=bool)
    if not rows.any():
        return NAN
    likely = names.genus_probabilities.argmax(axis=1)
    return share(sum(names.genera[likely[k]] == genera[k] for k in np.flatnonzero(rows).tolist()), int(rows.sum()))


def checked_names(
    truth: ArrayLike, probabilities: ArrayLike, classes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return ids and probabilities as arrays.

    Raises
    ------
    InputError
        With every problem found; see :func:`naming_figures`.
    """
    ids, given = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if not ids.size:
        raise InputError("There are no specimens to evaluate names on.")
    problems = []
    if ids.ndim != 1 or given.shape != (len(ids), len(classes)):
        problems.append(
            f"ids of shape {ids.shape} and probabilities of shape {given.shape} do not match {len(classes)} classes"
        )
    elif not np.isfinite(given).all() or (given < 0).any() or (given > 1).any():
        problems.append("probabilities must lie within 0 and 1")
    if not np.issubdtype(ids.dtype, np.integer):
        problems.append("ids must be whole numbers")
    elif ids.min() < 0 or ids.max() >= len(classes):
        problems.append(f"ids must index the {len(classes)} classes")
    if problems:
        raise InputError("Bad names: " + "; ".join(problems) + ".")
    return ids.astype(np.int64), given


def figures_of_names(ids: NDArray[np.int64], named: NDArray[np.int64], number: int, units: Units) -> Figures:
    """Return the figures of given names as a function of how often each unit is taken.

    ``accuracy, precision, recall, f1`` and what :func:`balanced_and_weighted` returns, without the weighted recall,
    which is the accuracy. The means over classes are those of :func:`naming_figures`.

    Parameters
    ----------
    ids, named : ndarray of int, shape (N,)
        True and given class of each specimen.
    number : int
        Of classes.
    units : Units
        What is resampled; ``units.of`` has the unit of each specimen.
    """
    tables = np.zeros((len(units), number, number), dtype=np.int64)
    np.add.at(tables, (units.of, ids, named), 1)

    def figures(taken: NDArray[np.int64]) -> dict[str, float]:
        table = np.tensordot(taken, tables, axes=1)
        right, true, given = np.diag(table), table.sum(axis=1), table.sum(axis=0)
        more = balanced_and_weighted(table)
        del more["weighted_recall"]
        there = true + given > 0
        right, true, given = right[there], true[there], given[there]
        return {
            "accuracy": share(right.sum(), true.sum()),
            "precision": mean((right / np.maximum(given, 1)).tolist()),
            "recall": mean((right / np.maximum(true, 1)).tolist()),
            "f1": mean((2 * right / (true + given)).tolist()),
            **more,
        }

    return figures


def balanced_and_weighted(table: NDArray[np.int64]) -> dict[str, float]:
    """Return ``balanced_accuracy, weighted_precision, weighted_recall, weighted_f1`` of a table; NaN of no specimens.

    Precision and F1 of a class that occurs and is never named are 0.

    Parameters
    ----------
    table : ndarray of int, shape (C, C)
        Specimens by true (rows) and given name.
    """
    right, true, given = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    there = true > 0
    right, true, given = right[there], true[there], given[there]
    number = int(true.sum())
    return {
        "balanced_accuracy": mean((right / true).tolist()),
        "weighted_precision": share(float((true * right / np.maximum(given, 1)).sum()), number),
        "weighted_recall": share(float(right.sum()), number),
        "weighted_f1": share(float((true * 2 * right / (true + given)).sum()), number),
    }
