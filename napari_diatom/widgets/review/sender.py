"""Sends results to a project, and opens it in *Annotate diatoms*."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError, OutputError
from napari_diatom.core.progress import Progress
from napari_diatom.core.text import either, many
from napari_diatom.project.project import Project
from napari_diatom.review.send_report import SendReport
from napari_diatom.review.sending import sending
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.plugin_docks import open_dock
from napari_diatom.widgets.common.worker import ReportingWorker
from napari_diatom.widgets.review.preparing import Prepared, prepare_sending
from napari_diatom.widgets.review.send_form import SendForm

if TYPE_CHECKING:
    from napari.viewer import Viewer

ANNOTATE: Final = "Annotate diatoms"


class Sender(QObject):
    """Sends results in steps, so that the window never waits.

    Files are read and compared in a thread. Then each image is one edit of the project that is open in
    *Annotate diatoms*, so that it can be undone there.

    Parameters
    ----------
    parent : QObject
        Owns it.
    viewer : napari.viewer.Viewer
        Where the dock is opened.
    """

    said = Signal(str)
    """What is going on, and what was sent."""
    failed = Signal(str)
    """Why nothing was sent, or not all."""
    shown = Signal()
    """The project shows what was sent."""
    started = Signal()
    """Results are being sent."""
    ended = Signal()
    """It has ended, however it did."""

    def __init__(self, parent: QObject, viewer: Viewer) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._form: SendForm | None = None
        self._workers: list[ReportingWorker] = []
        self._steps: Iterator[SendReport] | None = None
        self._report: SendReport | None = None
        self._shown = ""
        self._project: Project | None = None
        self._total = 0
        self._annotate: Any = None
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)
        when_destroyed(self, _quit_all, self._workers)

    @property
    def is_running(self) -> bool:
        """Whether results are being sent."""
        return self._form is not None

    def send(self, form: SendForm) -> None:
        """Send what a form says, or say why that is not possible."""
        problem = "Results are being sent; wait until that ends." if self.is_running else form.validation_error()
        if problem is not None:
            self.failed.emit(problem)
            return
        self._form = form
        self.started.emit()
        self.said.emit("Comparing images...")
        worker = create_worker(prepare_sending, form, _worker_class=ReportingWorker, _ignore_errors=True)
        assert isinstance(worker, ReportingWorker)
        worker.progressed.connect(self._show_progress)
        worker.returned.connect(partial(self._begin, worker))
        worker.errored.connect(self._fail)
        worker.finished.connect(partial(self._on_finished, worker))
        self._workers.append(worker)
        worker.start()

    def stop(self) -> None:
        """Stop. What was sent stays, and is not sent again the next time."""
        _quit_all(self._workers)
        if self._steps is not None:
            sent = 0 if self._report is None else len(self._report.images)
            self._fail(DiatomError(f"Sending was stopped: {self._share(sent)} Send again to go on."))

    def _show_progress(self, progress: Progress) -> None:
        self.said.emit(f"Comparing images: {progress.done} of {progress.total}")

    def _begin(self, worker: ReportingWorker, prepared: Prepared | None) -> None:
        """Open the project in its dock, and make the first edit."""
        if prepared is None or self._form is None or worker.abort_requested:
            return
        try:
            project = self._opened(self._form)
        except DiatomError as error:
            self._fail(error)
            return
        self._shown, self._project, self._total = prepared.shown, project, len(prepared.plan.images)
        self._steps = sending(project, prepared.plan, self._form.options, keep=prepared.shown)
        self._timer.start()

    def _opened(self, form: SendForm) -> Project:
        """Return the project as the dock has it open."""
        assert form.project is not None
        folder: Path = form.project.absolute()
        if form.is_new:
            Project.create(folder).close()
        self._annotate = open_dock(self._viewer, ANNOTATE)
        project: Project | None = self._annotate.project()
        if project is None or project.folder != folder:
            self._annotate.open_project(folder)
            project = self._annotate.project()
        if project is None or project.folder != folder:
            raise OutputError(f"{folder} could not be opened in {ANNOTATE}.")
        return project

    def _step(self) -> None:
        """Send one image."""
        assert self._steps is not None
        if self._annotate.project() is not self._project:
            sent = 0 if self._report is None else len(self._report.images)
            # There is no project any more that could show them.
            self._report = None
            self._fail(OutputError(f"The project was closed in {ANNOTATE}: {self._share(sent)} Send again to go on."))
            return
        try:
            self._report = next(self._steps)
        except StopIteration:
            self._end()
            return
        except DiatomError as error:
            self._fail(error)
            return
        except Exception:
            self._fail(DiatomError("Nothing more was sent because of an error in the program."))
            raise
        self.said.emit(f"Sent {len(self._report.images)} images")

    def _end(self) -> None:
        """Say what was sent, and show it."""
        self._timer.stop()
        self._steps = None
        report = self._report
        if report is not None:
            self._show_sent(report)
            (self.failed if report.left_out else self.said).emit(report.text())
        self._rest()

    def _show_sent(self, report: SendReport) -> None:
        ids = [item.image_id for item in report.images]
        if ids and self._annotate is not None:
            self._annotate.show_added(ids[0], report.text())
            self.shown.emit()

    def _fail(self, error: Exception) -> None:
        self._timer.stop()
        self._steps = None
        if self._report is not None and self._report.images:
            self._show_sent(self._report)
        self.failed.emit(str(error))
        self._rest()

    def _on_finished(self, worker: ReportingWorker) -> None:
        """End, where the thread was stopped; it may have been done by then."""
        self._workers.remove(worker)
        if worker.abort_requested and self.is_running and self._steps is None:
            self.said.emit("Sending was stopped. Nothing was sent.")
            self._rest()

    def _share(self, sent: int) -> str:
        """Return how many images were sent, as a sentence."""
        return f"{sent:,} of {many(self._total, 'image')} {either(self._total, 'was', 'were')} sent."

    def _rest(self) -> None:
        self._form, self._report, self._annotate, self._project = None, None, None, None
        self.ended.emit()


def _quit_all(workers: list[ReportingWorker]) -> None:
    """Ask workers to stop."""
    for worker in workers:
        worker.quit()
