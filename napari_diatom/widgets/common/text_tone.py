"""The colours of errors, warnings and links in text, which can be read in dark and in light themes."""

from __future__ import annotations

from typing import Final, Literal

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QLabel, QWidget

Tone = Literal["plain", "error", "warning"]

_ON_DARK: Final = {"error": "#ff8a5c", "warning": "#f0b23c", "link": "#6db9ee"}
_ON_LIGHT: Final = {"error": "#a83c00", "warning": "#7a5000", "link": "#0b5c99"}
"""Colours with a contrast of at least 4.5 to 1 on the grounds of napari's themes (WCAG 2.1, level AA)."""
_HALF: Final = 128


def set_tone(label: QLabel, tone: Tone) -> None:
    """Show the text of a label as an error, as a warning, or as usual, now and when the theme changes."""
    if label.property(_PROPERTY) is None:
        _OnThemeChange(label)
    if label.property(_PROPERTY) != tone:
        label.setProperty(_PROPERTY, tone)
        _paint(label)


def link_colour(widget: QWidget) -> str:
    """Return the colour of links in a widget, as of its present theme."""
    return _colours(widget)["link"]


_PROPERTY: Final = "tone"


class _OnThemeChange(QObject):
    """Paints a label again when its colours have changed."""

    def __init__(self, label: QLabel) -> None:
        super().__init__(label)
        self._label = label
        label.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look at the theme once all styles are set."""
        if event is not None and event.type() == QEvent.Type.StyleChange:
            QTimer.singleShot(0, self._look)
        return False

    def _look(self) -> None:
        _paint(self._label)


def _paint(label: QLabel) -> None:
    """Set the style of a label. Setting one, even the same, takes far longer than setting a text."""
    colour = _colours(label).get(label.property(_PROPERTY))
    style = f"color: {colour}" if colour else ""
    if label.styleSheet() != style:
        label.setStyleSheet(style)


def _colours(widget: QWidget) -> dict[str, str]:
    """Return the colours for the theme of a widget, by the ink around it: its own may be coloured already."""
    ink = (widget.parentWidget() or widget).palette().windowText().color()
    return _ON_DARK if ink.lightness() > _HALF else _ON_LIGHT
