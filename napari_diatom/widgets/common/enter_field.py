"""A field that keeps Enter to itself."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLineEdit


class EnterField(QLineEdit):
    """Takes Enter once: a combo box hands it back to its field, and napari hands it on to the active layer."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Handle a key."""
        super().keyPressEvent(event)
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            event.accept()
