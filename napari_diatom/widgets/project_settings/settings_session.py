"""The project whose settings are shown, and changes to it: at once, or in a process of its own with progress."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.process_call import GRACE_SECONDS, call_in_process
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.project.project import Project
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.common.worker import ReportingWorker

if TYPE_CHECKING:
    from napari.viewer import Viewer

TASKS = "napari_diatom.project.project_tasks"
"""Module of the functions that work on a project in a process of their own."""


class SettingsSession(QObject):
    """Opens a project a second time, beside *Annotate diatoms* and other windows, and changes its settings.

    Before each change the other docks write their edits, and after it they read what has changed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer of the dock.
    parent : QObject
        The dock.
    """

    changed = Signal()
    """Another project was opened, or the settings or annotations of this one were changed."""
    said = Signal(str)
    """What was done."""
    failed = Signal(str)
    """What went wrong."""
    progressed = Signal(object)
    """The :class:`~napari_diatom.core.progress.Progress` of a task."""
    running = Signal(bool)
    """A task has begun or ended."""

    def __init__(self, viewer: Viewer, parent: QObject) -> None:
        super().__init__(parent)
        self._shared = OpenProject.of(viewer)
        self._shared.changed.connect(self._on_others)
        self._worker: ReportingWorker | None = None
        self._cancelled = threading.Event()
        self._is_left = False
        self.project: Project | None = None

    @property
    def is_running(self) -> bool:
        """Whether a task is going on."""
        return self._worker is not None

    def open(self, folder: Path) -> None:
        """Show the settings of the project in a folder."""
        try:
            project = Project.open(folder)
        except DiatomError as error:
            self.failed.emit(str(error))
            return
        self.close()
        self.project = project
        self.changed.emit()

    def close(self) -> None:
        """Leave the project; a task that has not written anything is stopped."""
        self.stop()
        project, self.project = self.project, None
        if project is not None:
            try:
                project.close()
            except DiatomError as error:
                self.failed.emit(str(error))

    def leave(self) -> None:
        """Close the project after the dock was destroyed, and say nothing any more. Needs no widgets."""
        self._is_left = True
        self._shared.changed.disconnect(self._on_others, missing_ok=True)
        self.stop()
        project, self.project = self.project, None
        if project is not None:
            with contextlib.suppress(DiatomError):
                project.close()

    def apply(self, change: Callable[[Project], object], said: str = "") -> bool:
        """Make a short change, and return whether it was made; what is wrong is shown.

        ``said`` is shown when it is done, or the text that the change returns.
        """
        project = self.project
        if project is None or self.is_running:
            self.changed.emit()
            return False
        self._shared.changing.emit(project.folder)
        try:
            found = change(project)
        except DiatomError as error:
            self.failed.emit(str(error))
            self._read(project)
            return False
        self.said.emit(said or (found if isinstance(found, str) else ""))
        self.tell()
        return True

    def run(
        self,
        task: str,
        done: Callable[[Any], object],
        changes: bool = True,
        open_first: bool = True,
        grace_s: float = GRACE_SECONDS,
        stopped: str = "Stopped. What was changed before is shown here.",
        **arguments: Any,
    ) -> None:
        """Do a task in a process of its own, and hand its result on.

        Parameters
        ----------
        task : str
            A function of :mod:`napari_diatom.project.project_tasks`.
        done : callable
            Gets the result, in the main thread.
        changes : bool
            Whether the task changes the project.
        open_first : bool
            Whether the function takes the folder of the open project and who works in it.
        grace_s : float
            How long the task may take to stop by itself.
        stopped : str
            Said when it has stopped.
        **arguments
            More arguments of the function.
        """
        if self.is_running or (open_first and self.project is None):
            return
        if open_first and self.project is not None:
            arguments |= {"folder": self.project.folder, "annotator": self.project.annotator}
            if changes:
                self._shared.changing.emit(self.project.folder)
        # A change that has begun is written to its end by the task itself; the window comes first on few cores.
        self._cancelled = cancelled = threading.Event()

        def work(monitor: ProgressMonitor) -> Any:
            watch = ProgressMonitor(monitor.report, lambda: cancelled.is_set() or monitor.should_stop())
            return call_in_process(f"{TASKS}:{task}", watch, background=True, grace_s=grace_s, **arguments)

        worker = create_worker(work, _worker_class=ReportingWorker, _ignore_errors=True)
        worker.returned.connect(lambda found: self._is_left or done(found))
        worker.errored.connect(self._on_error)
        worker.signals.progressed.connect(self._on_progress)
        worker.signals.stopped.connect(lambda: self._is_left or self.said.emit(stopped))
        worker.finished.connect(lambda: self._on_finished(changes))
        self._worker = worker
        self.running.emit(True)
        worker.start()

    def cancel(self) -> None:
        """Stop the task that is going on. One that is already writing ends as usual, and says what it has done."""
        self._cancelled.set()

    def stop(self) -> None:
        """Stop the task that is going on, unless it is already writing; it says nothing any more."""
        if self._worker is not None:
            self._worker.quit()

    def tell(self) -> None:
        """Tell the pages and the other docks that the project was changed."""
        if self.project is not None:
            self._shared.changed.disconnect(self._on_others)
            self._shared.changed.emit(self.project.folder)
            self._shared.changed.connect(self._on_others)
        self.changed.emit()

    def catch_up(self) -> None:
        """Read what other windows have changed."""
        if self.project is not None and not self.is_running:
            self._read(self.project)

    def _read(self, project: Project) -> None:
        self._catch_up(project)
        self.changed.emit()

    def _catch_up(self, project: Project) -> None:
        try:
            project.classes.catch_up()
        except DiatomError as error:
            self.failed.emit(str(error))

    def _on_others(self, folder: Path) -> None:
        if self.project is not None and self.project.folder == folder:
            self.catch_up()

    def _on_progress(self, progress: Progress) -> None:
        if not self._is_left:
            self.progressed.emit(progress)

    def _on_error(self, error: Exception) -> None:
        if not self._is_left:
            self.failed.emit(str(error))

    def _on_finished(self, changes: bool) -> None:
        self._worker = None
        if self._is_left:
            return
        self.running.emit(False)
        if changes and self.project is not None:
            self._catch_up(self.project)
            self.tell()
