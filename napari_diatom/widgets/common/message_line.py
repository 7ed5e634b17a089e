"""The line of a dock that shows messages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QLabel

from napari_diatom.core.errors import DiatomError

ALARM: Final = "color: #d55e00"
"""Style of a text that nobody must overlook."""


class MessageLine(QLabel):
    """Shows what happened, and what went wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def say(self, message: str, error: bool = False) -> None:
        """Show a message."""
        self.setText(message)
        self.setStyleSheet(ALARM if error else "")

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
