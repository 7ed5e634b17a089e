"""A model on a test set: every image analysed as in normal use, evaluated, and reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.evaluate_classifier import compare_names, evaluate_classifier
from diatom_training.evaluation.evaluate_outliner import compare_outlines, evaluate_outliner
from diatom_training.evaluation.evaluation import Evaluation, evaluate_cases
from diatom_training.evaluation.remarks import remarks_of
from diatom_training.evaluation.report import write_comparison, write_report
from diatom_training.evaluation.report_files import ready
from diatom_training.evaluation.test_set import (
    TestImage,
    about,
    image_names,
    mistake_renderer,
    open_test_images,
    untuned_remarks,
)
from diatom_training.evaluation.training_curves import curves_of
from diatom_training.metrics.bootstrap import Bootstrap
from diatom_training.metrics.coco_evaluator import Shape
from diatom_training.metrics.mask_metrics import confusion, draw_class_map
from diatom_training.metrics.paired_test import Comparison, remarks_of_few
from diatom_training.metrics.resampled_figures import compare
from diatom_training.metrics.test_cases import Case, ClassNames, classes_of_truth, renamed, units_of
from napari_diatom import engines
from napari_diatom.analysis.pipeline import Analysis, AnalysisOptions, analyse
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models.card import NAMING_TASK, OUTLINING_TASK, ModelCard
from napari_diatom.models.library import ModelFolder

_SHAPES: Final[dict[str, Shape]] = {
    "boxes": "boxes",
    "oriented-boxes": "oriented-boxes",
    "semantic": "masks",
    "instances": "masks",
}
"""What is compared of the models of a task."""
_WORK: Final[dict[str, str]] = {NAMING_TASK: "names", OUTLINING_TASK: "outlines"}
"""What models do with specimens, where they do not find them."""


def evaluate_model(
    model: ModelFolder,
    images: Sequence[TestImage],
    out: Path,
    threshold: float | None = None,
    device: str = "auto",
    monitor: ProgressMonitor = UNWATCHED,
    options: Bootstrap | None = None,
    one_class: str = "",
    remarks: Sequence[str] = (),
) -> Evaluation:
    """Evaluate a model on a test set and write its report.

    A model that finds specimens is given whole images. Average precision looks at scores down to
    :data:`napari_diatom.analysis.pipeline.FLOOR`, as everything that analyses images does. A model that gives masks is
    evaluated by its boxes if the truth has no masks. A model that names or outlines specimens gets those of the truth.

    Parameters
    ----------
    model : ModelFolder
        See :func:`napari_diatom.models.library.resolve_model`.
    images : sequence of TestImage
        The test set.
    out : Path
        Folder for ``report.html`` and ``report.json``.
    threshold : float, optional
        Score from which detections count, or names are given; the model's own, tuned on its validation set, by default.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; progress comes per image and tile.
    options : Bootstrap, optional
        How to resample.
    one_class : str
        Treat all specimens, true and found, as this one class.
    remarks : sequence of str
        What else a reader should know; a sentence each.

    Raises
    ------
    InputError
        When there are no images, no specimens in their truth, an image cannot be read, or a model that names knows none
        of their classes.
    ModelError
        When the model cannot be loaded.
    OutputError
        When the report cannot be written; where its folder cannot be, at once.
    Stopped
        When a stop was asked for.
    """
    used = AnalysisOptions(threshold=threshold).threshold or model.card.threshold()
    tested = about(model.card, threshold)
    with ready(out):
        slides = open_test_images(images)
        if model.card.task == OUTLINING_TASK:
            if threshold is not None:
                raise InputError(
                    f"Model {model.card.name} outlines all specimens that it is given, so there is no threshold: leave "
                    "--threshold out."
                )
            evaluation = evaluate_outliner(model, images, tested, options, device, monitor)
        elif model.card.task == "classes":
            if one_class:
                raise InputError(
                    f"Model {model.card.name} names specimens; with only one class there is nothing to name."
                )
            evaluation = evaluate_classifier(model, images, slides, used, tested, options, device, monitor)
        else:
            images = _as_one(images, one_class)
            shape = comparable_shape(model.card, images)
            cases = _cases(model, images, slides, shape, threshold, device, monitor, one_class)
            drawn = mistake_renderer(slides, images, used, monitor)
            evaluation = evaluate_cases(cases, shape, used, tested, options, drawn, monitor)
            if shape != _SHAPES[model.card.task]:
                lacking = "Some of the annotations have no masks, so the model is tested by its oriented boxes."
                evaluation = replace(evaluation, remarks=(*evaluation.remarks, lacking))
            if one_class:
                alike = f"All specimens are treated as {one_class}, whatever their names."
                evaluation = replace(evaluation, remarks=(*evaluation.remarks, alike))
        untuned = [] if threshold is not None else untuned_remarks(model.card)
        told_before = (*remarks, *untuned, *evaluation.remarks)
        evaluation = replace(evaluation, remarks=told_before, training=curves_of(model.card))
        monitor.check()
        write_report(evaluation, out)
    return evaluation


def compare_models(
    first: ModelFolder,
    second: ModelFolder,
    images: Sequence[TestImage],
    out: Path,
    device: str = "auto",
    monitor: ProgressMonitor = UNWATCHED,
    options: Bootstrap | None = None,
    one_class: str = "",
    remarks: Sequence[str] = (),
) -> Comparison:
    """Say which of two models is better on a test set, each at its own threshold, and write the report.

    Models of different tasks are compared by what both of them give: masks, else oriented boxes, else upright ones. Two
    that name specimens are compared on the specimens whose classes both know, two that outline them in the same boxes.
    Parameters are those of :func:`evaluate_model`.

    Raises
    ------
    InputError
        As :func:`evaluate_model`; and when one of the two finds specimens and the other one names or outlines them.
    ModelError, OutputError, Stopped
        As :func:`evaluate_model`.
    """
    options = options or Bootstrap()
    slides = open_test_images(images)
    names = about(first.card, None).title, about(second.card, None).title
    does = [_WORK.get(model.card.task, "finds") for model in (first, second)]
    if does[0] != does[1]:
        odd, theirs = (first, does[1]) if does[0] != "finds" else (second, does[0])
        raise InputError(
            f"{odd.card.name} {_WORK[odd.card.task]} specimens, and the other model {theirs} them, so they cannot be "
            "compared: choose two that find specimens, two that name them, or two that outline them."
        )
    naming = does[0] == "names"
    if naming and one_class:
        raise InputError(
            "Two models that name specimens cannot be compared as one class: there is nothing to name then."
        )
    with ready(out):
        if naming:
            rows, units = compare_names((first, second), images, slides, names, options, device, monitor)
        elif does[0] == "outlines":
            rows, units = compare_outlines((first, second), images, names, options, device, monitor)
        else:
            images = _as_one(images, one_class)
            shapes: tuple[Shape, ...] = ("boxes", "oriented-boxes", "masks")
            shape = min((comparable_shape(model.card, images) for model in (first, second)), key=shapes.index)
            one, other = (
                _cases(model, images, slides, shape, None, device, monitor, one_class) for model in (first, second)
            )
            rows = compare(
                one, other, shape, (first.card.threshold(), second.card.threshold()), names, options, monitor
            )
            units = units_of(one)
        monitor.check()
        untuned = [line for model in (first, second) for line in untuned_remarks(model.card) if does[0] == "finds"]
        all_remarks = (*remarks, *untuned, *remarks_of_few(rows, units, options), *remarks_of(units))
        comparison = Comparison(names, rows, units, options, all_remarks)
        write_comparison(comparison, out)
    return comparison


def find_specimens(
    model: ModelFolder,
    images: Sequence[TestImage],
    device: str = "auto",
    monitor: ProgressMonitor = UNWATCHED,
) -> list[Case]:
    """Return what a model finds on each image beside the truth, as :func:`evaluate_model` compares the two.

    Raises
    ------
    InputError, ModelError, Stopped
        As :func:`evaluate_model`.
    """
    return _cases(
        model,
        images,
        open_test_images(images),
        comparable_shape(model.card, images),
        None,
        device,
        monitor,
        "",
    )


def _as_one(images: Sequence[TestImage], one_class: str) -> Sequence[TestImage]:
    """Return images whose specimens are all of one class, where that is asked for."""
    if not one_class:
        return images
    return [replace(item, truth=renamed(item.truth, (one_class,))) for item in images]


def comparable_shape(card: ModelCard, images: Sequence[TestImage]) -> Shape:
    """Return what of a model's specimens is compared with the truth: boxes, oriented boxes or masks."""
    shape = _SHAPES[card.task]
    if shape == "masks" and any(len(item.truth) and item.truth.masks is None for item in images):
        return "oriented-boxes"
    return shape


