"""How long a training will take and how much memory it needs, measured on a few of its own steps."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from diatom_training.finetune.config import TrainConfig
from diatom_training.learning.epoch_plan import EpochPlan
from diatom_training.learning.options import ALL, AUTO
from napari_diatom.core.process_call import call_in_process
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many

if TYPE_CHECKING:
    from diatom_training.data.examples import Example
    from diatom_training.learning.options import LearningOptions

STEPS: Final = 3
"""Steps that are measured in each of two epochs, after a first one that warms up."""
LOOKS: Final = 3
"""Batches that are only looked at, to be measured."""


@dataclass(frozen=True)
class Estimate:
    """What a training will need.

    Attributes
    ----------
    begin_seconds : float
        Until the first step: libraries, slides, standardization, the network; and what is done after the first epoch
        alone.
    frozen_seconds, step_seconds : float
        Of one step, a batch forwards and backwards, while the backbone is frozen and once it learns too.
    crop_seconds : float
        Of one crop that is only looked at.
    looked_crops, validated_crops : int
        How many are looked at after each epoch, those of the sample of the training part included, and how many of them
        are of the validation part. A classifier has no more of them than there are specimens.
    epoch_seconds : float
        Of what an epoch takes beside its steps and crops: worker processes, curves, weights.
    judging_seconds : float
        Of the tuning of the threshold on the validation part, and of the test.
    memory_bytes : int
        At the most, of the whole process, or of the GPU where one is used.
    device : str
        On which that was measured.
    started : bool
        Whether weights are taken over, which are validated before the first step.
    whole_pass : int
        Crops of an epoch that is one pass over the training part; 0 where the settings do not ask for one.
    batch : int
        Crops at once that memory has chosen; 0 where the settings do not leave that to it.
    """

    begin_seconds: float
    frozen_seconds: float
    step_seconds: float
    crop_seconds: float
    looked_crops: int
    validated_crops: int
    epoch_seconds: float
    judging_seconds: float
    memory_bytes: int
    device: str
    started: bool = False
    whole_pass: int = 0
    batch: int = 0

    def parts(self, config: TrainConfig) -> dict[str, float]:
        """Return the seconds of the parts of a training, by what they are."""
        learning = self._settled(config).learning
        plan, epochs = EpochPlan.of(learning, config.task, self.whole_pass), _epochs(config)
        frozen = min(learning.frozen_epochs, learning.epochs)
        if config.composed is not None:
            frozen += min(learning.frozen_epochs, config.composed.epochs)
        return {
            "begin": self.begin_seconds,
            "steps": plan.batches * (frozen * self.frozen_seconds + (epochs - frozen) * self.step_seconds),
            "crops": (epochs * self.looked_crops + self.started * self.validated_crops) * self.crop_seconds,
            "epochs": epochs * self.epoch_seconds,
            "judging": self.judging_seconds,
        }

    def _settled(self, config: TrainConfig) -> TrainConfig:
        """Return a training with the batch size that memory has chosen."""
        return config.with_batch(self.batch) if self.batch and config.learning.batch == AUTO else config

    def seconds(self, config: TrainConfig) -> float:
        """Return how long a training with its test will take, composed slides included; it may end earlier."""
        return sum(self.parts(config).values())

    def text(self, config: TrainConfig) -> str:
        """Return the same for a person."""
        minutes = max(round(self.seconds(config) / 60), 1)
        duration = f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
        where = {"cpu": "memory"}.get(self.device, f"memory on {self.device}")
        epochs = many(_epochs(config), "epoch")
        batch = f" Batch size {self.batch}, chosen by memory." if self._settled(config) is not config else ""
        return f"About {duration} for {epochs} and the test, {self.memory_bytes / 1e9:.1f} GB of {where}.{batch}"


def measure_steps(config: TrainConfig, monitor: ProgressMonitor = UNWATCHED) -> Estimate:
    """Measure two short epochs and the judging of an image in this process.

    Raises
    ------
    DiatomError
        As :func:`diatom_training.finetune.training_run.train`, as far as that shows before and in the first steps.
    """
    begun = time.perf_counter()
    import torch

    from diatom_training.finetune import dataset, initial_weights, training_run
    from diatom_training.finetune.batch_choice import settled
    from diatom_training.finetune.epoch_length import crops_of_epoch
    from diatom_training.finetune.judging_estimate import judging_seconds
    from diatom_training.finetune.run_folder import IMAGES, REPORT, RunFolder
    from napari_diatom.engines.backends import choose_device

    data, begin, device = dataset.read(config), initial_weights.resolve(config), choose_device(config.device)
    clock, whole, asked = _Clock(monitor), 0, config.learning.batch
    with tempfile.TemporaryDirectory(prefix="napari-diatom-estimate-") as name:
        folder = RunFolder(Path(name))
        config = settled(folder, config, data, begin, device, monitor)
        if config.learning.crops == ALL:
            whole = crops_of_epoch(folder, config, data, begin)
        plan = EpochPlan.of(config.learning, config.task, whole)
        few = _shortened(config, plan)
        trained = training_run.learn(folder, few, data, begin, device, ProgressMonitor(clock.report, clock.should_stop))
        model = training_run.model_of(folder, few, data, begin, trained, "a few steps")
        training = dataset.examples(data, "train", few, begin.tile_size, folder / IMAGES)
        validation = dataset.examples(data, "validation", few, begin.tile_size, folder / IMAGES)
        judging = judging_seconds(model, data, config.device, folder / REPORT, monitor)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else _peak_bytes()
    first, second = clock.epochs
    short = few.options(begin.architecture, data.classes)
    looked, validated = _looked(training, validation, short, trained.plan)
    # Of two measures the shorter one is nearer: what else the machine does makes both longer.
    crop = min(epoch.crop_seconds(trained.plan.batch, looked) for epoch in (first, second))
    started = bool(trained.transferred)
    rest = [epoch.rest_seconds(looked * crop) for epoch in (first, second)]
    once = rest[0] - min(rest)
    before = first.began - begun - started * validated * crop
    return Estimate(
        max(before, 0.0) + once,
        first.step_seconds if few.learning.frozen_epochs else second.step_seconds,
        second.step_seconds,
        crop,
        *_looked(training, validation, config.options(begin.architecture, data.classes), plan),
        min(rest),
        judging,
        memory,
        device,
        started,
        whole,
        plan.batch if asked == AUTO else 0,
    )


def _looked(
    training: Sequence[Example], validation: Sequence[Example], options: LearningOptions, plan: EpochPlan
) -> tuple[int, int]:
    """Return how many crops are looked at after each epoch, and how many of them are of the validation part."""
    from diatom_training.learning.dataloaders import seen

    sampled = options.model_copy(update={"validation_crops": options.sample_crops(plan.crops)})
    validated = len(seen(validation, options, None))
    return validated + len(seen(training, sampled, None)), validated


def _shortened(config: TrainConfig, plan: EpochPlan) -> TrainConfig:
    """Return a training of two short epochs, the first one with a frozen backbone where the training begins so."""
    own = config.learning
    frozen = 0 if not own.frozen_epochs else 2 if own.frozen_epochs >= own.epochs else 1
    # A step of all crops is one batch after another: a few of them tell how long it takes.
    accumulate = 1 if plan.whole else plan.accumulate
    few = {
        "epochs": 2,
        "crops": (1 + STEPS) * plan.batch * accumulate,
        "batch": plan.batch,
        "accumulate": accumulate,
        "validation_crops": min(LOOKS * plan.batch, own.validation_crops),
        "frozen_epochs": frozen,
        "patience": None,
    }
    return config.model_copy(update={"learning": own.model_copy(update=few), "composed": None})


@dataclass
class _EpochTimes:
    """When an epoch did what, in seconds of a clock."""

    began: float
    steps: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    """Begin of each batch that is only looked at."""
    ended: float = 0.0

    @property
    def step_seconds(self) -> float:
        """Of a step after the first one."""
        return (self.steps[-1] - self.steps[0]) / (len(self.steps) - 1)

    def crop_seconds(self, batch: int, looked: int) -> float:
        """Return the time of a crop that is only looked at, by the later batches: the first ones decode images."""
        if len(self.looks) > 1:
            first = (len(self.looks) - 1) // 2
            return (self.looks[-1] - self.looks[first]) / (len(self.looks) - 1 - first) / batch
        return (self.ended - self.steps[-1]) / looked

    def rest_seconds(self, looking: float) -> float:
        """Return what is left of the epoch without its steps and the time of looking."""
        first = max(self.steps[0] - self.began - self.step_seconds, 0.0)
        return first + max(self.ended - self.steps[-1] - looking, 0.0)


class _Clock:
    """Notes when a training begins and ends its steps and epochs: it reports them, and asks whether to stop between.

    Parameters
    ----------
    monitor : ProgressMonitor
        Is asked for stops.
    """

    def __init__(self, monitor: ProgressMonitor) -> None:
        self.epochs: list[_EpochTimes] = []
        self._monitor = monitor
        self._latest = time.perf_counter()
        self._within = False

    def report(self, progress: Progress) -> None:
        """Note a step or the end of an epoch."""
        now = time.perf_counter()
        if progress.stage == "step":
            if not self._within:
                self.epochs.append(_EpochTimes(self._latest))
                self._within = True
            self.epochs[-1].steps.append(now)
            # What comes after the last step of an epoch is not learned from.
            self.epochs[-1].looks.clear()
        elif progress.stage == "epoch":
            self.epochs[-1].ended = now
            self._within = False
        self._latest = now

    def should_stop(self) -> bool:
        """Note the begin of a batch, and ask whether to stop."""
        now = time.perf_counter()
        if self._within:
            self.epochs[-1].looks.append(now)
        elif not self.epochs:
            self._latest = now
        return self._monitor.should_stop()


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
