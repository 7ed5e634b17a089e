"""Reads the specimens of a project and learns their names, while the window goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.models.library import ModelFolder
from napari_diatom.project.edits import Contents
from napari_diatom.project.project import Project
from napari_diatom.review.project_names import ProjectNames
from napari_diatom.review.vector_cache import VectorCache
from napari_diatom.widgets.common.garbage_pause import GarbagePause
from napari_diatom.widgets.naming.background_work import BackgroundWork

_TURN_S: Final = 0.02
"""Seconds in one turn of the event loop after which no other image is read."""


class ProjectReader(QObject):
    """Reads known vectors in a thread, then the images in turns of the event loop, and learns in a thread.

    Parameters
    ----------
    background : BackgroundWork
        Does the work in threads; whoever stops it stops the reading too.
    parent : QObject
        Its owner.
    """

    begun = Signal(object)
    """The :class:`ProjectNames` that the images are read into."""
    ended = Signal()
    """All images are read and their names learnt."""
    failed = Signal(str)
    """What went wrong."""

    def __init__(self, background: BackgroundWork, parent: QObject) -> None:
        super().__init__(parent)
        self._background = background
        self._project: Project | None = None
        self._names: ProjectNames | None = None
        self._waiting: deque[str] = deque()
        self._read = 0
        self._pause = GarbagePause(self)
        self.is_reading = False
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._read_some)

    def start(self, project: Project, embedder: ModelFolder, cache: VectorCache | None = None) -> None:
        """Read a project, by default with the vectors that are kept beside it."""
        self.stop()
        self._project, self.is_reading = project, True

        def begin(known: VectorCache) -> None:
            self._names = ProjectNames(project, embedder, known)
            self._waiting = deque(image.id for image in project.images)
            self._timer.start()
            self.begun.emit(self._names)

        if cache is not None:
            begin(cache)
        else:
            self._in_background(lambda _: VectorCache.of_project(project.folder, embedder.card), begin)

    def stop(self) -> None:
        """Read no more."""
        self._timer.stop()
        self._waiting.clear()
        self._pause.end()
        self._read = 0
        self._project = self._names = None
        self.is_reading = False

    def take(self, image_id: str, contents: Contents | None = None) -> None:
        """Take over what an image holds now, unless it is still to be read."""
        project, names = self._project, self._names
        if project is None or names is None or image_id in self._waiting:
            return
        try:
            names.take(project.settings.image(image_id), contents or project.contents(image_id))
        except DiatomError as error:
            self.failed.emit(str(error))

    def _read_some(self) -> None:
        """Read the next images."""
        end = time.monotonic() + _TURN_S
        while self._waiting and time.monotonic() < end:
            self._read_one(self._waiting.popleft())
        if not self._waiting:
            self._timer.stop()
            self._learn()

    def _read_one(self, image_id: str) -> None:
        assert self._names is not None
        assert self._project is not None
        try:
            image = self._project.settings.image(image_id)
            contents = self._project.contents(image_id)
            self._names.specimens.take(image, contents)
            self._read += len(contents.specimens) + len(contents.proposals)
            self._pause.begin(self._read)
        except DiatomError as error:
            self.failed.emit(str(error))

    def _learn(self) -> None:
        """Learn from all images at once. What is edited meanwhile is learnt afterwards."""
        names = self._names
        assert names is not None
        now = names.copy()

        def take(learnt: ProjectNames) -> None:
            if self._names is names:
                names.adopt(learnt)
                self._pause.leave_out()
                self.is_reading = False
                self.ended.emit()

        def learn(monitor: ProgressMonitor) -> ProjectNames:
            now.learn()
            now.specimens.table.prepare()
            return now

        self._in_background(learn, take)

    def _in_background(self, work: Callable[[ProgressMonitor], object], take: Callable[..., None]) -> None:
        self._background.start(self, work, take)
