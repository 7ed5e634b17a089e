"""Finding the settings of a training: its learning rate, the best of several settings, and how sure its figures are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.api.training import training_settings
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_integer, given_path
from napari_diatom.core.progress import Report, silent

if TYPE_CHECKING:
    from pandas import DataFrame

    from diatom_training.evaluation.cross_validation import CrossValidation
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.learning.rate_curve import RateCurve


def find_rate(
    config: AnyPath | Mapping[str, Any] | TrainConfig, out: AnyPath | None = None, *, report: Report = silent
) -> RateCurve:
    """Find a learning rate: the loss of the training's first steps while the rate climbs (a range test, Smith 2017).

    It runs in a separate process. Nothing is trained, and no weights are kept.

    Parameters
    ----------
    config : path, dict or TrainConfig
        As for :func:`train`: a YAML file, or its entries, such as ``{"data": "my-project"}``.
    out : path, optional
        New .png file for the curve; by default none is written.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    RateCurve
        ``suggestion`` is the suggested rate, None where the loss does not fall at any rate; ``rates`` and ``losses``
        are those of each step.

    Raises
    ------
    InputError
        When the configuration or the data cannot be used, or the file is there already.
    ModelError
        When the model that the training would start from cannot be found.
    OutputError
        When the file cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.find_rate("navicula.yaml", "navicula-rate.png").suggestion  # doctest: +SKIP
    """
    from diatom_training.finetune.augmentation_preview import check_new_picture
    from diatom_training.finetune.resource_estimate import call_aside
    from diatom_training.learning.rate_curve import drawn_rates
    from napari_diatom.core.atomic_files import write_atomically

    monitor, path = progress_monitor(report), optional_path(out, "out")
    if path is not None:
        check_new_picture(path, (".png",))
    settings, _ = training_settings(config)
    found: RateCurve = call_aside("diatom_training.finetune.rate_finding:find_rate", settings, monitor)
    if path is not None:
        write_atomically(path, drawn_rates(found))
    return found


@dataclass(frozen=True)
class Search:
    """A search of settings; :func:`tune` returns it.

    Attributes
    ----------
    folder : pathlib.Path
        Folder of the search: settings, trials, plots and the best settings.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", given_path(self.folder, "folder"))

    @property
    def best(self) -> Path:
        """The YAML file of a training with the best settings, for :func:`train`."""
        from diatom_training.tuning.search_folder import BEST

        return self.folder / BEST

    def trials(self) -> DataFrame:
        """Return the trials, a row each, the best one first: figures of the validation, and settings.

        Raises
        ------
        InputError
            When there is no such search, or its table is damaged.
        """
        import pandas as pd

        from diatom_training.tuning.search_folder import SearchFolder
        from diatom_training.tuning.search_results import TRIAL_COLUMNS

        results = SearchFolder.open(self.folder).results()
        rows = [
            {name: getattr(trial, {"trial": "number"}.get(name, name)) for name in TRIAL_COLUMNS} | dict(trial.values)
            for trial in results.trials
        ]
        frame = pd.DataFrame(rows, columns=[*TRIAL_COLUMNS, *results.names])
        return frame.sort_values("value", ascending=False, kind="stable", ignore_index=True)

    def importances(self) -> dict[str, float]:
        """Return how much of the differences each setting makes, the most important one first.

        Raises
        ------
        InputError
            When there is no such search, or its table is damaged.
        """
        from diatom_training.tuning.search_folder import SearchFolder

        return dict(SearchFolder.open(self.folder).results().importances)


