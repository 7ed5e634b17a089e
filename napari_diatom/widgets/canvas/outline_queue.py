"""Outlines of specimens are computed in the background, one request after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_diatom.analysis import outline_requests
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.images.slide_image import from_array
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.common.worker import ReportingWorker

if TYPE_CHECKING:
    from napari_diatom.models.library import ModelFolder


@dataclass(frozen=True, eq=False, kw_only=True)
class OutlineTask:
    """What is to be outlined.

    Attributes
    ----------
    image_name : str
        Name of the image, ...
    pixels : array-like, shape (H, W) or (H, W, 3)
        ... and its pixels, which are read where they are needed.
    rgb : bool
        Whether the last axis of the pixels is colour.
    pixel_size_um : float or None
        Micrometres per pixel.
    outliner : ModelFolder
        Draws the outlines.
    boxes : mapping of str to Specimen
        Specimens that are known by their boxes, by ids, as they were when the task was given.
    point : tuple of float, or None
        The place that was clicked on, x and y in pixels, where a specimen is to be found first.
    detector : ModelFolder or None
        Finds that specimen.
    name : str
        The class that it gets.
    kept : int
        Specimens that were selected too, and keep the outlines that they have.
    """

    image_name: str
    pixels: Any = field(repr=False)
    rgb: bool = True
    pixel_size_um: float | None
    outliner: ModelFolder
    boxes: Mapping[str, Specimen] = field(default_factory=dict)
    point: tuple[float, float] | None = None
    detector: ModelFolder | None = None
    name: str = ""
    kept: int = 0


@dataclass(frozen=True, eq=False)
class Outlined:
    """What came of a task.

    Attributes
    ----------
    shapes : mapping of str to Specimen
        Outlines and boxes, by the ids of the specimens that get them.
    contradicting : tuple of Specimen
        Those whose outlines contradict their boxes.
    found : Specimen or None
        The one that was clicked on.
    """

    shapes: Mapping[str, Specimen] = field(default_factory=dict)
    contradicting: tuple[Specimen, ...] = ()
    found: Specimen | None = None


class OutlineQueue(QObject):
    """Does tasks in their order, in a thread; the networks run in the worker process."""

    changed = Signal()
    """A task was added, or is done."""
    progressed = Signal(object, object)
    """A task, and its :class:`Progress`."""
    outlined = Signal(object, object)
    """A task, and its :class:`Outlined`."""
    failed = Signal(object, str)
    """A task, and why it could not be done. The others go on."""
    stopped = Signal()
    """The user's stop is done."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[OutlineTask] = deque()
        self._running: list[tuple[OutlineTask, ReportingWorker]] = []
        self._done: OutlineTask | None = None
        """The running task if it has its result and only its thread has not ended."""

    @property
    def tasks(self) -> tuple[OutlineTask, ...]:
        """The tasks that are not done, in their order."""
        running = [task for task, worker in self._running if task is not self._done and not worker.abort_requested]
        return (*running, *self._waiting)

    def add(self, task: OutlineTask) -> None:
        """Do a task after those that wait already."""
        self._waiting.append(task)
        if not self._running:
            self._next()
        self.changed.emit()

    def stop(self) -> None:
        """Do none of the tasks."""
        self.leave()
        self.changed.emit()

    def leave(self) -> None:
        """Do none of the tasks, and tell nobody: Qt may have deleted this object already."""
        self._waiting.clear()
        for _, worker in self._running:
            worker.quit()

    def drop(self, task: OutlineTask) -> None:
        """Do all tasks but this one."""
        if task in self._waiting:
            self._waiting.remove(task)
        for running, worker in self._running:
            if running is task:
                worker.quit()
        self.changed.emit()

    def skip(self, image_name: str) -> None:
        """Do no tasks of an image."""
        for task in self.tasks:
            if task.image_name == image_name:
                self.drop(task)

    def _next(self) -> None:
        if not self._waiting:
            return
        task = self._waiting.popleft()
        worker = create_worker(_done, task, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.progressed.connect(partial(self.progressed.emit, task))
        worker.returned.connect(partial(self._take, worker, task))
        worker.errored.connect(partial(self._fail, worker, task))
        worker.stopped.connect(self.stopped)
        worker.finished.connect(partial(self._finish, task, worker))
        self._running.append((task, worker))
        worker.start()

    def _take(self, worker: ReportingWorker, task: OutlineTask, outlined: Outlined | None) -> None:
        if outlined is not None and not worker.abort_requested:
            self._done = task
            self.outlined.emit(task, outlined)

    def _fail(self, worker: ReportingWorker, task: OutlineTask, error: Exception) -> None:
        if not worker.abort_requested:
            self._done = task
            self.failed.emit(task, str(error))

    def _finish(self, task: OutlineTask, worker: ReportingWorker) -> None:
        self._running.remove((task, worker))
        self._next()
        self.changed.emit()


def _done(task: OutlineTask, monitor: ProgressMonitor) -> Outlined:
    """Do a task. Runs in a thread."""
    image = from_array(task.pixels, task.image_name, task.pixel_size_um, task.rgb)
    if task.point is not None:
        assert task.detector is not None
        at = outline_requests.outline_at(image, *task.point, task.detector.folder, task.outliner.folder, monitor)
        if at is None:
            return Outlined()
        if at.mask is None:
            found = Specimen.rectangle(at.box, task.name)
            return Outlined(contradicting=(found,), found=found)
        return Outlined(found=_traced(Specimen.of_mask(at.mask, task.name)))
    boxes = [item.box for item in task.boxes.values()]
    outlines = outline_requests.outline_in_parts(image, boxes, task.outliner.folder, monitor)
    shapes: dict[str, Specimen] = {}
    contradicting = []
    for item, mask, flag in zip(task.boxes.values(), outlines.masks, outlines.flags.tolist(), strict=True):
        if flag:
            contradicting.append(item)
        else:
            shapes[item.id] = _traced(Specimen.of_mask(mask, item.name))
        monitor.report(Progress("shapes", len(shapes), len(boxes)))
        monitor.check()
    return Outlined(shapes, tuple(contradicting))


def _traced(specimen: Specimen) -> Specimen:
    """Return a specimen whose polygons are worked out already, so that the window need not wait for that."""
    assert specimen.polygons
    return specimen
