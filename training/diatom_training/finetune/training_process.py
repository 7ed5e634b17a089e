"""Trainings in processes of their own, so that stopping is certain and memory comes back."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from typing import Any, Final

from diatom_training.finetune import recent_runs
from diatom_training.finetune.run_folder import EVENTS, LOG, MODEL, STOP, RunFolder, State
from napari_diatom.core.errors import DiatomError, InputError, ModelError, OutputError, Stopped
from napari_diatom.core.processes import start
from napari_diatom.core.progress import Progress, ProgressMonitor, Report
from napari_diatom.models.card import CARD_FILE

GRACE_SECONDS: Final = 2.5
"""How long a training may take to stop by itself before it is ended."""
POLL_SECONDS: Final = 0.1
WAIT_SECONDS: Final = 0.2
"""How long an interrupt may have to wait on Windows."""
NO_ROOM: Final = 74
"""Exit code of a training that could not even write why it ended; that of sysexits for input and output."""
_ERRORS: Final = {error.__name__: error for error in (InputError, ModelError, OutputError)}
"""Errors of the training that are raised again in the process that waits for it."""


_going_on: Final[list[TrainingProcess]] = []
"""Trainings of this process that nobody follows any more."""


class TrainingProcess:
    """A training in a separate process, which stops when this process is gone, unless the run says otherwise.

    Parameters
    ----------
    folder : RunFolder
        The run; it starts, or continues where it stopped.

    Raises
    ------
    InputError
        When the run is being worked on, is finished, or is not there any more.
    OutputError
        When its folder cannot be written.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = RunFolder.open(folder.path)
        with folder.alone():
            self._process = self._begin()
        recent_runs.remember(folder)
        self._deadline: float | None = None

    def _begin(self) -> subprocess.Popen[bytes]:
        """Start the process; there is one at a time."""
        # Another window may have deleted or renamed it meanwhile.
        folder = RunFolder.open(self.folder.path)
        state = folder.state()
        if state.stage == "running":
            raise InputError(f"{folder.path} is being trained already, by process {state.pid}.")
        if state.stage == "finished":
            raise InputError(f"{folder.path} is finished; its model is in {folder / MODEL}.")
        (folder / STOP).unlink(missing_ok=True)
        folder.adopt()
        with (folder / LOG).open("ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            process = start("diatom_training.finetune", str(folder.path), apart=True, **streams)
        # The process itself can say so only when it has loaded its libraries.
        folder.write_state("running", pid=process.pid)
        return process

    def stop(self) -> None:
        """Ask the training to stop; :meth:`poll` ends it when it does not."""
        if self._deadline is None:
            self._deadline = time.monotonic() + GRACE_SECONDS
            self.folder.ask_to_stop()

    def let_go(self) -> None:
        """Let the training go on although nobody follows it any more."""
        # Python warns of a child process that is forgotten before it has ended.
        _going_on[:] = [*(training for training in _going_on if training._process.poll() is None), self]

    def poll(self) -> State | None:
        """Return how the training ended, None while it runs."""
        if self._process.poll() is None:
            if self._deadline is None or time.monotonic() < self._deadline:
                return None
            self._process.kill()
            self._process.wait()
        state, _ = self.folder.written_state()
        if self._process.returncode == NO_ROOM:
            return State("failed", state.pid, f"{self.folder.path} cannot be written: is the disk full?")
        if state.stage != "running":
            return state
        if self._deadline is not None:
            return State("stopped", state.pid, stopped_text(self.folder))
        return State("failed", state.pid, f"The training ended unexpectedly: {self._last_words()} It can be resumed.")

    def _last_words(self) -> str:
        """Return the last line of its log."""
        code = self._process.returncode
        if code < 0:
            return f"it was killed (signal {-code}), by a user, or because memory ran out."
        lines = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {code}."


class AttachedTraining:
    """A training that another process started, with the methods of a :class:`TrainingProcess`.

    Parameters
    ----------
    folder : RunFolder
        The run. If the program that started it is gone, this process takes it over.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._deadline: float | None = None
        if folder.state().stage == "running" and not folder.has_starter():
            folder.adopt()

    def stop(self) -> None:
        """Ask the training to stop; :meth:`poll` ends it when it does not."""
        if self._deadline is None:
            self._deadline = time.monotonic() + GRACE_SECONDS
            self.folder.ask_to_stop()

    def poll(self) -> State | None:
        """Return how the training ended, None while it runs."""
        state = self.folder.state()
        if state.stage != "running":
            if self._deadline is not None and self.folder.written_state()[0].stage == "running":
                return State("stopped", state.pid, stopped_text(self.folder))
            return state
        if self._deadline is not None and time.monotonic() >= self._deadline:
            import psutil

            with contextlib.suppress(psutil.Error):
                process = psutil.Process(state.pid)
                process.kill()
                process.wait(1)
        return None


def attach(folder: RunFolder) -> TrainingProcess | AttachedTraining:
    """Follow a run that goes on: as one of this process if it was started here and let go, else as another one's."""
    known = next((training for training in _going_on if training.folder.path == folder.path), None)
    if known is None or known._process.poll() is not None:
        return AttachedTraining(folder)
    _going_on.remove(known)
    return known


def run(folder: RunFolder, monitor: ProgressMonitor) -> State:
    """Train in a child process and pass its reports on until it has ended.

    Raises
    ------
    InputError
        When the run is being worked on, or is finished.
    Stopped
        Within three seconds of ``monitor.should_stop()`` becoming true.
    DiatomError
        What made it fail.
    """
    offset = (folder / EVENTS).stat().st_size if (folder / EVENTS).exists() else 0
    child = TrainingProcess(folder)
    while True:
        if monitor.should_stop():
            child.stop()
        state = child.poll()
        events, offset = folder.events(offset)
        for event in events:
            monitor.report(progress_of(event))
        if state is None:
            time.sleep(POLL_SECONDS)
        elif state.stage == "stopped":
            raise Stopped(state.message)
        elif state.stage == "failed":
            raise _ERRORS.get(state.error, DiatomError)(state.message)
        else:
            return state


def follow(folder: RunFolder, report: Report) -> None:
    """Train in a child process as :func:`run` does, until it has ended; an interrupt stops it in order.

    ``report`` is called in a thread.

    Raises
    ------
    Stopped
        When it was interrupted, or stopped from elsewhere.
    DiatomError
        As :func:`run`.
    """
    stop = threading.Event()
    failure: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            run(folder, ProgressMonitor(report, stop.is_set))
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    threading.Thread(target=work).start()
    # Not by joining it: a thread whose join is interrupted counts as ended in Python 3.11.
    while not ended.is_set():
        try:
            ended.wait(WAIT_SECONDS)
        except KeyboardInterrupt:
            stop.set()
    if failure:
        raise failure[0]


def progress_of(event: dict[str, Any]) -> Progress:
    """Return what a line of the events says."""
    return Progress(**{name: event[name] for name in ("stage", "done", "total", "message", "values")})


def stopped_text(folder: RunFolder) -> str:
    """Return the message for a run that was stopped on request."""
    is_kept = (folder / MODEL / CARD_FILE).exists()
    kept = "the best weights so far are saved in the run's model" if is_kept else "no epoch was completed"
    return f"Stopped as asked; {kept}."