def _cases(
    model: ModelFolder,
    images: Sequence[TestImage],
    slides: Sequence[SlideImage],
    shape: Shape,
    threshold: float | None,
    device: str,
    monitor: ProgressMonitor,
    one_class: str,
) -> list[Case]:
    """Return what a model finds on each image beside the truth."""
    engine = engines.load(model, device)
    names = ClassNames((one_class,))
    if not one_class:
        names = classes_of_truth([item.truth for item in images], model.card.classes)
    cases = []
    names_of_images = image_names(slides, images)
    for number, (item, slide) in enumerate(zip(images, slides, strict=True)):
        monitor.report(Progress("images", number, len(images), names_of_images[number]))
        monitor.check()
        options = AnalysisOptions(threshold=threshold, pixel_size_um=item.pixel_size_um)
        analysis = analyse(slide, engine, options, monitor)
        seen = renamed(analysis.detections, (one_class,)) if one_class else analysis.detections
        truth, found = (as_shape(shape, part) for part in (item.truth, seen))
        cases.append(
            Case(
                image=names_of_images[number],
                slide=item.slide,
                truth=truth,
                found=found,
                height=slide.height,
                width=slide.width,
                pixel_size_um=analysis.pixel_size_um,
                table=_table(truth, analysis, names) if shape == "masks" else None,
            )
        )
    monitor.report(Progress("images", len(images), len(images)))
    return cases


