"""A model on a test set: every image analysed as it always is, judged, and reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluate_masks import class_map, confusion
from diatom_training.evaluation.bootstrap import Bootstrap, Difference
from diatom_training.evaluation.cases import Case, ClassNames, check_truth, class_names, renamed, units_of
from diatom_training.evaluation.coco import Shape
from diatom_training.evaluation.detection import compare
from diatom_training.evaluation.mistakes import Mistake, picture
from diatom_training.evaluation.report import write_comparison, write_report
from diatom_training.evaluation.result import About, Evaluation, evaluate_cases
from napari_diatom import engines, geometry
from napari_diatom.analysis import Analysis, AnalysisOptions, analyse
from napari_diatom.detections import Detections
from napari_diatom.errors import InputError
from napari_diatom.imaging import SlideImage, open_images
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder
from napari_diatom.progress import Progress, Report, ShouldStop, check, never, silent

_SHAPES: Final[dict[str, Shape]] = {
    "boxes": "boxes",
    "oriented-boxes": "oriented-boxes",
    "semantic": "masks",
    "instances": "masks",
}
"""What is compared of the models of a task."""


@dataclass(frozen=True, eq=False)
class TestImage:
    """An image with its truth, which no model that is tested on it may have seen.

    Attributes
    ----------
    image : Path or SlideImage
        A file with one image, or the image itself.
    slide : str
        What it was taken of.
    truth : Detections
        What is there: oriented boxes, with masks where masks are to be compared.
    pixel_size_um : float or None
        Micrometres per pixel; None takes the image's own, if it has one.
    """

    image: Path | SlideImage
    slide: str
    truth: Detections
    pixel_size_um: float | None = None


def evaluate_model(
    model: ModelFolder,
    images: Sequence[TestImage],
    out: Path,
    threshold: float | None = None,
    device: str = "auto",
    report: Report = silent,
    should_stop: ShouldStop = never,
    options: Bootstrap | None = None,
) -> Evaluation:
    """Judge a model on a test set and write its report.

    Average precision looks at scores down to :data:`napari_diatom.analysis.FLOOR`, as everything that analyses images
    does. A model that gives masks is judged by its boxes where the truth has no masks.

    Parameters
    ----------
    model : ModelFolder
        See :func:`napari_diatom.models.library.find`.
    images : sequence of TestImage
        The test set.
    out : Path
        Folder for ``report.html`` and ``report.json``.
    threshold : float, optional
        Score from which detections count; the model's own, tuned on its validation set, by default.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    report, should_stop
        See :mod:`napari_diatom.progress`; progress comes per image and tile.
    options : Bootstrap, optional
        How to resample.

    Raises
    ------
    InputError
        When there are no images, no specimens in their truth, an image cannot be read, or the model is of a task that
        finds no specimens.
    ModelError
        When the model cannot be loaded.
    OutputError
        When the report cannot be written.
    Stopped
        When a stop was asked for.
    """
    shape = _shape(model.card, images)
    slides = _opened(images)
    cases = _cases(model, images, slides, shape, threshold, device, report, should_stop)
    used = model.card.threshold() if threshold is None else threshold
    by_name = {slide.name: slide for slide in slides}

    def shown(mistake: Mistake, case: Case) -> bytes:
        check(should_stop)
        slide = by_name[case.image]
        try:
            return picture(mistake, case, slide, used)
        finally:
            slide.release()

    evaluation = evaluate_cases(cases, shape, used, _about(model.card, threshold), options, shown)
    if shape != _SHAPES[model.card.task]:
        lacking = "Some of the truth has no masks, so what the model found is judged by its oriented boxes."
        evaluation = replace(evaluation, remarks=(*evaluation.remarks, lacking))
    write_report(evaluation, out)
    return evaluation


def compare_models(
    first: ModelFolder,
    second: ModelFolder,
    images: Sequence[TestImage],
    out: Path,
    device: str = "auto",
    report: Report = silent,
    should_stop: ShouldStop = never,
    options: Bootstrap | None = None,
) -> tuple[Difference, ...]:
    """Say which of two models is better on a test set, each at its own threshold, and write the report.

    Models of different tasks are compared by what both of them give: masks, else oriented boxes, else upright ones.

    Raises
    ------
    InputError, ModelError, OutputError, Stopped
        As :func:`evaluate_model`.
    """
    options = options or Bootstrap()
    slides = _opened(images)
    shapes: tuple[Shape, ...] = ("boxes", "oriented-boxes", "masks")
    shape = min((_shape(model.card, images) for model in (first, second)), key=shapes.index)
    one, other = (_cases(model, images, slides, shape, None, device, report, should_stop) for model in (first, second))
    names = _about(first.card, None).title, _about(second.card, None).title
    thresholds = first.card.threshold(), second.card.threshold()
    rows = compare(one, other, shape, thresholds, names, options)
    write_comparison(rows, names, units_of(one), options, out)
    return rows


def _opened(images: Sequence[TestImage]) -> list[SlideImage]:
    """Return the images, opened; nothing is decoded yet."""
    slides = [_open(item) for item in images]
    # Now, not after hours of analysis.
    check_truth([slide.name for slide in slides], [item.truth for item in images])
    return slides


def _open(item: TestImage) -> SlideImage:
    """Return the one image of a test image."""
    if isinstance(item.image, SlideImage):
        return item.image
    pages = open_images(item.image)
    if len(pages) != 1:
        raise InputError(f"{item.image} holds {len(pages)} images: open it, and give each with its own truth.")
    return pages[0]


def _shape(card: ModelCard, images: Sequence[TestImage]) -> Shape:
    """Return what can be compared."""
    if card.task not in _SHAPES:
        raise InputError(f"Model {card.name} names cut-outs and finds no specimens: evaluate its names instead.")
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
    report: Report,
    should_stop: ShouldStop,
) -> list[Case]:
    """Return what a model finds on each image beside the truth."""
    engine = engines.load(model, device)
    names = class_names([item.truth for item in images], model.card.classes)
    cases = []
    for number, (item, slide) in enumerate(zip(images, slides, strict=True)):
        report(Progress("images", number, len(images), slide.name))
        check(should_stop)
        options = AnalysisOptions(threshold=threshold, pixel_size_um=item.pixel_size_um)
        analysis = analyse(slide, engine, options, report, should_stop)
        truth, found = (_as(shape, part) for part in (item.truth, analysis.detections))
        cases.append(
            Case(
                image=slide.name,
                slide=item.slide,
                truth=truth,
                found=found,
                height=slide.height,
                width=slide.width,
                pixel_size_um=analysis.pixel_size_um,
                table=_table(truth, analysis, names) if shape == "masks" else None,
            )
        )
    report(Progress("images", len(images), len(images)))
    return cases


def _as(shape: Shape, part: Detections) -> Detections:
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
        found = class_map(renamed(analysis.kept, names.every), analysis.height, analysis.width)
    elif names.nameless:
        found = (found > 0).astype(np.uint8)
    return confusion(class_map(renamed(truth, names.every), analysis.height, analysis.width), found, len(names.every))


def _about(card: ModelCard, threshold: float | None) -> About:
    """Say which model was judged."""
    own = "the model's own, tuned on its validation images" if card.thresholds else "the usual one, as none was tuned"
    return About(
        card.name, card.version, card.sha256, card.task, own if threshold is None else "the one that was given"
    )
