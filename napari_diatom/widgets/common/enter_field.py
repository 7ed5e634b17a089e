"""A field that keeps Enter to itself."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLineEdit


class EnterField(QLineEdit):
    """Takes Enter once: a combo box hands it back to its field, and napari hands it on to the active layer."""

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Handle a key. Enter closes the list of completions: its other keys are meant for what comes next."""
        is_enter = event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        completer = self.completer()
        popup = completer.popup() if is_enter and completer is not None else None
        if popup is not None:
            popup.hide()
        super().keyPressEvent(event)
        if event is not None and is_enter:
            event.accept()
