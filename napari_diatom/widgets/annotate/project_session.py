"""Opens and closes projects and their images."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from napari.layers import Image
from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.images.planes import BEST, PAGES
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.napari_layers.layer_file import LayerFile
from napari_diatom.project.folder_lock import check_there
from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.taxon_list import read_taxa
from napari_diatom.widgets.annotate.canvas import AnnotationCanvas
from napari_diatom.widgets.annotate.form import FIND_MOVED, AnnotateForm
from napari_diatom.widgets.annotate.opened import Opened
from napari_diatom.widgets.annotate.overview import Overview
from napari_diatom.widgets.annotate.saving import Saving
from napari_diatom.widgets.annotate.slide_view import zoom_to
from napari_diatom.widgets.annotate.toolbox import Toolbox
from napari_diatom.widgets.common.image_pyramid import layer_data

_HEARTBEAT_MS: Final = 30_000
"""Time after which a project tells other windows again that it is open here."""
_DEFAULT_CLASSES: Final = ("diatom",)


class ProjectSession(QObject):
    """Opens a project and its images. All edits are written before a project or image is closed.

    Parameters
    ----------
    form : AnnotateForm
        Lists the images.
    opened : Opened
        The open project and image. Only this class changes them.
    canvas : AnnotationCanvas
        Shows the open image.
    toolbox : Toolbox
        May have a mask that is still being painted.
    overview : Overview
        Shows the project.
    saving : Saving
        Writes edits before anything is closed.
    """

    project_changed = Signal()
    """Another project was opened, or the project was closed."""
    closing = Signal()
    """The project is about to be closed, and can still be used."""
    heartbeat = Signal()
    """It is time to look what other windows do."""
    image_opened = Signal()
    """Another image was opened."""

    def __init__(
        self,
        form: AnnotateForm,
        opened: Opened,
        canvas: AnnotationCanvas,
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
        self._heartbeat_timer = QTimer(self)
        self._heartbeat_timer.setInterval(_HEARTBEAT_MS)
        self._heartbeat_timer.timeout.connect(self._heartbeat)
        self._heartbeat_timer.start()
        self._check_timer = QTimer(self)
        self._check_timer.setSingleShot(True)
        self._check_timer.timeout.connect(self._check_layers)
        canvas.viewer.layers.events.removed.connect(self._on_removed)

    def open(self, folder: Path) -> None:
        """Open a project and its first unfinished image. If that fails, an error is shown."""
        with self._form.line.showing_errors():
            project = Project.open(folder)
            if not self.close():
                project.close()
                return
            self._opened.project = project
            self.show()
            self._form.browser.next_unfinished()

    def create(self, folder: Path, images: Sequence[Path], classes: Path | None = None) -> None:
        """Make a project of images, with the classes of a taxon list or with one class, and open it."""
        with self._form.line.showing_errors():
            Project.create(folder, images, _DEFAULT_CLASSES if classes is None else read_taxa(classes)).close()
            self.open(folder)

    def close(self) -> bool:
        """Write everything and close the project. Edits that cannot be written to its files stay in its journal.

        If edits are only in memory, the user is asked. If nobody can answer, the project stays open. Returns whether
        the project was closed.
        """
        if not self._saving.may_close():
            return False
        self.closing.emit()
        self.leave_image()
        project, self._opened.project = self._opened.project, None
        self.show()
        if project is not None:
            with self._form.line.showing_errors():
                project.close()
        return True

    def close_and_leave(self) -> bool:
        """Close the project and remove its layers from the viewer. Return whether that was done."""
        if not self.close():
            return False
        self._canvas.leave()
        return True

    def show(self) -> None:
        """Show which project is open."""
        self.project_changed.emit()
        self._overview.show_images()
        self._overview.show_classes()
        self._overview.show_title()
        self._saving.show_stored()
        self._overview.refresh()

    def open_image(self, image_id: str) -> None:
        """Open an image of the project and show its specimens."""
        project, opened, canvas = self._opened.project, self._opened, self._canvas
        if project is None:
            return
        with self._form.line.showing_errors(), _without_garbage_collection():
            check_there(project.folder)
            image = project.settings.image(image_id)
            condition = project.linked_images.condition(image_id)
            if condition == "missing":
                self._overview.show_missing()
                raise InputError(
                    f"{project.path(image_id)} is missing. Press {FIND_MOVED} and choose the folder that it is in now."
                )
            if condition == "changed":
                show_info(
                    f"The file of {image_id} has changed since it was annotated. Check that the boxes still fit it."
                )
            slide = open_image_page(project.path(image_id), image.page, image.division)
            data, multiscale = layer_data(slide)
            if opened.image is not None and opened.image.id == image_id:
                # Left after it is shown, its document would be forgotten with it.
                self.leave_image()
            document = project.show(image_id)
            self.leave_image()
            size = project.settings.pixel_sizes_um.get(image.slide)
            place = {} if size is None else {"scale": (size, size), "units": ("µm", "µm")}
            shown = {"multiscale": multiscale, "metadata": _file_of(slide, image).to_metadata()}
            layer = Image(data, rgb=True, name=image_id, **shown, **place)
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
            zoom_to(self._canvas.viewer, self._canvas.specimens.layer, document.specimens[specimen_id])

    def leave_image(self) -> None:
        """Write and close the image that is open."""
        self._toolbox.end_painting()
        opened, canvas = self._opened, self._canvas
        if opened.document is None:
            return
        canvas.flush()
        layer, image = canvas.image, opened.image
        canvas.close()
        opened.document = opened.image = None
        self._saving.cancel()
        if layer in canvas.viewer.layers:
            canvas.viewer.layers.remove(layer)
        if opened.project is not None and image is not None:
            opened.project.documents.leave_removed()
            with self._form.line.showing_errors():
                opened.project.release(image.id)
            self._overview.count(image.id)
        self._saving.show_stored()

    def _on_removed(self, event: Any) -> None:
        if self._opened.document is not None:
            # Several layers may be removed one after the other.
            self._check_timer.start(0)

    def _check_layers(self) -> None:
        """Close an image whose layer was deleted: napari's own button deletes any selected layer."""
        image, canvas = self._opened.image, self._canvas
        if image is None or canvas.image is None:
            return
        self._toolbox.check_mask_layer()
        lost = [layer.name for layer in (canvas.image, *canvas.layers()) if layer not in canvas.viewer.layers]
        if lost:
            self.leave_image()
            self._form.browser.show_none()
            self._overview.refresh()
            self._form.line.say(
                f"{image.id} was closed, because its layer {lost[0]!r} was deleted. Its specimens are kept: click the "
                "image in the list to open it again."
            )

    def _heartbeat(self) -> None:
        if self._opened.project is not None:
            with contextlib.suppress(DiatomError):
                self._opened.project.session.beat()
            self._overview.show_title()
            self.heartbeat.emit()


def _file_of(slide: SlideImage, image: ProjectImage) -> LayerFile:
    """Return which image of its file is shown for an image of the project."""
    assert slide.path is not None
    if slide.name == slide.path.name:
        return LayerFile.of_opened(slide, "", None, BEST)
    return LayerFile.of_opened(slide, slide.name, image.page, PAGES if image.division == "pages" else BEST)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Switch off garbage collection: thousands of lasting objects are made, and each search would take long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
