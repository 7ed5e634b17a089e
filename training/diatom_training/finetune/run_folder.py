"""The folder of a run: what is in it, and how a window, a command line and the training talk through it.

The training appends what happens to ``events.jsonl``, a JSON object a line; whoever wants it to stop puts a file called
``stop`` there. So any number of windows can watch, and one that was closed finds the run again.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from filelock import FileLock

from diatom_training.evaluation.curve_diagnosis import Diagnosis, read
from diatom_training.finetune.changed_settings import changed_settings, told_changes
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.data_split import DataSplit
from diatom_training.finetune.recorded_settings import without_idle
from diatom_training.finetune.run_notes import kept_notes
from diatom_training.finetune.work_folder import LOCK, WorkFolder
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import Progress
from napari_diatom.core.text_files import parse_json, parse_table, read_json, read_text, read_yaml
from napari_diatom.models import library
from napari_diatom.models.library import ModelFolder

CONFIG: Final = "config.yaml"
SPLIT: Final = "split.json"
ENVIRONMENT: Final = "environment.json"
SEGMENTS: Final = "segments.json"
HISTORY: Final = "history.csv"
EVENTS: Final = "events.jsonl"
STATE: Final = "run.json"
STOP: Final = "stop"
STARTER: Final = "starter.json"
"""Names the process that started the training, or that watches over it since."""
KEEP: Final = "keep"
"""A file that lets the training continue when that process is gone."""
EXAMPLES: Final = "examples"
MODEL: Final = "model"
CHECKPOINTS: Final = "checkpoints"
IMAGES: Final = "images"
REPORT: Final = "report"
CURVES: Final = "curves.png"
BOARD: Final = "tensorboard"
COMPOSED: Final = "composed"
"""Folder of the part of a run that learns from composed slides; in it are its own curves, checkpoints and model."""
FIELDS: Final = "fields"

TRANSFERRED: Final = "transferred.txt"
TRANSFER: Final = "transfer.csv"
LOG: Final = "log.txt"
_BEGINNING: Final = (CONFIG, SPLIT, ENVIRONMENT, EVENTS, STATE, STOP, STARTER, KEEP, LOG)
"""Files that a run has before its first epoch, ..."""
_BEGINNING_FOLDERS: Final = (BOARD, CHECKPOINTS, IMAGES)
"""... and folders."""
_LATER: Final = (SEGMENTS, HISTORY, CURVES, TRANSFERRED, TRANSFER, EXAMPLES, MODEL, REPORT, COMPOSED)
CONTENTS: Final = (*_BEGINNING, *_BEGINNING_FOLDERS, *_LATER)
"""All files and folders of a run."""
_CLOCK_SECONDS: Final = 60.0
_AT_ONCE: Final = 2**26
"""Bytes of events that are read at once, and the most that a line may have."""
_LONGEST_LINE: Final = 2**16
_PIDS: Final = 2**31
"""Number above all of processes."""

Stage = Literal["new", "running", "stopped", "failed", "finished"]


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes
    ----------
    stage : Stage
        ``new`` is one that has not begun.
    pid : int
        Process that works or worked on it, 0 for none.
    message : str
        Why it stopped or failed.
    error : str
        Name of the error that it failed with, of those in :mod:`napari_diatom.core.errors`; empty for any other.
    """

    stage: Stage = "new"
    pid: int = 0
    message: str = ""
    error: str = ""


