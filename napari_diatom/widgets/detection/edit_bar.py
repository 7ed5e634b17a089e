"""The tools, and what is given to the selected specimens, of a dock that shows a result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QToolButton, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many
from napari_diatom.widgets.canvas.drawing_tools import TOOL_LOOK, tool_button
from napari_diatom.widgets.canvas.name_field import NameField
from napari_diatom.widgets.common.known_names import KnownNames
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.wrapped_row import WrappedRow

if TYPE_CHECKING:
    from napari_diatom.widgets.detection.result_canvas import ResultCanvas

TOOLS: Final = ("select", "three-clicks", "upright", "polygon")


class EditBar(QWidget):
    """Shows and changes how the result of a canvas is edited.

    Parameters
    ----------
    known : KnownNames
        The names of the open project and of a taxon list.
    taxa : callable
        Returns further names that a specimen may get.
    """

    said = Signal(str)
    """What was done, or what is missing."""
    entered = Signal()
    """A name was typed and Enter was pressed."""

    def __init__(self, known: KnownNames, taxa: Callable[[], Iterable[str]]) -> None:
        super().__init__()
        self._canvas: ResultCanvas | None = None
        self._known = known
        self._taxa = taxa
        self._tools = {tool: tool_button(tool) for tool in TOOLS}
        for tool, button in self._tools.items():
            button.clicked.connect(partial(self._use_tool, tool))
        self._undo = _button("undo", "Undo", self._on_undo)
        self._redo = _button("redo", "Redo", self._on_redo)
        self._class = _combo("class_of_new", "Class of new specimens", self._on_class)
        self._class.setToolTip("The class of the selected specimens and of the next one (keys 1 to 9)")
        self._status = _combo("status", "Status of the selected specimens", self._on_status)
        self._status.setToolTip("Set the status of the selected specimens (keys V, G, F, K, I, T)")
        self._status.addItem("set status", "")
        for status in STATUSES:
            self._status.addItem(status, status)
        self._name = NameField(self._names, known.meant)
        self._name.entered.connect(self._on_name)
        self._list = _button("taxon_list", "List…", self._ask_for_list)
        self._list.setToolTip("Complete names from a taxon list: a CSV file with a column name or species")
        self.setStyleSheet(TOOL_LOOK)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(WrappedRow(*self._tools.values()))
        layout.addLayout(WrappedRow(self._class, self._status, self._undo, self._redo))
        layout.addLayout(WrappedRow(self._name, self._list))

    def setCanvas(self, canvas: ResultCanvas | None) -> None:
        """Edit another result, or none."""
        if canvas is not self._canvas:
            self._disconnect()
            self._canvas = canvas
            if canvas is not None:
                canvas.tool_changed.connect(self._show_tool)
                canvas.class_changed.connect(self._class.setCurrentText)
                canvas.said.connect(self.said)
        self.setEnabled(canvas is not None)
        self.refresh()

    def refresh(self) -> None:
        """Show the tool, the classes, and what can be undone."""
        canvas = self._canvas
        history = None if canvas is None else canvas.document.history
        for button, key, label in (
            (self._undo, "Ctrl+Z", None if history is None else history.undo_label),
            (self._redo, "Ctrl+Shift+Z", None if history is None else history.redo_label),
        ):
            button.setEnabled(label is not None)
            what = f"{button.text()}: {label}" if label else f"Nothing to {button.text().lower()}"
            button.setToolTip(f"{what} ({key})")
        if canvas is None:
            return
        self._show_tool(canvas.tool)
        with signals_blocked(self._class):
            if [self._class.itemText(i) for i in range(self._class.count())] != list(canvas.classes):
                self._class.clear()
                self._class.addItems(canvas.classes)
            self._class.setCurrentText(canvas.new_class)

    def _disconnect(self) -> None:
        canvas = self._canvas
        if canvas is not None:
            canvas.tool_changed.disconnect(self._show_tool)
            canvas.class_changed.disconnect(self._class.setCurrentText)
            canvas.said.disconnect(self.said)

    def _show_tool(self, tool: str) -> None:
        for name, button in self._tools.items():
            button.setChecked(name == tool)

    def _names(self) -> dict[str, str]:
        """Return all names that the user may mean, each with all by which it is found."""
        classes = () if self._canvas is None else self._canvas.classes
        words = self._known.words()
        return {name: words.get(name, name) for name in (*classes, *self._taxa(), *self._known.names())}

    def _use_tool(self, tool: str, *_: object) -> None:
        if self._canvas is not None:
            self._canvas.use_tool(tool)

    def _on_undo(self) -> None:
        if self._canvas is not None:
            self._canvas.undo()

    def _on_redo(self) -> None:
        if self._canvas is not None:
            self._canvas.redo()

    def _on_class(self, index: int) -> None:
        if self._canvas is not None:
            self._canvas.use_class(self._class.itemText(index))

    def _on_status(self, index: int) -> None:
        status = self._status.itemData(index)
        with signals_blocked(self._status):
            self._status.setCurrentIndex(0)
        if status and self._canvas is not None:
            self._canvas.set_status(status)

    def _on_name(self, name: str) -> None:
        if self._canvas is not None:
            self._canvas.give_name(name)
        self.entered.emit()

    def _ask_for_list(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a taxon list", "", "Taxon lists (*.csv *.tsv *.txt)")
        if not chosen:
            return
        try:
            number = self._known.use_list(Path(chosen))
        except DiatomError as error:
            self.said.emit(str(error))
            show_error(str(error))
            return
        self._name.list_names()
        self.said.emit(f"{many(number, 'name')} read from {Path(chosen).name}.")


def _button(name: str, title: str, act: Callable[[], None]) -> QToolButton:
    button = named(QToolButton(), name)
    button.setText(title)
    button.setAccessibleName(title)
    button.clicked.connect(lambda *_: act())
    return button


def _combo(name: str, title: str, act: Callable[[int], None]) -> QComboBox:
    combo = named(QComboBox(), name)
    combo.setAccessibleName(title)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(4)
    combo.activated.connect(act)
    return combo
