"""Long work in a thread that reports to the window."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from napari.qt.threading import WorkerBase, WorkerBaseSignals
from qtpy.QtCore import Signal

from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import Progress, ProgressMonitor

_SECONDS_BETWEEN_REPORTS: Final = 0.05


class ReportingSignals(WorkerBaseSignals):  # type: ignore[misc]
    """What a :class:`ReportingWorker` tells."""

    progressed = Signal(object)
    stopped = Signal()


class ReportingWorker(WorkerBase[Any]):  # type: ignore[misc]
    """Runs ``fn(*args, monitor=...)``; ``quit()`` is what makes ``monitor.should_stop()`` true.

    Signals beside the usual ones: ``progressed(Progress)``, at most twenty a second, and ``stopped()`` in place of
    ``errored`` when the function raised :class:`~napari_diatom.core.errors.Stopped`. ``finished`` follows in every
    case.
    """

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        super().__init__(func, ReportingSignals)
        self._func, self._args, self._kwargs = func, args, kwargs
        self._last_report = -1.0

    def work(self) -> Any:
        """Run the function; called in the thread."""
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
