"""A whole training: data, start, learning, threshold, test, and the model that comes of it."""

from __future__ import annotations

import contextlib
import json
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.composing.dataset_writer import compose_set
from diatom_training.composing.specimen_cutouts import listed
from diatom_training.data.annotated_slides import PARTS
from diatom_training.data.examples import Example
from diatom_training.evaluation.curve_diagnosis import Diagnosis, read
from diatom_training.evaluation.evaluation import Evaluation
from diatom_training.finetune import added_epochs, batch_choice, composed_pretraining, dataset, initial_weights
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset
from diatom_training.finetune.dataset_warnings import leak_warnings
from diatom_training.finetune.epoch_length import crops_of_epoch
from diatom_training.finetune.epoch_records import EpochRecords
from diatom_training.finetune.run_folder import (
    CHECKPOINTS,
    COMPOSED,
    ENVIRONMENT,
    FIELDS,
    IMAGES,
    MODEL,
    REPORT,
    SPLIT,
    STATE,
    STOP,
    TRANSFER,
    TRANSFERRED,
    RunFolder,
)
from diatom_training.finetune.run_notes import noting
from diatom_training.finetune.threshold_tuning import tune_and_test
from diatom_training.finetune.training_process import NO_ROOM, stopped_text
from diatom_training.finetune.transfer_report import compare_start
from diatom_training.learning import train as learning
from diatom_training.learning.fitting import CHECKPOINT, Fitting, Trained
from diatom_training.learning.lr_schedule import is_best
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, OutputError, Stopped
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.core.text_files import read_text
from napari_diatom.engines.backends import choose_device
from napari_diatom.engines.model_writer import write_model
from napari_diatom.models.architecture_names import engine_of, tile_warning
from napari_diatom.models.card import CARD_FILE, ModelCard, ModelFacts, NamingFacts
from napari_diatom.models.library import ModelFolder

