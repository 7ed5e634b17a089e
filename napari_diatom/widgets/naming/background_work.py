"""Work of seconds on the names of a project, in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.worker import ReportingWorker


class BackgroundWork(QObject):
    """Does work in threads and hands its results over, unless it was stopped meanwhile.

    Parameters
    ----------
    parent : QObject
        Its owner.
    """

    failed = Signal(str)
    """What went wrong."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._workers: list[ReportingWorker] = []
        when_destroyed(self, _quit_all, self._workers)

    def start(
        self,
        work: Callable[[ProgressMonitor], Any],
        take: Callable[[Any], None],
        end: Callable[[], None] | None = None,
    ) -> None:
        """Do work in a thread.

        Parameters
        ----------
        work : callable
            Gets a monitor, and returns the result. It must use nothing that changes.
        take : callable
            Gets the result, in the window's thread.
        end : callable, optional
            Called in any case, after that.
        """
        worker = create_worker(_run, work, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.returned.connect(take)
        worker.errored.connect(lambda error: self.failed.emit(str(error)))
        worker.finished.connect(lambda: self._end(worker, end))
        self._workers.append(worker)
        worker.start()

    def stop(self) -> None:
        """Stop all work. Results that are not there yet are dropped."""
        _quit_all(self._workers)

    def _end(self, worker: ReportingWorker, end: Callable[[], None] | None) -> None:
        self._workers.remove(worker)
        if end is not None:
            end()


def _run(work: Callable[[ProgressMonitor], Any], monitor: ProgressMonitor) -> Any:
    return work(monitor)


def _quit_all(workers: list[ReportingWorker], *_: object) -> None:
    for worker in list(workers):
        worker.quit()
