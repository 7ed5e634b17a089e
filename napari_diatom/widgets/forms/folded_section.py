"""A section of a form that is folded until the user opens it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_diatom.widgets.common.object_names import named


class FoldedSection(QWidget):
    """A heading, and below it what it shows and hides.

    Parameters
    ----------
    title : str
        The heading.
    name : str
        Object name; the heading has it with ``.heading`` at its end.
    *parts : QWidget
        What is folded.
    """

    def __init__(self, title: str, name: str, *parts: QWidget) -> None:
        super().__init__()
        named(self, name)
        self._heading = named(QToolButton(), f"{name}.heading")
        self._heading.setText(title)
        self._heading.setAccessibleName(title)
        self._heading.setToolTip("Show or hide these settings")
        self._heading.setCheckable(True)
        self._heading.setAutoRaise(True)
        self._heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._content = QWidget()
        inner = QVBoxLayout(self._content)
        inner.setContentsMargins(12, 0, 0, 0)
        for part in parts:
            inner.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._heading)
        layout.addWidget(self._content)
        self._heading.toggled.connect(self._show)
        self._show(False)

    def set_open(self, is_open: bool) -> None:
        """Open or fold the section."""
        self._heading.setChecked(is_open)

    def _show(self, is_open: bool) -> None:
        self._heading.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._content.setVisible(is_open)
