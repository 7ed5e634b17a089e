"""The labels beside the specimens of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QTimer

from napari_diatom.napari_layers import shapes_layer

if TYPE_CHECKING:
    from napari.layers import Shapes

_REST_MS: Final = 60
"""Delay of the labels after the last change: drawing the first labels takes as long as thousands of boxes."""


class SpecimenLabels(QObject):
    """Writes a label beside each specimen of a layer, unless there are too many.

    Parameters
    ----------
    parent : QObject
        The object that watches the layer.
    layer : napari.layers.Shapes
        The layer.
    many_classes : bool
        Whether there are several classes. Labels then name the class.
    most : int
        Largest number of specimens with labels.
    """

    def __init__(self, parent: QObject, layer: Shapes, many_classes: bool, most: int) -> None:
        super().__init__(parent)
        self._layer = layer
        self.many_classes = many_classes
        self._most = most
        self._written = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self._write)

    def write_soon(self) -> None:
        """Write the labels again when the user pauses."""
        self._timer.start()

    def flush(self) -> None:
        """Write waiting labels now."""
        if self._timer.isActive():
            self._timer.stop()
            self._write()

    def stop(self) -> None:
        """Stop writing labels."""
        self._timer.stop()

    def make_room(self, n: int) -> None:
        """Remove the labels if ``n`` specimens, which the layer is about to get, are too many."""
        if n > self._most:
            self.remove()

    def remove(self) -> None:
        """Remove the labels."""
        if self._written:
            self._layer.text.string = {"constant": ""}
            self._written = False

    def _write(self) -> None:
        texts: list[str] = []
        if len(self._layer.features) <= self._most:
            texts = shapes_layer.labels(self._layer.features, self.many_classes).tolist()
        if texts:
            self._layer.text.string = {"array": texts, "default": ""}
            self._written = True
        else:
            self.remove()
