"""The review gallery in a dock of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate.gallery import Gallery
from napari_diatom.widgets.annotate.gallery_suggestions import GallerySuggestions
from napari_diatom.widgets.common.closing import when_destroyed

if TYPE_CHECKING:
    from napari.viewer import Viewer


class GalleryDock(QObject):
    """Shows the gallery of the open project.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where it is docked.
    suggestions : GallerySuggestions
        Suggests names for specimens without one.
    parent : QObject
        Its owner.
    """

    slideRequested = Signal(str, str)
    """Ids of an image and of one of its specimens, to be shown on the slide."""
    edited = Signal(object)
    """Ids of images that were edited in the gallery."""
    failed = Signal(str)
    """What went wrong."""

    def __init__(self, viewer: Viewer, suggestions: GallerySuggestions, parent: QObject) -> None:
        super().__init__(parent)
        self._suggestions = suggestions
        suggestions.failed.connect(self.failed)
        self._viewer = viewer
        self._gallery: Gallery | None = None

    def gallery(self) -> Gallery | None:
        """Return the review gallery, or None if it is not open."""
        return self._gallery

    def show(self, project: Project | None, sample: str = "", taxon: str = "") -> None:
        """Show the specimens of a project as upright pictures; those of one sample and taxon where these are named."""
        if self._gallery is None:
            self._gallery = gallery = Gallery(self._suggestions)
            gallery.slideRequested.connect(self.slideRequested)
            gallery.edited.connect(self.edited)
            gallery.failed.connect(self.failed)
            # When the user closes the dock, the gallery is destroyed with it.
            when_destroyed(gallery, self.__dict__.__setitem__, "_gallery", None)
            self._viewer.window.add_dock_widget(gallery, name="Review gallery", area="bottom")
            gallery.set_project(project)
        if sample:
            self._gallery.show_sample(sample, taxon)
        dock = self._gallery.parentWidget()
        if dock is not None:
            dock.show()
            dock.raise_()

    def set_project(self, project: Project | None) -> None:
        """Show another project, if the gallery is open."""
        if self._gallery is not None:
            self._gallery.set_project(project)

    def refresh(self, *image_ids: str) -> None:
        """Show the current specimens of images."""
        if self._gallery is not None:
            for image_id in image_ids:
                self._gallery.refresh(image_id)
