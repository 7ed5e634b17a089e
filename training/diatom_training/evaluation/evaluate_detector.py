"""How well a network finds the specimens of images that are drawn in turn from several groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from diatom_training.data.crops import read_pixels
from diatom_training.data.examples import Example, example_truth
from diatom_training.metrics.detection_metrics import average_precision, best_threshold, evaluate
from napari_diatom.analysis.pipeline import analyse
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines.protocols import Engine
from napari_diatom.images.slide_image import from_array
from napari_diatom.models.card import Task

CLASSIC: Final = "classic"
"""The group that is no subject of its own: the classic families in the classic lights."""


@dataclass(frozen=True)
class DetectorFigures:
    """Figures over a set of images, of masks where the model gives masks, else of boxes.

    Attributes
    ----------
    images, specimens : int
        How many.
    ap50, ap50_95 : float
        Average precision at IoU 0.5, and the mean over 0.5 to 0.95, over all images.
    f1, precision, recall, threshold : float
        Best F1 over all thresholds, and what belongs to it.
    group_ap50 : mapping of str to float
        Average precision at IoU 0.5 of each group; NaN of one without specimens.
    """

    images: int
    specimens: int
    ap50: float
    ap50_95: float
    f1: float
    precision: float
    recall: float
    threshold: float
    group_ap50: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for :func:`json.dumps`, rounded; the mean and the least of the groups but the classic one.

        NaN becomes None.
        """
        found = {name: _rounded(value) for name, value in vars(self).items() if name != "group_ap50"}
        groups = {name: _rounded(value) for name, value in self.group_ap50.items()}
        subjects = {name: value for name, value in groups.items() if name != CLASSIC and value is not None}
        if subjects:
            least = min(subjects, key=subjects.__getitem__)
            mean = round(float(np.mean(list(subjects.values()))), 4)
            found |= {"subjects_ap50": mean, "least_ap50": subjects[least], "least_subject": least}
        return found | {"group_ap50": groups}


def evaluate_detector(
    engine: Engine, examples: Sequence[Example], monitor: ProgressMonitor = UNWATCHED
) -> DetectorFigures:
    """Find the specimens of images, and compare with the truth.

    Parameters
    ----------
    engine : Engine
        What finds them.
    examples : sequence of Example
        Images with their truth. The upright box of a specimen is that of its outline.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When there is no image, or one cannot be read.
    Stopped
        When a stop was asked for.
    """
    if not examples:
        raise InputError("There is no image to look at.")
    task = engine.card.task
    masks = task == "instances"
    truths: list[Detections] = []
    found: list[Detections] = []
    sizes: list[tuple[int, int]] = []
    for done, example in enumerate(examples, start=1):
        monitor.check()
        pixels = read_pixels(example)
        truths.append(truth_for(task, example))
        found.append(analyse(from_array(pixels, example.image.name), engine).detections)
        sizes.append((pixels.shape[0], pixels.shape[1]))
        monitor.report(Progress("selection", done, len(examples)))
    threshold, _ = best_threshold(truths, found, masks)
    overall = evaluate(truths, found, sizes, threshold, masks)
    groups = {}
    for group in dict.fromkeys(example.group for example in examples):
        chosen = [k for k, example in enumerate(examples) if example.group == group]
        true, predicted = [truths[k] for k in chosen], [found[k] for k in chosen]
        groups[group] = average_precision(true, predicted, [sizes[k] for k in chosen], masks)[0]
    return DetectorFigures(
        images=overall.images,
        specimens=overall.specimens,
        ap50=overall.ap50,
        ap50_95=overall.ap50_95,
        f1=overall.f1,
        precision=overall.precision,
        recall=overall.recall,
        threshold=threshold,
        group_ap50=groups,
    )


def _rounded(value: float) -> Any:
    """Return a number with four decimals, None where it is not a number."""
    return None if value != value else round(value, 4)


def truth_for(task: Task, example: Example) -> Detections:
    """Return what a model of a task is to find in an image: oriented boxes, upright ones, or masks with boxes."""
    outlines = [outline.astype(np.float64) for outline in example.outlines]
    if task == "boxes":
        corners = np.array([(*ring.min(axis=0), *ring.max(axis=0)) for ring in outlines]).reshape(-1, 4)
        centres, sides = (corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]
        return Detections.of(np.column_stack([centres, sides, np.zeros(len(corners))]), classes=("diatom",))
    truth = example_truth(example)
    if task == "oriented-boxes":
        return truth
    masks = [fill(((ring,),)) for ring in outlines]
    return Detections.of(truth.boxes, truth.class_ids, classes=truth.classes, masks=masks)
