"""Follows a training in another process with Qt signals."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError

if TYPE_CHECKING:
    from diatom_training.finetune.run_folder import RunFolder, State
    from diatom_training.finetune.training_process import AttachedTraining, TrainingProcess
    from napari_diatom.core.progress import Progress

_LOOK_MS: Final = 250
_STEP_STAGES: Final = ("step", "composed-step")
_LAST_STAGES: Final = ("stopped", "failed", "finished")
_STEPS: Final = 40
"""Number of steps for the mean speed."""


class RunMonitor(QObject):
    """Follows a run, and starts and stops it."""

    progressed = Signal(object)
    """A :class:`~napari_diatom.core.progress.Progress` of the run."""
    ended = Signal(object)
    """The :class:`~diatom_training.finetune.run_folder.State` in which the run ended."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder: RunFolder | None = None
        self._process: TrainingProcess | AttachedTraining | None = None
        self._offset = 0
        self._times: deque[tuple[float, int]] = deque(maxlen=_STEPS)
        self._total = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)

    @property
    def is_running(self) -> bool:
        """Whether the run is in progress."""
        return self._process is not None

    def show(self, folder: RunFolder) -> None:
        """Follow a run, wherever it was started, and send the warnings of its last attempt.

        The last event follows, unless it is an epoch. Epochs are in the history of the run.
        """
        from diatom_training.finetune.training_process import attach

        self._follow(folder)
        if run_state(folder).stage == "running":
            self._process = attach(folder)
            self._timer.start()
        events, self._offset = folder.events()
        attempt = _last_attempt(events)
        earlier = [event for event in attempt[:-1] if event["stage"] in ("warning", *_STEP_STAGES)]
        self._pass_on([*earlier, *(event for event in attempt[-1:] if event["stage"] != "epoch")])

    def start(self, folder: RunFolder) -> None:
        """Start a run, or continue it.

        Raises
        ------
        DiatomError
            When it cannot be started.
        """
        from diatom_training.finetune.run_folder import EVENTS
        from diatom_training.finetune.training_process import TrainingProcess

        before = (folder / EVENTS).stat().st_size if (folder / EVENTS).exists() else 0
        process = TrainingProcess(folder)
        self._follow(folder)
        self._process, self._offset = process, before
        self._timer.start()

    def stop(self) -> None:
        """Ask the run to stop. It ends within three seconds."""
        if self._process is not None:
            self._process.stop()

    def leave(self) -> None:
        """Stop following. A run that must not continue without this program stops, and keeps its best weights."""
        self._timer.stop()
        process, self._process = self._process, None
        if process is None:
            return
        from diatom_training.finetune.training_process import TrainingProcess

        if not isinstance(process, TrainingProcess):
            return
        if process.folder.keeps_going():
            process.let_go()
            return
        process.stop()
        while process.poll() is None:
            time.sleep(0.05)

    def forget(self) -> None:
        """Follow no run, because the run does not exist any more."""
        self._timer.stop()
        self.folder, self._process = None, None

    def look(self) -> None:
        """Send the events since the last look."""
        folder, process = self.folder, self._process
        if folder is None:
            return
        state = None
        if process is not None:
            try:
                state = process.poll()
            except DiatomError:
                # The file is being replaced, or the folder is missing. The next look shows which.
                return
        events, self._offset = folder.events(self._offset)
        self._pass_on(events)
        if state is not None:
            self._process = None
            self._timer.stop()
            self.ended.emit(state)

    def seconds_left(self) -> float | None:
        """Return the time for the remaining steps at the speed of the last steps."""
        speed = self.steps_per_second()
        return None if speed is None else (self._total - self._times[-1][1]) / speed

    def steps_per_second(self) -> float | None:
        """Return the speed of the last steps."""
        if len(self._times) < 2 or self._times[-1][0] <= self._times[0][0]:
            return None
        (first, done), (last, more) = self._times[0], self._times[-1]
        return (more - done) / (last - first)

    def _follow(self, folder: RunFolder) -> None:
        """Replace the followed run."""
        self._timer.stop()
        self.folder, self._process, self._offset, self._total = folder, None, 0, 0
        self._times.clear()

    def _pass_on(self, events: Sequence[dict[str, Any]]) -> None:
        """Send events. Of several steps in a row, send the last."""
        from diatom_training.finetune.training_process import progress_of

        last: Progress | None = None
        for event in events:
            progress = progress_of(event)
            if progress.stage in _STEP_STAGES:
                if self._times and progress.done <= self._times[-1][1]:
                    self._times.clear()
                self._times.append((event["time"], progress.done))
                self._total, last = progress.total, progress
            else:
                last = None
                self.progressed.emit(progress)
        if last is not None:
            self.progressed.emit(last)


def _last_attempt(events: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Return the events since the run was last started or resumed.

    Every attempt reads the slides first. An attempt that fails before that is a single event.
    """
    begin = 0
    for place in range(1, len(events)):
        before, stage = events[place - 1]["stage"], events[place]["stage"]
        if before in _LAST_STAGES or (stage == "images" and before != "images"):
            begin = place
    return events[begin:]


def run_state(folder: RunFolder) -> State:
    """Return the state of a run. A run that cannot be read counts as failed."""
    from diatom_training.finetune.run_folder import State

    try:
        return folder.state()
    except DiatomError as error:
        return State("failed", 0, str(error))


def history_of(folder: RunFolder) -> list[dict[str, float]]:
    """Return the figures of the finished epochs, empty if they cannot be read."""
    try:
        return folder.history()
    except DiatomError:
        return []
