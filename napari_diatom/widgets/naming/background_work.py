"""Work of seconds on the names of a project, in threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.qt.threading import create_worker
from qtpy.compat import isalive
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
        when_destroyed(self, _leave_all, self._workers)

    def start(
        self,
        owner: QObject,
        work: Callable[[ProgressMonitor], Any],
        take: Callable[[Any], None],
        end: Callable[[], None] | None = None,
    ) -> None:
        """Do work in a thread.

        Parameters
        ----------
        owner : QObject
            What the result is for. Once Qt has deleted it, nobody gets the result.
        work : callable
            Gets a monitor, and returns the result. It must use nothing that changes.
        take : callable
            Gets the result, in the window's thread.
        end : callable, optional
            Called after that, also where the work was stopped or has failed.
        """
        worker = create_worker(_run, work, _worker_class=ReportingWorker, _ignore_errors=True)
        # A result may be on its way from its thread when the work is stopped, or a page or the window deleted.
        worker.returned.connect(lambda result: take(result) if self._is_wanted(worker, owner) else None)
        worker.errored.connect(lambda error: self.failed.emit(str(error)) if self._is_wanted(worker, owner) else None)
        worker.finished.connect(lambda: self._end(worker, owner, end))
        self._workers.append(worker)
        worker.start()

    def stop(self) -> None:
        """Stop all work. Results that are not there yet are dropped."""
        _quit_all(self._workers)

    def _is_wanted(self, worker: ReportingWorker, owner: QObject) -> bool:
        return worker in self._workers and not worker.abort_requested and _is_there(owner)

    def _end(self, worker: ReportingWorker, owner: QObject, end: Callable[[], None] | None) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
            if end is not None and _is_there(owner):
                end()


def _run(work: Callable[[ProgressMonitor], Any], monitor: ProgressMonitor) -> Any:
    return work(monitor)


def _quit_all(workers: list[ReportingWorker], *_: object) -> None:
    for worker in list(workers):
        worker.quit()


def _leave_all(workers: list[ReportingWorker], *_: object) -> None:
    _quit_all(workers)
    workers.clear()


def _is_there(owner: QObject) -> bool:
    return bool(isalive(owner))  # type: ignore[no-untyped-call]
