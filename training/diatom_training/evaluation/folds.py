"""Cross-validation: k models, each judged on the slides that it did not see.

:func:`napari_diatom.project.splits.plan` draws folds of whole slides; a model is trained on all folds but one, its
threshold is tuned on validation images out of those, and what it finds on the last fold becomes a fold's cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diatom_training.evaluation.cases import Case
from diatom_training.evaluation.coco import Shape
from diatom_training.evaluation.detection import DetectionFigures, detection_figures, figures_of
from diatom_training.evaluation.matching import match_cases
from napari_diatom.errors import InputError


@dataclass(frozen=True)
class Spread:
    """A figure over the folds that have it.

    Attributes
    ----------
    values : tuple of float
        Of each fold; NaN where it has nothing to tell.
    mean, deviation : float
        Mean and standard deviation (of a sample) of those that are no NaN; the latter is NaN of fewer than two.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """What k folds say together.

    Attributes
    ----------
    folds : tuple of DetectionFigures
        All figures of each fold.
    spreads : dict of str to Spread
        Those of :func:`~diatom_training.evaluation.detection.figures_of`. The folds' models share most of their
        training slides, so the deviation understates how much a model trained on other slides would differ.
    """

    folds: tuple[DetectionFigures, ...]
    spreads: dict[str, Spread]


def cross_validation(folds: Sequence[Sequence[Case]], shape: Shape, thresholds: Sequence[float]) -> CrossValidation:
    """Return the figures of each fold, and how far they spread.

    Parameters
    ----------
    folds : sequence of sequence of Case
        For each fold what the model that did not see its slides found there.
    shape : Shape
        What is compared.
    thresholds : sequence of float
        Of each fold's model, tuned on validation images that are not in the fold.

    Raises
    ------
    InputError
        When there are fewer than two folds, a threshold is missing, a slide is in two folds, or a fold holds nothing to
        judge.
    """
    if len(folds) < 2 or len(thresholds) != len(folds):
        raise InputError(f"{len(folds)} folds and {len(thresholds)} thresholds are no cross-validation.")
    slides = [{case.slide for case in fold} for fold in folds]
    for k, some in enumerate(slides):
        twice = sorted(some & set[str]().union(*slides[k + 1 :]))
        if twice:
            raise InputError(f"Slide {twice[0]} is in two folds; a model would be judged on a slide that it has seen.")
    matched = [match_cases(fold, shape) for fold in folds]
    once = [
        figures_of(part, threshold)(np.ones(len(part.units), dtype=np.int64))
        for part, threshold in zip(matched, thresholds, strict=True)
    ]
    names = [name for name in once[0] if all(name in part for part in once)]
    return CrossValidation(
        folds=tuple(detection_figures(part, threshold) for part, threshold in zip(matched, thresholds, strict=True)),
        spreads={name: _spread([part[name] for part in once]) for name in names},
    )


def _spread(values: Sequence[float]) -> Spread:
    """Return mean and deviation of the values that are no NaN."""
    told = [value for value in values if value == value]
    return Spread(
        tuple(values),
        float(np.mean(told)) if told else float("nan"),
        float(np.std(told, ddof=1)) if len(told) > 1 else float("nan"),
    )
