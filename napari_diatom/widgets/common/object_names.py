"""Names, tooltips and spoken titles of the parts of a widget."""

from __future__ import annotations

from typing import TypeVar

from qtpy.QtWidgets import QAbstractButton, QLabel, QWidget

W = TypeVar("W", bound=QWidget)


def named(widget: W, name: str, tip: str = "", spoken: str = "") -> W:
    """Return ``widget`` with an object name, by which tests and style sheets find it.

    Parameters
    ----------
    widget : QWidget
        The widget.
    name : str
        Its object name.
    tip : str, optional
        Its tooltip.
    spoken : str, optional
        What a screen reader calls it. Only widgets with neither a text of their own nor a label in their form need it.
    """
    widget.setObjectName(name)
    if tip:
        widget.setToolTip(tip)
    if spoken:
        widget.setAccessibleName(spoken)
    return widget


def spoken_name(widget: QWidget) -> str:
    """Return what a screen reader calls a widget, as Qt tells it. Empty if it has no name."""
    if widget.accessibleName():
        return widget.accessibleName()
    if isinstance(widget, QAbstractButton) and widget.text():
        return widget.text()
    return _label_of(widget)


def _label_of(widget: QWidget) -> str:
    """Return the text of the label that belongs to a widget, empty where there is none."""
    parent = widget.parentWidget()
    labels = [] if parent is None else parent.findChildren(QLabel)
    return next((label.text() for label in labels if label.buddy() is widget), "")
