"""The form of the dock *Annotate diatoms*: its lists, buttons and messages, and their layout."""

from __future__ import annotations

from functools import partial
from typing import Final, TypeVar

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractButton,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_diatom.core.detections import STATUSES
from napari_diatom.models import library
from napari_diatom.models.library import ModelFolder
from napari_diatom.napari_layers import project_layer
from napari_diatom.widgets.annotate.class_list import ClassList
from napari_diatom.widgets.annotate.image_browser import ImageBrowser
from napari_diatom.widgets.canvas.click_outline import NO_OUTLINER, installed_outliner
from napari_diatom.widgets.canvas.drawing_tools import TOOL_LOOK, TOOLS, fill_line, tool_button
from napari_diatom.widgets.common.message_line import MessageLine
from napari_diatom.widgets.common.model_events import news
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.text_tone import set_tone
from napari_diatom.widgets.common.wrapped_row import WrappedRow

FIND_MOVED: Final = "Find moved images..."
NONE_SELECTED: Final = "Select a specimen first: click it in the image"
_NOT_STORED: Final = (
    "<b>Your last edits are not on disk.</b> They are only in memory, and are lost if napari closes. Free some disk "
    "space, make the project folder writable, or put it back if it is gone. Saving is tried again every few seconds."
)

B = TypeVar("B", bound=QAbstractButton)


