"""Projects are opened and closed, and their images are shown and left."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.images.image_files import find_images
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.taxon_list import read_taxa
from napari_diatom.widgets.annotate.canvas import Canvas
from napari_diatom.widgets.annotate.form import AnnotateForm
from napari_diatom.widgets.annotate.image_pyramid import layer_data
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.saving import Saving
from napari_diatom.widgets.annotate.slide_view import close_up
from napari_diatom.widgets.annotate.toolbox import Toolbox

_BEAT_MS: Final = 30_000
"""Time after which a project tells others again that it is open here."""
_DEFAULT_CLASSES: Final = ("diatom",)


class ProjectSession(QObject):
    """Opens a project and its images, and loses nothing when they are left or taken away.

    Parameters
    ----------
    form : AnnotateForm
        Lists the images.
    opened : Opened
        What is open; nobody else opens or leaves anything.
    canvas : Canvas
        Shows the open image.
    toolbox : Toolbox
        Where something may be half painted.
    overview : Overview
        Shows what is open.
    saving : Saving
        Writes before anything is left.
    """

    project_changed = Signal()
    """Another project is open, or none."""
    closing = Signal()
    """The project is about to be closed; its files are still at hand."""
    image_opened = Signal()
    """Another image is shown."""

    def __init__(
        self,
        form: AnnotateForm,
        opened: Opened,
        canvas: Canvas,
        toolbox: Toolbox,
        overview: Overview,
        saving: Saving,
    ) -> None:
        super().__init__(form)
        self._form = form
        self._opened = opened
        self._canvas = canvas
        self._toolbox = toolbox
        self._overview = overview
        self._saving = saving
        self._beat_timer = QTimer(self)
        self._beat_timer.setInterval(_BEAT_MS)
        self._beat_timer.timeout.connect(self._beat)
        self._beat_timer.start()
        self._look_timer = QTimer(self)
        self._look_timer.setSingleShot(True)
        self._look_timer.timeout.connect(self._look_after_layers)
        canvas.viewer.layers.events.removed.connect(self._on_removed)

    def open(self, folder: Path) -> None:
        """Open a project and its first unfinished image; what is wrong with it is shown instead."""
        with self._form.line.told():
            project = Project.open(folder)
            if not self.close():
                project.close()
                return
            self._opened.project = project
            self.show()
            self._form.browser.next_unfinished()

    def create(self, folder: Path, images: Sequence[Path], classes: Path | None = None) -> None:
        """Make a project of images, with the classes of a taxon list or one class, and open it."""
        with self._form.line.told():
            Project.create(folder, images, _DEFAULT_CLASSES if classes is None else read_taxa(classes)).close()
            self.open(folder)

    def add_images(self, files: Sequence[str]) -> None:
        """Add images to the project."""
        project = self._opened.project
        if files and project is not None:
            with self._form.line.told():
                project.add_images(find_images(files))
                self._overview.show_images()

    def close(self) -> bool:
        """Write everything and close the project; what cannot be written stays in its journal.

        Where edits are in memory alone, a person is asked, and without one the project stays open. Returns whether it
        is closed.
        """
        if not self._saving.may_close():
            return False
        self.closing.emit()
        self._leave_image()
        project, self._opened.project = self._opened.project, None
        self.show()
        if project is not None:
            with self._form.line.told():
                project.close()
        return True

    def let_go(self) -> bool:
        """Leave the project and the viewer; return whether both were left."""
        if not self.close():
            return False
        self._canvas.leave()
        return True

    def show(self) -> None:
        """Show what project is open."""
        self.project_changed.emit()
        self._overview.show_images()
        self._overview.show_classes()
        self._overview.show_title()
        self._saving.show_stored()
        self._overview.refresh()

    def open_image(self, image_id: str) -> None:
        """Show an image of the project with its specimens."""
        project, opened, canvas = self._opened.project, self._opened, self._canvas
        if project is None:
            return
        with self._form.line.told(), _unswept():
            image = project.settings.image(image_id)
            if project.linked_images.condition(image_id) == "changed":
                show_info(f"{image_id} is another file than the one that was annotated. Boxes may lie elsewhere.")
            data, multiscale = layer_data(open_image_page(project.path(image_id), image.page, image.division))
            document = project.show(image_id)
            self._leave_image()
            size = project.settings.pixel_sizes_um.get(image.slide)
            place = {} if size is None else {"scale": (size, size), "units": ("µm", "µm")}
            layer = Image(data, rgb=True, multiscale=multiscale, name=image_id, **place)
            canvas.viewer.add_layer(layer)
            opened.image, opened.document = image, document
            self.image_opened.emit()
            canvas.open(document, layer, project.settings.classes, size)
            canvas.viewer.reset_view()
            self._form.browser.show_current(image_id)
            self._toolbox.use_again()
        self._overview.refresh()

    def go_to(self, image_id: str, specimen_id: str) -> None:
        """Show a specimen on its slide."""
        if self._opened.image is None or self._opened.image.id != image_id:
            self.open_image(image_id)
        document = self._opened.document
        if document is not None and specimen_id in document.specimens:
            self._canvas.select([specimen_id])
            close_up(self._canvas.viewer, self._canvas.specimens.layer, document.specimens[specimen_id])

    def _leave_image(self) -> None:
        """Write and close the image that is open."""
        self._toolbox.end_painting()
        opened, canvas = self._opened, self._canvas
        if opened.document is None:
            return
        canvas.flush()
        layer, image = canvas.image, opened.image
        canvas.close()
        opened.document = opened.image = None
        self._saving.rest()
        if layer in canvas.viewer.layers:
            canvas.viewer.layers.remove(layer)
        if opened.project is not None and image is not None:
            with self._form.line.told():
                opened.project.release(image.id)
            self._overview.count(image.id)
        self._saving.show_stored()

    def _on_removed(self, event: Any) -> None:
        if self._opened.document is not None:
            # Whoever takes a layer out may be about to take out the next one.
            self._look_timer.start(0)

    def _look_after_layers(self) -> None:
        """End what has lost its layers: napari's own button deletes whatever layer is selected."""
        image, canvas = self._opened.image, self._canvas
        if image is None or canvas.image is None:
            return
        self._toolbox.look_after_brush()
        lost = [layer.name for layer in (canvas.image, *canvas.layers()) if layer not in canvas.viewer.layers]
        if lost:
            self._leave_image()
            self._form.browser.show_none()
            self._overview.refresh()
            self._form.line.say(
                f"{image.id} was closed, because its layer {lost[0]!r} was deleted. Its specimens are kept: click the "
                "image in the list to open it again."
            )

    def _beat(self) -> None:
        if self._opened.project is not None:
            with contextlib.suppress(DiatomError):
                self._opened.project.beat()
            self._overview.show_title()


@contextlib.contextmanager
def _unswept() -> Iterator[None]:
    """Keep Python from searching all of napari's objects for garbage because thousands that last are made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
