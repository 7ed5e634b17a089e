"""Runs a model on the images of a project, one after the other, in the background."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_diatom.analysis import worker_process
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.specimen import from_annotations
from napari_diatom.widgets.common.worker import ReportingWorker

if TYPE_CHECKING:
    from napari_diatom.analysis.pipeline import Analysis
    from napari_diatom.models.library import ModelFolder

Analyse = Callable[[worker_process.Job, ProgressMonitor], "Analysis"]


class Proposer(QObject):
    """Runs a model on images, and adds what it finds to their documents as proposals.

    Parameters
    ----------
    analyse : callable
        Runs the model, in a thread; see :func:`napari_diatom.analysis.worker_process.analyse`.
    """

    progressed = Signal(str)
    """The progress, as one line of text."""
    proposed = Signal(str)
    """Id of an image that has new proposals."""
    failed = Signal(str)
    """Why an image failed. The other images go on."""
    finished = Signal()
    """All images are done."""

    def __init__(self, analyse: Analyse = worker_process.analyse) -> None:
        super().__init__()
        self._analyse = analyse
        self._waiting: deque[ProjectImage] = deque()
        self._running: list[ReportingWorker] = []
        self._project: Project | None = None
        self._model: ModelFolder | None = None
        self._total = 0

    @property
    def is_running(self) -> bool:
        """Whether a model is running."""
        return bool(self._running)

    def start(self, project: Project, images: Iterable[ProjectImage], model: ModelFolder) -> None:
        """Run a model on these images, in place of those that still wait."""
        self._waiting = deque(images)
        self._project, self._model, self._total = project, model, len(self._waiting)
        if not self._running:
            self._next()

    def stop(self) -> None:
        """Stop the run. Proposals that were made already stay."""
        self._waiting.clear()
        for worker in self._running:
            worker.quit()

    def skip(self, image_id: str) -> None:
        """Make no proposals for an image that waits for its turn."""
        self._waiting = deque(image for image in self._waiting if image.id != image_id)

    def _next(self) -> None:
        if not self._waiting or self._project is None or self._model is None:
            self.finished.emit()
            return
        image = self._waiting.popleft()
        worker = create_worker(
            partial(_analysed, self._analyse),
            self._project.path(image.id),
            image,
            self._model,
            self._project.settings.pixel_sizes_um.get(image.slide),
            _worker_class=ReportingWorker,
            _ignore_errors=True,
        )
        worker.progressed.connect(partial(self._report, image))
        worker.returned.connect(partial(self._take, worker, self._project, image))
        worker.errored.connect(partial(self._fail, image))
        worker.finished.connect(partial(self._done, worker))
        self._running.append(worker)
        worker.start()

    def _report(self, image: ProjectImage, progress: Progress) -> None:
        number = self._total - len(self._waiting)
        share = f", {100 * progress.done // progress.total} %" if progress.total else ""
        self.progressed.emit(f"{image.id} ({number} of {self._total}{share})")

    def _take(self, worker: ReportingWorker, project: Project, image: ProjectImage, analysis: Analysis | None) -> None:
        # What had arrived when the run was stopped may come after the project was closed.
        if analysis is None or project is not self._project or worker.abort_requested:
            return
        try:
            found = Annotations.of(analysis.kept, analysis.origin)
            specimens = project.classes.present(from_annotations(found))
            project.document(image.id).propose(specimens, analysis.origin)
        except DiatomError as error:
            self.failed.emit(f"{image.id}: {error}")
            return
        self.proposed.emit(image.id)

    def _fail(self, image: ProjectImage, error: Exception) -> None:
        self.failed.emit(f"{image.id}: {error}")

    def _done(self, worker: ReportingWorker) -> None:
        self._running.remove(worker)
        self._next()


def _analysed(
    analyse: Analyse,
    path: Any,
    image: ProjectImage,
    model: ModelFolder,
    pixel_size_um: float | None,
    monitor: ProgressMonitor,
) -> Analysis:
    """Analyse a file. Runs in a thread."""
    page = open_image_page(path, image.page, image.division)
    try:
        pixels = page.read(0, 0, page.width, page.height)
    finally:
        page.release()
    size = page.pixel_size_um if pixel_size_um is None else pixel_size_um
    job = worker_process.Job(image.id, pixels, model.folder, rgb=True, pixel_size_um=size)
    return analyse(job, monitor)
