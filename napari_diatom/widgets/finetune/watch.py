"""A training in another process, as Qt sees it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.errors import DiatomError

if TYPE_CHECKING:
    from diatom_training.finetune.child import Child, Elsewhere
    from diatom_training.finetune.folder import RunFolder, State
    from napari_diatom.progress import Progress

_LOOK_MS: Final = 250
_STEPS: Final = 40
"""Steps over which speed is told."""


class Watch(QObject):
    """Follows the run that it is given, and starts and stops it."""

    progressed = Signal(object)
    """A :class:`~napari_diatom.progress.Progress` of the run."""
    ended = Signal(object)
    """The :class:`~diatom_training.finetune.folder.State` in which the run ended."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.folder: RunFolder | None = None
        self._process: Child | Elsewhere | None = None
        self._offset = 0
        self._times: deque[tuple[float, int]] = deque(maxlen=_STEPS)
        self._total = 0
        self._timer = QTimer(self)
        self._timer.setInterval(_LOOK_MS)
        self._timer.timeout.connect(self.look)

    @property
    def is_running(self) -> bool:
        """Whether the run is being worked on."""
        return self._process is not None

    def show(self, folder: RunFolder) -> None:
        """Follow a run from its beginning, wherever it was started."""
        from diatom_training.finetune.child import Elsewhere

        self._follow(folder)
        if folder.state().stage == "running":
            self._process = Elsewhere(folder)
            self._timer.start()

    def start(self, folder: RunFolder) -> None:
        """Begin a run, or go on with it.

        Raises
        ------
        DiatomError
            When it cannot be started.
        """
        from diatom_training.finetune.child import Child

        process = Child(folder)
        self._follow(folder)
        self._process = process
        self._timer.start()

    def stop(self) -> None:
        """Ask the run to stop; within three seconds it has ended."""
        if self._process is not None:
            self._process.stop()

    def leave(self) -> None:
        """Go away: a run that is not to go on without this program is ended now, and keeps its best weights."""
        self._timer.stop()
        process, self._process = self._process, None
        if process is None or process.folder.keeps_going():
            return
        from diatom_training.finetune.child import Child

        if isinstance(process, Child):
            process.stop()
            while process.poll() is None:
                time.sleep(0.05)

    def look(self) -> None:
        """Pass on what happened since the last time."""
        folder, process = self.folder, self._process
        if folder is None:
            return
        state = None
        if process is not None:
            try:
                state = process.poll()
            except DiatomError:
                # The file is being replaced, or the folder has gone; the next look tells.
                return
        self._read()
        if state is not None:
            self._process = None
            self._timer.stop()
            self.ended.emit(state)

    def seconds_left(self) -> float | None:
        """Return how long the steps that are left will take at the speed of the last ones."""
        speed = self.steps_per_second()
        return None if speed is None else (self._total - self._times[-1][1]) / speed

    def steps_per_second(self) -> float | None:
        """Return the speed of the last steps."""
        if len(self._times) < 2 or self._times[-1][0] <= self._times[0][0]:
            return None
        (first, done), (last, more) = self._times[0], self._times[-1]
        return (more - done) / (last - first)

    def _follow(self, folder: RunFolder) -> None:
        """Take a run in place of the one before."""
        self._timer.stop()
        self.folder, self._process, self._offset, self._total = folder, None, 0, 0
        self._times.clear()

    def _read(self) -> None:
        from diatom_training.finetune.child import progress_of

        assert self.folder is not None
        events, self._offset = self.folder.events(self._offset)
        last: Progress | None = None
        for event in events:
            progress = progress_of(event)
            if progress.stage in ("step", "composed-step"):
                if self._times and progress.done <= self._times[-1][1]:
                    self._times.clear()
                self._times.append((event["time"], progress.done))
                self._total, last = progress.total, progress
            else:
                self.progressed.emit(progress)
        if last is not None:
            self.progressed.emit(last)


def state_of(folder: RunFolder) -> State:
    """Return how far a run is; one that cannot be read has failed."""
    from diatom_training.finetune.folder import State

    try:
        return folder.state()
    except DiatomError as error:
        return State("failed", 0, str(error))
