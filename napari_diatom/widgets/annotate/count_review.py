"""Opens projects, and folders of results of ``count`` as projects to review."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject

from napari_diatom.core.errors import OutputError
from napari_diatom.core.progress import Progress
from napari_diatom.counting.earlier_run import is_count_folder
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.review.reviewing import MissingImagesError, review, review_folder
from napari_diatom.review.send_report import SendReport
from napari_diatom.widgets.annotate import questions
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.project_session import ProjectSession
from napari_diatom.widgets.common.asking import can_answer
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.worker import ReportingWorker


class CountReview(QObject):
    """Opens what the user has chosen.

    The images of a folder of results are read and compared in a thread.

    Parameters
    ----------
    form : AnnotateForm
        Shows what is going on.
    session : ProjectSession
        Opens the project.
    """

    def __init__(self, form: AnnotateForm, session: ProjectSession) -> None:
        super().__init__(form)
        self._form = form
        self._session = session
        self._workers: list[ReportingWorker] = []
        form.stop.clicked.connect(partial(_quit_all, self._workers))
        when_destroyed(form, _quit_all, self._workers)

    def open(self, folder: Path) -> None:
        """Open a project, or review a folder of results. If that fails, an error is shown."""
        folder = folder.absolute()
        if (folder / PROJECT_FILE).exists() or not is_count_folder(folder):
            self._session.open(folder)
        elif self._workers:
            self._form.line.warn("Results are being read already. Wait until they are, or press Stop")
        elif self._session.close():
            # A review that is open is brought up to date: its edits have to be in its files.
            self._start(folder, None, ())

    def _start(self, folder: Path, project: Path | None, places: tuple[Path, ...]) -> None:
        """Make or renew the project of a review in a thread."""
        worker = create_worker(review, folder, project, places, _worker_class=ReportingWorker, _ignore_errors=True)
        assert isinstance(worker, ReportingWorker)
        worker.progressed.connect(self._show_progress)
        # The next folder may be opened as soon as this one is shown, which is before ``finished`` arrives.
        done = partial(self._on_finished, worker)
        worker.returned.connect(done)
        worker.errored.connect(done)
        worker.returned.connect(partial(self._on_report, folder, project, places))
        worker.errored.connect(partial(self._on_error, folder, project, places))
        worker.stopped.connect(lambda: self._form.line.say("Stopped. What was read stays in the project."))
        worker.finished.connect(done)
        self._workers.append(worker)
        self._form.show_running("review", True)
        self._form.line.say(f"Reading the results in {folder.name}")
        worker.start()

    def _show_progress(self, progress: Progress) -> None:
        what = "Looking for moved images" if progress.stage == "files" else "Reading results"
        self._form.line.say(f"{what}: {progress.done} of {progress.total}")

    def _on_report(
        self, folder: Path, project: Path | None, places: tuple[Path, ...], report: SendReport | None
    ) -> None:
        """Open the project; ask for the folder of images that were not found."""
        if report is None:
            return
        missing = [item for item in report.left_out if item.is_missing]
        if missing and not places and can_answer(self._form.window()):
            place = questions.folder_of_counted(self._form, len(missing), missing[0].image)
            if place is not None:
                self._start(folder, project, (place,))
                return
        self._session.open(report.project)
        self._form.line.say(report.text(), error=bool(report.left_out))

    def _on_error(self, folder: Path, project: Path | None, places: tuple[Path, ...], error: Exception) -> None:
        """Ask for another folder where that helps, else show the error."""
        can_ask = can_answer(self._form.window())
        if isinstance(error, MissingImagesError) and not places and can_ask:
            place = questions.folder_of_counted(self._form, 1, str(error))
            if place is not None:
                self._start(folder, project, (place,))
                return
        if isinstance(error, OutputError) and project is None and can_ask:
            home = questions.folder_of_review(self._form, str(error))
            if home is not None:
                self._start(folder, home / f"{folder.name}-{review_folder(folder).name}", places)
                return
        self._form.line.warn(str(error))
        show_error(str(error))

    def _on_finished(self, worker: ReportingWorker, *_: object) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        self._form.show_running("review", bool(self._workers))


def _quit_all(workers: list[ReportingWorker], *_: object) -> None:
    """Ask workers to stop."""
    for worker in workers:
        worker.quit()
