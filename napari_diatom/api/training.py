"""Training a model, and testing one."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import ProgressMonitor, Report, silent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

    from diatom_training.evaluation.evaluation import Evaluation
    from diatom_training.finetune.config import TrainConfig
    from diatom_training.finetune.run_folder import RunFolder
from napari_diatom.api.inputs import AnyPath, model_folder, optional_path, progress_monitor
from napari_diatom.api.prediction import Model

RUN_COLUMNS: Final = (
    *("run", "state", "task", "begun", "images", "specimens", "epochs", "best_epoch", "validation"),
    *("validation_figure", "test", "test_figure", "test_low", "test_high", "test_specimens", "start", "folder"),
    "problem",
)
"""Columns of :func:`runs`."""


@dataclass(frozen=True)
class TrainingRun:
    """A finished training; :func:`train` returns it.

    Attributes
    ----------
    folder : pathlib.Path
        Folder of the run: settings, split, curves, report and model.
    """

    folder: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", given_path(self.folder, "folder"))

    @property
    def model(self) -> Path:
        """The folder of the trained model, for :func:`load_model` and :func:`evaluate`."""
        from diatom_training.finetune.run_folder import MODEL

        return self.folder / MODEL

    @property
    def report(self) -> Path:
        """The folder of the report on the test slides."""
        from diatom_training.finetune.run_folder import REPORT

        return self.folder / REPORT

    def history(self) -> DataFrame:
        """Return the figures of each epoch, a row each, counted from 1.

        Raises
        ------
        InputError
            When there is no such run, or the file with the figures is damaged.
        """
        import pandas as pd

        from diatom_training.finetune.run_folder import RunFolder

        frame = pd.DataFrame(RunFolder.open(self.folder).history())
        frame.index = pd.RangeIndex(1, len(frame) + 1, name="epoch")
        return frame


def train(
    config: AnyPath | Mapping[str, Any] | TrainConfig, folder: AnyPath | None = None, *, report: Report = silent
) -> TrainingRun:
    """Train a model on annotated slides, in a separate process; returns when the training has finished.

    An interrupt (Ctrl+C, or the stop button of a notebook) ends the training too, and keeps the best weights so far.

    Parameters
    ----------
    config : path, dict or TrainConfig
        What ``napari-diatom train`` reads: a YAML file, or its entries, such as
        ``{"name": "navicula", "data": "my-project", "task": "oriented-boxes"}``. The folder of a run that was stopped
        continues it.
    folder : path, optional
        New folder of the run; by default ``runs/NAME`` beside the YAML file, or in the working folder.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step and epoch, in a thread.

    Returns
    -------
    TrainingRun
        The run with its model, history and report.

    Raises
    ------
    InputError
        When the configuration or the data cannot be used, or the folder is not empty.
    OutputError
        When the folder cannot be written.
    Stopped
        When it was interrupted.
    DiatomError
        When the training fails.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> run = nd.train("navicula.yaml")  # doctest: +SKIP
    >>> model = nd.load_model(run.folder)  # doctest: +SKIP
    """
    from diatom_training.finetune.run_folder import RunFolder

    monitor = progress_monitor(report)
    if isinstance(config, str | PathLike) and (path := given_path(config, "config")).is_dir():
        if folder is not None:
            raise InputError(f"{config} is a run, which continues in its own folder: leave folder out.")
        return _finished(RunFolder.open(path), monitor)
    settings, beside = training_settings(config)
    out = optional_path(folder, "folder") or beside / "runs" / settings.name
    return _finished(RunFolder.create(out, settings), monitor)


def preview_augmentation(
    config: AnyPath | Mapping[str, Any] | TrainConfig, out: AnyPath | None = None, *, report: Report = silent
) -> NDArray[np.uint8]:
    """Show sixteen variations of the training's own specimens, with outlines or boxes; nothing is trained.

    Parameters
    ----------
    config : path, dict or TrainConfig
        As for :func:`train`: a YAML file, or its entries, such as
        ``{"data": "my-project", "learning": {"augment": "handed"}}``.
    out : path, optional
        New .png or .jpg file for the picture; by default none is written.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` while the slides are read.

    Returns
    -------
    numpy.ndarray of uint8, shape (H, W, 3)
        RGB: four specimens, a row each, first as they are, then four variations of each.

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
    >>> nd.preview_augmentation("navicula.yaml", "navicula.png")  # doctest: +SKIP
    """
    from diatom_training.finetune.augmentation_preview import augmentation_sheet, check_new_picture, write_picture

    monitor, path = progress_monitor(report), optional_path(out, "out")
    if path is not None:
        check_new_picture(path)
    sheet = augmentation_sheet(training_settings(config)[0], monitor)
    if path is not None:
        write_picture(sheet, path)
    return sheet


def runs() -> DataFrame:
    """Return the trainings of this user, those of the window and of the command line, the latest first.

    Returns
    -------
    pandas.DataFrame
        A row each: ``run``, ``state``, ``task``, ``begun``, ``images``, ``specimens``, ``epochs``, ``best_epoch``, the
        chief figure of the validation (``validation``, ``validation_figure``) and of the test (``test``,
        ``test_figure``, and ``test_low``, ``test_high``, ``test_specimens``: its 95 % interval, and of how many
        specimens it is), ``start``, ``folder``, and ``problem``: what is wrong with its files. What is not known is
        missing.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.runs()[["run", "test", "test_low", "test_high"]]  # doctest: +SKIP
    """
    import pandas as pd

    from diatom_training.finetune.run_summary import list_summaries

    rows = []
    for run in list_summaries():
        checked, tested = run.validation, run.test
        rows.append(
            {
                "run": run.name,
                "state": run.stage,
                "task": run.task,
                "begun": run.began,
                "images": sum(run.images.values()) or None,
                "specimens": sum(run.specimens.values()) or None,
                "epochs": run.epochs,
                "best_epoch": run.best_epoch or None,
                "validation": checked and checked.value,
                "validation_figure": checked and checked.name.removeprefix("val_"),
                "test": tested and tested.value,
                "test_figure": tested and tested.name,
                "test_low": tested and tested.low,
                "test_high": tested and tested.high,
                "test_specimens": tested and tested.of,
                "start": run.start or None,
                "folder": str(run.folder.path),
                "problem": run.problem,
            }
        )
    return pd.DataFrame(rows, columns=RUN_COLUMNS)


def evaluate(
    model: AnyPath | Model,
    data: AnyPath,
    out: AnyPath | None = None,
    *,
    images: AnyPath | None = None,
    part: str | None = None,
    threshold: float | None = None,
    device: str = "auto",
    report: Report = silent,
) -> Evaluation:
    """Test a model on annotated slides.

    Parameters
    ----------
    model : str, path or Model
        The model.
    data : path
        A project, annotations of any format, or the folder of a training run.
    out : path, optional
        Folder for ``report.html``, ``report.json`` and tables as CSV; by default no report is written.
    images : path, optional
        Folder of the images, if they are not beside the annotations.
    part : str, optional
        ``"train"``, ``"validation"``, ``"test"`` or ``"all"``; by default the test part, or all if there is no
        split.
    threshold : float, optional
        Lowest score of a specimen, above 0 and up to 1; the model's own by default.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each image and tile.

    Returns
    -------
    Evaluation
        Figures with their intervals: ``evaluation.figures()["f1"]``, ``evaluation.intervals["ap50"]``;
        ``evaluation.definitions()["ap50"].misleads`` says when one misleads.

    Raises
    ------
    InputError
        When the data cannot be read or hold no annotated specimen.
    ModelError
        When the model cannot be loaded.
    OutputError
        When the report cannot be written.

    Warns
    -----
    UserWarning
        When the model was trained on some of these images, and about other problems of the data.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.evaluate("diatom-obb", "my-project").figures()["f1"]  # doctest: +SKIP
    """
    from diatom_training.evaluation.evaluate import evaluate_model
    from diatom_training.evaluation.test_set import TestImage
    from diatom_training.evaluation.test_slides import leaks
    from diatom_training.finetune.run_test_set import read_test_set
    from napari_diatom.core.text import sentence

    folder = model.folder if isinstance(model, Model) else model_folder(model)
    monitor, place = progress_monitor(report), optional_path(out, "out")
    chosen = read_test_set(given_path(data, "data"), optional_path(images, "images"), part=part, monitor=monitor)
    warnings_found = (*map(sentence, chosen.warnings), *leaks(folder, chosen.slides))
    for line in warnings_found:
        warnings.warn(line, UserWarning, stacklevel=2)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-") as scratch:
        return evaluate_model(
            folder,
            [TestImage.of(slide) for slide in chosen.slides],
            place or Path(scratch),
            threshold,
            device,
            monitor,
            one_class=chosen.one_class,
            remarks=(f"Tested on {chosen.text}.", *warnings_found),
        )


def training_settings(config: AnyPath | Mapping[str, Any] | TrainConfig) -> tuple[TrainConfig, Path]:
    """Return the settings of a training, and the folder that its run lies in by default.

    Raises
    ------
    InputError
        When they cannot be used.
    """
    from diatom_training.finetune.config import TrainConfig

    if isinstance(config, TrainConfig):
        return config, Path()
    if isinstance(config, Mapping):
        return TrainConfig.of(**{str(name): value for name, value in config.items()}), Path()
    path = given_path(config, "config")
    return TrainConfig.read(path), path.absolute().parent


def _finished(run: RunFolder, monitor: ProgressMonitor) -> TrainingRun:
    """Train until the run has finished."""
    from diatom_training.finetune import training_process

    training_process.follow(run, monitor.report)
    return TrainingRun(run.path)
