"""The line of a dock that shows messages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_diatom.core.errors import DiatomError
from napari_diatom.widgets.common.text_tone import set_tone


class MessageLine(QLabel):
    """Shows what happened, and what went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        # A word that is wider than the dock does not widen it.
        self.setMinimumWidth(1)

    def say(self, message: str, error: bool = False) -> None:
        """Show a message."""
        self.setText(message)
        set_tone(self, "error" if error else "plain")

    def warn(self, message: str) -> None:
        """Show what went wrong."""
        self.say(message, error=True)

    @contextlib.contextmanager
    def showing_errors(self) -> Iterator[None]:
        """Show one of our errors to the user, here and as a notification."""
        try:
            yield
        except DiatomError as error:
            self.warn(str(error))
            show_error(str(error))
