"""Models that outline specimens, on a test set: they are given the boxes of the truth, as they are and off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.evaluation import (
    EvaluatedModel,
    Evaluation,
    MistakePicture,
    Outlining,
    few_specimens,
    remarks_of_evaluation,
)
from diatom_training.evaluation.mistakes import MOST, Mistake
from diatom_training.evaluation.test_set import TestImage, image_names, mistake_renderer, open_test_images
from diatom_training.learning.outline_crops import BoxErrors, detected_box
from diatom_training.metrics.bootstrap import Bootstrap, intervals, of_specimens
from diatom_training.metrics.boundary_distance import boundary_distance
from diatom_training.metrics.matching import match_cases
from diatom_training.metrics.outline_figures import (
    OUTLINE_ERRORS,
    OUTLINE_TITLES,
    TRUE_BOX,
    OutlineErrors,
    figures_of_outlines,
)
from diatom_training.metrics.paired_test import Difference, differences
from diatom_training.metrics.test_cases import Case, Units, renamed, units_of
from napari_diatom import engines
from napari_diatom.core import cropped_masks
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import either, many
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.outline_refinement import (
    BEYOND_BOX,
    IN_PARTS,
    NO_OUTLINE,
    TOO_SMALL,
    BoxOutlines,
    refined_boxes,
)
from napari_diatom.models.library import ModelFolder

BOX_SEED: Final = 0
"""Of the errors of the boxes: every model is given the same ones."""
_RIGHT: Final = 0.9
"""IoU from which an outline is no mistake to be shown."""
_FLAGS: Final = {
    NO_OUTLINE: "no outline",
    BEYOND_BOX: "much of it is outside the box",
    IN_PARTS: "it is in several parts",
    TOO_SMALL: "it is much smaller than the box",
}


@dataclass(frozen=True, eq=False)
class OutlinedTest:
    """What a model outlined on a test set.

    Attributes
    ----------
    detected, true : OutlineErrors
        In boxes that are off as detectors' are, and in the true ones.
    cases : tuple of Case
        The images that have specimens with outlines, with what was outlined in the former boxes: one for each specimen
        of the truth, in its order.
    slides : tuple of SlideImage
        The same images.
    flags : tuple of ndarray
        Of each image what speaks against its outlines.
    names : tuple of tuple of str
        Of each image the classes of its specimens.
    left_out : int
        Specimens without an outline to compare with.
    """

    detected: OutlineErrors
    true: OutlineErrors
    cases: tuple[Case, ...]
    slides: tuple[SlideImage, ...]
    flags: tuple[NDArray[np.uint8], ...]
    names: tuple[tuple[str, ...], ...]
    left_out: int


def outline_test_set(
    model: ModelFolder, images: Sequence[TestImage], device: str = "auto", monitor: ProgressMonitor = UNWATCHED
) -> OutlinedTest:
    """Outline the specimens of a test set, given their boxes; parameters and errors as those of ``evaluate_model``."""
    slides = open_test_images(images)
    engine = engines.load_outliner(model, device)
    errors = BoxErrors()
    # Progress is told by the image here.
    unshown = ProgressMonitor(should_stop=monitor.should_stop)
    off: list[Case] = []
    exact: list[Case] = []
    given: list[NDArray[np.float64]] = []
    kept: list[SlideImage] = []
    flags: tuple[list[NDArray[np.uint8]], list[NDArray[np.uint8]]] = ([], [])
    names: list[tuple[str, ...]] = []
    left_out = 0
    for number, (item, slide, name) in enumerate(zip(images, slides, image_names(slides, images), strict=True)):
        monitor.report(Progress("images", number, len(images), name))
        monitor.check()
        truth = _outlined(item, slide)
        left_out += len(item.truth) - len(truth)
        if not len(truth):
            continue
        rng = np.random.default_rng((BOX_SEED, number))
        own = truth.boxes.astype(np.float64)
        given.append(np.array([detected_box(box, rng, errors) for box in own]))
        try:
            for cases, boxes, some in ((off, given[-1], flags[0]), (exact, own, flags[1])):
                outlines = engine.outlines(slide, boxes, unshown)
                some.append(outlines.flags)
                cases.append(_case(item, slide, name, truth, boxes, outlines))
        finally:
            slide.release()
        kept.append(slide)
        names.append(tuple(truth.classes[k] for k in truth.class_ids.tolist()))
    monitor.report(Progress("images", len(images), len(images)))
    if not off:
        raise InputError(
            f"None of {many(left_out, 'annotated specimen')} has an outline to compare with: models for outlines are "
            "tested on outlines. Outline some specimens first."
        )
    return OutlinedTest(
        detected=_errors(off, given, flags[0]),
        true=_errors(exact, [case.truth.boxes.astype(np.float64) for case in exact], flags[1]),
        cases=tuple(off),
        slides=tuple(kept),
        flags=tuple(flags[0]),
        names=tuple(names),
        left_out=left_out,
    )


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
    number = len(tested.detected.iou)
    found = intervals(figures_of_outlines(tested.detected, tested.true, units), units, options, monitor)
    shares = {
        "flagged": (int(tested.detected.flagged.sum()), number),
        f"{TRUE_BOX}flagged": (int(tested.true.flagged.sum()), number),
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
    both = figures_of_outlines(one.detected.joined(other.detected), one.true.joined(other.true), units.twice())
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


def _outlined(item: TestImage, slide: SlideImage) -> Detections:
    """Return the specimens of an image that have outlines, with their masks, as specimens of one class each its own."""
    truth = item.truth
    masks: list[CroppedMask] = []
    chosen: list[int] = []
    for k in range(len(truth)):
        if item.outlined is not None and not item.outlined[k]:
            continue
        if truth.masks is not None and truth.masks[k].area:
            mask = truth.masks[k]
        elif item.outlines is not None:
            mask = fill(((np.asarray(item.outlines[k], dtype=np.float64),),))
        else:
            continue
        mask = mask.within(0, 0, slide.width, slide.height)
        if mask.area:
            masks.append(mask)
            chosen.append(k)
    return replace(replace(truth, masks=None)[np.array(chosen, dtype=np.intp)], masks=tuple(masks))


def _case(
    item: TestImage,
    slide: SlideImage,
    name: str,
    truth: Detections,
    boxes: NDArray[np.float64],
    outlines: BoxOutlines,
) -> Case:
    """Return the truth of an image beside what was outlined on it; what has no outline has the score 0."""
    one = renamed(truth, ("diatom",))
    found = replace(
        one,
        boxes=refined_boxes(boxes, outlines).astype(np.float32),
        masks=outlines.masks,
        scores=np.array([float(mask.area > 0) for mask in outlines.masks], dtype=np.float32),
    )
    return Case(name, item.slide, one, found, slide.height, slide.width, item.pixel_size_um)


def _errors(
    cases: Sequence[Case], given: Sequence[NDArray[np.float64]], flags: Sequence[NDArray[np.uint8]]
) -> OutlineErrors:
    """Compare outlines and boxes with the truth, specimen by specimen."""
    truth = np.concatenate([case.truth.boxes for case in cases]).astype(np.float64)
    found = np.concatenate([case.found.boxes for case in cases]).astype(np.float64)
    boxes = np.concatenate(given)
    pairs = [pair for case in cases for pair in zip(case.found.masks or (), case.truth.masks or (), strict=True)]
    whole = np.concatenate([case.truth.cut & CUT_BY_EDGE == 0 for case in cases])

    def off(some: NDArray[np.float64], side: int) -> NDArray[np.float64]:
        return np.where(whole, np.abs(some[:, side] / truth[:, side] - 1), np.nan)

    return OutlineErrors(
        images=np.repeat(np.arange(len(cases)), [len(case.truth) for case in cases]),
        iou=np.array([cropped_masks.mask_iou(*pair) for pair in pairs], dtype=np.float64),
        boundary_px=np.array([boundary_distance(*pair) for pair in pairs], dtype=np.float64),
        length=off(found, 2),
        width=off(found, 3),
        box_length=off(boxes, 2),
        box_width=off(boxes, 3),
        flagged=np.concatenate(flags) > 0,
        matches=match_cases(cases, "masks").overall,
    )


def _mistakes(tested: OutlinedTest, monitor: ProgressMonitor) -> tuple[MistakePicture, ...]:
    """Return the outlines that are furthest off, with their pictures."""
    iou, first = tested.detected.iou, 0
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
        number = int(tested.detected.images[k])
        case, place = tested.cases[number], k - starts[number]
        flag = int(tested.flags[number][place])
        reasons = [words for bit, words in _FLAGS.items() if flag & bit]
        words = f"{tested.names[number][place]} outlined with an IoU of {iou[k]:.2f}"
        words += f"; flagged: {', '.join(reasons)}" if reasons else "; not flagged"
        mistake = Mistake("outline", number, place, place if case.found.scores[place] > 0 else None, words)
        x, y = case.truth.boxes[place, :2].tolist()
        shown.append(MistakePicture(mistake, case.image, x, y, drawn(mistake, case)))
    return tuple(shown)
