"""The command ``napari-diatom train``."""

from __future__ import annotations

import itertools
import shlex
from argparse import Namespace
from pathlib import Path
from typing import Any

from diatom_training.evaluation.card_figures import card_figures
from diatom_training.evaluation.cross_validation import summarize
from diatom_training.evaluation.report_files import HTML, JSON
from diatom_training.finetune import added_epochs, dataset, fold_runs, training_process
from diatom_training.finetune.augmentation_preview import augmentation_sheet, check_new_picture, write_picture
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.resource_estimate import call_aside, estimate
from diatom_training.finetune.run_folder import CONFIG, CURVES, MODEL, REPORT, RunFolder
from diatom_training.finetune.run_summary import COLUMNS, list_summaries
from diatom_training.learning.rate_curve import RateCurve, drawn_rates
from diatom_training.metrics.definitions import TITLES
from napari_diatom.cli.console import print_table
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor, Report
from napari_diatom.core.proportions import few_note
from napari_diatom.core.text import many
from napari_diatom.models.architecture_names import tile_warning
from napari_diatom.models.card import NAMING_TASK, OUTLINING_TASK
from napari_diatom.models.library import ModelFolder, resolve_model

_SHOWN = (
    "train_loss",
    "sample_loss",
    "val_loss",
    "val_ap50",
    "val_dice",
    "val_iou",
    "val_miou",
    "val_accuracy",
    "val_f1",
    "rate",
)
"""Figures of an epoch that are printed."""
_TESTED = (
    *("ap50", "ap50_95", "precision", "recall", "f1", "relative_count_error", "length_error"),
    *("accuracy", "macro_f1", "top3", "genus_accuracy", "named", "precision_named", "calibration_error"),
    *("outline_dice", "outline_iou", "mask_ap50", "mask_ap75", "boundary_error_px", "width_error", "flagged"),
)
"""The same of the test."""


def run(arguments: Namespace, bar: Report) -> int:
    """Train as a file says, or continue a run, and return the exit code.

    Raises
    ------
    DiatomError
        When it cannot be set up, or fails.
    KeyboardInterrupt
        When it was interrupted; the finished epochs are kept.
    """
    if arguments.runs:
        return _list_runs()
    if arguments.config is None:
        raise InputError("Name the YAML file of a training, or list your trainings with --runs.")
    if arguments.check and arguments.folds is not None:
        raise InputError("--check looks at one split of the slides: leave --folds out.")
    if arguments.preview:
        return _preview(arguments, bar)
    if arguments.find_rate:
        return _find_rate(arguments, bar)
    if arguments.more is not None and arguments.folds is not None:
        raise InputError("--more adds epochs to one run: name the folder of a fold, and leave --folds out.")
    if arguments.check:
        return _check(_config(arguments))
    if arguments.folds is not None:
        return _run_folds(arguments, bar)
    if arguments.rate is not None and arguments.more is None:
        raise InputError("--rate is that of the epochs of --more; the rate of a new training stands in its YAML file.")
    folder = _folder(arguments)
    _train(folder, bar)
    _print_result(resolve_model(str(folder / MODEL)), folder)
    return 0


def _list_runs() -> int:
    """Print the trainings of this user, and return the exit code."""
    summaries = list_summaries()
    if not summaries:
        print("There are no trainings yet.")
        return 0
    print_table((*COLUMNS, "folder"), [(*summary.cells(), summary.folder.path) for summary in summaries])
    for summary in summaries:
        if summary.problem:
            print(f"warning: {summary.problem}")
    return 0


def _run_folds(arguments: Namespace, bar: Report) -> int:
    """Train and test a model for each fold, and return the exit code."""
    source: Path = arguments.config
    number: int = arguments.folds
    if arguments.resume:
        begun = None if source.is_dir() else TrainConfig.read(source)
        out = source if begun is None else _out(arguments, begun)
        folders = [_with_devices(folder, arguments) for folder in fold_runs.open_folds(out, number, begun)]
    else:
        config = _config(arguments)
        out = _out(arguments, config)
        folders = fold_runs.create(out, config, number, ProgressMonitor(bar))
    finished = 0

    def report(progress: Progress) -> None:
        nonlocal finished
        finished = progress.done
        print(progress.message, flush=True)

    try:
        result = fold_runs.train_folds(out, folders, lambda folder, _: _train(folder, bar), ProgressMonitor(report))
    except KeyboardInterrupt:
        print(
            f"Stopped in fold {finished + 1} of {number}, {finished} already finished. Run the same command with "
            "--resume to continue.",
            flush=True,
        )
        raise
    for name, spread in result.spreads.items():
        print(f"{TITLES[name]}: {spread}")
    print(f"{summarize(result)}\nreport: {out / HTML}")
    return 0


def _train(folder: RunFolder, bar: Report) -> None:
    """Do a run, and tell how it goes; KeyboardInterrupt when it was interrupted."""

    def report(progress: Progress) -> None:
        if progress.stage in ("epoch", "composed-epoch"):
            figures = "  ".join(
                f"{name} {progress.values[name]:.4g}" for name in _SHOWN if progress.values.get(name) is not None
            )
            where = "on composed slides, " if progress.stage == "composed-epoch" else ""
            print(f"{where}epoch {progress.done}/{progress.total}  {figures}", flush=True)
        elif progress.stage in ("warning", "start", "standardization", "batch-size", "epoch-plan", "memory"):
            print(("warning: " if progress.stage == "warning" else "") + progress.message, flush=True)
        else:
            bar(progress)

    try:
        training_process.follow(folder, report)
    except Stopped as stopped:
        print(stopped)
        raise KeyboardInterrupt from None


