"""What a run has come to, as a row of a table, and what two runs say beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from diatom_training.data.annotated_slides import Part
from diatom_training.evaluation.card_figures import CardFigure, card_figures
from diatom_training.evaluation.report_files import JSON
from diatom_training.finetune import recent_runs
from diatom_training.finetune.added_epochs import epochs_of
from diatom_training.finetune.run_folder import CONFIG, HISTORY, MODEL, REPORT, SPLIT, STATE, RunFolder, Stage, State
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.models.card import CARD_FILE, ModelCard, Task

MERITS: Final[Mapping[str, str]] = {
    "val_ap50": "AP50",
    "val_iou": "IoU",
    "val_miou": "mIoU",
    "val_accuracy": "accuracy",
}
"""Figure of the validation that a table shows, the first one that a run has, and what it is called."""
TESTED: Final[Mapping[Task, str]] = {
    "oriented-boxes": "f1",
    "boxes": "f1",
    "instances": "f1",
    "semantic": "dice",
    "classes": "accuracy",
    "outlines": "outline_iou",
}
"""The same of the test."""
TESTED_TITLES: Final[Mapping[str, str]] = {
    "f1": "F1",
    "dice": "Dice",
    "accuracy": "accuracy",
    "outline_iou": "IoU of outlines",
}
COLUMNS: Final = ("run", "state", "test", "validation", "best epoch", "images", "task", "begun", "start")
"""Headings of a table of runs."""
_READ: Final = (CONFIG, SPLIT, HISTORY, STATE, f"{MODEL}/{CARD_FILE}", f"{REPORT}/{JSON}")
"""Files that a summary is made of."""

_Value = TypeVar("_Value")
_known: Final[dict[Path, tuple[tuple[int, ...], RunSummary]]] = {}
"""Summaries that were made before, and when their files were written."""


@dataclass(frozen=True)
class RunSummary:
    """A run in a table.

    Attributes
    ----------
    folder : RunFolder
        The run.
    stage : Stage
        How far it is.
    problem : str
        What is wrong with its files; empty where they can be read.
    task : Task or None
        None where the settings cannot be read, as those of a later version.
    start : str
        What the training starts from.
    began : datetime or None
        When the folder was made, in local time.
    images : mapping of str to int
        Of each part how many images it has; empty before the slides are divided.
    specimens : mapping of str to int
        The same of specimens.
    epochs, of_epochs, best_epoch : int
        Finished epochs, those that the run may have, and the best one, from 1; 0 while there is none.
    validation, test : CardFigure or None
        The chief figures: of the best epoch, and of the test with its interval.
    """

    folder: RunFolder
    stage: Stage
    problem: str = ""
    task: Task | None = None
    start: str = ""
    began: datetime | None = None
    images: Mapping[Part, int] = field(default_factory=dict)
    specimens: Mapping[Part, int] = field(default_factory=dict)
    epochs: int = 0
    of_epochs: int = 0
    best_epoch: int = 0
    validation: CardFigure | None = None
    test: CardFigure | None = None

    @property
    def name(self) -> str:
        """Name of its folder, which is that of its model."""
        return self.folder.path.name

    def cells(self) -> tuple[str, ...]:
        """Return the texts of a row under :data:`COLUMNS`; what is not known is empty."""
        best = f"{self.best_epoch} of {self.epochs}" if self.best_epoch else ""
        shown = [
            (self.test, "" if self.test is None or self.task is None else TESTED_TITLES[TESTED[self.task]]),
            (self.validation, "" if self.validation is None else MERITS[self.validation.name]),
        ]
        figures = [f"{title} {figure.value:.2f}{_behind(figure)}" if figure else "" for figure, title in shown]
        return (
            self.name,
            self.stage,
            *figures,
            best,
            str(sum(self.images.values())) if self.images else "",
            self.task or "",
            f"{self.began:%Y-%m-%d %H:%M}" if self.began else "",
            # The name of a run or model says more than the folders that it is in.
            Path(self.start).name,
        )


def list_summaries(monitor: ProgressMonitor = UNWATCHED) -> list[RunSummary]:
    """Return the runs of this user, the latest first. Raises Stopped when a stop was asked for."""
    summaries = []
    for run in recent_runs.list_runs():
        monitor.check()
        summaries.append(summarize_run(run))
    return summaries


def summarize_run(folder: RunFolder) -> RunSummary:
    """Return what a run has come to. What cannot be read is left out, and said in ``problem``."""
    written = tuple(_written(folder / name) for name in _READ)
    path = folder.path.absolute()
    if path in _known and _known[path][0] == written and _known[path][1].stage != "running":
        return _known[path][1]
    summary = _summarized(folder)
    _known[path] = written, summary
    return summary


def _written(path: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _summarized(folder: RunFolder) -> RunSummary:
    """Read the files of a run."""
    problems: list[str] = []

    def told(read: Callable[[], _Value], otherwise: _Value) -> _Value:
        try:
            return read()
        except (DiatomError, OSError) as error:
            problems.append(str(error))
            return otherwise

    state = told(folder.state, State("failed"))
    config = told(folder.config, None)
    division = told(folder.division, None)
    none: list[dict[str, float]] = []
    history = told(folder.history, none)
    parts = {} if division is None else division.parts
    specimens = {part: sum(member.specimens for member in members) for part, members in parts.items()}
    best = folder.reading(history).best_epoch if history else 0
    figures = history[best - 1] if best else {}
    merits = [CardFigure(name, figures[name], of=specimens.get("validation", 0)) for name in MERITS if name in figures]
    tested: list[CardFigure] = []
    if config is not None and (folder / MODEL / CARD_FILE).is_file():
        card = told(lambda: ModelCard.read(folder / MODEL), None)
        metrics = {} if card is None else card.metrics
        tested = card_figures(metrics, (TESTED[config.task],), folder / REPORT / JSON)
    return RunSummary(
        folder,
        state.stage,
        " ".join(problems),
        None if config is None else config.task,
        "" if config is None else config.start,
        datetime.fromtimestamp(folder.began()) if folder.began() else None,
        {part: len(members) for part, members in parts.items()},
        specimens,
        len(history),
        0 if config is None else told(lambda: epochs_of(folder, config), config.learning.epochs),
        best,
        merits[0] if merits else None,
        tested[0] if tested else None,
    )


def comparison_remarks(one: RunSummary, other: RunSummary) -> list[str]:
    """Return what a person should know before they compare the figures of two runs, a sentence each."""
    if None in (one.task, other.task):
        return ["The settings of a run cannot be read, so its figures may be of another task."]
    if one.task != other.task:
        return ["These runs are for different tasks, so their figures cannot be compared."]
    remarks = []
    parts = [name for name in ("validation", "test") if _members(one, name) != _members(other, name)]
    if parts:
        remarks.append(
            f"Their {' and '.join(parts)} images are different, so the slides alone may make the difference."
        )
    if one.test and other.test and one.test.low <= other.test.high and other.test.low <= one.test.high:
        remarks.append(
            "The intervals of the test overlap, so the difference may be chance. Compare both models on the same "
            "slides with napari-diatom evaluate MODEL DATA -o OUT --compare OTHER."
        )
    return remarks


def _behind(figure: CardFigure) -> str:
    """Return what is behind a figure, in brackets; empty where that is not known."""
    few = ": too few to tell" if figure.few else ""
    return f" ({figure.sure}{few})" if figure.sure else ""


def _members(run: RunSummary, part: Part) -> set[str]:
    """Return the images of a part of a run, none where they cannot be read."""
    try:
        division = run.folder.division()
    except DiatomError:
        return set()
    return set() if division is None else {member.key for member in division.parts[part]}
