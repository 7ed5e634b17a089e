"""Long tasks in a thread, with progress in the window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from napari.qt.threading import WorkerBase, WorkerBaseSignals
from qtpy.compat import isalive
from qtpy.QtCore import QThreadPool, Signal

from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor

_SECONDS_BETWEEN_REPORTS: Final = 0.05


class ReportingSignals(WorkerBaseSignals):  # type: ignore[misc]
    """The signals of a :class:`ReportingWorker`."""

    progressed = Signal(object)
    stopped = Signal()


class QuietWorker(WorkerBase[Any]):  # type: ignore[misc]
    """Runs ``fn(*args)`` at once, however many others run. If the program ends first, it ends quietly.

    Qt's pool has one thread for each core of the computer, and makes others wait. Tasks of docks take minutes, most of
    them waiting for another process, so each gives its place in the pool to the next.

    At the end of the program Qt deletes the signals, and then waits for the threads. A worker that tells its result
    to a deleted signal raises an error in Qt's own thread, and PyQt aborts the program.
    """

    signals_class: type[WorkerBaseSignals] = WorkerBaseSignals

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(func, self.signals_class)
        self._func, self._args, self._kwargs = func, args, kwargs

    def run(self) -> None:
        """Run the function, and tell its result to those who still listen."""
        pool = QThreadPool.globalInstance()
        assert pool is not None
        pool.releaseThread()
        try:
            self._run()
        except RuntimeError:
            if isalive(self.signals):  # type: ignore[no-untyped-call]
                raise
        finally:
            pool.reserveThread()

    def _run(self) -> None:
        """Do what the base class does, but leave the program's handler of warnings alone.

        The base class puts its own in place and takes it back at the end. Of two workers at a time, that leaves the
        handler of one that is gone, and any later warning is an error.
        """
        self.started.emit()
        self._running = True
        try:
            result = self.work()
            if not self.abort_requested:
                self.returned.emit(result)
        except Exception as error:
            self.errored.emit(error)
        self._running = False
        self.finished.emit()
        self._finished.emit(self)

    def work(self) -> Any:
        """Run the function in the thread."""
        return self._func(*self._args, **self._kwargs)


class ReportingWorker(QuietWorker):
    """Runs ``fn(*args, report=..., monitor=...)``. After ``quit()``, ``monitor()`` returns true.

    It has two more signals: ``progressed(Progress)``, at most twenty times per second, and ``stopped()`` in place of
    ``errored`` when the function raises :class:`~napari_diatom.core.errors.Stopped`. ``finished`` always follows.
    """

    signals_class = ReportingSignals

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(func, *args, **kwargs)
        self._last_report = -1.0

    def work(self) -> Any:
        """Run the function in the thread."""
        try:
            monitor = ProgressMonitor(self._report, lambda: bool(self.abort_requested))
            return self._func(*self._args, monitor=monitor, **self._kwargs)
        except Stopped:
            self._abort_requested = True
            self.signals.stopped.emit()
            return None

    def _report(self, progress: Progress) -> None:
        now = time.monotonic()
        ends = 0 < progress.total <= progress.done
        if ends or now - self._last_report >= _SECONDS_BETWEEN_REPORTS:
            self._last_report = now
            self.signals.progressed.emit(progress)
