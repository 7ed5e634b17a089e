"""Labels that hold whole sentences."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

from napari_diatom.widgets.common.object_names import named


def text_label(name: str, is_html: bool = False) -> QLabel:
    """Return a label that wraps its lines and lets the user select its text.

    Parameters
    ----------
    name : str
        Its object name.
    is_html : bool, optional
        Whether it is given HTML. Otherwise it shows each character as it is, also those of a class called ``<b>``.
    """
    label = named(QLabel(), name)
    label.setTextFormat(Qt.TextFormat.RichText if is_html else Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    # Otherwise a word that is wider than the dock, such as a checksum, has the whole dock scroll sideways.
    label.setMinimumWidth(1)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
