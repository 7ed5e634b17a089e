"""An evaluation as a whole: the model, its figures with their intervals, its worst mistakes, what to bear in mind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from diatom_training.evaluation.mistakes import Mistake, worst
from diatom_training.evaluation.remarks import few_specimens, remarks_of_cases, remarks_of_evaluation
from diatom_training.evaluation.training_curves import TrainingCurves
from diatom_training.metrics.averages import NAN
from diatom_training.metrics.bootstrap import Bootstrap, Interval, intervals, of_specimens
from diatom_training.metrics.class_map_figures import MapFigures, figures_of_maps, map_figures, tables_of
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.definitions import DEFINITIONS, Definition, Work
from diatom_training.metrics.detection_figures import DetectionFigures, detection_figures
from diatom_training.metrics.froc import Froc, froc
from diatom_training.metrics.matched_overlaps import figures_of_overlaps
from diatom_training.metrics.matching import match_cases
from diatom_training.metrics.naming_figures import NamingFigures, checked_names, figures_of_names, naming_figures
from diatom_training.metrics.one_against_rest import figures_of_ranking
from diatom_training.metrics.resampled_figures import figures_of
from diatom_training.metrics.test_cases import Case, Units
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor

if TYPE_CHECKING:
    from diatom_training.learning.outline_crops import BoxErrors


@dataclass(frozen=True)
class EvaluatedModel:
    """The tested model, and where its threshold comes from.

    Attributes
    ----------
    model, version : str
        From its card.
    sha256 : str
        Of its weights, empty where unknown.
    task : str
        From its card.
    threshold_from : str
        Where the threshold comes from, as words after "the threshold is".
    """

    model: str
    version: str = ""
    sha256: str = ""
    task: str = ""
    threshold_from: str = "given by the user"

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.model} {self.version}".rstrip()


@dataclass(frozen=True)
class MistakePicture:
    """A mistake, where it is, and its picture.

    Attributes
    ----------
    mistake : Mistake
        What is wrong.
    image : str
        Name of the image.
    x_px, y_px : float
        Centre of the specimen or detection.
    jpeg : bytes
        The picture; empty where there is none.
    """

    mistake: Mistake
    image: str
    x_px: float
    y_px: float
    jpeg: bytes = b""


@dataclass(frozen=True)
class Outlining:
    """How a model for outlines was tested.

    Attributes
    ----------
    specimens, left_out : int
        Specimens with outlines, and those without.
    seed : int
        Of the errors of boxes.
    errors : BoxErrors
        How far boxes are off that are off as detectors' are.
    """

    specimens: int
    left_out: int
    seed: int
    errors: BoxErrors


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that there is to say of a model on a test set; what a task does not have is None.

    Attributes
    ----------
    about : EvaluatedModel
        The model.
    images : int
        How many; 0 for cut-outs.
    units : Units
        What was resampled.
    bootstrap : Bootstrap
        How.
    intervals : mapping of str to Interval
        The chief figures.
    detection : DetectionFigures or None
        Of a model that finds specimens.
    maps : MapFigures or None
        Of their class maps.
    naming : NamingFigures or None
        Of a model that names cut-outs.
    outlining : Outlining or None
        Of a model that outlines specimens in boxes.
    mistakes : tuple of MistakePicture
        The worst.
    remarks : tuple of str
        What to bear in mind; a sentence each.
    training : TrainingCurves or None
        How the model was trained, where its card says so.
    froc : Froc or None
        The specimens found against the false detections, of a model that finds specimens.
    """

    about: EvaluatedModel
    images: int
    units: Units
    bootstrap: Bootstrap
    intervals: Mapping[str, Interval]
    detection: DetectionFigures | None = None
    maps: MapFigures | None = None
    naming: NamingFigures | None = None
    outlining: Outlining | None = None
    mistakes: tuple[MistakePicture, ...] = ()
    remarks: tuple[str, ...] = ()
    training: TrainingCurves | None = None
    froc: Froc | None = None

    @property
    def work(self) -> Work:
        """What the model does with specimens."""
        return "name" if self.naming else "outline" if self.outlining else "find"

    def definitions(self) -> Mapping[str, Definition]:
        """Return what the figures mean, how they are computed and when they mislead, by their names."""
        return DEFINITIONS[self.work]

    def figures(self) -> dict[str, float]:
        """Return the figures of all classes together, as a model's card has them; without those that are NaN."""
        figures: dict[str, float] = {}
        if self.naming:
            naming = self.naming
            figures |= {
                "specimens": naming.specimens,
                "accuracy": naming.accuracy,
                "balanced_accuracy": naming.balanced_accuracy,
                "macro_f1": naming.f1,
                "weighted_f1": naming.weighted_f1,
                "auc": naming.auc,
                "average_precision": naming.average_precision,
                "top3": naming.top3,
                "genus_accuracy": naming.genus_accuracy,
                "named": naming.named,
                "precision_named": naming.precision_named,
                "calibration_error": naming.calibration.error,
            }
        if self.detection:
            found = self.detection
            figures |= {"images": self.images, "specimens": found.overall.specimens, "found": found.overall.found}
            figures |= {name: interval.value for name, interval in self.intervals.items()}
            if self.froc:
                figures["froc"] = self.froc.score.value
            figures |= {
                "relative_count_error": found.relative_count_error,
                "angle_error_deg": found.angle_error_deg,
                "length_error": found.length_error,
            }
        if self.outlining:
            figures |= {"images": self.images, "specimens": self.outlining.specimens}
            figures |= {name: interval.value for name, interval in self.intervals.items()}
        return {name: round(float(value), 4) for name, value in figures.items() if value == value}


