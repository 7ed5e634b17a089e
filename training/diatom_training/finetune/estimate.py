"""How long a training will take and how much memory it needs, measured on a few of its own steps."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diatom_training.finetune.aside import aside
from diatom_training.finetune.config import TrainConfig
from napari_diatom.progress import Progress, ShouldStop, never

STEPS: Final = 3
"""Steps that are measured, after a first one that warms up."""


@dataclass(frozen=True)
class Estimate:
    """What a training will need.

    Attributes
    ----------
    step_seconds : float
        Of one step, a batch forwards and backwards, once the backbone learns too.
    crop_seconds : float
        Of the validation of one crop.
    memory_bytes : int
        At the most, of the whole process, or of the GPU where one is used.
    device : str
        On which that was measured.
    """

    step_seconds: float
    crop_seconds: float
    memory_bytes: int
    device: str

    def seconds(self, config: TrainConfig) -> float:
        """Return how long all epochs of a training, with those on composed slides, will take; it may end earlier."""
        learning = config.learning
        steps = -(-learning.crops // learning.batch)
        return _epochs(config) * (steps * self.step_seconds + learning.validation_crops * self.crop_seconds)

    def text(self, config: TrainConfig) -> str:
        """Return the same for a person."""
        minutes = max(round(self.seconds(config) / 60), 1)
        told = f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
        where = {"cpu": "memory"}.get(self.device, f"memory on {self.device}")
        return f"About {told} for {_epochs(config)} epochs, {self.memory_bytes / 1e9:.1f} GB of {where}."


def measure(config: TrainConfig) -> Estimate:
    """Measure a few steps in this process.

    Raises
    ------
    DiatomError
        As :func:`diatom_training.finetune.run.train`, as far as that shows before and in the first steps.
    """
    import torch

    from diatom_training.finetune import dataset, start
    from diatom_training.learning import train as learning
    from napari_diatom.engines.backends import choose_device

    data, begin, device = dataset.read(config), start.resolve(config), choose_device(config.device)
    own = config.options(begin.architecture, data.classes)
    shown = min(own.batch, own.validation_crops)
    few = {"epochs": 1, "crops": (1 + STEPS) * own.batch, "validation_crops": shown, "frozen_epochs": 0, "workers": 0}
    times: list[float] = []

    def report(progress: Progress) -> None:
        if progress.stage in ("step", "epoch"):
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory(prefix="napari-diatom-estimate-") as folder:
        images = Path(folder) / "images"
        learning.train(
            dataset.examples(data, "train", config, begin.tile_size, images),
            own.model_copy(update=few),
            Path(folder),
            validation=dataset.examples(data, "validation", config, begin.tile_size, images),
            start=begin.weights_for(data.classes),
            backbone=begin.backbone,
            device=device,
            report=report,
        )
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else _peak_bytes()
    return Estimate((times[-2] - times[0]) / (len(times) - 2), (times[-1] - times[-2]) / shown, memory, device)


def estimate(config: TrainConfig, should_stop: ShouldStop = never) -> Estimate:
    """Measure in a process of its own; raises as :func:`~diatom_training.finetune.aside.aside`."""
    told: Estimate = aside("diatom_training.finetune.estimate", "measure", config, should_stop)
    return told


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
