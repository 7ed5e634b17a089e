"""Models that outline specimens, on a test set: they are given the boxes of the truth, as they are and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from diatom_training.evaluation.evaluation import (
    EvaluatedModel,
    Evaluation,
    MistakePicture,
    Outlining,
)
from diatom_training.evaluation.mistakes import MOST, Mistake
from diatom_training.evaluation.outlined_tests import BOX_SEED, OutlinedTest, outline_test_set
from diatom_training.evaluation.remarks import few_specimens, remarks_of_evaluation
from diatom_training.evaluation.test_set import TestImage, mistake_renderer
from diatom_training.learning.outline_crops import BoxErrors
from diatom_training.metrics.bootstrap import Bootstrap, intervals, of_specimens
from diatom_training.metrics.definitions import TRUE_BOX
from diatom_training.metrics.outline_figures import (
    OUTLINE_ERRORS,
    OUTLINE_TITLES,
    figures_of_outlines,
)
from diatom_training.metrics.paired_test import Difference, differences
from diatom_training.metrics.test_cases import Units, units_of
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import either, many
from napari_diatom.measurement.outline_refinement import (
    BEYOND_BOX,
    IN_PARTS,
    NO_OUTLINE,
    TOO_SMALL,
)
from napari_diatom.models.library import ModelFolder

_RIGHT: Final = 0.9
"""IoU from which an outline is no mistake to be shown."""
_FLAGS: Final = {
    NO_OUTLINE: "no outline",
    BEYOND_BOX: "much of it is outside the box",
    IN_PARTS: "it is in several parts",
    TOO_SMALL: "it is much smaller than the box",
}


def evaluate_outliner(
    model: ModelFolder,
    images: Sequence[TestImage],
    about: EvaluatedModel,
    options: Bootstrap | None,
    device: str,
    monitor: ProgressMonitor,
) -> Evaluation:
    """Evaluate the outlines that a model draws in the boxes of the truth."""
    options = options or Bootstrap()
    tested = outline_test_set(model, images, device, monitor)
    units = units_of(tested.cases)
    detected, true = tested.errors
    number = len(detected.iou)
    found = intervals(figures_of_outlines(detected, true, units), units, options, monitor)
    shares = {
        "flagged": (int(detected.flagged.sum()), number),
        f"{TRUE_BOX}flagged": (int(true.flagged.sum()), number),
    }
    remarks = [*remarks_of_evaluation(units), *few_specimens(number)]
    if tested.left_out:
        remarks.append(
            f"{many(tested.left_out, 'specimen')} {either(tested.left_out, 'is a box', 'are boxes')} without an "
            f"outline, and {either(tested.left_out, 'is', 'are')} left out."
        )
    return Evaluation(
        about=about,
        images=len(images),
        units=units,
        bootstrap=options,
        intervals=of_specimens(found, shares, number, options.level),
        outlining=Outlining(number, tested.left_out, BOX_SEED, BoxErrors()),
        mistakes=_mistakes(tested, monitor),
        remarks=tuple(remarks),
    )


def compare_outlines(
    models: tuple[ModelFolder, ModelFolder],
    images: Sequence[TestImage],
    names: tuple[str, str],
    options: Bootstrap,
    device: str,
    monitor: ProgressMonitor,
) -> tuple[tuple[Difference, ...], Units]:
    """Compare the outlines of two models, both given the same boxes."""
    one, other = (outline_test_set(model, images, device, monitor) for model in models)
    units = units_of(one.cases)
    detected, true = (mine.joined(theirs) for mine, theirs in zip(one.errors, other.errors, strict=True))
    both = figures_of_outlines(detected, true, units.twice())
    # The given boxes are the same ones, so there is nothing to compare of them.
    told = [name for name in OUTLINE_TITLES if not name.startswith("box_")]
    return differences(
        lambda taken: {name: both(taken)[name] for name in told},
        units,
        names,
        OUTLINE_TITLES,
        OUTLINE_ERRORS,
        options,
        monitor,
    ), units


def _mistakes(tested: OutlinedTest, monitor: ProgressMonitor) -> tuple[MistakePicture, ...]:
    """Return the outlines that are furthest off, with their pictures."""
    errors, first = tested.errors[0], 0
    iou = errors.iou
    starts = []
    for case in tested.cases:
        starts.append(first)
        first += len(case.truth)
    stand_ins = [
        TestImage(slide, case.slide, case.truth, name=case.image)
        for slide, case in zip(tested.slides, tested.cases, strict=True)
    ]
    drawn = mistake_renderer(tested.slides, stand_ins, 0.5, monitor)
    shown = []
    for k in [k for k in np.argsort(iou, kind="stable").tolist() if iou[k] < _RIGHT][:MOST]:
        number = int(errors.images[k])
        case, place = tested.cases[number], k - starts[number]
        flag = int(tested.flags[number][place])
        reasons = [words for bit, words in _FLAGS.items() if flag & bit]
        words = f"{tested.names[number][place]} outlined with an IoU of {iou[k]:.2f}"
        words += f"; flagged: {', '.join(reasons)}" if reasons else "; not flagged"
        mistake = Mistake("outline", number, place, place if case.found.scores[place] > 0 else None, words)
        x, y = case.truth.boxes[place, :2].tolist()
        shown.append(MistakePicture(mistake, case.image, x, y, drawn(mistake, case)))
    return tuple(shown)
