"""Object names of the parts of a widget. Tests and style sheets use them."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtWidgets import QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str) -> W:
    """Return ``widget`` with an object name."""
    widget.setObjectName(name)
    return widget