class AnnotateForm(QWidget):
    """Shows a project, and the buttons and lists to work on it.

    The buttons and lists are public: the parts of the dock connect to them.
    """

    tool_chosen = Signal(str)
    """A tool was clicked."""
    status_chosen = Signal(str)
    """A status was chosen for the selected specimens."""

    def __init__(self) -> None:
        super().__init__()
        self.browser = ImageBrowser()
        self.classes = ClassList()
        self.line = named(MessageLine(), "message")
        self._running: set[str] = set()
        self._build_project()
        self._build_tools()
        self._build_proposals()
        self._build_lines()
        self._lay_out()

    def model(self) -> ModelFolder | None:
        """Return the chosen model."""
        return self._models.get(self._model.currentData())

    def show_tool(self, tool: str) -> None:
        """Show which tool is in use."""
        for name, button in self.tools.items():
            button.setChecked(tool == name)

    def show_stored(self, is_stored: bool) -> None:
        """Show a warning while edits are only in memory."""
        self._not_stored.setVisible(not is_stored)

    def show_running(self, what: str, is_running: bool) -> None:
        """Show whether some long work is going on, which the button Stop ends."""
        self._running = self._running | {what} if is_running else self._running - {what}
        self.stop.setEnabled(bool(self._running))

    def show_counts(self) -> None:
        """Show how many specimens of each class the project has."""
        self.classes.set_counts(self.browser.class_counts())

    def _build_project(self) -> None:
        self.title = named(QLabel(), "project")
        self.title.setWordWrap(True)
        self.open = _button(
            QPushButton, "open_project", "Open...", "Open a project, or a folder of results to review it"
        )
        self.new = _button(QPushButton, "new_project", "New...", "Make a project from a folder of images")
        self.settings = _button(
            QPushButton, "project_settings", "Settings...", "Classes, slides, pixel sizes, split, and import"
        )
        self.add = _button(QPushButton, "add_images", "Add images...", "Add image files to the project")
        self.find_moved = _button(
            QPushButton, "find_moved", FIND_MOVED, "Choose the folder that the missing images are in now"
        )
        self.remove = _button(
            QPushButton,
            "remove_image",
            "Remove image...",
            "Remove the selected image from the project; its file is not deleted",
        )

    def _build_tools(self) -> None:
        self.tools: dict[str, QToolButton] = {}
        for name in TOOLS:
            button = tool_button(name)
            button.clicked.connect(partial(self._take_tool, name))
            self.tools[name] = button
        self.undo = _button(QToolButton, "undo", "Undo", "Undo the last edit (Ctrl+Z)")
        self.redo = _button(QToolButton, "redo", "Redo", "Redo the last edit that was undone (Ctrl+Shift+Z)")
        self.keys = _button(QToolButton, "keys", "Keys", "Show all keys (F1)")
        self.to_box = _button(
            QToolButton, "to_boxes", "To box", "Replace the selected masks and polygons with rotated boxes"
        )
        self.to_polygon = _button(
            QToolButton, "to_polygons", "To polygon", "Replace the selected boxes with polygons, which have masks"
        )
        self.outline = _button(
            QToolButton,
            "outline",
            "Outline",
            "Turn the boxes of the selected specimens into outlines. Outlines that you have drawn are kept (O)",
        )
        if installed_outliner() is None:
            for button in (self.outline, self.tools["wand"]):
                button.setToolTip(f"{button.toolTip()}. {NO_OUTLINER}")
        tip = "Whole valve, girdle view, broken, ...: which of them are counted is up to the counting protocol"
        self.status = named(QComboBox(), "status", tip, "Status of the selected specimens")
        self.status.addItem("set status", "")
        for status in STATUSES:
            self.status.addItem(status, status)
        self.status.activated.connect(self._take_status)
        tip = "What colours and labels of the specimens stand for"
        self.colour = named(QComboBox(), "colour_by", tip, "Colour specimens by")
        for way in project_layer.WAYS:
            self.colour.addItem(f"colour by {way}", way)

    def _build_proposals(self) -> None:
        self._model = named(QComboBox(), "model", "The model that makes proposals", "Model for proposals")
        self._model.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._list_models()
        news().changed.connect(self._list_models)
        self.propose = _button(
            QPushButton, "propose", "Propose", "Run the model on this image. Your specimens stay as they are"
        )
        self.propose_all = _button(
            QPushButton, "propose_all", "All untouched", "Run the model on all images that nobody has worked on yet"
        )
        self.stop = _button(QPushButton, "stop", "Stop", "Stop making proposals and outlines")
        self.stop.setEnabled(False)
        self.accept = _button(QPushButton, "accept", "Accept", "Accept the selected proposals, or the current one (A)")
        self.reject = _button(QPushButton, "reject", "Reject", "Reject the selected proposals, or the current one (X)")
        self.uncertain = _button(
            QPushButton,
            "next_uncertain",
            "Next uncertain",
            "Go to the next proposal to review: disagreements first, then low scores (N)",
        )
        self.gallery = _button(
            QPushButton,
            "show_gallery",
            "Gallery",
            "Show all specimens of the project as upright pictures, to sort and rename them",
        )
        self.naming = _button(
            QPushButton,
            "naming_mode",
            "Naming mode",
            "Go from one specimen without a name to the next; keys take names (E)",
        )
        self.naming.setCheckable(True)
        tip = "Show what the selected specimen may be called. Leave it off for a second count that nothing influences"
        self.suggest = named(QCheckBox("Suggest names"), "suggest_names", tip)
        self.names = _button(
            QPushButton, "show_names", "Names", "Name similar specimens at once, check names, and see the map (Alt+E)"
        )
        self.explain = _button(QPushButton, "open_explain", "Explain…", NONE_SELECTED)
        self.done = _button(QPushButton, "done", "Done", "Mark the image as done: all its specimens are annotated (D)")
        self.done.setCheckable(True)

    def _list_models(self) -> None:
        """Offer the installed models, and keep the choice."""
        before = self._model.currentData()
        self._models = {model.card.name: model for model in library.available() if model.card.finds_specimens}
        self._model.clear()
        for name, model in self._models.items():
            self._model.addItem(f"{name} {model.card.version}", name)
        self._model.setCurrentIndex(max(self._model.findData(before), 0) if self._models else -1)

    def _build_lines(self) -> None:
        self.counts = named(QLabel(), "counts")
        self.extent = named(QLabel(), "size")
        self.extent.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._not_stored = named(QLabel(_NOT_STORED), "not_stored")
        self._not_stored.setWordWrap(True)
        set_tone(self._not_stored, "error")
        self._not_stored.hide()

    def _lay_out(self) -> None:
        top = QVBoxLayout()
        top.addWidget(self.title)
        top.addLayout(WrappedRow(self.open, self.new, self.add, self.settings))
        others = (self.undo, self.redo, self.to_box, self.to_polygon, self.outline, self.keys)
        for button in others:
            fill_line(button)
        tools = WrappedRow(*self.tools.values(), *others)
        for label in (self.counts, self.extent):
            # A text that grows during a drag must not widen the dock: the image would move under the mouse.
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        numbers = QHBoxLayout()
        numbers.addWidget(self.counts, 2)
        numbers.addWidget(self.extent, 1)
        work = QWidget()
        work.setStyleSheet(TOOL_LOOK)
        column_layout = QVBoxLayout(work)
        column_layout.setContentsMargins(0, 0, 0, 0)
        column_layout.addLayout(tools)
        column_layout.addLayout(WrappedRow(self.status, self.colour))
        column_layout.addWidget(self.classes, 1)
        column_layout.addLayout(WrappedRow(self.suggest, self.naming, self.names))
        column_layout.addLayout(WrappedRow(self._model, self.propose, self.stop))
        column_layout.addLayout(WrappedRow(self.propose_all, self.uncertain, self.gallery))
        column_layout.addLayout(WrappedRow(self.accept, self.reject, self.explain, self.done))
        column_layout.addLayout(numbers)
        split = _LowSplitter(Qt.Orientation.Vertical)
        images = QWidget()
        images_layout = QVBoxLayout(images)
        images_layout.setContentsMargins(0, 0, 0, 0)
        images_layout.addWidget(self.browser)
        images_layout.addLayout(WrappedRow(self.find_moved, self.remove))
        split.addWidget(images)
        split.addWidget(work)
        split.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addLayout(top)
        layout.addWidget(split, 1)
        layout.addWidget(self.line)
        layout.addWidget(self._not_stored)

    def _take_tool(self, name: str, *_: object) -> None:
        self.tool_chosen.emit(name)

    def _take_status(self, index: int) -> None:
        status = self.status.itemData(index)
        with signals_blocked(self.status):
            self.status.setCurrentIndex(0)
        if status:
            self.status_chosen.emit(status)


class _LowSplitter(QSplitter):
    """A splitter that asks for no more height than its parts need: a panel then scrolls only where it has to."""

    def sizeHint(self) -> QSize:
        """Return the width that the parts would like, and the least height."""
        return QSize(super().sizeHint().width(), self.minimumSizeHint().height())


def _button(kind: type[B], name: str, title: str, tip: str) -> B:
    """Return a button with an object name, by which tests find it."""
    button = named(kind(), name, tip)
    button.setText(title)
    return button
