"""How the figures of a report came about, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.summary_text import format_figure, percent
from diatom_training.metrics.bootstrap import Bootstrap
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.paired_test import EXACT
from diatom_training.metrics.test_cases import Units
from napari_diatom.core.proportions import FEWEST

_SHAPES: Final[Mapping[Shape, str]] = {
    "boxes": "upright boxes, by their coordinates",
    "oriented-boxes": "oriented boxes, by the pixels that they cover",
    "masks": "masks, by their pixels",
}


def method(evaluation: Evaluation) -> list[str]:
    """Say how the figures came about."""
    about = evaluation.about
    lines = [
        resampling(evaluation.units, evaluation.bootstrap),
        "The interval of a share of specimens or detections is at least as wide as Wilson's score interval (1927), "
        "which "
        f"treats them as independent. Fewer than {FEWEST} are too few to tell.",
    ]
    if evaluation.detection:
        figures = evaluation.detection
        lines += [
            f"The threshold is {about.threshold_from}: {figures.threshold:.2f}. A threshold tuned on the images of a "
            f"report makes a model look better than it is.",
            f"The evaluation compares {_SHAPES[figures.shape]}. Detections are matched with the annotations by COCO's "
            f"evaluator, best score first: a detection is right if it shares at least half of the union of both with "
            f"a specimen that no better detection has matched. Average precision is COCO's, with 101 recalls; other "
            f"programs, such as Ultralytics, "
            "interpolate in other ways, and differ in the third digit. Sizes leave out specimens cut by the "
            "image's edge.",
        ]
    if evaluation.naming:
        lines.append(
            "Accuracy, precision, recall, F1, AUC-ROC and calibration error are those of torchmetrics; means over "
            "classes give each class the same weight. A specimen counts as the likeliest name, however unsure; below "
            f"{format_figure(evaluation.naming.threshold, 2)} no name is given when the model is used. That "
            f"threshold is {about.threshold_from}."
        )
    if evaluation.outlining:
        errors = evaluation.outlining.errors
        lines.append(
            "The model was given the annotated boxes twice: as they are, and off as detectors' boxes are. The latter "
            f"are shifted by {percent(errors.along)} of the length and {percent(errors.across)} of the width, "
            f"{percent(errors.length)} longer or shorter and {percent(errors.width)} wider or narrower, and turned by "
            f"{errors.turn:g} radians times width/length (standard deviations of normal distributions), all "
            f"{errors.wild:g} times as much in {percent(errors.wild_share)} of the boxes; the seed is "
            f"{evaluation.outlining.seed}, so every model gets the same boxes. Dice and IoU are means over the "
            "specimens, 0 where there is no outline. Average precision is COCO's, of masks that are all equally sure. "
            "The boundary error is the average symmetric surface distance (Heimann et al. 2009) of the specimens that "
            "have an outline. Errors of lengths and widths are medians, without specimens cut by the image's edge."
        )
    if about.sha256:
        lines.append(f"SHA-256 of the model's weights: {about.sha256}")
    return lines


def resampling(units: Units, options: Bootstrap) -> str:
    """Say where the intervals come from."""
    if len(units) < 2:
        return "There are no bootstrap intervals: they need at least two images."
    return (
        f"The intervals are {100 * options.level:g} % bootstrap intervals: {options.resamples:,} times, "
        f"{units.description} were drawn with replacement and all figures computed again "
        f"(seed {options.seed})."
    )


def swapping(units: Units, options: Bootstrap) -> list[str]:
    """Say where the p values of a comparison come from."""
    if len(units) < 2:
        return []
    ways = f"in all {2 ** len(units):,} ways" if len(units) <= EXACT else f"{options.resamples:,} times by chance"
    return [
        f"p is the share of the cases with as large a difference when the two models are swapped on some of the "
        f"{units.kind}, {ways} (sign-flip permutation test; Fisher 1935, Good 2005).",
        "Among many figures some look better by chance. So p is corrected for their number by Holm's method (1979), "
        f"and a difference is called real if the corrected p is at most {1 - options.level:.2g}.",
        "Means over classes include only the classes that both models know.",
    ]
