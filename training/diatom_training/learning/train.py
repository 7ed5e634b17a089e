"""Train a network, or go on with a training that was stopped."""

from __future__ import annotations

import logging
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
from diatom_training.learning.schedules import epochs_since_best
from napari_diatom.errors import DiatomError, InputError
from napari_diatom.progress import Progress, Report, ShouldStop, check, never, silent

CHECKPOINT = "last.ckpt"
UNCHANGED_MEAN, UNCHANGED_STD = (0.0,) * 3, (1.0,) * 3

Look = Callable[[int, Sequence[NDArray[np.uint8]]], None]


def _unseen(epoch: int, pictures: Sequence[NDArray[np.uint8]]) -> None:
    """Look at nothing."""


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


def train(
    examples: Sequence[Example],
    options: LearningOptions,
    folder: Path,
    validation: Sequence[Example] | None = None,
    start: Mapping[str, torch.Tensor] | None = None,
    backbone: Mapping[str, torch.Tensor] | None = None,
    device: str = "cpu",
    until: int | None = None,
    report: Report = silent,
    should_stop: ShouldStop = never,
    look: Look = _unseen,
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
    until : int, optional
        End after this epoch, with the rate where it then is, instead of going on to the last one.
    report, should_stop
        The contract of long work; a stop keeps the epochs that are finished.
    look : callable, optional
        Given, after each epoch, its number from 1 and pictures of the first validation crops, with what is there and
        what was found, each of shape (H, W, 3).

    Raises
    ------
    InputError
        When there is nothing to learn from, or ``folder`` holds a training under other options.
    Stopped
        When a stop was asked for.
    DiatomError
        When the loss is no longer finite, or not even one crop fits into memory.
    """
    check_examples(examples, options.classes)
    if validation is None:
        examples, validation = held_out(examples)
    folder.mkdir(parents=True, exist_ok=True)
    data = (examples, validation)
    batch = options.batch
    while True:
        try:
            module = _fit(data, options, folder, (start, backbone), device, until, batch, report, should_stop, look)
            break
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if batch == 1:
                raise DiatomError(
                    f"Not even one crop of {options.size} pixels fits into memory; choose smaller crops or a smaller "
                    "network."
                ) from error
        batch //= 2
        if device == "cuda":
            torch.cuda.empty_cache()
        report(Progress("memory", message=f"Out of memory: going on with {batch} crops at a time."))
    network = module.averaged
    if module.best is not None:
        network.load_state_dict(module.best)
    return Trained(
        network.eval().cpu(),
        tuple(module.history),
        tuple(round(value, 4) for value in module.mean.flatten().tolist()),
        tuple(round(value, 4) for value in module.std.flatten().tolist()),
        module.transferred,
    )


def _out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out: CPUs and other devices do not agree on its type."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )


def _fit(
    data: tuple[Sequence[Example], Sequence[Example]],
    options: LearningOptions,
    folder: Path,
    start: tuple[Mapping[str, torch.Tensor] | None, Mapping[str, torch.Tensor] | None],
    device: str,
    until: int | None,
    batch: int,
    report: Report,
    should_stop: ShouldStop,
    look: Look,
) -> LearningModule:
    """Train from the checkpoint in ``folder``, or from the start, with ``batch`` crops at a time."""
    checkpoint = folder / CHECKPOINT
    state = _read(checkpoint, options)
    last = min(options.epochs, until or options.epochs)
    if state is None:
        standardized = MODULES[options.task].standardizes
        module = module_for(options, *(standard(data[0], options) if standardized else (UNCHANGED_MEAN, UNCHANGED_STD)))
        module.begin(*start)
    else:
        module = module_for(options, UNCHANGED_MEAN, UNCHANGED_STD)
    module.accumulate = -(-options.batch // batch)
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
            accelerator={"cuda": "gpu"}.get(device, device),
            devices=1,
            precision=precision(options, device),
            max_epochs=last,
            accumulate_grad_batches=module.accumulate,
            gradient_clip_val=options.clip,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            callbacks=[_Keeper(checkpoint, report, should_stop, look)],
        )
        trainer.fit(
            module,
            datamodule=_Data(*data, options, batch),
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
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        theirs = LearningOptions.model_validate_json(state["options"])
    except Exception as error:
        raise InputError(f"{path} is no checkpoint of a training; choose another folder or remove it.") from error
    runtime = {"workers": options.workers, "precision": options.precision}
    if theirs.model_copy(update=runtime) != options:
        raise InputError(f"{path} is a training under other options; choose another folder or remove it.")
    return state


class _Data(pl.LightningDataModule):
    """Gives each epoch its own crops."""

    def __init__(
        self, examples: Sequence[Example], validation: Sequence[Example], options: LearningOptions, batch: int
    ) -> None:
        super().__init__()
        self.examples = examples
        self.validation = validation
        self.options = options
        self.batch = batch

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the batches of the epoch that begins."""
        return batches(self.examples, self.options, cast(pl.Trainer, self.trainer).current_epoch, self.batch)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the batches of the validation."""
        return batches(self.validation, self.options, None, self.batch)


class _Keeper(pl.Callback):
    """Reports, stops, and writes the checkpoint after every epoch."""

    def __init__(self, path: Path, report: Report, should_stop: ShouldStop, look: Look) -> None:
        self.path = path
        self.look = look
        self.report = report
        self.should_stop = should_stop

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
        figures = module.remember(module.measured())
        partial = self.path.with_suffix(".partial")
        trainer.save_checkpoint(partial)
        partial.replace(self.path)
        self.look(trainer.current_epoch + 1, module.looks)
        self.report(Progress("epoch", trainer.current_epoch + 1, module.options.epochs, values=figures))
        if _enough(module.history, module.options):
            trainer.should_stop = True
