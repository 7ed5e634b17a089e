"""Keys of a dock: its main actions, the way in and out of it, and the table that lists them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QDockWidget,
    QFrame,
    QLabel,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from napari_diatom.reports.html import keys
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.common.object_names import named

if TYPE_CHECKING:
    from napari.viewer import Viewer

Rows = Sequence[tuple[str, str]]
"""Keys, or what is done with the mouse, and what that does."""

MOUSE: Final = (
    ("Point", "show class, score and size of the specimen under the mouse"),
    ("Click", "select a specimen or a proposal; click again to select the one under it"),
    ("Double-click", "zoom to a specimen"),
)
"""What the mouse does in every dock whose specimens are in the viewer."""

_OWN: Final = (
    ("F6", "go from the image to the dock, and back"),
    ("Tab", "go to the next control of the dock; Space presses a button"),
    ("F1", "show this table"),
)
_WIDTH: Final = 72
"""Width of the table of keys, in characters."""
_AROUND_DIALOG: Final = 80
"""Pixels of the screen's height that the title of a window and a taskbar may take."""


class ButtonKey(NamedTuple):
    """A key that presses a button of a dock, also while the focus is on the image.

    Attributes
    ----------
    key : str
        Qt's name of the key.
    button : str
        Object name of the button. Nothing happens while it is disabled.
    title : str
        What it does, as the table of keys says it.
    """

    key: str
    button: str
    title: str


class DockKeys(QObject):
    """Listens to the keys of a dock while it can be seen.

    Parameters
    ----------
    dock : QWidget
        The content of the dock.
    viewer : napari.viewer.Viewer or None
        Its viewer.
    buttons : sequence of ButtonKey, optional
        Keys of its buttons.
    others : callable, optional
        Returns further rows of the table: what is bound elsewhere.
    """

    def __init__(
        self,
        dock: QWidget,
        viewer: Viewer | None,
        buttons: Sequence[ButtonKey] = (),
        others: Callable[[], Rows] = tuple,
    ) -> None:
        super().__init__(dock)
        self._dock = dock
        self._viewer = viewer
        self._buttons = tuple(buttons)
        self._others = others
        self._shortcuts: list[QShortcut] = []
        dock.installEventFilter(self)
        self._listen("F1", self.show)
        self._listen("F6", self._change_focus)
        for key in self._buttons:
            self._listen(key.key, partial(self._press, key.button))

    def rows(self) -> Rows:
        """Return the table of keys."""
        return [*((key.key, key.title) for key in self._buttons), *self._others(), *_OWN]

    def show(self) -> None:
        """Show the table of keys."""
        show_keys(self._dock, self.rows())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the tab of the dock: for Qt, a dock behind another tab is still visible, and takes its keys."""
        if watched is not None and event is not None and event.type() == QEvent.Type.ParentChange:
            parent = watched.parent()
            if isinstance(parent, QDockWidget):
                parent.visibilityChanged.connect(self._switch)
        return False

    def _switch(self, on: bool) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(on)

    def _listen(self, key: str, act: Callable[[], None]) -> None:
        shortcut = QShortcut(QKeySequence(key), self._dock)
        shortcut.activated.connect(act)
        # Two docks side by side have the same keys: each has its turn.
        shortcut.activatedAmbiguously.connect(act)
        self._shortcuts.append(shortcut)

    def _press(self, name: str) -> None:
        button = self._dock.findChild(QAbstractButton, name)
        if button is not None:
            button.click()

    def _canvas(self) -> QWidget | None:
        """Return where the image is drawn. Docks that get no viewer find it in their window."""
        if self._viewer is not None:
            return canvas_of(self._viewer)
        drawn = getattr(getattr(self._dock.window(), "_qt_viewer", None), "canvas", None)
        native: QWidget | None = getattr(drawn, "native", None)
        return native

    def _change_focus(self) -> None:
        """Give the focus to the first control of the dock, or back to the image."""
        focused, canvas = QApplication.focusWidget(), self._canvas()
        if focused is None or not self._dock.isAncestorOf(focused):
            first = self._dock.nextInFocusChain()
            while first is not None and first is not self._dock and not _can_have_focus(first):
                first = first.nextInFocusChain()
            if first is not None:
                first.setFocus(Qt.FocusReason.ShortcutFocusReason)
        elif canvas is not None:
            canvas.setFocus(Qt.FocusReason.ShortcutFocusReason)


def show_keys(parent: QWidget, rows: Rows) -> None:
    """Show a table of keys; what does not fit on the screen is scrolled to."""
    box = named(QDialog(parent), "keys_dialog")
    box.setWindowTitle("Keys")
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    table = named(QLabel(keys(rows)), "keys_table")
    table.setWordWrap(True)
    table.setMargin(8)
    area = named(QScrollArea(), "keys_area", spoken="Keys and what they do")
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(table)
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(box.reject)
    layout = QVBoxLayout(box)
    layout.addWidget(area)
    layout.addWidget(buttons)
    width = table.fontMetrics().averageCharWidth() * _WIDTH
    around = buttons.sizeHint().height() + 4 * layout.spacing()
    screen = parent.screen()
    assert screen is not None
    most = screen.availableGeometry().height() - _AROUND_DIALOG
    box.resize(width, min(table.heightForWidth(width) + around, most))
    # The arrow keys scroll.
    area.setFocus()
    box.open()


def _can_have_focus(widget: QWidget) -> bool:
    by_tab = widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value
    return bool(by_tab) and widget.isEnabled() and widget.isVisible()
