"""The chief figures of an evaluation: what they are called, what they mean, and as rows of a table."""

from __future__ import annotations

from typing import Final

from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.summary_text import amount, format_figure, span
from diatom_training.metrics.bootstrap import Interval
from diatom_training.metrics.outline_figures import OUTLINE_TITLES, TRUE_BOX
from diatom_training.metrics.proportions import wilson
from diatom_training.metrics.resampled_figures import TITLES as FOUND_TITLES
from napari_diatom.core.taxa import genus_of

MEANINGS: Final = {
    "precision": "share of the detections that are specimens",
    "recall": "share of the specimens that are found",
    "f1": "precision and recall in one number: 1 is perfect",
    "ap50": "average precision over all thresholds, at an overlap of 0.5",
    "ap50_95": "the same, mean over overlaps of 0.5 to 0.95: how exact the outlines are",
    "map50": "mean of the classes' AP50: the name must be right, too",
    "map50_95": "the same, mean over overlaps of 0.5 to 0.95",
    "count_error": "mean error of the count of a slide (or image)",
    "iou": "pixels that are diatom in both annotation and map, divided by pixels that are diatom in either",
    "dice": "twice the pixels that are diatom in both, divided by the sum of the two",
    "miou": "mean IoU of the classes, background included",
    "pixel_accuracy": "share of the pixels that are right",
    "accuracy": "share of the specimens with the right name",
    "auc": "how well a class is separated from the others; 0.5 is chance",
    "outline_dice": "twice the pixels in both outline and annotation, divided by the sum of the two; mean",
    "outline_iou": "pixels in both outline and annotation, divided by those in either; mean",
    "mask_ap50": "average precision of the masks at an overlap of 0.5, all equally sure",
    "mask_ap75": "the same at an overlap of 0.75",
    "boundary_error_px": "mean distance between the edges of outline and annotation, in pixels",
    "length_error": "median error of the lengths after the boxes are refined, as a share of the true length",
    "width_error": "the same of the widths",
    "flagged": "share of the outlines that contradict their boxes",
    "box_length_error": "median error of the lengths before, as a share of the true length",
    "box_width_error": "the same of the widths",
}
"""What they say."""
TITLES: Final = FOUND_TITLES | {
    "iou": "IoU of diatoms",
    "dice": "Dice of diatoms",
    "miou": "mIoU",
    "pixel_accuracy": "Pixel accuracy",
    "accuracy": "Accuracy",
    "auc": "AUC-ROC",
    **OUTLINE_TITLES,
}
"""What all figures with intervals are called."""
NAMING_MEANINGS: Final = {
    "precision": "share of the names given that are right; mean of the classes",
    "recall": "share of a class that gets the right name; mean of the classes",
    "f1": "precision and recall in one number; mean of the classes",
}
"""The same of names."""


def chief_figures(evaluation: Evaluation) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of the chief figures.

    Of each what it is called, its value, its interval, how many specimens or finds it is of, and what it says.
    """
    meanings = MEANINGS | (NAMING_MEANINGS if evaluation.naming else {})
    rows: list[tuple[str, ...]] = [
        (
            TITLES[name],
            format_figure(interval.value),
            span(interval),
            amount(interval),
            meanings[name.removeprefix(TRUE_BOX)],
        )
        for name, interval in evaluation.intervals.items()
    ]
    naming = evaluation.naming
    if naming:
        every = naming.specimens
        of_genera = sum(part.specimens for part in naming.classes if genus_of(part.name))
        named = round(naming.named * every) if naming.named == naming.named else 0
        sure = f"share that gets a name: probability of at least {naming.threshold:.2f}"
        cells = (
            ("Top 3", naming.top3, every, "share with the right name among the three most probable"),
            ("Right genera", naming.genus_accuracy, of_genera, "share of the specimens with the right genus"),
            ("Named", naming.named, every, sure),
            ("Right when named", naming.precision_named, named, "share of the given names that are right"),
        )
        if naming.auc == naming.auc:
            rows.append((TITLES["auc"], format_figure(naming.auc), "-", f"{every:,}", MEANINGS["auc"]))
        for title, value, of, meaning in cells:
            if value == value:
                interval = Interval(value, *wilson(round(value * of), of, evaluation.bootstrap.level), of)
                rows.append((title, format_figure(value), span(interval), amount(interval), meaning))
    return ("", "value", f"{100 * evaluation.bootstrap.level:g} % interval", "of", "meaning"), rows
