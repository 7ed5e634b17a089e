"""Train a network, or continue a training that was stopped."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from diatom_training.data.pixel_statistics import UNCHANGED
from diatom_training.learning.batch_finder import with_batch
from diatom_training.learning.dataloaders import check_examples, held_out
from diatom_training.learning.distributed import check_devices, worker_processes
from diatom_training.learning.fitting import (
    CHECKPOINT,
    COPIES,
    Fitting,
    Look,
    Trained,
    fit,
    trained_of,
    unseen,
)
from diatom_training.learning.lightning_module import LearningModule
from diatom_training.learning.memory_limits import in_memory
from diatom_training.learning.module_registry import module_for
from diatom_training.learning.options import ALL, LearningOptions
from diatom_training.learning.standardization import standard
from napari_diatom.core.errors import OutputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor


def train(task: Fitting, monitor: ProgressMonitor = UNWATCHED, look: Look = unseen) -> Trained:
    """Train, or continue the training in the task's folder.

    Parameters
    ----------
    task : Fitting
        What is to be trained on what.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; a stop keeps the epochs that are finished.
    look : callable, optional
        Given, after each epoch, the figures of all finished ones; pictures of the first validation crops, with what is
        there and what was found, each of shape (H, W, 3); and a function that returns the training as it then is.

    Raises
    ------
    InputError
        When there is nothing to learn from, or the folder holds a training under other options.
    Stopped
        When a stop was asked for.
    DiatomError
        When the loss is no longer finite, or not even one crop fits into memory.
    """
    check_devices(task.device, task.devices)
    check_examples(task.examples, task.options.classes)
    if not task.validation:
        examples, validation = held_out(task.examples)
        task = replace(task, examples=examples, validation=validation)
    task.folder.mkdir(parents=True, exist_ok=True)
    task = with_batch(task, monitor)
    check_room(task.folder, task.options)
    if not (task.folder / CHECKPOINT).exists():
        task = replace(task, standard=standard(task.examples, task.options, monitor, task.usual_standard))
        figures = zip(("mean", "std"), (task.standard.mean, task.standard.std), strict=True)
        values = {f"{name}_{k}": value for name, numbers in figures for k, value in enumerate(numbers)}
        if task.options.task != "outlines":
            monitor.report(Progress("standardization", message=task.standard.sentence(), values=values))
    if ALL in (task.options.crops, task.options.batch):
        monitor.report(Progress("epoch-plan", message=task.plan.sentence(), values=task.plan.figures()))

    def fitted(batch: int) -> LearningModule:
        with worker_processes(task, batch):
            return fit(task, batch, monitor, look)

    return trained_of(in_memory(task, monitor, fitted))


def check_room(folder: Path, options: LearningOptions) -> None:
    """Refuse a disk that has no room for the checkpoints.

    Raises
    ------
    OutputError
        When there is less than they take: the last one, where it is not there yet, and the next while it is written.
    """
    weights = sum(tensor.numel() for tensor in module_for(options, UNCHANGED.mean, UNCHANGED.std).network.parameters())
    copies = COPIES * (1 if (folder / CHECKPOINT).exists() else 2)
    needed, free = 4 * copies * weights, shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(f"{folder} has room for {free / 1e6:.0f} MB, and the checkpoints need {needed / 1e6:.0f} MB.")
