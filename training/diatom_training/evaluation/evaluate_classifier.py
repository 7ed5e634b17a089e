"""Models that name specimens, on a test set: they are given the specimens of the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.evaluation import EvaluatedModel, Evaluation, MistakePicture, evaluate_names
from diatom_training.evaluation.mistakes import MOST, Mistake
from diatom_training.evaluation.test_set import TestImage, image_names, mistake_renderer, open_test_images
from diatom_training.metrics.bootstrap import Bootstrap
from diatom_training.metrics.definitions import DEFINITIONS
from diatom_training.metrics.naming_figures import figures_of_names
from diatom_training.metrics.paired_test import Difference, differences
from diatom_training.metrics.test_cases import Case, Units
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines import load_classifier
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.models.library import ModelFolder

COMPARED: Final = ("accuracy", "precision", "recall", "f1")
"""Figures by which two models are compared: the more there are, the larger a difference has to be to be real."""


@dataclass(frozen=True, eq=False)
class ClassifiedSpecimens:
    """Class probabilities of the S specimens of a test set whose classes a model knows.

    Attributes
    ----------
    classes : tuple of str
        Those that it knows.
    images, specimens : ndarray of int, shape (S,)
        Index of each one's image, and of the specimen in its truth.
    truth : ndarray of int64, shape (S,)
        Index of its true class.
    probabilities : ndarray of float32, shape (S, C)
        Of each class.
    unknown : dict of str to ndarray of float32
        Of the specimens of each other class, how sure the likeliest name is.
    """

    classes: tuple[str, ...]
    images: NDArray[np.intp]
    specimens: NDArray[np.intp]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    unknown: dict[str, NDArray[np.float32]]


def name_specimens(
    model: ModelFolder,
    images: Sequence[TestImage],
    device: str = "auto",
    monitor: ProgressMonitor = UNWATCHED,
) -> ClassifiedSpecimens:
    """Return the class probabilities that a model gives the specimens of the truth.

    Raises
    ------
    InputError, ModelError, Stopped
        As :func:`evaluate_model`.
    """
    return _said(model, images, open_test_images(images), device, monitor)


def evaluate_classifier(
    model: ModelFolder,
    images: Sequence[TestImage],
    slides: Sequence[SlideImage],
    threshold: float,
    about: EvaluatedModel,
    options: Bootstrap | None,
    device: str,
    monitor: ProgressMonitor,
) -> Evaluation:
    """Evaluate the names that a classifier gives the specimens of the truth."""
    said = _said(model, images, slides, device, monitor)
    groups = [images[k].slide for k in said.images.tolist()]
    evaluation = evaluate_names(
        said.truth, said.probabilities, said.classes, groups, about, options, threshold, monitor
    )
    names, drawn = image_names(slides, images), mistake_renderer(slides, images, threshold, monitor)
    likely, sure = said.probabilities.argmax(axis=1), said.probabilities.max(axis=1)
    mistakes = []
    wrong = np.flatnonzero(likely != said.truth)
    for k in wrong[np.argsort(-sure[wrong], kind="stable")][:MOST].tolist():
        number, specimen = int(said.images[k]), int(said.specimens[k])
        item, slide = images[number], slides[number]
        words = f"{said.classes[said.truth[k]]} named {said.classes[likely[k]]} with a probability of {sure[k]:.2f}"
        mistake = Mistake("misnamed", number, specimen, None, words)
        case = Case(names[number], item.slide, item.truth, item.truth[[]], slide.height, slide.width)
        x, y = item.truth.boxes[specimen, :2].tolist()
        mistakes.append(MistakePicture(mistake, case.image, x, y, drawn(mistake, case)))
    remarks = evaluation.remarks
    if said.unknown:
        listed = ", ".join(f"{name} ({len(part)})" for name, part in said.unknown.items())
        named = sum(int((part >= np.float32(threshold)).sum()) for part in said.unknown.values())
        number = sum(len(part) for part in said.unknown.values())
        remarks = (
            *remarks,
            f"The model does not know these annotated classes: {listed}. They are left out of the figures. It should "
            f"call them unknown, and gave {named} of the {number} a name.",
        )
    return replace(evaluation, images=len(images), mistakes=tuple(mistakes), remarks=remarks)


def compare_names(
    models: tuple[ModelFolder, ModelFolder],
    images: Sequence[TestImage],
    slides: Sequence[SlideImage],
    names: tuple[str, str],
    options: Bootstrap,
    device: str,
    monitor: ProgressMonitor,
) -> tuple[tuple[Difference, ...], Units]:
    """Compare the names of two classifiers, specimen by specimen."""
    said = [_said(model, images, slides, device, monitor) for model in models]
    classes = tuple(dict.fromkeys(name for part in said for name in part.classes))
    given = [
        {
            (image, specimen): (classes.index(part.classes[true]), classes.index(part.classes[likely]))
            for image, specimen, true, likely in zip(
                part.images.tolist(),
                part.specimens.tolist(),
                part.truth.tolist(),
                part.probabilities.argmax(axis=1).tolist(),
                strict=True,
            )
        }
        for part in said
    ]
    both = [key for key in given[0] if key in given[1]]
    if not both:
        raise InputError(
            f"{names[0]} and {names[1]} both do not know any of the annotated classes: there are no names to compare."
        )
    units = Units.by([images[image].slide for image, _ in both], [str(k) for k in range(len(both))], "specimens")
    true = np.array([given[0][key][0] for key in both], dtype=np.int64)
    named = np.array([part[key][1] for part in given for key in both], dtype=np.int64)
    figures = figures_of_names(np.tile(true, 2), named, len(classes), units.twice())
    titles = {name: DEFINITIONS["name"][name].title for name in COMPARED}

    def compared(taken: NDArray[np.int64]) -> dict[str, float]:
        every = figures(taken)
        return {name: every[name] for name in COMPARED}

    return differences(compared, units, names, titles, (), options, monitor), units


def _said(
    model: ModelFolder,
    images: Sequence[TestImage],
    slides: Sequence[SlideImage],
    device: str,
    monitor: ProgressMonitor,
) -> ClassifiedSpecimens:
    """Return what a classifier says of the specimens of the truth."""
    namer = load_classifier(model, device)
    classes = model.card.classes
    # Progress is reported by the image here.
    unshown = ProgressMonitor(should_stop=monitor.should_stop)
    said: list[NDArray[np.float32]] = []
    true: list[str] = []
    whose: list[int] = []
    which: list[int] = []
    for number, (item, slide, name) in enumerate(zip(images, slides, image_names(slides, images), strict=True)):
        monitor.report(Progress("images", number, len(images), name))
        monitor.check()
        try:
            said.append(namer.name(slide, item.truth, unshown, item.outlines).probabilities)
        finally:
            slide.release()
        true += [item.truth.classes[k] for k in item.truth.class_ids.tolist()]
        whose += [number] * len(item.truth)
        which += range(len(item.truth))
    monitor.report(Progress("images", len(images), len(images)))
    probabilities = np.concatenate(said)
    known = np.flatnonzero([name in classes for name in true])
    foreign = sorted(set(true) - set(classes))
    if not len(known):
        raise InputError(
            f"Model {model.card.name} knows none of the annotated classes ({', '.join(foreign)}), so its names cannot "
            f"be tested; it knows {', '.join(classes)}."
        )
    return ClassifiedSpecimens(
        classes=classes,
        images=np.array(whose, dtype=np.intp)[known],
        specimens=np.array(which, dtype=np.intp)[known],
        truth=np.array([classes.index(true[k]) for k in known.tolist()], dtype=np.int64),
        probabilities=probabilities[known],
        unknown={
            name: probabilities[[k for k, other in enumerate(true) if other == name]].max(axis=1) for name in foreign
        },
    )
