"""Rows of a form that are shown or hidden, in every version of Qt."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QWidget


def show_row(form: QFormLayout, part: QWidget, visible: bool) -> None:
    """Show or hide a part of a form with its label."""
    label = form.labelForField(part)
    for widget in (part, label):
        if widget is not None and widget.isHidden() is visible:
            widget.setVisible(visible)