def _folder(arguments: Namespace) -> RunFolder:
    """Return the run to work on."""
    source: Path = arguments.config
    if arguments.more is not None:
        if not source.is_dir():
            raise InputError(f"{source} is not a folder: --more takes the folder of a finished run.")
        folder = RunFolder.open(source)
        added = added_epochs.add_epochs(folder, arguments.more, arguments.rate)
        print(f"epochs {added.first + 1} to {added.first + added.epochs}, with a learning rate of {added.rate:g}")
        return _with_devices(folder, arguments)
    if arguments.resume:
        if source.is_dir():
            return _with_devices(RunFolder.open(source), arguments)
        config = TrainConfig.read(source)
        folder = RunFolder.open(_out(arguments, config))
        folder.check(config)
        return _with_devices(folder, arguments)
    config = _config(arguments)
    return RunFolder.create(_out(arguments, config), config)


def _config(arguments: Namespace) -> TrainConfig:
    """Return the settings of the training."""
    return TrainConfig.read(arguments.config).replace(**_devices(arguments))


def _with_devices(folder: RunFolder, arguments: Namespace) -> RunFolder:
    """Let a run continue on the devices from the command line."""
    if _devices(arguments):
        folder.config().replace(**_devices(arguments)).write(folder / CONFIG)
    return folder


def _devices(arguments: Namespace) -> dict[str, Any]:
    """Return what the command line says of devices."""
    return {name: getattr(arguments, name) for name in ("device", "devices") if getattr(arguments, name)}


def _check(config: TrainConfig) -> int:
    """Say what there is to learn from and how long it will take, without training."""
    data = dataset.read(config)
    for part, slides in data.parts.items():
        counts = data.count(part)
        class_counts = ", ".join(f"{counts[name]} {name}" for name in data.classes)
        groups = {slide.group for slide in slides}
        print(f"{part}: {many(len(slides), 'image')} of {many(len(groups), 'slide')}: {class_counts}")
    for line in filter(None, (*data.warnings, tile_warning(config.architecture or ""))):
        print(f"warning: {line}")
    print(estimate(config).text(config))
    return 0


def _preview(arguments: Namespace, bar: Report) -> int:
    """Write a picture of how specimens of the training part are varied, without training."""
    if arguments.folds is not None:
        raise InputError("--preview looks at one split of the slides: leave --folds out.")
    config = _config(arguments)
    named: Path | None = arguments.out
    path = named if named is not None else _free_file(arguments.config.absolute().parent, f"{config.name}-augmentation")
    check_new_picture(path)
    write_picture(augmentation_sheet(config, ProgressMonitor(bar)), path)
    print(f"sixteen variations of your specimens, with what the network is asked for in blue: {path}")
    return 0


def _find_rate(arguments: Namespace, bar: Report) -> int:
    """Write the curve of a range test of the learning rate, and say what it suggests, without training."""
    if arguments.folds is not None:
        raise InputError("--find-rate looks at one split of the slides: leave --folds out.")
    config = _config(arguments)
    named: Path | None = arguments.out
    path = named if named is not None else _free_file(arguments.config.absolute().parent, f"{config.name}-rate")
    check_new_picture(path, (".png",))
    found: RateCurve = call_aside("diatom_training.finetune.rate_finding:find_rate", config, ProgressMonitor(bar))
    write_atomically(path, drawn_rates(found))
    print(f"{found.sentence()}\ncurve: {path}")
    if found.suggestion is not None:
        print(f"to use it, write into {arguments.config}: learning: {{rate: {found.suggestion:g}}}")
    return 0


def _free_file(folder: Path, stem: str) -> Path:
    """Return a .png file in a folder that is not there yet, with a number if it has to be."""
    numbers = itertools.count(2)
    path = folder / f"{stem}.png"
    while path.exists():
        path = folder / f"{stem}-{next(numbers)}.png"
    return path


def _out(arguments: Namespace, config: TrainConfig) -> Path:
    """Return the folder of a run: the one that was named, else one beside the file of settings."""
    named: Path | None = arguments.out
    return named if named is not None else arguments.config.absolute().parent / "runs" / config.name


def _print_result(model: ModelFolder, folder: RunFolder) -> None:
    """Print what came of it."""
    metrics = model.card.metrics
    if metrics:
        rows = card_figures(metrics, _TESTED, folder / REPORT / JSON)
        print(f"on the test images ({many(int(metrics.get('specimens', 0)), 'specimen')}), with 95 % intervals:")
        for row in rows:
            print(f"  {row.name} {row.value:.3f}" + (f" ({row.sure})" if row.sure else ""))
        if note := few_note(row.of for row in rows):
            print(note)
    print(folder.reading(folder.history()).text)
    print(f"model: {model.folder}\ncurves: {folder / CURVES}")
    if (folder / REPORT / HTML).exists():
        print(f"report: {folder / REPORT / HTML}")
    option = {NAMING_TASK: "--namer", OUTLINING_TASK: "--outlines"}.get(model.card.task, "--model")
    print(f"to use it: napari-diatom count IMAGES -o OUT {option} {shlex.quote(str(model.folder))}")
