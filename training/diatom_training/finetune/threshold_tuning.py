"""After a training: the threshold, tuned on the validation part, and the test of the model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from diatom_training.data.annotated_slides import Part
from diatom_training.evaluation.evaluate import comparable_shape, evaluate_model, find_specimens
from diatom_training.evaluation.evaluate_classifier import name_specimens
from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.evaluation.test_set import TestImage
from diatom_training.finetune.dataset import Dataset
from diatom_training.metrics.detection_metrics import best_threshold
from diatom_training.metrics.name_confidence import best_name_threshold, fit_temperature, tempered
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.models.card import OUTLINING_TASK, USUAL_THRESHOLD, NamingFacts
from napari_diatom.models.library import ModelFolder


def tune_and_test(
    model: ModelFolder, data: Dataset, out: Path, device: str, monitor: ProgressMonitor
) -> tuple[ModelFolder, Evaluation | None]:
    """Tune a model on the validation part alone, test it on the test part, and write both into its card.

    Parameters
    ----------
    model : ModelFolder
        As it was trained.
    data : Dataset
        What it was trained on.
    out : Path
        Folder for the report of the test.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"validation"``, ``"test"``, and ``"warning"`` where there is
        no threshold to be tuned. The card has it before the test begins, so that a stop leaves a model to be used.

    Returns
    -------
    model : ModelFolder
        With threshold and figures in its card.
    evaluation : Evaluation or None
        Of the test part; None where it has no specimen.

    Raises
    ------
    InputError, ModelError, OutputError, Stopped
        As :func:`~diatom_training.evaluation.evaluate.evaluate_model`.
    """
    # What is outlined has been found before: there is no threshold to tune.
    tuned = model.card.task != OUTLINING_TASK
    if tuned:
        tune = _tuned_names if model.card.task == "classes" else _tuned_finds
        model = tune(model, _images(data, "validation"), device, _report_as("validation", monitor))
        model.card.write(model.folder)
    if tuned and not model.card.thresholds:
        monitor.report(
            Progress(
                "warning",
                message="none of the model's results on the validation part are right, so its threshold could not be "
                f"tuned; the default of {USUAL_THRESHOLD:.2f} is used: train for longer, or on more specimens",
            )
        )
    if not data.count("test").total():
        return model, None
    evaluation = evaluate_model(model, _images(data, "test"), out, device=device, monitor=_report_as("test", monitor))
    model = _with(model, metrics=evaluation.figures())
    model.card.write(model.folder)
    return model, evaluation


def _tuned_finds(model: ModelFolder, images: list[TestImage], device: str, monitor: ProgressMonitor) -> ModelFolder:
    """Set the score from which detections count, none where nothing right was found to tune it by."""
    cases = find_specimens(model, images, device, monitor)
    masks = comparable_shape(model.card, images) == "masks"
    threshold, f1 = best_threshold([case.truth for case in cases], [case.found for case in cases], masks)
    return _with(model, thresholds=dict.fromkeys(model.card.classes, threshold) if f1 > 0 else {})


def _tuned_names(model: ModelFolder, images: list[TestImage], device: str, monitor: ProgressMonitor) -> ModelFolder:
    """Set the temperature, and the probability under which no name is given, none where no name was right."""
    said = name_specimens(model, images, device, monitor)
    sigmoid = model.card.activation == "sigmoid"
    temperature = round(fit_temperature(said.probabilities, said.truth, sigmoid), 4)
    sure = tempered(said.probabilities, temperature, sigmoid)
    right = sure.argmax(axis=1) == said.truth
    thresholds = {}
    if right.any():
        thresholds = dict.fromkeys(model.card.classes, best_name_threshold(sure.max(axis=1), right))
    facts = (model.card.naming or NamingFacts()).model_copy(update={"temperature": temperature})
    return _with(model, naming=facts, thresholds=thresholds)


def _images(data: Dataset, part: Part) -> list[TestImage]:
    """Return the images of a part."""
    return [TestImage.of(slide) for slide in data.parts[part]]


def _report_as(part: Part, monitor: ProgressMonitor) -> ProgressMonitor:
    """Return a monitor that gets images as a part of the data, and nothing smaller."""

    def relabelled(progress: Progress) -> None:
        if progress.stage == "images":
            monitor.report(replace(progress, stage=part))

    return replace(monitor, report=relabelled)


def _with(model: ModelFolder, **entries: object) -> ModelFolder:
    """Return a model with other entries in its card."""
    return replace(model, card=model.card.model_copy(update=entries))
