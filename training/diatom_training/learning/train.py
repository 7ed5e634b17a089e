"""Train a network, or go on with a training that was stopped."""

from __future__ import annotations

import copy
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from diatom_training.examples import Example
from diatom_training.learning.base import LearningModule
from diatom_training.learning.data import batches, check_examples, held_out, standard
from diatom_training.learning.modules import MODULES, module_for
from diatom_training.learning.options import LearningOptions
from diatom_training.learning.precision import precision
from diatom_training.learning.ranks import check_devices, together
from diatom_training.learning.schedules import epochs_since_best
from napari_diatom.engines.checkpoints import check_plain
from napari_diatom.errors import DiatomError, InputError, OutputError
from napari_diatom.progress import Progress, Report, ShouldStop, check, never, silent

CHECKPOINT = "last.ckpt"
_COPIES = 5
"""Copies of the weights in a checkpoint: they, their average, the best ones, and two moments of the optimizer."""
UNCHANGED_MEAN, UNCHANGED_STD = (0.0,) * 3, (1.0,) * 3


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves.

    Attributes
    ----------
    network : torch.nn.Module
        The exponential moving average of the weights, ready to be used.
    history : tuple of dict
        One a finished epoch: ``train_*``, the mean of each part of the loss; ``val_*``; ``rate``.
    mean, std : tuple of float
        By which images are standardized, per channel of values scaled to 0..1.
    transferred : tuple of str
        Tensors taken from the weights it started from; none where a training went on.
    """

    network: torch.nn.Module
    history: tuple[dict[str, float], ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    transferred: tuple[str, ...] = ()


Look = Callable[[Sequence[Mapping[str, float]], Sequence[NDArray[np.uint8]], Callable[[], Trained]], None]
"""What is called after an epoch: with its history, pictures of validation crops, and what gives it as it then is.

