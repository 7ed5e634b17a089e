"""What each figure is called, says, how it is computed and when it misleads, for report, window and docs alike.

TP, FP and FN are right detections (or names), false ones, and specimens that are missed (or get another name).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from napari_diatom.models.card import NAMING_TASK, OUTLINING_TASK

TRUE_BOX: Final = "true_box_"
"""What the figures of outlines in the true boxes begin with; the others are of boxes that are off as detectors' are."""


@dataclass(frozen=True)
class Definition:
    """A figure in words.

    Attributes
    ----------
    title : str
        What it is called.
    meaning : str
        What it says, after "this is the".
    formula : str
        How it is computed.
    misleads : str
        When it should not be taken at its word; a sentence.
    """

    title: str
    meaning: str
    formula: str
    misleads: str

    @property
    def text(self) -> str:
        """Meaning, formula and caution, as for a tooltip."""
        return f"{self.meaning[:1].upper()}{self.meaning[1:]}. {self.formula}. {self.misleads}"


FOUND: Final[Mapping[str, Definition]] = {
    "precision": Definition(
        "Precision",
        "share of the detections that are specimens",
        "TP / (TP + FP), at IoU 0.5 and the threshold",
        "High for a model that finds only the easiest specimens: read it with recall.",
    ),
    "recall": Definition(
        "Recall",
        "share of the specimens that are found",
        "TP / (TP + FN), at IoU 0.5 and the threshold",
        "High for a model that takes everything for a diatom: read it with precision.",
    ),
    "f1": Definition(
        "F1",
        "precision and recall in one number: 1 is perfect",
        "2 TP / (2 TP + FP + FN) = 2 * precision * recall / (precision + recall)",
        "It hides which of the two is low, and holds for one threshold only.",
    ),
    "ap50": Definition(
        "AP50",
        "average precision over all thresholds, at an overlap of 0.5",
        "mean over the recalls r = 0, 0.01, ..., 1 of the highest precision with a recall of at least r (COCO)",
        "It includes thresholds that nobody would use: a model with a higher AP50 may count worse at its own.",
    ),
    "ap50_95": Definition(
        "AP50-95",
        "the same, mean over overlaps of 0.5 to 0.95: how exact the outlines are",
        "mean of AP at IoU 0.50, 0.55, ..., 0.95",
        "A shift of a few pixels costs a thin needle much of its IoU, so the figure is low for needles even if all are "
        "found.",
    ),
    "map50": Definition(
        "mAP50 of the classes",
        "mean of the classes' AP50: the name must be right, too",
        "sum of the classes' AP50 / number of classes that occur",
        "A class with three specimens counts as much as one with three hundred.",
    ),
    "map50_95": Definition(
        "mAP50-95 of the classes",
        "the same, mean over overlaps of 0.5 to 0.95",
        "sum of the classes' AP50-95 / number of classes that occur",
        "A class with three specimens counts as much as one with three hundred.",
    ),
    "matched_iou": Definition(
        "Mean IoU of the matched",
        "mean overlap of right detections with their specimens",
        "sum of |A and B| / |A or B| over the TP / TP, at the threshold",
        "It leaves out all that is missed or overlaps by less than 0.5, so it is never below 0.5, and is high for a "
        "model that finds only the easiest specimens.",
    ),
    "count_error": Definition(
        "Count error",
        "mean error of the count of a slide (or image)",
        "mean of |TP + FP - specimens| over the slides",
        "Missed specimens and false detections cancel each other.",
    ),
    "froc": Definition(
        "FROC score",
        "share of the specimens found, mean at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false detections per field",
        "mean of TP / (TP + FN) at the lowest thresholds with at most so many FP / fields (Setio et al. 2017)",
        "It depends on the size of a field and on how many specimens it has: compare models on the same fields only.",
    ),
}
"""Of models that find specimens."""
PIXELS: Final[Mapping[str, Definition]] = {
    "iou": Definition(
        "IoU of diatoms",
        "pixels that are diatom in both annotation and map, divided by pixels that are diatom in either",
        "|A and B| / |A or B|, over the pixels of all images together",
        "Large specimens have most of the pixels, so small ones can all be missed without much effect.",
    ),
    "dice": Definition(
        "Dice of diatoms",
        "twice the pixels that are diatom in both, divided by the sum of the two",
        "2 |A and B| / (|A| + |B|) = 2 IoU / (1 + IoU)",
        "It says the same as IoU in larger numbers: never compare one with the other.",
    ),
    "miou": Definition(
        "mIoU",
        "mean IoU of the classes, background included",
        "sum of the classes' IoU / number of classes that occur or are found",
        "The background is a class, and easy: with one class of diatoms it makes up half of the mean.",
    ),
    "pixel_accuracy": Definition(
        "Pixel accuracy",
        "share of the pixels that are right",
        "pixels with the right class / all pixels; of a class, its right pixels / its pixels in the annotation",
        "If 98 % of the pixels are background, an empty map has 0.98.",
    ),
}
"""Of class maps."""
NAMES: Final[Mapping[str, Definition]] = {
    "accuracy": Definition(
        "Accuracy",
        "share of the specimens with the right name",
        "right names / specimens",
        "Where classes are unequal it follows the commonest: if 95 of 100 specimens are of one species, giving that "
        "name to all has 0.95.",
    ),
    "balanced_accuracy": Definition(
        "Balanced accuracy",
        "mean share of each class that gets the right name",
        "sum of the classes' recall / number of classes that occur",
        "A class with two specimens counts as much as one with two hundred, so a single name can move it far.",
    ),
    "precision": Definition(
        "Precision",
        "share of the names given that are right; mean of the classes",
        "sum of the classes' TP / (TP + FP) / number of classes that occur or are named (macro average)",
        "It depends on how common the classes are on the test slides, and a rare class counts as much as a common one.",
    ),
    "recall": Definition(
        "Recall",
        "share of a class that gets the right name; mean of the classes",
        "sum of the classes' TP / (TP + FN) / number of classes that occur or are named (macro average)",
        "A rare class counts as much as a common one; one that does not occur but is named counts as 0.",
    ),
    "f1": Definition(
        "F1",
        "precision and recall in one number; mean of the classes",
        "sum of the classes' 2 TP / (2 TP + FP + FN) / number of classes that occur or are named (macro average)",
        "A rare class counts as much as a common one, so it can be low although most specimens have the right name.",
    ),
    "weighted_precision": Definition(
        "Precision, weighted",
        "share of the names given that are right; mean of the classes, weighted by their specimens",
        "sum of specimens * TP / (TP + FP) over the classes / all specimens",
        "Rare classes hardly count: all of them can be wrong.",
    ),
    "weighted_recall": Definition(
        "Recall, weighted",
        "share of a class that gets the right name; mean of the classes, weighted by their specimens",
        "sum of specimens * TP / (TP + FN) over the classes / all specimens, which is the accuracy",
        "As accuracy, it follows the commonest classes.",
    ),
    "weighted_f1": Definition(
        "F1, weighted",
        "precision and recall in one number; mean of the classes, weighted by their specimens",
        "sum of specimens * 2 TP / (2 TP + FP + FN) over the classes / all specimens",
        "Rare classes hardly count: all of them can be wrong.",
    ),
    "auc": Definition(
        "AUC-ROC",
        "how well a class is separated from the others; 0.5 is chance",
        "area under hits TP / (TP + FN) against false alarms FP / (FP + TN), one class against the rest; mean of the "
        "classes (Hanley and McNeil 1982)",
        "It looks good for a rare class: 1 % false alarms among 10,000 others are 100 wrong names. Look at average "
        "precision then.",
    ),
    "average_precision": Definition(
        "Average precision",
        "mean precision over all recalls, one class against the rest; mean of the classes",
        "sum over the probabilities of (recall - recall before) * precision",
        "By chance alone it is the share of the class, so test sets with other shares cannot be compared.",
    ),
    "calibration_error": Definition(
        "Calibration error",
        "mean difference between the probability of a name and how often it is right",
        "sum over ten bins of specimens * |share right - mean probability| / all specimens (Naeini et al. 2015)",
        "It says nothing of how many are right: a model that is right half of the time and always says 0.5 has 0.",
    ),
    "top3": Definition(
        "Top 3",
        "share with the right name among the three most probable",
        "specimens whose name is among the three most probable / specimens",
        "With four or five classes, chance alone gives three quarters or three fifths.",
    ),
    "genus_accuracy": Definition(
        "Right genera",
        "share of the specimens with the right genus",
        "specimens whose genus has the largest sum of its species' probabilities / specimens with a genus",
        "It is high where most classes are of one genus.",
    ),
    "named": Definition(
        "Named",
        "share that gets a name",
        "specimens with a probability of at least the threshold / specimens",
        "It says nothing of whether the names are right.",
    ),
    "precision_named": Definition(
        "Right when named",
        "share of the given names that are right",
        "right names / specimens with a probability of at least the threshold",
        "High for a model that names only the easiest specimens: read it with the share that gets a name.",
    ),
}
"""Of models that name specimens; precision, recall and F1 are means of the classes."""
FOUND_SIZES: Final[Mapping[str, Definition]] = {
    "relative_count_error": Definition(
        "Count error, relative",
        "mean error of the count, as a share of the mean count",
        "sum of |TP + FP - specimens| over the slides / specimens",
        "Missed specimens and false detections cancel each other.",
    ),
    "angle_error_deg": Definition(
        "Angle error (degrees)",
        "median error of the direction of elongated specimens that are found",
        "median of |angle - true angle|, modulo 180",
        "It leaves out all that is missed, and specimens less than 1.5 times as long as wide.",
    ),
    "length_error": Definition(
        "Length error",
        "median error of the lengths of the specimens that are found, as a share of the true length",
        "median of |length / true length - 1|",
        "Half of the errors are larger; it leaves out all that is missed or cut by the image's edge.",
    ),
}
"""Of models that find specimens, without an interval."""
_OUTLINES: Final[Mapping[str, Definition]] = {
    "outline_dice": Definition(
        "Dice",
        "twice the pixels in both outline and annotation, divided by the sum of the two; mean",
        "mean of 2 |A and B| / (|A| + |B|) over the specimens, 0 where there is no outline",
        "It says the same as IoU in larger numbers, and hides errors at the edge of large specimens.",
    ),
    "outline_iou": Definition(
        "IoU",
        "pixels in both outline and annotation, divided by those in either; mean",
        "mean of |A and B| / |A or B| over the specimens, 0 where there is no outline",
        "A pixel all round costs a small or thin specimen far more than a large one.",
    ),
    "mask_ap50": Definition(
        "Mask AP50",
        "average precision of the masks at an overlap of 0.5, all equally sure",
        "AP at IoU 0.5 of masks that all have the same score (COCO)",
        "Every box holds a specimen here, so it says nothing of false detections.",
    ),
    "mask_ap75": Definition(
        "Mask AP75",
        "the same at an overlap of 0.75",
        "AP at IoU 0.75 of masks that all have the same score (COCO)",
        "It is low for thin needles: a shift of a few pixels costs them much of their IoU.",
    ),
    "boundary_error_px": Definition(
        "Boundary error (px)",
        "mean distance between the edges of outline and annotation, in pixels",
        "mean distance of each edge pixel to the nearest one of the other edge (Heimann et al. 2009)",
        "It leaves out specimens without an outline, and depends on the pixel size.",
    ),
    "length_error": Definition(
        "Length error",
        "median error of the lengths after the boxes are refined, as a share of the true length",
        "median of |length / true length - 1|",
        "Half of the errors are larger, some of them much; specimens cut by the image's edge are left out.",
    ),
    "width_error": Definition(
        "Width error",
        "the same of the widths",
        "median of |width / true width - 1|",
        "A pixel is a large share of a thin specimen's width.",
    ),
    "flagged": Definition(
        "Flagged",
        "share of the outlines that contradict their boxes",
        "flagged outlines / outlines",
        "An outline that fits its box may still be wrong, and is not flagged.",
    ),
    "box_length_error": Definition(
        "Length error of the given boxes",
        "median error of the lengths before, as a share of the true length",
        "median of |length of the box / true length - 1|",
        "The boxes are off by chance and on purpose, so it is the same for all models.",
    ),
    "box_width_error": Definition(
        "Width error of the given boxes",
        "the same of the widths",
        "median of |width of the box / true width - 1|",
        "The boxes are off by chance and on purpose, so it is the same for all models.",
    ),
}
OUTLINES: Final[Mapping[str, Definition]] = {
    **_OUTLINES,
    **{
        f"{TRUE_BOX}{name}": Definition(f"{one.title}, true boxes", one.meaning, one.formula, one.misleads)
        for name, one in _OUTLINES.items()
        if not name.startswith("box_")
    },
}
"""Of models that outline specimens in boxes."""
Work = Literal["find", "name", "outline"]
"""What a model does with specimens."""
DEFINITIONS: Final[Mapping[Work, Mapping[str, Definition]]] = {
    "find": {**FOUND, **PIXELS, **FOUND_SIZES},
    # Cards have the mean of the classes under a name of its own.
    "name": {**NAMES, "macro_f1": NAMES["f1"]},
    "outline": OUTLINES,
}
"""All, by what a model does and by the names of figures, as in cards and in ``Evaluation.intervals``."""
TITLES: Final[Mapping[str, str]] = {
    name: one.title for work in ("outline", "name", "find") for name, one in DEFINITIONS[work].items()
}
"""What all figures are called."""


def work_of(task: str) -> Work:
    """Return what models of a task do with specimens."""
    works: dict[str, Work] = {NAMING_TASK: "name", OUTLINING_TASK: "outline"}
    return works.get(task, "find")