def as_shape(shape: Shape, part: Detections) -> Detections:
    """Return specimens as what is compared: as upright or oriented boxes alone, or with masks, if there are any."""
    if shape == "masks":
        return part if len(part) else replace(part, masks=())
    if shape == "oriented-boxes":
        return replace(part, masks=None)
    bounds = geometry.bounds(part.boxes)
    if part.masks is not None:
        masks = np.array([mask.bounds for mask in part.masks], dtype=np.float64).reshape(-1, 4)
        bounds = np.where([[mask.area > 0] for mask in part.masks] or np.empty((0, 1), dtype=bool), masks, bounds)
    sizes = bounds[:, 2:] - bounds[:, :2]
    upright = np.column_stack([(bounds[:, :2] + bounds[:, 2:]) / 2, sizes, np.zeros(len(bounds))])
    return replace(part, boxes=geometry.canonical(upright).astype(np.float32), masks=None)


def _table(truth: Detections, analysis: Analysis, names: ClassNames) -> NDArray[np.int64]:
    """Count pixels by true and found class: those of the model's class map, or of its masks drawn as one."""
    found = analysis.class_map
    if found is None:
        found = draw_class_map(renamed(analysis.kept, names.every), analysis.height, analysis.width)
    elif len(names.every) == 1:
        found = (found > 0).astype(np.uint8)
    return confusion(
        draw_class_map(renamed(truth, names.every), analysis.height, analysis.width), found, len(names.every)
    )
