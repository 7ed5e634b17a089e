"""The labels beside the specimens of a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtCore import QObject, QTimer

from napari_diatom.napari_layers import shapes_layer

if TYPE_CHECKING:
    from napari.layers import Shapes

_REST_MS: Final = 60
"""Labels follow when the hand rests: the first ones of a layer take as long to draw as thousands of boxes."""


class SpecimenLabels(QObject):
    """Writes a label beside each specimen of a layer, unless there are too many.

    Parameters
    ----------
    parent : QObject
        Who watches over the layer.
    layer : napari.layers.Shapes
        The layer.
    many_classes : bool
        Whether there are several classes, which labels then name.
    most : int
        Specimens up to which each has a label.
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
        """Write the labels anew when the hand rests."""
        self._timer.start()

    def flush(self) -> None:
        """Write at once what waits to be written."""
        if self._timer.isActive():
            self._timer.stop()
            self._write()

    def stop(self) -> None:
        """Write nothing more."""
        self._timer.stop()

    def make_room(self, n: int) -> None:
        """Take the labels away before the layer gets ``n`` specimens, where those are too many."""
        if n > self._most:
            self.remove()

    def remove(self) -> None:
        """Take the labels away."""
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