Picture = Callable[[Mistake, Case], bytes]
"""Returns the picture of a mistake as a JPEG, or nothing."""


def no_picture(mistake: Mistake, case: Case) -> bytes:
    """Return nothing."""
    return b""


def evaluate_cases(
    cases: Sequence[Case],
    shape: Shape,
    threshold: float,
    about: EvaluatedModel,
    options: Bootstrap | None = None,
    picture: Picture = no_picture,
    monitor: ProgressMonitor = UNWATCHED,
) -> Evaluation:
    """Evaluate what a model found.

    Parameters
    ----------
    cases : sequence of Case
        The test set. Class maps are evaluated if all cases have their tables.
    shape : Shape
        What is compared.
    threshold : float
        Score from which detections count; tuned on the validation set.
    about : EvaluatedModel
        The model.
    options : Bootstrap, optional
        How to resample.
    picture : callable, optional
        Gives the pictures of mistakes.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When there are no images, or no specimens in their truth; and see :func:`match_cases`.
    Stopped
        When a stop was asked for.
    """
    options = options or Bootstrap()
    matched = match_cases(cases, shape)
    figures = detection_figures(matched, threshold)
    units = matched.units
    found = intervals(figures_of(matched, threshold), units, options, monitor)
    overlaps = intervals(figures_of_overlaps(matched, threshold), units, options, monitor)
    maps = None
    if all(case.table is not None for case in cases):
        maps = map_figures(tables_of(cases).sum(axis=0), figures.names.every)
        found |= intervals(figures_of_maps(cases, matched.units), matched.units, options, monitor)
    overall = figures.overall
    shares = {"precision": (overall.right, overall.found), "recall": (overall.right, overall.specimens)}
    shown = []
    for mistake in worst(matched, threshold):
        case = matched.cases[mistake.case]
        monitor.check()
        box = case.truth.boxes[mistake.truth] if mistake.found is None else case.found.boxes[mistake.found]
        shown.append(MistakePicture(mistake, case.image, float(box[0]), float(box[1]), picture(mistake, case)))
    return Evaluation(
        about=about,
        images=len(cases),
        units=matched.units,
        bootstrap=options,
        intervals=of_specimens(found, shares, overall.specimens, options.level)
        | of_specimens(overlaps, {}, overall.right, options.level),
        detection=figures,
        maps=maps,
        mistakes=tuple(shown),
        remarks=(
            *remarks_of_evaluation(matched.units),
            *few_specimens(overall.specimens, overall.found),
            *remarks_of_cases(cases, figures),
        ),
        froc=froc(matched.overall, units, options, monitor),
    )


def evaluate_names(
    truth: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    slides: Sequence[str],
    about: EvaluatedModel,
    options: Bootstrap | None = None,
    threshold: float = NAN,
    monitor: ProgressMonitor = UNWATCHED,
) -> Evaluation:
    """Evaluate the names that a model gave to N cut-outs.

    Parameters
    ----------
    truth : array-like of int, shape (N,)
        Index of each specimen's class.
    probabilities : array-like, shape (N, C)
        Of each class, 0 to 1.
    classes : sequence of str
        Names of the C classes.
    slides : sequence of str
        The slide that each specimen comes from; of a single slide the specimens are resampled.
    about : EvaluatedModel
        The model.
    options : Bootstrap, optional
        How to resample.
    threshold : float
        Probability under which no name is given.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        With every problem found; see :func:`naming_figures`.
    Stopped
        When a stop was asked for.
    """
    options = options or Bootstrap()
    figures = naming_figures(truth, probabilities, classes, threshold)
    ids, given = checked_names(truth, probabilities, classes)
    if len(slides) != len(ids):
        raise InputError(f"{len(slides)} slides do not match {len(ids)} specimens.")
    units = Units.by(slides, [str(k) for k in range(len(ids))], "specimens")
    resampled = figures_of_names(ids, given.argmax(axis=1), len(classes), units)
    found = intervals(resampled, units, options, monitor)
    if figures.auc == figures.auc:
        found |= intervals(figures_of_ranking(ids, given, units), units, options, monitor)
    shares = {"accuracy": (int(np.trace(figures.confusion)), len(ids))}
    return Evaluation(
        about=about,
        images=0,
        units=units,
        bootstrap=options,
        intervals=of_specimens(found, shares, len(ids), options.level),
        naming=figures,
        remarks=(*remarks_of_evaluation(units), *few_specimens(len(ids)), *figures.remarks),
    )
