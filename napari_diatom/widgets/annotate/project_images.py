"""Adds images to the open project, finds those that were moved, and removes images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_diatom.core.text import either, many
from napari_diatom.images.image_files import find_images
from napari_diatom.project import backups, image_identity
from napari_diatom.project.missing_images import missing_images, require_removable
from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate import questions
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.project_session import ProjectSession
from napari_diatom.widgets.common.worker import QuietWorker


class ProjectImages(QObject):
    """Changes which images the open project has, and where their files are.

    Parameters
    ----------
    form : AnnotateForm
        Lists the images.
    opened : Opened
        The open project and image.
    session : ProjectSession
        Opens and leaves images.
    overview : Overview
        Shows the images of the project.
    """

    removed = Signal(str)
    """Id of an image that is no longer in the project."""

    def __init__(self, form: AnnotateForm, opened: Opened, session: ProjectSession, overview: Overview) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._session = session
        self._overview = overview

    def add(self, files: Sequence[str]) -> None:
        """Add images to the project."""
        project = self._opened.project
        if files and project is not None:
            with self._form.line.showing_errors():
                project.add_images(find_images(files))
                self._overview.show_images()

    def find_moved(self, folder: Path) -> None:
        """Look in a folder and its subfolders for the images that are missing.

        The files are compared in a thread, by their length and hash. A file may have another name than before.
        """
        project = self._opened.project
        if project is None:
            return
        missing = missing_images(project)
        worker = create_worker(
            image_identity.find_moved, missing, [folder], _worker_class=QuietWorker, _ignore_errors=True
        )
        worker.returned.connect(partial(self._take_found, project, folder))
        worker.errored.connect(self._on_error)
        worker.finished.connect(self._overview.refresh)
        self._form.find_moved.setEnabled(False)
        self._form.line.say(f"Looking for {many(len(missing), 'missing image')} in {folder}")
        worker.start()

    def remove(self, image_id: str) -> None:
        """Remove an image from the project, if the user agrees. Its file stays where it is."""
        project = self._opened.project
        if project is None or not image_id:
            return
        with self._form.line.showing_errors():
            require_removable(project, [image_id])
            tally = next(item for item in self._form.browser.tallies() if item.image.id == image_id)
            if not questions.may_be_removed(self._form, project, tally):
                return
            was_open = self._opened.image is not None and self._opened.image.id == image_id
            if was_open:
                self._session.leave_image()
            project.remove_image(image_id)
            self._overview.show_images()
            self._form.show_counts()
            self.removed.emit(image_id)
            self._form.line.say(
                f"{image_id} is no longer in the project. Its annotations are kept in "
                f"{project.folder / backups.HISTORY}."
            )
            if was_open:
                self._form.browser.next_unfinished()
        self._overview.refresh()

    def _take_found(self, project: Project, folder: Path, found: dict[str, Path]) -> None:
        """Note where the images are now, and open one if none is open."""
        if project is not self._opened.project:
            return
        with self._form.line.showing_errors():
            if found:
                project.update(image_identity.with_moved(project.settings, project.folder, found))
            self._overview.show_images()
            left = len(missing_images(project))
            text = f"{many(len(found), 'image')} found in {folder}."
            if left:
                text += f" {many(left, 'image')} {either(left, 'is', 'are')} still missing: choose another folder."
            self._form.line.say(text, error=not found)
            if found and self._opened.image is None:
                self._form.browser.next_unfinished()

    def _on_error(self, error: Exception) -> None:
        self._form.line.warn(str(error))