PACKAGES: Final = ("napari-diatom", "numpy", "torch", "torchvision", "pytorch-lightning", "ultralytics-opencv-headless")
"""Whose versions a run notes down."""
_LOOK_SECONDS: Final = 1.0
"""How often a training checks that the program that started it still runs."""


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a training leaves.

    Attributes
    ----------
    folder : Path
        Of the run.
    model : ModelFolder
        With the threshold tuned on the validation part.
    history : tuple of dict
        One a finished epoch.
    reading : Diagnosis
        What the curves say.
    evaluation : Evaluation or None
        On the test part; None where it has no specimen.
    """

    folder: Path
    model: ModelFolder
    history: tuple[Mapping[str, float], ...]
    reading: Diagnosis
    evaluation: Evaluation | None


def train(folder: RunFolder, monitor: ProgressMonitor = UNWATCHED) -> RunResult:
    """Train with a run's configuration, or continue where it stopped.

    Parameters
    ----------
    folder : RunFolder
        With the configuration; all results go there.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`. Stages are ``images``, ``warning``, ``start``, ``batch-size``, ``step``,
        ``epoch``, ``memory``, ``validation``, ``test``; before ``step``, where there are composed slides, ``slides``,
        ``atlas``, ``fields``, ``composed-step`` and ``composed-epoch``. A stop keeps the finished epochs, and the model
        of them.

    Raises
    ------
    InputError, ModelError
        When data or start cannot be used.
    Stopped
        When a stop was asked for.
    DiatomError
        When the loss is no longer finite, or memory or disk are full.
    """
    config = folder.config()
    for name, why in folder.idle_settings().items():
        monitor.report(Progress("warning", message=f"{name} of this run's settings is left out: {why}"))
    division = folder.division()
    data = dataset.read(config, monitor, division)
    begin = initial_weights.resolve(config)
    for line in filter(
        None, (*data.warnings, *leak_warnings(data.parts, begin.seen), tile_warning(begin.architecture))
    ):
        monitor.report(Progress("warning", message=line))
    if division is None:
        write_atomically(folder / SPLIT, json.dumps(data.to_json(), indent=1) + "\n")
    write_atomically(folder / ENVIRONMENT, json.dumps(environment(), indent=1) + "\n")
    device = choose_device(config.device)
    words = "Goes on from its last epoch" if _goes_on(folder) else f"Starts from {begin.text}"
    monitor.report(Progress("start", message=f"{words}, on {device}."))
    config = batch_choice.settled(folder, config, data, begin, device, monitor)
    begin = composed_start(folder, config, data, begin, device, monitor)
    trained = learn(folder, config, data, begin, device, monitor)
    model = model_of(folder, config, data, begin, trained, _seen(config, data, begin))
    model, evaluation = tune_and_test(model, data, folder / REPORT, config.device, monitor)
    return RunResult(folder.path, model, trained.history, _reading(trained.history, data), evaluation)


def _goes_on(folder: RunFolder) -> bool:
    """Tell whether a run has finished an epoch, so that it takes nothing over from its start any more."""
    return (folder / CHECKPOINTS / CHECKPOINT).exists()


def composed_start(
    folder: RunFolder,
    config: TrainConfig,
    data: Dataset,
    begin: initial_weights.InitialWeights,
    device: str,
    monitor: ProgressMonitor,
) -> initial_weights.InitialWeights:
    """Learn from composed slides first, where that is asked for, and return what the real ones are to start from.

    All of it lies in a folder of its own, as a run of its own does: one that has its model is not gone through again.

    Raises
    ------
    DiatomError
        As :func:`train`.
    """
    section = config.composed
    if section is None:
        return begin
    inner = RunFolder(folder / COMPOSED)
    if not (inner / MODEL / CARD_FILE).exists():
        material, options = composed_pretraining.gather(config, data, begin.tile_size, folder / IMAGES, monitor)
        known = composed_pretraining.facts(material, section)
        if material.left_out:
            monitor.report(Progress("warning", message=f"not in composed slides: {listed(material.left_out)}"))
        monitor.report(
            Progress("start", message=f"First trains on {composed_pretraining.describe_composed_slides(known)}.")
        )
        fields = compose_set(
            material,
            options,
            inner / FIELDS,
            section.count,
            section.seed,
            scales=composed_pretraining.SCALES,
            monitor=monitor,
        )

        def tell(progress: Progress) -> None:
            again = progress.stage in ("step", "epoch")
            monitor.report(replace(progress, stage=f"composed-{progress.stage}") if again else progress)

        first = composed_pretraining.first(config, crops_of_epoch(folder, config, data, begin))
        known_begin = replace(begin, composed=known)
        trained = learn(inner, first, data, known_begin, device, replace(monitor, report=tell), fields)
        model_of(inner, first, data, known_begin, trained, composed_pretraining.describe_composed_slides(known))
    card = ModelCard.read(inner / MODEL)
    known = card.training["composed"]
    found = initial_weights.resolve(config.model_copy(update={"start": str(inner.path)}))
    return replace(
        found,
        text=f"{begin.text}, then trained on {composed_pretraining.describe_composed_slides(known)}",
        composed=known,
        standard=begin.standard,
    )


def learn(
    folder: RunFolder,
    config: TrainConfig,
    data: Dataset,
    begin: initial_weights.InitialWeights,
    device: str,
    monitor: ProgressMonitor,
    examples: Sequence[Example] | None = None,
) -> Trained:
    """Train on examples, with curves and figures on disk after every epoch.

    Without ``examples`` they are those of the training part, and the best weights are written as a model after each
    epoch, too.

    Raises
    ------
    DiatomError
        As :func:`train`.
    """
    taken_over = compare_start(begin, data.classes, config.learning.activation_function)
    taken_over.write(folder / TRANSFER)
    if not _goes_on(folder):
        monitor.report(Progress("start", message=taken_over.sentence()))
    records = EpochRecords(folder, config, lambda history: _reading(history, data))

    def look(
        history: Sequence[Mapping[str, float]],
        pictures: Sequence[NDArray[np.uint8]],
        trained: Callable[[], Trained],
    ) -> None:
        if seen is not None and is_best(history):
            # Whatever happens next, a stop, a crash or a power cut, the best weights so far are a model.
            now = trained()
            model_of(folder, config, data, begin, now, seen)
            records.write_weights(now.network, len(history))
        records.write(history)
        if pictures:
            records.write_pictures(pictures, len(history))

    images = folder / IMAGES
    seen = None
    if examples is None:
        seen = _seen(config, data, begin)
        examples = dataset.examples(data, "train", config, begin.tile_size, images)
    try:
        trained = learning.train(
            Fitting(
                examples,
                config.options(begin.architecture, data.classes),
                folder / CHECKPOINTS,
                validation=dataset.examples(data, "validation", config, begin.tile_size, images),
                start=begin.weights_for(data.classes),
                backbone=begin.backbone,
                usual_standard=begin.standard,
                device=device,
                devices=config.devices,
                segments=added_epochs.segments_of(folder),
            ),
            noting(monitor, folder / STATE),
            look=look,
        )
        records.finish(trained.history)
        return trained
    finally:
        records.close()


def _reading(history: Sequence[Mapping[str, float]], data: Dataset) -> Diagnosis:
    """Return what the curves of a training on these data say."""
    return read(history, len(data.classes), data.count("validation").total())


def _seen(config: TrainConfig, data: Dataset, begin: initial_weights.InitialWeights) -> str:
    """Return what a model was trained on, in a few words."""
    before = (
        "" if begin.composed is None else f"{composed_pretraining.describe_composed_slides(begin.composed)}, then on "
    )
    return f"{before}{many(len(data.parts['train']), 'image')} of {config.data.name}"


def model_of(
    folder: RunFolder,
    config: TrainConfig,
    data: Dataset,
    begin: initial_weights.InitialWeights,
    trained: Trained,
    seen: str,
) -> ModelFolder:
    """Write the model that a training has come to, with ``seen``, a few words on its training data, in its card."""
    reading = _reading(trained.history, data)
    listed_before = folder / TRANSFERRED
    transferred = trained.transferred
    if not transferred and listed_before.exists():
        # A training that continues takes nothing over any more.
        with contextlib.suppress(InputError):
            transferred = tuple(read_text(listed_before, "a list of tensors").split())
    model = write_model(
        folder / MODEL,
        trained.network,
        ModelFacts(
            name=config.name,
            version="1.0",
            task=config.task,
            engine=engine_of(begin.architecture),
            architecture=begin.architecture,
            classes=data.classes,
            tile_size=begin.tile_size,
            pixel_size_um=config.pixel_size_um,
            mean=trained.mean,
            std=trained.std,
            summary=f"Trained on {seen}.",
            licence=begin.licence,
            activation=config.options(begin.architecture, data.classes).activation,
            activation_function=config.learning.activation_function,
            naming=NamingFacts(masked=config.learning.masked) if config.task == "classes" else None,
            training={
                "config": config.to_plain() | {"data": config.data.name, "images": None},
                "started_from": begin.text,
                "composed": begin.composed,
                "tensors_taken_over": len(transferred),
                "images_seen": {part: [slide.key for slide in data.parts[part]] for part in PARTS[:2]}
                | {"before": list(begin.seen)},
                "images": {part: len(slides) for part, slides in data.parts.items()},
                "specimens": {part: dict(data.count(part)) for part in data.parts},
                "epoch": trained.plan.figures(),
                "epochs_done": len(trained.history),
                "segments": [segment.model_dump() for segment in added_epochs.segments_of(folder)],
                "curves": reading.text,
                "history": [{key: round(value, 5) for key, value in epoch.items()} for epoch in trained.history],
            },
        ),
    )
    write_atomically(listed_before, "".join(f"{name}\n" for name in transferred))
    return model


def environment() -> dict[str, Any]:
    """Return what the run ran on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {"python": platform.python_version(), "system": platform.platform(), "packages": versions}


def work(folder: RunFolder) -> int:
    """Do a run in this process, tell of it in its folder, and return an exit code."""
    from napari_diatom.core.errors import DiatomError

    folder.write_state("running")
    try:
        result = train(folder, ProgressMonitor(folder.say, _Stops(folder)))
    except Stopped:
        (folder / STOP).unlink(missing_ok=True)
        return _ended(folder, "stopped", stopped_text(folder), 0)
    except DiatomError as error:
        return _ended(folder, "failed", str(error), 2, type(error).__name__)
    except Exception as error:
        import traceback

        traceback.print_exc()
        return _ended(folder, "failed", f"{type(error).__name__}: {' '.join(str(error).split())}", 1)
    return _ended(folder, "finished", result.reading.text, 0)


class _Stops:
    """Tells whether a run is to stop: it was asked to, or nobody is left who started it."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._looked = time.monotonic()

    def __call__(self) -> bool:
        if self._folder.wants_stop():
            return True
        if time.monotonic() < self._looked + _LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return not self._folder.keeps_going() and not self._folder.has_starter()


def _ended(folder: RunFolder, stage: Any, message: str, code: int, error: str = "") -> int:
    """Note how a run ended."""
    try:
        folder.write_state(stage, message, error=error)
        folder.say(Progress(stage, message=message))
    except OutputError as unwritten:
        print(f"{message} {unwritten}", file=sys.stderr)
        return NO_ROOM
    return code
