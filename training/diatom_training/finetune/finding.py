"""What is told of a model that finds specimens after its training: its threshold, and how good it is."""

from __future__ import annotations

from dataclasses import replace

from diatom_training.evaluate import Metrics, best_threshold, evaluate
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset, Part
from napari_diatom import engines
from napari_diatom.analysis import AnalysisOptions, analyse
from napari_diatom.detections import Detections
from napari_diatom.models.card import MASK_TASKS
from napari_diatom.models.library import ModelFolder
from napari_diatom.progress import Progress, Report, ShouldStop, check, silent


def judge(
    model: ModelFolder, data: Dataset, config: TrainConfig, report: Report, should_stop: ShouldStop
) -> tuple[ModelFolder, Metrics | None]:
    """Tune the threshold on the validation part alone, and test on the test part.

    Returns
    -------
    model : ModelFolder
        With the threshold and the figures in its card.
    metrics : Metrics or None
        Of the test part; None where it has no specimen.
    """
    masks = config.task in MASK_TASKS
    found = _found(model, data, "validation", config, report, should_stop)
    threshold, _ = best_threshold([slide.truth for slide in data.parts["validation"]], found, masks)
    thresholds = {name: round(float(min(max(threshold, 0.01), 1.0)), 2) for name in data.classes}
    slides, metrics = data.parts["test"], None
    if any(len(slide.truth) for slide in slides):
        tested = _found(model, data, "test", config, report, should_stop)
        metrics = evaluate([s.truth for s in slides], tested, [s.size for s in slides], threshold, masks)
    figures = {} if metrics is None else {k: round(v, 4) for k, v in metrics.to_json().items() if v is not None}
    return replace(model, card=model.card.model_copy(update={"thresholds": thresholds, "metrics": figures})), metrics


def _found(
    model: ModelFolder, data: Dataset, part: Part, config: TrainConfig, report: Report, should_stop: ShouldStop
) -> list[Detections]:
    """Run the model over the images of a part."""
    engine = engines.load(model, config.device)
    slides = data.parts[part]
    found: list[Detections] = []
    for number, slide in enumerate(slides):
        report(Progress(part, number, len(slides), slide.name))
        check(should_stop)
        options = AnalysisOptions(pixel_size_um=slide.pixel_size_um)
        found.append(analyse(slide.open(), engine, options, silent, should_stop).detections)
    report(Progress(part, len(slides), len(slides)))
    return found
