"""A whole search: data, trials one after the other, and what they have come to, on disk after each of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from diatom_training.finetune import dataset
from diatom_training.finetune.data_split import DataSplit
from diatom_training.finetune.dataset import Dataset
from diatom_training.finetune.run_folder import SPLIT
from diatom_training.tuning.sealed_data import inner_folds, sealed
from diatom_training.tuning.search_folder import (
    BEST,
    DATABASE,
    IMPORTANCES,
    IMPORTANCES_PLOT,
    PARALLEL_PLOT,
    TABLE,
    SearchFolder,
)
from diatom_training.tuning.search_plots import drawn_importances, drawn_parallel
from diatom_training.tuning.search_results import SearchResults
from diatom_training.tuning.search_settings import SearchSettings
from diatom_training.tuning.search_space import with_values
from diatom_training.tuning.trial_choice import Trials
from diatom_training.tuning.trial_runs import run_trial, shrink
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import sentence


def run_search(path: Path, monitor: ProgressMonitor = UNWATCHED) -> SearchResults:
    """Do the trials of a search that are missing, in this process.

    A trial that was interrupted continues where it stopped. So a search that was stopped or killed comes to the same
    table as one that was not, on the same kind of processor.

    Parameters
    ----------
    path : Path
        Folder of the search; all results go there.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; ``done`` and ``total`` count trials and steps of the present one in
        thousandths.

    Raises
    ------
    InputError, ModelError
        When data or settings cannot be used, the slides have changed since the search began, or another process works
        on it.
    Stopped
        When a stop was asked for; the trials that have ended are kept.
    OutputError
        When the folder cannot be written.
    """
    folder = SearchFolder.open(path)
    with folder.alone():
        settings = folder.settings()
        folds = _data(folder, settings, monitor)
        trials = Trials(folder / DATABASE)
        results = _recorded(folder, settings, trials)
        while len(results.trials) < settings.trials:
            number = len(results.trials) + 1
            values = trials.choose(settings)
            config = with_values(settings.training, values)
            config = config.replace(name=f"{config.name}-trial-{number}")
            watched = _counting(monitor, number, settings.trials)
            trials.add(run_trial(folder.trial(number), number, config, values, folds, watched), settings)
            results = _recorded(folder, settings, trials)
        return results


def _data(folder: SearchFolder, settings: SearchSettings, monitor: ProgressMonitor) -> Sequence[Dataset]:
    """Return what a trial learns from, once for each fold; the division of the slides is made once and kept."""
    config, division = settings.training, DataSplit.read(folder / SPLIT)
    whole = dataset.read(config, monitor, division)
    if division is None:
        write_atomically(folder / SPLIT, json.dumps(whole.to_json(), indent=1) + "\n")
    elif changes := division.changes(whole.parts):
        raise InputError(
            f"The slides are not those that the search in {folder.path} began with: {'; '.join(changes)}. Trials on "
            "different slides cannot be compared: begin a new search."
        )
    data = sealed(whole)
    return inner_folds(data, config, settings.folds) if settings.folds else [data]


def _recorded(folder: SearchFolder, settings: SearchSettings, trials: Trials) -> SearchResults:
    """Write what the trials have come to, and return it."""
    results = SearchResults(tuple(settings.ranges), tuple(trials.all()), trials.importances())
    write_atomically(folder / TABLE, results.to_csv())
    best = results.best
    if best is not None:
        with_values(settings.training, best.values).write(folder / BEST)
        write_atomically(folder / PARALLEL_PLOT, drawn_parallel(results, settings))
    if results.importances:
        write_atomically(folder / IMPORTANCES, results.importances_csv())
        write_atomically(folder / IMPORTANCES_PLOT, drawn_importances(results))
    for trial in results.trials:
        shrink(folder.trial(trial.number))
    return results


def _counting(monitor: ProgressMonitor, number: int, trials: int) -> ProgressMonitor:
    """Return a monitor that hears of the steps of a trial as thousandths of it."""

    def report(progress: Progress) -> None:
        share = progress.done / progress.total if progress.stage == "step" and progress.total else 0.0
        where = f"trial {number} of {trials}" + (f", {progress.message}" if progress.message else "")
        monitor.report(
            Progress("trial", 1000 * (number - 1) + round(1000 * share), 1000 * trials, sentence(where).rstrip("."))
        )

    return replace(monitor, report=report)
