"""Cross-validation as runs of training: one for each fold, in folders beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from diatom_training.data.annotated_slides import Part
from diatom_training.evaluation.cross_validation import CrossValidation, Fold, cross_validation, write_cross_validation
from diatom_training.evaluation.report_files import JSON
from diatom_training.finetune import dataset
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import CONFIG, REPORT, RunFolder
from diatom_training.learning.options import AUTO
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor


def fold_name(number: int) -> str:
    """Return the name of a fold, from 1, and of its folder."""
    return f"fold-{number}"


def create(out: Path, config: TrainConfig, number: int, monitor: ProgressMonitor = UNWATCHED) -> list[RunFolder]:
    """Divide the data of a training into folds, and make the folder of a run for each.

    Raises
    ------
    InputError
        When the data cannot be read, are too few for so many folds, or ``out`` holds something already.
    OutputError
        When the folders cannot be made.
    """
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty: name another folder, or continue with the folds in it (--resume).")
    parts = dataset.folds(config, number, monitor)
    return [RunFolder.create(out / fold_name(k), _config_of(config, k, each)) for k, each in enumerate(parts, start=1)]


def open_folds(out: Path, number: int, config: TrainConfig | None = None) -> list[RunFolder]:
    """Return the runs of a cross-validation that was begun.

    Parameters
    ----------
    out : Path
        Their folder.
    number : int
        How many to make.
    config : TrainConfig, optional
        What they are to do.

    Raises
    ------
    InputError
        When there are not as many, or they were begun to do something else.
    """
    there = len(list(out.glob("fold-*"))) if out.is_dir() else 0
    if there != number:
        raise InputError(
            f"{out} holds {there} folds and not {number}: continue with the same number, or name another folder."
        )
    folders = [RunFolder.open(out / fold_name(k)) for k in range(1, number + 1)]
    for k, folder in enumerate(folders, start=1):
        if config is not None:
            folder.check(_config_of(config, k, folder.config().split.parts))
    return folders


def _config_of(config: TrainConfig, number: int, parts: Mapping[Part, Sequence[str]]) -> TrainConfig:
    """Return what a fold, from 1, is to do."""
    split = config.split.model_dump(mode="json") | {"parts": dict(parts)}
    return config.replace(name=f"{config.name}-{fold_name(number)}", split=split)


def train_folds(
    out: Path,
    folders: Sequence[RunFolder],
    train: Callable[[RunFolder, ProgressMonitor], object],
    monitor: ProgressMonitor,
) -> CrossValidation:
    """Train and test what is not finished, fold by fold, and write what the folds say together.

    Parameters
    ----------
    out : Path
        Folder of the folds, and of their report.
    folders : sequence of RunFolder
        The folds.
    train : callable
        Does a run, given a monitor for it.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; gets what each run reports, and ``fold`` before each.

    Raises
    ------
    DiatomError
        As the runs; those that are finished are kept.
    """
    for k, folder in enumerate(folders, start=1):
        what = f"fold {k} of {len(folders)}"
        finished = folder.state().stage == "finished"
        where = "already finished" if finished else str(folder.path)
        monitor.report(Progress("fold", k - 1, len(folders), f"{what}: {where}"))
        if not finished:
            _as_first(folder, folders[0])
            train(folder, monitor)
    return conclude(out, list(folders))


def _as_first(folder: RunFolder, first: RunFolder) -> None:
    """Let a fold have the batch size that memory has chosen for the first one: their figures are to be compared."""
    config, batch = folder.config(), first.config().learning.batch
    if config.learning.batch == AUTO != batch:
        config.with_batch(batch).write(folder / CONFIG)


def conclude(out: Path, folders: list[RunFolder]) -> CrossValidation:
    """Write what the finished runs say together, and return it.

    Raises
    ------
    InputError
        When a run has no report.
    OutputError
        When the report cannot be written.
    """
    folds = [
        Fold.read(folder.path.name, folder.config().split.parts["test"], folder / REPORT / JSON) for folder in folders
    ]
    first = folders[0].config().name
    result = cross_validation(first.removesuffix(f"-{fold_name(1)}"), folds)
    write_cross_validation(result, out)
    return result
