"""How long a training will take and how much memory it needs, measured on a few of its own steps."""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from diatom_training.finetune.config import TrainConfig
from napari_diatom.core.errors import Stopped
from napari_diatom.core.process_call import call_in_process
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.models.card import NAMING_TASK, OUTLINING_TASK

if TYPE_CHECKING:
    from diatom_training.finetune.dataset import Dataset
    from napari_diatom.models.library import ModelFolder

STEPS: Final = 3
"""Steps that are measured, after a first one that warms up."""
LOOK_SECONDS: Final = 5.0
"""The longest time spent on an image to find out how long the test will take."""


@dataclass(frozen=True)
class Estimate:
    """What a training will need.

    Attributes
    ----------
    step_seconds : float
        Of one step, a batch forwards and backwards, once the backbone learns too.
    crop_seconds : float
        Of the validation of one crop.
    judging_seconds : float
        Of the tuning of the threshold on the validation part, and of the test.
    memory_bytes : int
        At the most, of the whole process, or of the GPU where one is used.
    device : str
        On which that was measured.
    """

    step_seconds: float
    crop_seconds: float
    judging_seconds: float
    memory_bytes: int
    device: str

    def seconds(self, config: TrainConfig) -> float:
        """Return how long a training with its test will take, composed slides included; it may end earlier."""
        learning = config.learning
        steps = -(-learning.crops // learning.batch)
        epoch = steps * self.step_seconds + learning.validation_crops * self.crop_seconds
        return _epochs(config) * epoch + self.judging_seconds

    def text(self, config: TrainConfig) -> str:
        """Return the same for a person."""
        minutes = max(round(self.seconds(config) / 60), 1)
        duration = f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
        where = {"cpu": "memory"}.get(self.device, f"memory on {self.device}")
        epochs = many(_epochs(config), "epoch")
        return f"About {duration} for {epochs} and the test, {self.memory_bytes / 1e9:.1f} GB of {where}."


def measure_steps(config: TrainConfig, monitor: ProgressMonitor = UNWATCHED) -> Estimate:
    """Measure a few steps in this process.

    Raises
    ------
    DiatomError
        As :func:`diatom_training.finetune.training_run.train`, as far as that shows before and in the first steps.
    """
    import torch

    from diatom_training.finetune import dataset, initial_weights, training_run
    from diatom_training.finetune.run_folder import RunFolder
    from diatom_training.learning import train as learning
    from diatom_training.learning.fitting import Fitting
    from napari_diatom.engines.backends import choose_device

    data, begin, device = dataset.read(config), initial_weights.resolve(config), choose_device(config.device)
    own = config.options(begin.architecture, data.classes)
    shown = min(own.batch, own.validation_crops)
    few = {"epochs": 1, "crops": (1 + STEPS) * own.batch, "validation_crops": shown, "frozen_epochs": 0, "workers": 0}
    times: list[float] = []

    def report(progress: Progress) -> None:
        if progress.stage in ("step", "epoch"):
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="napari-diatom-estimate-") as folder:
        images = Path(folder) / "images"
        trained = learning.train(
            Fitting(
                dataset.examples(data, "train", config, begin.tile_size, images),
                own.model_copy(update=few),
                Path(folder),
                validation=dataset.examples(data, "validation", config, begin.tile_size, images),
                start=begin.weights_for(data.classes),
                backbone=begin.backbone,
                device=device,
            ),
            ProgressMonitor(report, monitor.should_stop),
        )
        model = training_run.model_of(RunFolder(Path(folder)), config, data, begin, trained, "a few steps")
        test_seconds = _judging_seconds(model, data, config.device)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else _peak_bytes()
    return Estimate(
        (times[-2] - times[0]) / (len(times) - 2), (times[-1] - times[-2]) / shown, test_seconds, memory, device
    )


def _judging_seconds(model: ModelFolder, data: Dataset, device: str) -> float:
    """Return how long a model will take for all images of validation and test, going by a part of one of them."""
    from diatom_training.data.annotated_slides import PARTS
    from diatom_training.evaluation.evaluate_classifier import name_specimens
    from diatom_training.evaluation.outlined_tests import outline_test_set
    from diatom_training.evaluation.test_set import TestImage
    from napari_diatom import engines
    from napari_diatom.analysis.pipeline import AnalysisOptions, analyse

    slides = [slide for part in PARTS[1:] for slide in data.parts[part] if len(slide.truth)]
    if model.card.task == NAMING_TASK:
        least = min(slides, key=lambda slide: len(slide.truth))
        begun = time.perf_counter()
        name_specimens(model, [TestImage.of(least)], device)
        return (time.perf_counter() - begun) * sum(len(slide.truth) for slide in slides) / len(least.truth)
    if model.card.task == OUTLINING_TASK:
        least = min(slides, key=lambda slide: len(slide.truth))
        begun = time.perf_counter()
        outline_test_set(model, [TestImage.of(least)], device)
        tested = sum(len(slide.truth) for slide in data.parts["test"])
        return (time.perf_counter() - begun) * tested / len(least.truth)
    least = min(slides, key=lambda slide: math.prod(slide.size))
    engine = engines.load(model, device)
    reports: list[Progress] = []
    times: list[float] = []

    def report(progress: Progress) -> None:
        if progress.stage == "tiles":
            reports.append(progress)
            times.append(time.perf_counter())

    with contextlib.suppress(Stopped):
        options = AnalysisOptions(pixel_size_um=least.pixel_size_um)
        monitor = ProgressMonitor(report, lambda: bool(times) and times[-1] - times[0] > LOOK_SECONDS)
        analyse(least.open(), engine, options, monitor)
    share = reports[-1].done / reports[-1].total * math.prod(least.size)
    return (times[-1] - times[0]) / share * sum(math.prod(slide.size) for slide in slides)


def estimate(config: TrainConfig, monitor: ProgressMonitor = UNWATCHED) -> Estimate:
    """Measure in a separate process; raises as :func:`call_aside`."""
    measured: Estimate = call_aside("diatom_training.finetune.resource_estimate:measure_steps", config, monitor)
    return measured


def call_aside(target: str, config: TrainConfig, monitor: ProgressMonitor) -> Any:
    """Return what a function ``module:function`` of a configuration gives in a process of its own, which has torch.

    Raises
    ------
    Stopped
        When a stop was asked for.
    DiatomError
        What the function raised, or the last words of a process that died.
    """
    return call_in_process(target, monitor, grace_s=0.0, config=config.absolute())


def _epochs(config: TrainConfig) -> int:
    """Return how many epochs a training has, with those on composed slides, which are as long."""
    return config.learning.epochs + (0 if config.composed is None else config.composed.epochs)


def _peak_bytes() -> int:
    """Return the most memory that this process has had."""
    import psutil

    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else 1024 * peak)