def tune(
    config: AnyPath | Mapping[str, Any] | TrainConfig,
    settings: Sequence[str] = (),
    folder: AnyPath | None = None,
    *,
    trials: int | None = None,
    folds: int = 0,
    seed: int = 0,
    report: Report = silent,
) -> Search:
    """Search good settings of a training, in a separate process: trials that are judged by the validation slides.

    The test slides are not looked at.

    Parameters
    ----------
    config : path, dict or TrainConfig
        As for :func:`train`. The folder of a search that was stopped continues it.
    settings : sequence of str
        What is searched: ``"rate"`` with its usual range, ``"rate=0.0001:0.01"``, ``"optimizer=adamw,sgd"``.
    folder : path, optional
        New folder of the search; by default ``searches/NAME`` beside the YAML file, or in the working folder.
    trials : int, optional
        Number of trials, 20 by default; a search that is continued may get more.
    folds : int
        Cross-validate each trial with so many folds of training and validation slides; 0 uses the validation part.
    seed : int
        Random seed of the search.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` while the trials train.

    Returns
    -------
    Search
        With ``trials()``, ``importances()`` and ``best``.

    Raises
    ------
    InputError
        When the configuration, the settings or the data cannot be used, or the folder is not empty.
    OutputError
        When the folder cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> search = nd.tune("navicula.yaml", ["rate", "dropout"], trials=12)  # doctest: +SKIP
    >>> run = nd.train(search.best)  # doctest: +SKIP
    """
    from diatom_training.tuning.search_folder import SearchFolder
    from diatom_training.tuning.search_process import search_in_process
    from diatom_training.tuning.search_settings import SearchSettings
    from diatom_training.tuning.search_space import parsed_range

    monitor, out = progress_monitor(report), optional_path(folder, "folder")
    if trials is not None:
        given_integer(trials, "trials")
    if isinstance(config, str | PathLike) and (path := given_path(config, "config")).is_dir():
        if settings or folder is not None or folds or seed:
            raise InputError(f"{config} is a search, which continues with its own settings: give trials alone.")
        found = SearchFolder.open(path)
        if trials is not None:
            found.extend(trials)
    else:
        base, beside = training_settings(config)
        texts = [settings] if isinstance(settings, str) else list(settings)
        wanted = SearchSettings.of(
            training=base,
            ranges=dict(parsed_range(str(text), base) for text in texts),
            trials=20 if trials is None else trials,
            folds=given_integer(folds, "folds"),
            seed=given_integer(seed, "seed"),
        )
        found = SearchFolder.create(out or beside / "searches" / base.name, wanted)
    search_in_process(found, monitor)
    return Search(found.path)


def cross_validate(
    config: AnyPath | Mapping[str, Any] | TrainConfig,
    folder: AnyPath | None = None,
    *,
    folds: int = 5,
    report: Report = silent,
) -> CrossValidation:
    """Train and test a model for each of several folds of the slides, and tell how far their figures spread.

    Parameters
    ----------
    config : path, dict or TrainConfig
        As for :func:`train`.
    folder : path, optional
        Folder of the folds' runs and of the report, by default ``runs/NAME`` beside the YAML file, or in the working
        folder. Folds of the same settings in it are continued.
    folds : int
        Number of folds, 2 or more; each is the test part once.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step, epoch and fold.

    Returns
    -------
    CrossValidation
        ``spreads`` has mean and deviation of each figure, ``folds`` the figures of each fold.

    Raises
    ------
    InputError
        When the configuration or the data cannot be used, or the folder holds something else.
    OutputError
        When the folder cannot be written.
    DiatomError
        When a training fails.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> str(nd.cross_validate("navicula.yaml", folds=5).spreads["f1"])  # doctest: +SKIP
    """
    from diatom_training.finetune import fold_runs, training_process

    monitor, out = progress_monitor(report), optional_path(folder, "folder")
    settings, beside = training_settings(config)
    out = out or beside / "runs" / settings.name
    number = given_integer(folds, "folds")
    begun = out.is_dir() and any(out.glob("fold-*"))
    folders = fold_runs.open_folds(out, number, settings) if begun else fold_runs.create(out, settings, number, monitor)
    return fold_runs.train_folds(out, folders, lambda run, watch: training_process.follow(run, watch.report), monitor)
