"""A folder that is typed, chosen or dropped."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget
from superqt.utils import signals_blocked

from napari_diatom.widgets.common.object_names import named


class FolderEdit(QWidget):
    """A line with the path of a folder, and a button that asks for one.

    Parameters
    ----------
    name : str
        Name of the line; that of the button has ``_browse`` behind it.
    title : str
        What the folder is for, as the title of the dialog and for screen readers.
    hint : str
        The tooltip.
    """

    valueChanged = Signal(object)

    def __init__(self, name: str, title: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self.line = named(QLineEdit(), name)
        self.line.setAccessibleName(title)
        self.line.setToolTip(hint)
        self.line.setClearButtonEnabled(True)
        self.line.textChanged.connect(lambda _: self.valueChanged.emit(self.value()))
        self.button = named(QPushButton("Browse…"), f"{name}_browse")
        self.button.setAccessibleName(f"{title}: browse")
        self.button.setToolTip(f"{title}: choose it in a dialog")
        self.button.clicked.connect(self._ask)
        self.setAcceptDrops(True)
        self.line.setAcceptDrops(False)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)

    def value(self) -> Path | None:
        """Return the folder, None while nothing is typed."""
        text = self.line.text().strip()
        return Path(text).expanduser().absolute() if text else None

    def setValue(self, folder: Path | None) -> None:
        """Show a folder, or nothing."""
        self.line.setText("" if folder is None else str(folder))

    def setDefault(self, folder: Path | None) -> None:
        """Show, in grey, the folder that is taken while nothing is typed."""
        with signals_blocked(self.line):
            self.line.setPlaceholderText("" if folder is None else str(folder))

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Accept a folder."""
        if event is not None and _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Take a folder."""
        folder = None if event is None else _dropped(event)
        if event is not None and folder is not None:
            self.setValue(folder)
            event.acceptProposedAction()

    def _ask(self) -> None:
        start = self.line.text() or self.line.placeholderText()
        chosen = QFileDialog.getExistingDirectory(self, self._title, start)
        if chosen:
            self.setValue(Path(chosen))


def _dropped(event: QDropEvent) -> Path | None:
    """Return the folder that is dragged, None if it is something else."""
    data = event.mimeData()
    urls = [] if data is None else data.urls()
    path = Path(urls[0].toLocalFile()) if len(urls) == 1 and urls[0].isLocalFile() else None
    return path if path is not None and path.is_dir() else None
