"""The choice of the image to search, among the image layers of the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox
from superqt.utils import signals_blocked

from napari_diatom.napari_layers.layer_file import layer_path
from napari_diatom.widgets.common.image_layers import is_input
from napari_diatom.widgets.common.object_names import named

if TYPE_CHECKING:
    from napari.viewer import Viewer


class ImageChooser(QComboBox):
    """Offers the viewer's image layers. The choice stays while layers are added, removed or renamed.

    A newly added image is chosen.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose images are offered.
    """

    chosen = Signal()
    """Another image is chosen, by the user or the program, or none is."""
    listed = Signal()
    """The list of images has changed."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = viewer
        named(self, "image", "The image in which diatoms are searched", "Image")
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.currentIndexChanged.connect(self.chosen)

    def image(self) -> Image | None:
        """Return the chosen image layer."""
        layer = self.currentData()
        return layer if isinstance(layer, Image) else None

    def choose(self, image: Image) -> None:
        """Choose an image layer."""
        self.setCurrentIndex(self.findData(image))

    def attach(self) -> None:
        """Follow the viewer's layers."""
        layers = self._viewer.layers
        layers.events.inserted.connect(self._on_inserted)
        layers.events.removed.connect(self._on_removed)
        layers.events.reordered.connect(self._list)
        for layer in layers:
            layer.events.name.connect(self._list)
        self._list()

    def detach(self) -> None:
        """Stop following the viewer's layers."""
        layers = self._viewer.layers
        layers.events.inserted.disconnect(self._on_inserted)
        layers.events.removed.disconnect(self._on_removed)
        layers.events.reordered.disconnect(self._list)
        for layer in layers:
            layer.events.name.disconnect(self._list)

    def _list(self) -> None:
        """List the open images, and keep the choice."""
        before = self.image()
        images = [layer for layer in self._viewer.layers if is_input(layer)]
        with signals_blocked(self):
            self.clear()
            for layer in images:
                self.addItem(layer.name, layer)
                path = layer_path(layer)
                hint = layer.name if path is None else str(path)
                self.setItemData(self.count() - 1, hint, Qt.ItemDataRole.ToolTipRole)
            if before in images:
                self.setCurrentIndex(images.index(before))
        if self.image() is not before:
            self.chosen.emit()
        self.listed.emit()

    def _on_inserted(self, event: Any) -> None:
        layer = event.value
        layer.events.name.connect(self._list)
        if is_input(layer):
            self._list()
            self.choose(layer)

    def _on_removed(self, event: Any) -> None:
        event.value.events.name.disconnect(self._list)
        self._list()