Where a training goes on it is called at once, without pictures.
"""


def unseen(
    history: Sequence[Mapping[str, float]], pictures: Sequence[NDArray[np.uint8]], trained: Callable[[], Trained]
) -> None:
    """Look at nothing."""


def train(
    examples: Sequence[Example],
    options: LearningOptions,
    folder: Path,
    validation: Sequence[Example] | None = None,
    start: Mapping[str, torch.Tensor] | None = None,
    backbone: Mapping[str, torch.Tensor] | None = None,
    device: str = "cpu",
    devices: int = 1,
    until: int | None = None,
    report: Report = silent,
    should_stop: ShouldStop = never,
    look: Look = unseen,
) -> Trained:
    """Train, or go on with the training that ``folder`` holds.

    Parameters
    ----------
    examples : sequence of Example
        What to learn from.
    options : LearningOptions
        How; an interrupted training goes on only under the same options.
    folder : Path
        Where ``last.ckpt`` is written after every epoch.
    validation : sequence of Example, optional
        What to validate on; a tenth of the examples, whole groups together, where none are given.
    start, backbone : mapping of str to Tensor, optional
        Weights of a network, or of its backbone alone, to start from; those whose names and shapes fit are used.
    device : str
        ``cpu``, ``cuda`` or ``mps``.
    devices : int
        How many GPUs, or processes on a CPU, share each batch.
    until : int, optional
        End after this epoch, with the rate where it then is, instead of going on to the last one.
    report, should_stop
        The contract of long work; a stop keeps the epochs that are finished.
    look : callable, optional
        Given, after each epoch, the figures of all finished ones; pictures of the first validation crops, with what is
        there and what was found, each of shape (H, W, 3); and a function that returns the training as it then is.

    Raises
    ------
    InputError
        When there is nothing to learn from, or ``folder`` holds a training under other options.
    Stopped
        When a stop was asked for.
    DiatomError
        When the loss is no longer finite, or not even one crop fits into memory.
    """
    check_devices(device, devices)
    check_examples(examples, options.classes)
    if validation is None:
        examples, validation = held_out(examples)
    folder.mkdir(parents=True, exist_ok=True)
    check_room(folder, options)
    task = Fitting(examples, validation, options, folder, start, backbone, device, devices, until)
    batch = -(-options.batch // devices)
    while True:
        try:
            with together(task, batch):
                module = fit(task, batch, report, should_stop, look)
            break
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if batch == 1 or devices > 1:
                what = "Not even one crop" if batch == 1 else f"Not even one of {devices} shares of a batch"
                raise DiatomError(
                    f"{what} of {options.size} pixels fits into memory; choose smaller crops or a smaller network."
                ) from error
        batch //= 2
        if device == "cuda":
            torch.cuda.empty_cache()
        report(Progress("memory", message=f"Out of memory: going on with {batch} crops at a time."))
    return trained_of(module)


def trained_of(module: LearningModule) -> Trained:
    """Return what a training has come to: a copy of the averaged weights, the best ones where they are kept."""
    network = copy.deepcopy(module.averaged)
    if module.best is not None:
        network.load_state_dict(module.best)
    return Trained(
        network.eval().cpu(),
        tuple(module.history),
        tuple(round(value, 4) for value in module.mean.flatten().tolist()),
        tuple(round(value, 4) for value in module.std.flatten().tolist()),
        module.transferred,
    )


def check_room(folder: Path, options: LearningOptions) -> None:
    """Refuse a disk that has no room for the checkpoints.

    Raises
    ------
    OutputError
        When there is less than they take: the last one, where it is not there yet, and the next while it is written.
    """
    weights = sum(tensor.numel() for tensor in module_for(options, UNCHANGED_MEAN, UNCHANGED_STD).network.parameters())
    copies = _COPIES * (1 if (folder / CHECKPOINT).exists() else 2)
    needed, free = 4 * copies * weights, shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(f"{folder} has room for {free / 1e6:.0f} MB, and the checkpoints need {needed / 1e6:.0f} MB.")


def _out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out: CPUs and other devices do not agree on its type."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


@dataclass(frozen=True, eq=False)
class Fitting:
    """What all processes that train together have to know; see :func:`train`."""

    examples: Sequence[Example]
    validation: Sequence[Example]
    options: LearningOptions
    folder: Path
    start: Mapping[str, torch.Tensor] | None
    backbone: Mapping[str, torch.Tensor] | None
    device: str
    devices: int
    until: int | None


def fit(task: Fitting, batch: int, report: Report, should_stop: ShouldStop, look: Look) -> LearningModule:
    """Train from the checkpoint in the folder, or from the start, with ``batch`` crops at a time in this process."""
    options = task.options
    checkpoint = task.folder / CHECKPOINT
    state = _read(checkpoint, options)
    last = min(options.epochs, task.until or options.epochs)
    if state is not None:
        _compute_as_before(state)
    if state is None:
        standardized = MODULES[options.task].standardizes
        mean_std = standard(task.examples, options) if standardized else (UNCHANGED_MEAN, UNCHANGED_STD)
        module = module_for(options, *mean_std)
        module.begin(task.start, task.backbone)
    else:
        module = module_for(options, UNCHANGED_MEAN, UNCHANGED_STD)
    module.accumulate = -(-options.batch // (batch * task.devices))
    module.network.to(memory_format=torch.channels_last)
    module.averaged.to(memory_format=torch.channels_last)
    if state is not None and (len(state["history"]) >= last or _enough(state["history"], options)):
        module.load_state_dict(state["state_dict"])
        module.on_load_checkpoint(state)
        return module
    with warnings.catch_warnings():
        # Lightning's advice on workers and loggers is no user's business.
        warnings.filterwarnings("ignore", module="pytorch_lightning")
        logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
        trainer = pl.Trainer(
            accelerator={"cuda": "gpu"}.get(task.device, task.device),
            devices=task.devices,
            # The backbone is frozen for some epochs: its weights are known to be shared, and have no gradients then.
            strategy="auto" if task.devices == 1 else "ddp_find_unused_parameters_true",
            use_distributed_sampler=False,
            precision=precision(options, task.device),
            max_epochs=last,
            accumulate_grad_batches=module.accumulate,
            gradient_clip_val=options.clip,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=task.folder,
            callbacks=[_Keeper(checkpoint, report, should_stop, look)],
        )
        trainer.fit(
            module,
            datamodule=_Data(task, batch),
            ckpt_path=None if state is None else checkpoint,
        )
    return module


def _enough(history: Sequence[Mapping[str, float]], options: LearningOptions) -> bool:
    """Tell whether early stopping has ended the training."""
    return options.patience is not None and epochs_since_best(history) >= options.patience


def _read(path: Path, options: LearningOptions) -> dict[str, Any] | None:
    """Read the checkpoint of an interrupted training of the same options."""
    if not path.exists():
        return None
    try:
        # torch and Lightning would call what the file names: a run's folder may come from somebody else.
        check_plain(path)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        theirs = LearningOptions.model_validate_json(state["options"])
    except Exception as error:
        raise InputError(f"{path} is no checkpoint of a training; choose another folder or remove it.") from error
    runtime = {"workers": options.workers, "precision": options.precision}
    if theirs.model_copy(update=runtime) != options:
        raise InputError(f"{path} is a training under other options; choose another folder or remove it.")
    return state


def _compute_as_before(state: Mapping[str, Any]) -> None:
    """Compute on as many threads as before, where the machine has them: the last digits of sums depend on it."""
    threads = state.get("threads")
    if isinstance(threads, int) and 1 <= threads <= (os.cpu_count() or 1) and threads != torch.get_num_threads():
        torch.set_num_threads(threads)


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

    def __init__(self, path: Path, report: Report, should_stop: ShouldStop, look: Look) -> None:
        self.path = path
        self.look = look
        self.report = report
        self.should_stop = should_stop

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        """Show the epochs that are finished: what ended the training before may have kept them from being shown."""
        if module.history:
            self.look(module.history, (), lambda: trained_of(module))

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        """Stop where that was asked for."""
        check(self.should_stop)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Report the step."""
        steps = int(trainer.num_training_batches)
        done = trainer.current_epoch * steps + batch_idx + 1
        values = module.means() | {"rate": module.rate()}
        self.report(Progress("step", done, steps * module.options.epochs, values=values))

    def on_validation_batch_start(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        """Stop where that was asked for."""
        check(self.should_stop)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: Any) -> None:
        """Close the epoch, and write the checkpoint so that an interruption leaves the old file or the new one."""
        # Those of the first process count in all of them, or one might stop early and the others wait for it.
        figures = module.remember(trainer.strategy.broadcast(module.measured()))
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
                f"{self.path} cannot be written: is the disk full? Make room and go on; the finished epochs are kept."
            ) from error
        self.look(module.history, module.looks, lambda: trained_of(module))
        self.report(Progress("epoch", trainer.current_epoch + 1, module.options.epochs, values=figures))
        if _enough(module.history, module.options):
            trainer.should_stop = True
