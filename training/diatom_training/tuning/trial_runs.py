"""One trial of a search: a training, or one a fold, in a folder that it goes on in when it was killed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from diatom_training.evaluation.curve_diagnosis import read
from diatom_training.finetune import dataset, initial_weights
from diatom_training.finetune.batch_choice import settled
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.dataset import Dataset
from diatom_training.finetune.fold_runs import fold_name
from diatom_training.finetune.run_folder import CHECKPOINTS, COMPOSED, CONFIG, IMAGES, RunFolder
from diatom_training.finetune.run_summary import MERITS
from diatom_training.finetune.training_run import composed_start, learn
from diatom_training.tuning.ranges import Value
from diatom_training.tuning.search_results import FAILED, FINISHED, Trial
from napari_diatom.core.errors import DiatomError, OutputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.engines.backends import choose_device

_LARGE: Final = (CHECKPOINTS, COMPOSED, IMAGES)
"""Folders of a run that are not needed once its trial has ended."""


@dataclass(frozen=True)
class _Reached:
    """What a training has come to: a figure of the validation, in the epoch whose weights would be kept."""

    figure: str
    value: float
    best_epoch: int
    epochs: int


def run_trial(
    path: Path,
    number: int,
    config: TrainConfig,
    values: Mapping[str, Value],
    folds: Sequence[Dataset],
    monitor: ProgressMonitor,
) -> Trial:
    """Train a trial, or continue it where it stopped, and return what it has come to.

    Parameters
    ----------
    path : Path
        Its folder.
    number : int
        From 1.
    config : TrainConfig
        What it trains, with its values.
    values : mapping of str to value
        Its values.
    folds : sequence of Dataset
        With sealed test parts; one without a cross-validation.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Returns
    -------
    Trial
        One whose training fails, as with a loss that is no number, has failed and says why.

    Raises
    ------
    Stopped
        When a stop was asked for.
    OutputError
        When the folder cannot be written.
    """
    reached = []
    try:
        for k, data in enumerate(folds, start=1):
            within = path if len(folds) == 1 else path / fold_name(k)
            reached.append(_trained(within, config, data, _told(monitor, k, len(folds))))
    except (Stopped, OutputError):
        raise
    except DiatomError as error:
        return Trial(number, FAILED, problem=" ".join(str(error).split()), values=values)
    found = [part.value for part in reached]
    return Trial(
        number,
        FINISHED,
        reached[0].figure,
        float(np.mean(found)),
        float(np.std(found, ddof=1)) if len(found) > 1 else float("nan"),
        sum(part.best_epoch for part in reached),
        sum(part.epochs for part in reached),
        values=values,
    )


def shrink(path: Path) -> None:
    """Remove what the folder of a trial that has ended does not need: its checkpoints take most of the room."""
    for name in _LARGE:
        for folder in (path / name, *path.glob(f"fold-*/{name}")):
            shutil.rmtree(folder, ignore_errors=True)


def _trained(path: Path, config: TrainConfig, data: Dataset, monitor: ProgressMonitor) -> _Reached:
    """Train on a training part, and return the figure of the validation part."""
    folder = RunFolder.open(path) if (path / CONFIG).is_file() else RunFolder.create(path, config)
    device = choose_device(config.device)
    begin = initial_weights.resolve(config)
    # One that was begun has the number that memory chose then.
    config = settled(folder, config.with_batch(folder.config().learning.batch), data, begin, device, monitor)
    begin = composed_start(folder, config, data, begin, device, monitor)
    examples = dataset.examples(data, "train", config, begin.tile_size, folder / IMAGES)
    history = learn(folder, config, data, begin, device, monitor, examples).history
    best = read(history, len(data.classes), data.count("validation").total()).best_epoch or len(history)
    figures = history[best - 1]
    name = next((name for name in MERITS if name in figures), "")
    if not name or not np.isfinite(figures[name]):
        raise DiatomError("The validation gives no figure: there may be no specimen in its crops.")
    return _Reached(name, float(figures[name]), best, len(history))


def _told(monitor: ProgressMonitor, fold: int, folds: int) -> ProgressMonitor:
    """Return a monitor that hears of steps and epochs of a fold."""

    def report(progress: Progress) -> None:
        where = f"fold {fold} of {folds}" if folds > 1 else ""
        monitor.report(replace(progress, message=where if progress.stage.endswith(("step", "epoch")) else ""))

    return replace(monitor, report=report)
