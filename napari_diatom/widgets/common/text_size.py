"""Text of tables and fields as large as napari's: its themes give its font size to labels and buttons only."""

from __future__ import annotations

from typing import Any, Final

from napari.settings import get_settings
from qtpy.QtWidgets import QWidget

from napari_diatom.widgets.common.closing import when_destroyed

_SMALL: Final = "QAbstractItemView, QHeaderView, QLineEdit, QAbstractSpinBox, QTextEdit, QPlainTextEdit, QToolButton"
"""Widgets that napari's style sheets leave at the font size of the system."""


def follow_font_size(widget: QWidget) -> None:
    """Give the tables and fields in a widget napari's font size, now and when the user changes it."""
    appearance = get_settings().appearance

    def follow(event: Any = None) -> None:
        style = f"{_SMALL} {{ font-size: {appearance.font_size}pt; }}"
        if widget.styleSheet() != style:
            widget.setStyleSheet(style)

    follow()
    appearance.events.font_size.connect(follow)
    when_destroyed(widget, appearance.events.font_size.disconnect, follow)
