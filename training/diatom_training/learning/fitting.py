"""One process's part of a training: epochs, checkpoints, and what is left at the end."""

from __future__ import annotations

import copy
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from diatom_training.data.examples import Example
from diatom_training.data.pixel_statistics import DIGITS, UNCHANGED, Standard
from diatom_training.learning.class_weights import class_counts, weights_by
from diatom_training.learning.dataloaders import batches, epoch_plan
from diatom_training.learning.epoch_plan import EpochPlan
from diatom_training.learning.fixed_samples import START, FixedSample, start_figures
from diatom_training.learning.lightning_module import LearningModule
from diatom_training.learning.module_registry import module_for
from diatom_training.learning.option_check import acting_values
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.precision import precision
from diatom_training.learning.segments import Segment, is_over, total_epochs
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines.torch_checkpoint import check_plain

CHECKPOINT = "last.ckpt"
COPIES = 5
"""Copies of the weights in a checkpoint: they, their average, the best ones, and two moments of the optimizer."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves.

    Attributes
    ----------
    network : torch.nn.Module
        The exponential moving average of the weights, ready to be used.
    history : tuple of dict
        One a finished epoch: ``train_*``, the mean of each part of the loss; ``val_*``; ``sample_loss`` of fixed
        crops of the training part; ``start_*`` of the validation before the first step, where weights were taken
        over; ``constant_loss`` of the best answer that is always the same; ``rate``.
    mean, std : tuple of float
        By which images are standardized, per channel of values scaled to 0..1.
    plan : EpochPlan
        The crops and steps of an epoch.
    transferred : tuple of str
        Tensors taken from the weights it started from; none where a training went on.
    """

    network: torch.nn.Module
    history: tuple[dict[str, float], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    plan: EpochPlan
    transferred: tuple[str, ...] = ()


Look = Callable[[Sequence[Mapping[str, float]], Sequence[NDArray[np.uint8]], Callable[[], Trained]], None]
"""What is called after an epoch: with its history, pictures of validation crops, and what gives it as it then is.

Where a training continues it is called at once, without pictures.
"""


def unseen(
    history: Sequence[Mapping[str, float]], pictures: Sequence[NDArray[np.uint8]], trained: Callable[[], Trained]
) -> None:
    """Look at nothing."""


def trained_of(module: LearningModule) -> Trained:
    """Return what a training has come to: a copy of the averaged weights, the best ones where they are kept."""
    network = copy.deepcopy(module.averaged)
    if module.best is not None:
        network.load_state_dict(module.best)
    return Trained(
        network.eval().cpu(),
        tuple(module.history),
        tuple(round(value, DIGITS) for value in module.mean.flatten().tolist()),
        tuple(round(value, DIGITS) for value in module.std.flatten().tolist()),
        module.plan,
        module.transferred,
    )


@dataclass(frozen=True, eq=False)
class Fitting:
    """What is to be trained on what, as all processes that train together have to know it.

    Attributes
    ----------
    examples : sequence of Example
        What to learn from.
    options : LearningOptions
        The options; an interrupted training continues only with the same options.
    folder : Path
        Where ``last.ckpt`` is written after every epoch.
    validation : sequence of Example
        What to validate on; a tenth of the examples, whole groups together, where none are given.
    start, backbone : mapping of str to Tensor, or None
        Weights of a network, or of its backbone alone, to start from; those whose names and shapes fit are used.
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    devices : int
        How many GPUs, or processes on a CPU, share each batch.
    usual_standard : Standard or None
        By which images are standardized where the options name nothing; None is the usual of the task.
    standard : Standard
        By which images are standardized; found by :func:`~diatom_training.learning.train.train`.
    until : int or None
        End after this epoch, with the rate where it then is, instead of going on to the last one.
    segments : tuple of Segment
        Epochs that were added to those of the options.
    """

    examples: Sequence[Example]
    options: LearningOptions
    folder: Path
    validation: Sequence[Example] = ()
    start: Mapping[str, torch.Tensor] | None = None
    backbone: Mapping[str, torch.Tensor] | None = None
    device: str = "cpu"
    devices: int = 1
    usual_standard: Standard | None = None
    standard: Standard = UNCHANGED
    until: int | None = None
    segments: tuple[Segment, ...] = ()

    @cached_property
    def plan(self) -> EpochPlan:
        """The crops and steps of an epoch."""
        return epoch_plan(self.examples, self.options)


def fit(task: Fitting, batch: int, monitor: ProgressMonitor, look: Look) -> LearningModule:
    """Train from the checkpoint in the folder, or from the start, with ``batch`` crops at a time in this process."""
    options = task.options
    checkpoint = task.folder / CHECKPOINT
    state = _read(checkpoint, options)
    epochs = total_epochs(options, task.segments)
    last = min(epochs, task.until or epochs)
    if state is not None:
        _compute_as_before(state)
    module = prepared_module(task, batch, begun=state is not None)
    if state is not None and (len(state["history"]) >= last or is_over(options, task.segments, state["history"])):
        module.load_state_dict(state["state_dict"])
        module.on_load_checkpoint(state)
        return module
    with quiet_lightning():
        sample = FixedSample(task.examples, options, options.sample_crops(task.plan.crops), batch)
        keeper = _Keeper(checkpoint, monitor, look, sample)
        trainer_for(task, module.accumulate, last, [keeper]).fit(
            module,
            datamodule=_Data(task, batch),
            ckpt_path=None if state is None else checkpoint,
        )
    return module


def prepared_module(task: Fitting, batch: int, begun: bool = False) -> LearningModule:
    """Return the module of a training with ``batch`` crops at a time, with its start, which one that was begun has."""
    options = task.options
    if begun:
        module = module_for(options, UNCHANGED.mean, UNCHANGED.std)
    else:
        module = module_for(options, task.standard.mean, task.standard.std)
        module.begin(task.start, task.backbone)
        if options.loss.weighting != "none":
            module.weigh(torch.from_numpy(weights_by(options.loss, class_counts(task.examples, options))))
    module.segments = task.segments
    module.plan = task.plan
    module.accumulate = task.plan.batches_in_step(batch, task.devices)
    module.network.to(memory_format=torch.channels_last)
    module.averaged.to(memory_format=torch.channels_last)
    return module


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice on workers and loggers, which is of no use to users, from them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric")
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        yield


def trainer_for(task: Fitting, accumulate: int, epochs: int, callbacks: Sequence[pl.Callback] = ()) -> pl.Trainer:
    """Return Lightning's trainer of a task, which adds up the gradients of ``accumulate`` batches."""
    return pl.Trainer(
        accelerator={"cuda": "gpu"}.get(task.device, task.device),
        devices=task.devices,
        # The backbone is frozen for some epochs: its weights are known to be shared, and have no gradients then.
        strategy="auto" if task.devices == 1 else "ddp_find_unused_parameters_true",
        use_distributed_sampler=False,
        precision=precision(task.options, task.device),
        max_epochs=epochs,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=task.options.clip,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=task.folder,
        # Within a job of SLURM, Lightning would leave it to srun to start a process for each device.
        plugins=[LightningEnvironment()],
        callbacks=list(callbacks),
    )


def _read(path: Path, options: LearningOptions) -> dict[str, Any] | None:
    """Read the checkpoint of an interrupted training of the same options."""
    if not path.exists():
        return None
    state, theirs = begun_training(path)
    runtime = {"workers": options.workers, "precision": options.precision}
    if acting_values(theirs.model_copy(update=runtime)) != acting_values(options):
        raise InputError(f"{path} is a training with other options; choose another folder or remove it.")
    return state


def begun_training(path: Path) -> tuple[dict[str, Any], LearningOptions]:
    """Return what the checkpoint of an interrupted training holds, and its options.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        # torch and Lightning would call what the file names: a run's folder may come from somebody else.
        check_plain(path)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state, LearningOptions.model_validate_json(state["options"])
    except Exception as error:
        raise InputError(f"{path} is not a training checkpoint; choose another folder, or remove it.") from error


class _Data(pl.LightningDataModule):
    """Gives each epoch its own crops."""

    def __init__(self, task: Fitting, batch: int) -> None:
        super().__init__()
        self.task = task
        self.batch = batch

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the batches of the epoch that begins."""
        trainer = cast(pl.Trainer, self.trainer)
        rank, ranks = trainer.global_rank, trainer.world_size
        return batches(self.task.examples, self.task.options, trainer.current_epoch, self.batch, rank, ranks)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the batches of the validation."""
        return batches(self.task.validation, self.task.options, None, self.batch)


class _Keeper(pl.Callback):
    """Reports, stops, and writes the checkpoint after every epoch."""

    def __init__(self, path: Path, monitor: ProgressMonitor, look: Look, sample: FixedSample) -> None:
        self.path = path
        self.sample = sample
        self.start: dict[str, float] = {}
        self.look = look
        self.monitor = monitor

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Show the epochs that are finished: what ended the training before may have kept them from being shown."""
        if module.history:
            self.look(module.history, (), lambda: trained_of(module))
            self.start = {name: value for name, value in module.history[0].items() if name.startswith(START)}
        elif module.transferred and trainer.is_global_zero:
            loader = cast(Any, trainer).datamodule.val_dataloader()
            self.start = start_figures(trainer, module, loader)

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        """Stop where that was asked for."""
        self.monitor.check()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Report the step."""
        steps = int(trainer.num_training_batches)
        done = trainer.current_epoch * steps + batch_idx + 1
        values = module.means() | {"rate": module.rate()}
        self.monitor.report(
            Progress("step", done, steps * total_epochs(module.options, module.segments), values=values)
        )

    def on_validation_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Stop where that was asked for."""
        self.monitor.check()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Close the epoch, and write the checkpoint so that an interruption leaves the old file or the new one."""
        # Those of the first process count in all of them, or one might stop early and the others wait for it.
        own = module.measured()
        if trainer.is_global_zero:
            own |= self.sample.measured(trainer, module) | self.start
        figures = module.remember(trainer.strategy.broadcast(own))
        partial = self.path.with_suffix(".partial")
        try:
            trainer.save_checkpoint(partial)
            if trainer.is_global_zero:
                with partial.open("rb+") as stream:
                    os.fsync(stream.fileno())
                partial.replace(self.path)
        except (OSError, RuntimeError) as error:
            # What is half written takes the room that is needed to say so.
            partial.unlink(missing_ok=True)
            raise OutputError(
                f"{self.path} cannot be written: is the disk full? Free some space, then continue; the finished "
                f"epochs are kept."
            ) from error
        self.look(module.history, module.looks, lambda: trained_of(module))
        epochs = total_epochs(module.options, module.segments)
        self.monitor.report(Progress("epoch", trainer.current_epoch + 1, epochs, values=figures))
        if is_over(module.options, module.segments, module.history):
            trainer.should_stop = True


def _compute_as_before(state: Mapping[str, Any]) -> None:
    """Compute on as many threads as before, where the machine has them: the last digits of sums depend on it."""
    threads = state.get("threads")
    if isinstance(threads, int) and 1 <= threads <= (os.cpu_count() or 1) and threads != torch.get_num_threads():
        torch.set_num_threads(threads)
