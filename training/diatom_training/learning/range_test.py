"""The range test of the learning rate (Smith 2017): a few steps with a climbing rate, by Lightning's tuner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.tuner.tuning import Tuner
from torch.utils.data import DataLoader

from diatom_training.learning.batch_finder import with_batch
from diatom_training.learning.dataloaders import batches, check_examples
from diatom_training.learning.fitting import Fitting, prepared_module, quiet_lightning, trainer_for
from diatom_training.learning.memory_limits import in_memory
from diatom_training.learning.rate_curve import RateCurve
from diatom_training.learning.standardization import standard
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor

STEPS: Final = 80
"""Steps of a test."""
LEAST: Final = 1e-6
MOST: Final = 1.0
"""The first and the last learning rate; the test ends before where the loss explodes."""
EXPLODED: Final = 4.0
"""Lightning ends the test where the smoothed loss is so many times its lowest value."""


def range_test(task: Fitting, monitor: ProgressMonitor = UNWATCHED, steps: int = STEPS) -> RateCurve:
    """Return the loss of the first steps of a training while the learning rate climbs.

    The backbone learns at its share of the rate, unless it is frozen in all epochs. Nothing is validated, and no
    weights are kept.

    Parameters
    ----------
    task : Fitting
        What is to be trained on what. Its schedule stands aside; its folder is for files of the test.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"rate"``.
    steps : int
        How many there are at most.

    Raises
    ------
    InputError
        When there is nothing to learn from.
    Stopped
        When a stop was asked for.
    DiatomError
        When not even one crop fits into memory.
    """
    check_examples(task.examples, task.options.classes)
    task = with_batch(replace(task, devices=1), monitor)
    own = task.options
    frozen = own.frozen_epochs >= own.epochs
    tested = own.model_copy(
        update={
            "epochs": 1,
            "crops": steps * task.plan.batch * task.plan.accumulate,
            "batch": task.plan.batch,
            "accumulate": task.plan.accumulate,
            "frozen_epochs": 1 if frozen else 0,
        }
    )
    task = replace(task, options=tested, standard=standard(task.examples, own, monitor, task.usual_standard))
    return in_memory(task, monitor, lambda batch: _tested(task, batch, steps, monitor))


def _tested(task: Fitting, batch: int, steps: int, monitor: ProgressMonitor) -> RateCurve:
    """Do the test with so many crops at a time."""
    module = prepared_module(task, batch)
    losses = module.range_losses = []
    with quiet_lightning():
        trainer = trainer_for(task, module.accumulate, 1)
        finder = Tuner(trainer).lr_find(
            module,
            datamodule=_TestedData(task, batch, steps * module.accumulate, monitor),
            min_lr=LEAST,
            max_lr=MOST,
            num_training=steps,
            early_stop_threshold=EXPLODED,
            update_attr=False,
        )
    assert finder is not None
    rates = finder.results["lr"]
    means = torch.tensor(losses[: len(rates) * module.accumulate]).view(-1, module.accumulate).mean(dim=1)
    return RateCurve(tuple(map(float, rates[: len(means)])), tuple(means.tolist()), task.options.rate)


class _TestedData(pl.LightningDataModule):
    """Gives the batches of the test; there is no validation."""

    def __init__(self, task: Fitting, batch: int, total: int, monitor: ProgressMonitor) -> None:
        super().__init__()
        self.task, self.batch, self.total, self.monitor = task, batch, total, monitor
        self.done = 0

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the batches."""
        for callback in cast(Any, self.trainer).callbacks:
            # The tuner's own would draw a bar on the standard error.
            if hasattr(callback, "progress_bar_refresh_rate"):
                callback.progress_bar_refresh_rate = 0
        return batches(self.task.examples, self.task.options, 0, self.batch)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Report the step, and stop where that was asked for: Lightning's tuner lets no callback but its own."""
        self.monitor.check()
        self.monitor.report(Progress("rate", min(self.done, self.total), self.total))
        self.done += 1
        return batch
