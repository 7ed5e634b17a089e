"""Outlines that a model draws in the boxes of a test set: given as they are, or off as detectors' boxes are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.test_set import TestImage, image_names, open_test_images
from diatom_training.learning.outline_crops import BoxErrors, detected_box, upright_box
from diatom_training.metrics.boundary_distance import boundary_distance
from diatom_training.metrics.matching import match_cases
from diatom_training.metrics.outline_figures import OutlineErrors
from diatom_training.metrics.test_cases import Case, renamed
from napari_diatom import engines
from napari_diatom.core import cropped_masks
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.engines.protocols import Outliner
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement.outline_refinement import BoxOutlines, refined_boxes
from napari_diatom.models.library import ModelFolder

BOX_SEED: Final = 0
"""Of the errors of the boxes: every model is given the same ones."""

GivenBoxes = Callable[[Detections, np.random.Generator], NDArray[np.float64]]
"""Returns the boxes, shape (N, 5), that a model is given for the specimens of an image."""


def true_boxes(truth: Detections, _: np.random.Generator) -> NDArray[np.float64]:
    """Return the boxes of the truth."""
    return truth.boxes.astype(np.float64)


def detected_boxes(truth: Detections, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return boxes that are off as those of a detector of oriented boxes."""
    return _off(true_boxes(truth, rng), rng, BoxErrors())


def upright_boxes(truth: Detections, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return boxes that are off as those of a detector of upright boxes; the truth has masks."""
    own = [upright_box(np.reshape(mask.bounds, (2, 2)).astype(np.float64)) for mask in truth.masks or ()]
    return _off(np.reshape(own, (-1, 5)), rng, BoxErrors().upright())


def _off(boxes: NDArray[np.float64], rng: np.random.Generator, errors: BoxErrors) -> NDArray[np.float64]:
    return np.array([detected_box(box, rng, errors) for box in boxes]).reshape(-1, 5)


@dataclass(frozen=True, eq=False)
class OutlinedTest:
    """What a model outlined on a test set.

    Attributes
    ----------
    errors : tuple of OutlineErrors
        For each kind of boxes.
    cases : tuple of Case
        The images that have specimens with outlines, with what was outlined in boxes of the first kind: one for each
        specimen of the truth, in its order.
    slides : tuple of SlideImage
        The same images.
    flags : tuple of ndarray
        Of each image what speaks against these outlines.
    names : tuple of tuple of str
        Of each image the classes of its specimens.
    left_out : int
        Specimens without an outline to compare with.
    """

    errors: tuple[OutlineErrors, ...]
    cases: tuple[Case, ...]
    slides: tuple[SlideImage, ...]
    flags: tuple[NDArray[np.uint8], ...]
    names: tuple[tuple[str, ...], ...]
    left_out: int


def outline_test_set(
    model: ModelFolder, images: Sequence[TestImage], device: str = "auto", monitor: ProgressMonitor = UNWATCHED
) -> OutlinedTest:
    """Outline a test set in detectors' boxes and in the true ones; parameters and errors as of ``evaluate_model``."""
    return outline_images(engines.load_outliner(model, device), images, (detected_boxes, true_boxes), monitor=monitor)


def outline_images(
    engine: Outliner,
    images: Sequence[TestImage],
    kinds: Sequence[GivenBoxes],
    seed: int = BOX_SEED,
    monitor: ProgressMonitor = UNWATCHED,
) -> OutlinedTest:
    """Outline the specimens of images in boxes of some kinds.

    Parameters
    ----------
    engine : Outliner
        What outlines them.
    images : sequence of TestImage
        With their truth.
    kinds : sequence of callable
        Give the boxes.
    seed : int
        Of the errors of the boxes; the same seed gives the same boxes.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When no specimen has an outline to compare with, or an image cannot be read.
    Stopped
        When a stop was asked for.
    """
    slides = open_test_images(images)
    # Progress is told by the image here.
    unshown = ProgressMonitor(should_stop=monitor.should_stop)
    cases: list[list[Case]] = [[] for _ in kinds]
    given: list[list[NDArray[np.float64]]] = [[] for _ in kinds]
    flags: list[list[NDArray[np.uint8]]] = [[] for _ in kinds]
    kept: list[SlideImage] = []
    names: list[tuple[str, ...]] = []
    left_out = 0
    for number, (item, slide, name) in enumerate(zip(images, slides, image_names(slides, images), strict=True)):
        monitor.report(Progress("images", number, len(images), name))
        monitor.check()
        truth = _outlined(item, slide)
        left_out += len(item.truth) - len(truth)
        if not len(truth):
            continue
        try:
            for kind, boxes_of in enumerate(kinds):
                boxes = boxes_of(truth, np.random.default_rng((seed, number)))
                outlines = engine.outlines(slide, boxes, unshown)
                given[kind].append(boxes)
                flags[kind].append(outlines.flags)
                cases[kind].append(_case(item, slide, name, truth, boxes, outlines))
        finally:
            slide.release()
        kept.append(slide)
        names.append(tuple(truth.classes[k] for k in truth.class_ids.tolist()))
    monitor.report(Progress("images", len(images), len(images)))
    if not kept:
        raise InputError(
            f"None of {many(left_out, 'annotated specimen')} has an outline to compare with: models for outlines are "
            "tested on outlines. Outline some specimens first."
        )
    return OutlinedTest(
        errors=tuple(_errors(*of_kind) for of_kind in zip(cases, given, flags, strict=True)),
        cases=tuple(cases[0]),
        slides=tuple(kept),
        flags=tuple(flags[0]),
        names=tuple(names),
        left_out=left_out,
    )


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
