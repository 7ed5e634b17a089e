"""The way from *Annotate diatoms* to the settings of its project and back: what changed there is shown here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.project import backups
from napari_diatom.project.edit_conflicts import ConflictError
from napari_diatom.project.folder_lock import HIDDEN
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.project_session import ProjectSession
from napari_diatom.widgets.annotate.saving import Saving
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.common.plugin_docks import open_dock
from napari_diatom.widgets.project_settings.new_project_dialog import NewProjectDialog

if TYPE_CHECKING:
    from napari.viewer import Viewer

SETTINGS = "Project settings"
"""Title of the dock."""


class SettingsLink(QObject):
    """Opens the dock of the settings, and reads what was changed there or in other windows.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer of both docks.
    form : AnnotateForm
        Has the buttons.
    canvas : AnnotationCanvas
        Shows the open image.
    opened : Opened
        The open project and image.
    session : ProjectSession
        Opens projects and images.
    overview : Overview
        Shows the project.
    saving : Saving
        Writes edits before the settings are changed.
    """

    changed = Signal()
    """The classes or images of the project were changed elsewhere."""

    def __init__(
        self,
        viewer: Viewer,
        form: AnnotateForm,
        canvas: AnnotationCanvas,
        opened: Opened,
        session: ProjectSession,
        overview: Overview,
        saving: Saving,
    ) -> None:
        super().__init__(form)
        self._viewer = viewer
        self._form = form
        self._canvas = canvas
        self._opened = opened
        self._session = session
        self._overview = overview
        self._saving = saving
        shared = OpenProject.of(viewer)
        shared.changing.connect(self._on_changing)
        shared.changed.connect(self._on_changed)
        when_destroyed(form, shared.changing.disconnect, self._on_changing)
        when_destroyed(form, shared.changed.disconnect, self._on_changed)

    def show(self, page: str = "") -> None:
        """Show the settings of the open project in a dock of their own, at a page if one is named."""
        settings = open_dock(self._viewer, SETTINGS)
        project = self._opened.project
        if project is not None:
            settings.open_project(project.folder)
        if page:
            settings.show_page(page)

    def ask_for_new(self) -> None:
        """Show the form of a new project, and open the project when it is made."""
        dialog = NewProjectDialog(self._viewer, self._form)
        dialog.made.connect(self._session.open)
        dialog.open()

    def catch_up(self) -> None:
        """Read what other windows made of the classes and the images, and say so; and what they have counted."""
        project = self._opened.project
        if project is None:
            return
        try:
            has_other_classes = project.classes.catch_up()
        except DiatomError as error:
            self._form.line.warn(str(error))
            return
        said = []
        if has_other_classes:
            self._overview.show_classes()
            said.append("The list of classes was changed in another window.")
        has_other_size = self._show_facts(project)
        has_other_images = [_facts(item.image) for item in self._form.browser.tallies()] != _all_facts(project)
        if has_other_size or has_other_images:
            said.append("Facts of images were changed in another window.")
        if said:
            self._form.line.say(" ".join(said))
        is_closed = self._close_removed(project)
        if has_other_images or has_other_classes or is_closed:
            self._overview.show_images()
            self._overview.refresh()
        else:
            self._overview.recount()
        if said or is_closed:
            self.changed.emit()

    def _on_changing(self, folder: Path) -> None:
        if self._opened.project is not None and self._opened.project.folder == folder:
            self._saving.flush()

    def _on_changed(self, folder: Path) -> None:
        """Show the project as it is now."""
        project, image, document = self._opened.project, self._opened.image, self._opened.document
        if project is None or project.folder != folder:
            return
        with self._form.line.showing_errors():
            project.classes.catch_up()
            if image is not None and document is not None and not self._close_removed(project):
                self._show_facts(project)
                self._take_over()
        self._overview.show_images()
        self._overview.show_classes()
        self._overview.refresh()
        self.changed.emit()

    def _show_facts(self, project: Project) -> bool:
        """Show the open image with the slide and the pixel size that it has now; return whether its size differs.

        While the user draws, the size is shown the next time.
        """
        image = self._opened.image
        now = next((item for item in project.images if image is not None and item.id == image.id), None)
        if now is None:
            return False
        self._opened.image = now
        size = project.settings.pixel_sizes_um.get(now.slide)
        if size == self._canvas.pixel_size_um or self._canvas.is_drawn_on:
            return False
        self._canvas.set_pixel_size(size)
        return True

    def _close_removed(self, project: Project) -> bool:
        """Close the open image where another window has removed it, and return whether it has."""
        image = self._opened.image
        if image is None or any(item.id == image.id for item in project.images):
            return False
        self._session.leave_image()
        self._form.line.warn(
            f"{image.id} was removed from the project in another window, and closed here. Its annotations are kept in "
            f"{project.folder / backups.HISTORY}, edits since then in {project.folder / HIDDEN}. To go on with it, add "
            "the image again."
        )
        return True

    def _take_over(self) -> None:
        """Show specimens that were added or renamed in the files of the open image."""
        document = self._opened.document
        assert document is not None
        try:
            document.rebase()
        except ConflictError:
            # The next attempt to write asks whose version stays.
            self._saving.schedule()


def _facts(image: ProjectImage) -> tuple[str, ...]:
    """Return what the list of images is to show of an image beside its content."""
    return image.id, image.path, image.slide, image.sample


def _all_facts(project: Project) -> list[tuple[str, ...]]:
    return [_facts(image) for image in project.images]
