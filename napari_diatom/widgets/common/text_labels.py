"""Labels that hold whole sentences."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_diatom.widgets.common.object_names import named


def text_label(name: str) -> QLabel:
    """Return a label that wraps its lines and lets the user select its text."""
    label = named(QLabel(), name)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