class RunFolder(WorkFolder):
    """A run on disk.

    Parameters
    ----------
    path : Path
        Its folder.
    """

    @classmethod
    def create(cls, path: Path, config: TrainConfig) -> RunFolder:
        """Make the folder of a new run; one that failed before its first epoch is replaced.

        Raises
        ------
        InputError
            When the folder already holds something else.
        OutputError
            When it cannot be written.
        """
        folder = cls.made(path)
        with folder.alone():
            folder._clear()
            folder.check_empty("continue with the run in it")
            config.absolute().write(path / CONFIG)
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return the run in a folder.

        Raises
        ------
        InputError
            When there is none.
        """
        if not (path / CONFIG).is_file():
            raise InputError(f"{path} is not a training run: {CONFIG} is missing.")
        return cls(path)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from beginning the run meanwhile. Raises OutputError when that is not possible."""
        try:
            held = FileLock(self / LOCK).acquire()
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {reason(error)}") from error
        with held:
            yield

    def _clear(self) -> None:
        """Take away what a run has left that ended before its first epoch."""
        if self.state().stage not in ("stopped", "failed"):
            return
        there = {item.name for item in self.path.iterdir()} - {LOCK}
        if there - {*_BEGINNING, *_BEGINNING_FOLDERS} or any((self / CHECKPOINTS).glob("*")):
            return
        for name in there & set(_BEGINNING):
            (self / name).unlink()
        for name in there & set(_BEGINNING_FOLDERS):
            shutil.rmtree(self / name)

    def config(self) -> TrainConfig:
        """Return what it is to do. Raises as :meth:`TrainConfig.read`."""
        return TrainConfig.read(self / CONFIG, recorded=True)

    def idle_settings(self) -> dict[str, str]:
        """Return the settings that an earlier version noted and that :meth:`config` leaves out, with the reasons."""
        data = read_yaml(self / CONFIG, "the settings of a training")
        return without_idle(data)[1] if isinstance(data, Mapping) else {}

    def check(self, config: TrainConfig) -> None:
        """Refuse to continue with other settings than the run started with, except devices.

        Raises
        ------
        InputError
            When the run is to do something else than ``config`` says.
        """
        changes = changed_settings(self.config(), config)
        if changes:
            raise InputError(
                f"The settings have changed since {self.path} began ({', '.join(told_changes(changes))}), and a "
                "training can only continue with its own settings: resume it by its folder, or start a new one with -o."
            )

    def division(self) -> DataSplit | None:
        """Return how the run has divided its slides, None where it has not yet. Raises as :meth:`DataSplit.read`."""
        return DataSplit.read(self / SPLIT)

    def state(self) -> State:
        """Return how far it is; one whose process has died without a word is ``stopped``."""
        state, started = self.written_state()
        if state.stage == "running" and not alive(state.pid, started):
            return State("stopped", state.pid, "The training was ended by another program; it can be resumed.")
        return state

    def written_state(self) -> tuple[State, float]:
        """Return how far it was by its own last word, and when its process was started."""
        path = self / STATE
        if not path.exists():
            return State(), 0.0
        advice = "The file is damaged: remove it to continue the training."
        try:
            data = read_json(path, "the state of a training")
            state = State(data["stage"], int(data["pid"]), str(data["message"]), str(data.get("error", "")))
            started = float(data["started"])
            if state.stage not in get_args(Stage) or not 0 <= state.pid < _PIDS:
                raise ValueError(f"{state.stage!r}, process {state.pid}")
        except InputError as error:
            raise InputError(f"{error} {advice}") from None
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise InputError(f"{path} is not the state of a training: {error!r}. {advice}") from None
        return state, started

    def write_state(self, stage: Stage, message: str = "", pid: int | None = None, error: str = "") -> None:
        """Note how far it is, by this process or another one. Raises OutputError when that cannot be written."""
        pid = os.getpid() if pid is None else pid
        data = {"stage": stage, "pid": pid, "started": started_at(pid), "message": message, "error": error}
        data |= kept_notes(self / STATE)
        write_atomically(self / STATE, json.dumps(data, indent=1) + "\n")

    def say(self, progress: Progress) -> None:
        """Append an event for those who watch. Raises OutputError when that cannot be written."""
        line = json.dumps(progress.to_json() | {"time": round(time.time(), 3)}) + "\n"
        path = self / EVENTS
        try:
            before = path.stat().st_size if path.exists() else 0
            try:
                with path.open("a", encoding="utf-8") as stream:
                    stream.write(line)
            except OSError:
                # Half a line would spoil the one that is written after it.
                with contextlib.suppress(OSError):
                    os.truncate(path, before)
                raise
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {reason(error)}") from error

    def events(self, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return what happened after a place in the file, and the place where to read on.

        Lines that are not of a training's are skipped.
        """
        path = self / EVENTS
        try:
            if not path.is_file():
                return [], offset
            with path.open("rb") as stream:
                stream.seek(offset)
                data = stream.read(_AT_ONCE)
        except OSError:
            return [], offset
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) == _AT_ONCE:
            return [], offset + len(data)
        return list(_parsed(whole)), offset + len(whole)

    def began(self) -> float:
        """Return when the folder was begun, in seconds since 1970, by its first event; 0 where that is not known."""
        with contextlib.suppress(OSError), (self / EVENTS).open("rb") as stream:
            return next((event["time"] for event in _parsed(stream.readline(_LONGEST_LINE))), 0.0)
        return 0.0

    def ask_to_stop(self) -> None:
        """Ask the training to stop. Raises OutputError when that cannot be written."""
        write_atomically(self / STOP, "")

    def wants_stop(self) -> bool:
        """Whether a stop was asked for."""
        return (self / STOP).exists()

    def adopt(self) -> None:
        """Note that the run is this process's: it ends with it, unless it keeps going. Raises OutputError."""
        pid = os.getpid()
        write_atomically(self / STARTER, json.dumps({"pid": pid, "started": started_at(pid)}) + "\n")

    def has_starter(self) -> bool:
        """Whether the process that the run is of is there; where none is named, none is gone."""
        path = self / STARTER
        if not path.exists():
            return True
        try:
            data = read_json(path, "the starter of a training")
            return alive(int(data["pid"]), float(data["started"]))
        except (InputError, ValueError, KeyError, TypeError, OverflowError):
            return False

    def keep_going(self, keep: bool) -> None:
        """Let the training continue after its starter is gone, or not. Raises OutputError when that is not noted."""
        if keep:
            write_atomically(self / KEEP, "")
        else:
            (self / KEEP).unlink(missing_ok=True)

    def keeps_going(self) -> bool:
        """Whether the training continues after its starter is gone."""
        return (self / KEEP).exists()

    def example(self, epoch: int) -> Path:
        """Return where the picture of an epoch, from 1, is: validation crops with what is there and what was found."""
        return self / EXAMPLES / f"epoch-{epoch:03d}.jpg"

    def write_history(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write a row of figures an epoch. Raises OutputError when that cannot be written."""
        columns = list(dict.fromkeys(name for epoch in history for name in epoch))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["epoch", *columns])
        for number, epoch in enumerate(history, start=1):
            writer.writerow([number, *(f"{epoch[name]:.6g}" if name in epoch else "" for name in columns)])
        write_atomically(self / HISTORY, text.getvalue())

    def history(self) -> list[dict[str, float]]:
        """Return the figures of the finished epochs, without their numbers.

        Raises
        ------
        InputError
            When the file of them is damaged.
        """
        path, kind = self / HISTORY, "the figures of a training"
        if not path.exists():
            return []
        names, *rows = parse_table(read_text(path, kind), path, kind) or [[]]
        try:
            return [
                {name: float(cell) for name, cell in zip(names, row, strict=True) if name != "epoch" and cell}
                for row in rows
            ]
        except ValueError as error:
            raise InputError(f"{path} is not {kind}: {error}.") from None

    def reading(self, history: Sequence[Mapping[str, float]]) -> Diagnosis:
        """Return the diagnosis of the run's curves, given its classes and its number of validation specimens."""
        classes = specimens = 0
        with contextlib.suppress(InputError):
            if (division := self.division()) is not None:
                classes = len(division.classes)
                specimens = sum(member.specimens for member in division.parts["validation"])
        return read(history, classes, specimens)


def find_model(name_or_path: str) -> ModelFolder:
    """Return the model of a name or folder, or the one in the folder of a run. Raises as `library.resolve_model`."""
    model = Path(name_or_path) / MODEL
    return library.resolve_model(str(model) if model.is_dir() else name_or_path)


def run_of(model: ModelFolder) -> RunFolder | None:
    """Return the run that a model lies in, None where it lies elsewhere."""
    run = model.folder.absolute().parent
    return RunFolder(run) if model.folder.name == MODEL and (run / CONFIG).is_file() else None


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield the events of whole lines; a line that a full disk cut, or that is of something else, is skipped."""
    for line in data.splitlines():
        try:
            event = parse_json(line, EVENTS, "an event of a training")
            yield {
                "stage": str(event["stage"]),
                "done": int(event["done"]),
                "total": int(event["total"]),
                "message": str(event["message"]),
                "values": {str(name): float(value) for name, value in event["values"].items()},
                "time": float(event["time"]),
            }
        except (InputError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
            continue


def started_at(pid: int) -> float:
    """Return when a process of this machine was started, in seconds since 1970; 0 where there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return 0.0 if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return 0.0


def alive(pid: int, started: float) -> bool:
    """Tell whether the process that was started then runs: numbers of processes are given again.

    Its start is a clock time, and the clock may have been set since; a minute makes up for that.
    """
    return started > 0 and abs(started_at(pid) - started) < _CLOCK_SECONDS
