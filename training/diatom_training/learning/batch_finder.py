"""How many crops go through a network at once, chosen by what memory allows.

On a GPU the number is doubled until the memory is full, as Lightning's batch size finder does. A processor has no such
end: a system that runs out of memory ends programs, or stands still. There the memory that a crop takes is measured on
a few steps, and the number follows from what is free.
"""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import psutil
import torch
from torch.utils.data import DataLoader

from diatom_training.learning.dataloaders import batches
from diatom_training.learning.epoch_plan import FEWEST_STEPS, LARGEST_BATCH, LEAST_BATCH, largest_batch, power_of_two
from diatom_training.learning.fitting import (
    CHECKPOINT,
    Fitting,
    begun_training,
    prepared_module,
    quiet_lightning,
    trainer_for,
)
from diatom_training.learning.lightning_module import LearningModule
from diatom_training.learning.memory_allocator import give_back_freed_memory
from diatom_training.learning.memory_limits import out_of_memory
from diatom_training.learning.options import AUTO
from napari_diatom.core.progress import Progress, ProgressMonitor

SHARE: Final = 0.5
"""Of the free memory of a processor that crops may take: the system, other programs and the test need some, too."""
_STEPS: Final = 2
"""Steps of a trial on a GPU: the first one makes room for the optimizer, the second one has that beside its own."""
_MORE: Final = 8
"""Crops of the trial whose memory is compared with that of the fewest."""
_POLL_SECONDS: Final = 0.002


@dataclass(frozen=True)
class ChosenBatch:
    """How many crops go through a network at once, and why.

    Attributes
    ----------
    batch : int
        On all devices together.
    limit : {"memory", "steps", "largest"}
        What keeps it from being twice as large: the memory, the steps that an epoch is to have, or
        :data:`~diatom_training.learning.epoch_plan.LARGEST_BATCH`.
    crop_bytes : float
        Memory that a crop takes; 0 where that was not measured.
    free_bytes : float
        Memory of each device that crops may take; 0 where that was not measured.
    """

    batch: int
    limit: str
    crop_bytes: float = 0.0
    free_bytes: float = 0.0

    def sentence(self) -> str:
        """Return it for a person."""
        why = {
            "memory": "twice as many crops do not fit into memory",
            "steps": f"with more, an epoch has fewer than {FEWEST_STEPS} steps",
            "largest": f"that is the largest number that is chosen, {LARGEST_BATCH}",
        }[self.limit]
        size = f" A crop takes {self.crop_bytes / 1e6:.0f} MB." if self.crop_bytes else ""
        return f"Batch size {self.batch}, chosen by memory: {why}.{size}"

    def figures(self) -> dict[str, float]:
        """Return its numbers, for the notes of a run."""
        return {"batch": self.batch, "crop_bytes": round(self.crop_bytes), "free_bytes": round(self.free_bytes)}


def with_batch(task: Fitting, monitor: ProgressMonitor) -> Fitting:
    """Return a task with a number of crops at once where its options leave that to memory, and report it.

    A training that was begun keeps the number that it has.

    Raises
    ------
    InputError
        When there is nothing to learn from, or the checkpoint of the task cannot be read.
    Stopped
        When a stop was asked for.
    """
    if task.options.batch != AUTO:
        return task
    checkpoint = task.folder / CHECKPOINT
    if checkpoint.exists():
        number: int | str = begun_training(checkpoint)[1].batch
    else:
        chosen = chosen_batch(task, monitor)
        monitor.report(Progress("batch-size", message=chosen.sentence(), values=chosen.figures()))
        number = chosen.batch
    return replace(task, options=task.options.model_copy(update={"batch": number}))


