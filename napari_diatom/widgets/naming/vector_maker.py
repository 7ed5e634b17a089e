"""Computes the vectors of specimens in the background, one image after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_diatom.analysis import worker_process
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.review.vector_work import VectorWork
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.worker import ReportingWorker

_SERVE: Final = "napari_diatom.review.vector_work:serve_vectors"


class VectorMaker(QObject):
    """Has the process beside napari compute what is not known yet.

    Parameters
    ----------
    parent : QObject, optional
        Its owner.
    """

    progressed = Signal(int, int)
    """Specimens that are done, of how many."""
    computed = Signal(str)
    """Id of an image whose vectors are known now."""
    failed = Signal(str)
    """Why the vectors of an image cannot be computed."""
    finished = Signal()
    """Nothing waits any more."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: deque[VectorWork] = deque()
        self._running: list[ReportingWorker] = []
        self._done = self._total = 0
        when_destroyed(self, _leave_all, self._running)

    @property
    def is_running(self) -> bool:
        """Whether something is computed."""
        return bool(self._running)

    def start(self, works: Iterable[VectorWork], first: str = "") -> None:
        """Compute vectors in place of those that still wait, those of the image ``first`` before all others."""
        listed = sorted(works, key=lambda work: work.image.id != first)
        self._waiting = deque(listed)
        self._total, self._done = sum(map(len, listed)), 0
        if not self._running:
            self._next()

    def stop(self) -> None:
        """Stop. What was computed stays."""
        self._waiting.clear()
        for worker in self._running:
            worker.quit()

    def _next(self) -> None:
        if not self._waiting:
            self.finished.emit()
            return
        work = self._waiting.popleft()
        worker = create_worker(_compute, work, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.progressed.connect(self._report)
        # What a thread says may be on its way when the window is deleted.
        worker.returned.connect(lambda _: self.computed.emit(work.image.id) if worker in self._running else None)
        worker.errored.connect(
            lambda error: self.failed.emit(f"{work.image.id}: {error}") if worker in self._running else None
        )
        worker.finished.connect(lambda: self._finish(worker, len(work)))
        self._running.append(worker)
        worker.start()

    def _report(self, progress: Progress) -> None:
        if progress.stage == "vectors":
            self.progressed.emit(self._done + progress.done, self._total)

    def _finish(self, worker: ReportingWorker, number: int) -> None:
        if worker in self._running:
            self._running.remove(worker)
            self._done += number
            self._next()


def _leave_all(running: list[ReportingWorker], *_: object) -> None:
    for worker in list(running):
        worker.quit()
    running.clear()


def _compute(work: VectorWork, monitor: ProgressMonitor) -> int:
    """Compute the vectors of one image. Runs in a thread."""
    number: int = worker_process.call_warm(_SERVE, work, monitor)
    return number
