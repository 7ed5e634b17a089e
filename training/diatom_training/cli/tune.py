"""The command ``napari-diatom tune``."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from diatom_training.finetune.config import TrainConfig
from diatom_training.tuning.ranges import text_of
from diatom_training.tuning.search_folder import BEST, PARALLEL_PLOT, TABLE, SearchFolder
from diatom_training.tuning.search_process import search_in_process
from diatom_training.tuning.search_results import SearchResults, Trial
from diatom_training.tuning.search_settings import SearchSettings
from diatom_training.tuning.search_space import parsed_range, searchable
from napari_diatom.cli.console import print_table
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor, Report


def run(arguments: Namespace, bar: Report) -> int:
    """Search settings of a training, or continue a search, and return the exit code.

    Raises
    ------
    DiatomError
        When it cannot be set up, or fails.
    KeyboardInterrupt
        When it was interrupted; the trials that have ended are kept.
    """
    if arguments.list:
        return _list(TrainConfig.read(arguments.config))
    folder = _folder(arguments)
    settings = folder.settings()
    shown = len(folder.results().trials)

    def report(progress: Progress) -> None:
        nonlocal shown
        ended = progress.done // 1000 if progress.stage == "trial" else 0
        if ended > shown:
            for trial in folder.results().trials[shown:]:
                print(_line(trial, settings.trials), flush=True)
            shown = len(folder.results().trials)
        bar(progress)

    try:
        results = search_in_process(folder, ProgressMonitor(report))
    except (Stopped, KeyboardInterrupt):
        print(f"Stopped; napari-diatom tune {folder.path} --resume continues it.", flush=True)
        raise KeyboardInterrupt from None
    for trial in results.trials[shown:]:
        print(_line(trial, settings.trials))
    _print_results(results, folder)
    return 0


def _folder(arguments: Namespace) -> SearchFolder:
    """Return the search to work on."""
    source: Path = arguments.config
    named: Path | None = arguments.out
    if arguments.resume:
        if arguments.search or arguments.folds is not None or arguments.seed is not None:
            raise InputError("A search continues with its own settings: leave --search, --folds and --seed out.")
        folder = SearchFolder.open(source if source.is_dir() else _out(source, named, TrainConfig.read(source)))
        if arguments.trials is not None:
            folder.extend(arguments.trials)
        return folder
    if source.is_dir():
        raise InputError(f"{source} is a folder: continue the search in it with --resume, or name a YAML file.")
    config = TrainConfig.read(source)
    if arguments.device:
        config = config.replace(device=arguments.device)
    settings = SearchSettings.of(
        training=config,
        ranges=dict(parsed_range(text, config) for text in arguments.search or ()),
        **{
            name: getattr(arguments, name)
            for name in ("trials", "folds", "seed")
            if getattr(arguments, name) is not None
        },
    )
    return SearchFolder.create(_out(source, named, config), settings)


def _out(source: Path, named: Path | None, config: TrainConfig) -> Path:
    """Return the folder of a search: the one that was named, else one beside the file of settings."""
    return named if named is not None else source.absolute().parent / "searches" / config.name


def _list(config: TrainConfig) -> int:
    """Print the settings that can be searched for a training, with their usual ranges."""
    rows = [(name, "give one" if values is None else str(values)) for name, values in searchable(config).items()]
    print_table(("setting", "usual range"), rows)
    return 0


def _line(trial: Trial, trials: int) -> str:
    """Return a trial in one line."""
    settings = "  ".join(f"{name} {text_of(value)}" for name, value in trial.values.items())
    reached = trial.problem if trial.problem else f"{trial.figure} {trial.value:.4g}"
    return f"trial {trial.number}/{trials}  {reached}  {settings}"


def _print_results(results: SearchResults, folder: SearchFolder) -> None:
    """Print what has come of a search."""
    print(results.sentence())
    if results.importances:
        print_table(("setting", "importance"), [(name, f"{share:.2f}") for name, share in results.importances.items()])
    print(f"table: {folder / TABLE}")
    if results.best is not None:
        print(f"plot: {folder / PARALLEL_PLOT}\nto train with the best: napari-diatom train {folder / BEST}")