def chosen_batch(task: Fitting, monitor: ProgressMonitor) -> ChosenBatch:
    """Return how many crops of a task go through its network at once, measured on a few steps.

    Nothing of it is kept: weights and the state of chance are as before.

    Parameters
    ----------
    task : Fitting
        What is to be trained on what.
    monitor : ProgressMonitor
        Is asked for stops.

    Raises
    ------
    InputError
        When there is nothing to learn from.
    Stopped
        When a stop was asked for.
    """
    most = largest_batch(task.options, task.plan.crops)
    each = power_of_two(max(most // task.devices, 1))
    limit = "largest" if most == LARGEST_BATCH else "steps"
    own = [torch.cuda.current_device()] if task.device == "cuda" else []
    with torch.random.fork_rng(devices=own):
        trial = _Trial(task, monitor)
        found = trial.measured(each) if task.device == "cpu" else trial.doubled(each)
    if found.batch == each:
        found = replace(found, limit=limit)
    return replace(found, batch=found.batch * task.devices)


class _Trial:
    """Takes a few steps with any number of crops at once, with all layers learning.

    Parameters
    ----------
    task : Fitting
        Of which the network and the crops are.
    monitor : ProgressMonitor
        Is asked for stops.
    """

    def __init__(self, task: Fitting, monitor: ProgressMonitor) -> None:
        own = task.options
        still = {"epochs": 1, "frozen_epochs": 0, "accumulate": 1, "warmup": 0, "rate": 1e-9, "schedule": "constant"}
        loss = own.loss.model_copy(update={"weighting": "none"})
        options = own.model_copy(update={**still, "batch": LEAST_BATCH, "loss": loss, "workers": 0})
        self._task = replace(task, options=options, devices=1, start=None, backbone=None, segments=())
        self._devices, self._monitor = task.devices, monitor
        self._module: LearningModule = prepared_module(self._task, LEAST_BATCH)

    def doubled(self, most: int) -> ChosenBatch:
        """Return the largest number up to ``most`` with which steps do not run out of memory."""
        fits, number = 1, min(LEAST_BATCH, most)
        while number <= most:
            try:
                self._steps(number, _STEPS)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                break
            finally:
                self._release()
            fits, number = number, 2 * number
        return ChosenBatch(fits, "memory")

    def measured(self, most: int) -> ChosenBatch:
        """Return the largest number up to ``most`` whose crops take a share of the free memory at the most."""
        # Libraries take memory in their first step, once for all.
        self._steps(LEAST_BATCH)
        self._release()
        before = _held()
        with _Peak() as few:
            self._steps(LEAST_BATCH)
        self._release()
        # Where a second measure could be too much for the memory, the first one has to do.
        first = (few.most - before) / LEAST_BATCH
        crop = max(first, self._input_bytes())
        if _MORE * first < psutil.virtual_memory().available:
            with _Peak() as more:
                self._steps(_MORE)
            self._release()
            crop = max((more.most - few.most) / (_MORE - LEAST_BATCH), self._input_bytes())
        free = SHARE * psutil.virtual_memory().available / self._devices
        fits = power_of_two(max(free / crop, 1.0))
        return ChosenBatch(min(fits, most), "memory", crop, free)

    def _input_bytes(self) -> float:
        """Return the memory of a crop itself, in single precision: no crop takes less."""
        return 3 * 4.0 * self._task.options.size**2

    def _steps(self, number: int, steps: int = 1) -> None:
        """Take steps with so many crops at once."""
        self._monitor.check()
        task = replace(self._task, options=self._task.options.model_copy(update={"batch": number, "crops": number}))
        batch = next(iter(batches(task.examples, task.options, 0, number)))
        self._module.plan, self._module.accumulate = task.plan, 1
        with quiet_lightning():
            again: DataLoader[dict[str, Any]] = DataLoader(cast(Any, [batch] * steps), batch_size=None)
            trainer_for(task, 1, 1).fit(self._module, train_dataloaders=again)

    def _release(self) -> None:
        """Give back the memory of the last steps."""
        self._module.zero_grad(set_to_none=True)
        gc.collect()
        if self._task.device == "cuda":
            torch.cuda.empty_cache()
        give_back_freed_memory()


def _held() -> int:
    """Return the memory of this process."""
    return int(psutil.Process().memory_info().rss)


class _Peak:
    """Looks again and again how much memory this process has, in a thread of its own.

    Attributes
    ----------
    most : int
        The most that it has had within the block.
    """

    def __enter__(self) -> _Peak:
        self.most = _held()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_POLL_SECONDS):
            self.most = max(self.most, _held())
