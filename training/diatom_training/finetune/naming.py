"""What is told of a classifier after its training: temperature, threshold, and how good its names are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluate_names import (
    NamingMetrics,
    best_name_threshold,
    evaluate_names,
    fit_temperature,
    tempered,
)
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset, Part, outline_in
from napari_diatom.engines.classifier import Classifier
from napari_diatom.models.card import NamingFacts
from napari_diatom.models.library import ModelFolder
from napari_diatom.names import Names
from napari_diatom.progress import Progress, Report, ShouldStop, check, silent


def judge(
    model: ModelFolder, data: Dataset, config: TrainConfig, report: Report, should_stop: ShouldStop
) -> tuple[ModelFolder, NamingMetrics | None]:
    """Fit temperature and threshold on the validation part alone, and test on the specimens of the test part.

    Returns
    -------
    model : ModelFolder
        With both and the figures in its card.
    metrics : NamingMetrics or None
        Of the test part; None where it has no specimen.
    """
    namer = Classifier(model, config.device)
    said, truth = _said(namer, data, "validation", report, should_stop)
    temperature = round(fit_temperature(said, truth), 4)
    calibrated = tempered(said, temperature)
    threshold = best_name_threshold(calibrated.max(axis=1), calibrated.argmax(axis=1) == truth)
    metrics = None
    if data.count("test").total():
        said, truth = _said(namer, data, "test", report, should_stop)
        metrics = evaluate_names(Names(data.classes, tempered(said, temperature), threshold), truth)
    facts = model.card.naming or NamingFacts()
    card = model.card.model_copy(
        update={
            "naming": facts.model_copy(update={"temperature": temperature}),
            "thresholds": dict.fromkeys(data.classes, threshold),
            "metrics": {} if metrics is None else metrics.figures(),
        }
    )
    return replace(model, card=card), metrics


def _said(
    namer: Classifier, data: Dataset, part: Part, report: Report, should_stop: ShouldStop
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what a classifier says of a part's specimens, shape (N, C), and their true classes, shape (N,)."""
    slides = data.parts[part]
    said, truth = [np.empty((0, len(data.classes)), np.float32)], [np.empty(0, np.int64)]
    for number, slide in enumerate(slides):
        report(Progress(part, number, len(slides), slide.name))
        check(should_stop)
        image = slide.open()
        outlines = [outline_in(slide.annotations, k) for k in range(len(slide.truth))]
        said.append(namer.name(image, slide.truth, silent, should_stop, outlines).probabilities)
        truth.append(slide.truth.class_ids.astype(np.int64))
        image.release()
    report(Progress(part, len(slides), len(slides)))
    return np.concatenate(said), np.concatenate(truth)
