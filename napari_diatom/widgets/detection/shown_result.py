"""Chooses the result that a dock shows: that of the chosen image, on the plane that the viewer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_diatom.widgets.common.image_layers import is_input, plane_of, show_plane

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

    from napari_diatom.widgets.detection.image_chooser import ImageChooser
    from napari_diatom.widgets.detection.result_layer import ResultLayer
    from napari_diatom.widgets.detection.results_panel import ResultsPanel
    from napari_diatom.widgets.detection.run_progress import RunProgress
    from napari_diatom.widgets.detection.viewer_state import Shared


class ShownResult(QObject):
    """Keeps the shown result, the chosen image, the plane of the viewer and its active layer consistent.

    Parameters
    ----------
    parent : QWidget
        The dock, which owns the results of its runs.
    viewer : napari.viewer.Viewer
        Holds images and results.
    shared : Shared
        Has the results of the viewer.
    images : ImageChooser
        The choice of the image.
    panel : ResultsPanel
        Shows one result.
    progress : RunProgress
        While it shows the result of a run, the choice stays.

    Attributes
    ----------
    owner : object
        Stands for the dock as the maker of results.
    """

    without_image = Signal()
    """A result is shown, and no image is open."""
    unsearched = Signal(str)
    """The viewer shows another plane. The message about it is empty if the plane has a result."""

    def __init__(
        self,
        parent: QWidget,
        viewer: Viewer,
        shared: Shared,
        images: ImageChooser,
        panel: ResultsPanel,
        progress: RunProgress,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._shared = shared
        self._images = images
        self._panel = panel
        self._progress = progress
        self.owner = object()

    def attach(self) -> None:
        """Follow the viewer and its results."""
        self._viewer.layers.selection.events.active.connect(self._on_active)
        self._viewer.dims.events.point.connect(self.show_of_plane)
        self._shared.opened.connect(self.choose)
        self._shared.closed.connect(self._on_closed)

    def detach(self) -> None:
        """Stop following them, and show nothing."""
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._viewer.dims.events.point.disconnect(self.show_of_plane)
        self._shared.opened.disconnect(self.choose)
        self._shared.closed.disconnect(self._on_closed)
        self._panel.setResult(None)

    def choose(self, result: ResultLayer) -> None:
        """Show a result, and choose its image and plane."""
        image = self._shared.image_of(result)
        if image is not None:
            show_plane(image, result.facts.plane, self._viewer)
        if self._panel.result() is not result:
            self._panel.setResult(result)
        if image is not None:
            self._images.choose(image)
        elif self._images.image() is None:
            self.without_image.emit()

    def choose_newest(self) -> None:
        """Show the newest result if none is shown."""
        found = self._shared.results(self.owner)
        if found and self._panel.result() is None:
            self.choose(found[-1])

    def show_of(self, image: Image | None) -> None:
        """Show the newest result of an image, or nothing if it has no result."""
        shown = self._panel.result()
        if image is None or self._progress.showing or (shown is not None and self._is_on_screen(shown, image)):
            return
        found = [result for result in self._shared.results(self.owner) if self._is_on_screen(result, image)]
        self._panel.setResult(found[-1] if found else None)

    def show_of_plane(self, *_: Any) -> None:
        """Show the result of the plane that the viewer shows."""
        image = self._images.image()
        if image is None or image.ndim <= 2 or self._progress.showing:
            return
        before = self._panel.result()
        self.show_of(image)
        now = self._panel.result()
        if now is before:
            return
        active = self._shared.get(self._viewer.layers.selection.active)
        if active is not None and self._shared.image_of(active) is image and not self._is_on_screen(active, image):
            # The user draws on this plane now, not on the one before.
            self._viewer.layers.selection.active = image if now is None else now.layer
        if not self._progress.running:
            there = [result for result in self._shared.results(self.owner) if self._shared.image_of(result) is image]
            names = ", ".join(dict.fromkeys(result.facts.image for result in there))
            self.unsearched.emit(f"No run on this plane yet. There are results for {names}." if now is None else "")

    def untouched(self, image: Image, plane: tuple[int, ...]) -> ResultLayer | None:
        """Return an earlier result of this dock for the same plane that the user has not changed."""
        for result in self._shared.made_by(self.owner):
            same = self._shared.image_of(result) is image and result.facts.plane == plane
            if same and len(result.candidates) and not result.touched():
                return result
        return None

    def _is_on_screen(self, result: ResultLayer, image: Image) -> bool:
        """Return whether a result belongs to an image and to the plane that the viewer shows."""
        plane = result.facts.plane
        return self._shared.image_of(result) is image and (not plane or plane == plane_of(image, self._viewer))

    def _on_closed(self, result: ResultLayer) -> None:
        """Show another result of the image when the layer of the shown one is removed."""
        if self._panel.result() is result:
            self._panel.setResult(None)
            self.show_of(self._images.image())

    def _on_active(self, event: Any) -> None:
        layer = event.value
        if is_input(layer):
            self._images.choose(layer)
            self.show_of(layer)
            return
        result = self._shared.get(layer)
        if result is not None and not self._progress.showing and result in self._shared.results(self.owner):
            self.choose(result)
