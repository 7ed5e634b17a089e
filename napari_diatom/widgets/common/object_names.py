"""Names of the parts of a widget, by which tests and style sheets find them."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str) -> W:
    """Return ``widget`` with an object name."""
    widget.setObjectName(name)
    return widget
