"""A user who works in docks, dialogs, a terminal and a text editor, and counts each click, drag and key.

The rules are the same for both versions, and where there is a choice they favour the older one:

- A click is 1, a double click 2, a drag 1, a key 1; a key that is held during a click is 1 more.
- Text that is typed counts its characters. A field that has a text already takes 1 more, to select it.
- A dock from napari's menu takes 3 clicks: *Plugins*, *Diatoms*, the dock. An entry of a list takes 2.
- A dialog of the system for files stands where they are: 2 clicks for what is there, its characters and Enter for a
  new name; all files of a folder are Ctrl+A and Enter. Images are opened in napari with Ctrl+O.
- A terminal is open where the data are. The program is its first letter and Tab, and so is each file or folder that is
  there, where that is shorter; options are as short as the program takes them. A space and Enter are 1 each.
- A text file is opened by a double click. Each place that changes takes 1, for the click or drag that selects what is
  replaced, and the characters that are new; saving is 1. Closing the project before, which the older version
  needs, and opening it again are not counted.
- Scrolling a panel to what it does not show is a drag, and so is moving a window that is higher than the screen to what
  lies below it. Moving and zooming the image, and waiting, are not counted.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from day_terminal import Terminal

_ROOT: Final = Path(__file__).parents[1]
sys.path.append(str(_ROOT / "tests"))
FOLDER = tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-", ignore_cleanup_errors=True)
os.environ["NAPARI_CONFIG"] = str(Path(FOLDER.name) / "settings.yaml")
os.environ["NAPARI_DIATOM_MODELS"] = str(Path(FOLDER.name) / "models")
os.environ.setdefault("QT_API", "pyqt6")

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

PLUGIN: Final = "napari-diatom"
IMAGES: Final = 10
SCREEN: Final = (1366, 768)
PATIENCE: Final = 600.0
"""Seconds that a network may take on a busy machine."""
WINDOW, TERMINAL, EDITOR = "window", "command line", "text file"
_SLIDE: Final = _ROOT / "sample_data" / "slides" / "stream_crowded_20x.jpg"


def fields(folder: Path, apart: bool = False) -> Path:
    """Write fields of 400 by 300 pixels, all in one folder, or each in one of its own."""
    from PIL import Image

    folder.mkdir(parents=True)
    with Image.open(_SLIDE) as slide:
        for k in range(IMAGES):
            path = folder / (f"site{k}" if apart else "") / f"field{k}.png"
            path.parent.mkdir(exist_ok=True)
            left, top = 100 + 400 * (k % 4), 100 + 300 * (k // 4)
            slide.crop((left, top, left + 400, top + 300)).save(path)
    return folder


class DayDesk:
    """Works in a napari of 1366 by 768 pixels.

    Parameters
    ----------
    viewer : napari.Viewer
        With a window that is shown.
    folder : Path
        Where the terminal is open.

    Attributes
    ----------
    rows : list of dict
        What each action took, and how it was done.
    terminal : Terminal
        The terminal and the text editor beside the window.
    """

    def __init__(self, viewer: Any, folder: Path) -> None:
        from helpers.hand import Hand

        viewer.window._qt_window.resize(*SCREEN)
        self.viewer, self.folder = viewer, folder
        self.hand = Hand(viewer)
        self.hand.patience = PATIENCE
        self.counts: Counter[str] = self.hand.counts
        self.rows: list[dict[str, Any]] = []
        self._typed: list[str] = []
        self.terminal = Terminal(folder, self.counts, self._typed)
        self._answers: list[tuple[Path, ...]] = []
        self._answer_dialogs()

    @contextlib.contextmanager
    def action(self, name: str, way: str = WINDOW) -> Iterator[None]:
        """Count what an action takes. An action within another one is counted apart."""
        outer, typed = self.counts.copy(), list(self._typed)
        self.counts.clear()
        self._typed.clear()
        yield
        counts = {kind: self.counts[kind] for kind in ("clicks", "drags", "keys")}
        self.rows.append({"action": name, "way": way, **counts, "typed": list(self._typed)})
        print(name, way, counts, *self._typed, sep="  ", flush=True)
        self.counts.clear()
        self.counts.update(outer)
        self._typed[:] = typed

    def wait(self, until: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something is so."""
        self.hand.patience = seconds
        self.hand.wait(lambda: bool(until()))

    def open(self, command: str) -> Any:
        """Open a dock from the menu of plugins, and return its widget."""
        before = set(self.viewer.window.dock_widgets)
        menus = [self.viewer.window.plugins_menu]
        while menus:
            menu = menus.pop()
            menu.aboutToShow.emit()
            for entry in menu.actions():
                if getattr(entry, "_command_id", "") == f"{PLUGIN}.{command}":
                    entry.trigger()
                    menus = []
                    break
                if entry.menu() is not None:
                    menus.append(entry.menu())
        self.counts["clicks"] += 3
        self.hand.spin(0.3)
        [name] = set(self.viewer.window.dock_widgets) - before
        return self.dock(name)

    def dock(self, start: str) -> Any:
        """Return the widget of the dock whose name begins so."""
        names = [name for name in self.viewer.window.dock_widgets if name.startswith(start)]
        widget = self.viewer.window.dock_widgets[names[-1]]
        return getattr(widget, "__wrapped__", widget)

    def front(self, widget: QWidget) -> None:
        """Bring a dock to the front by a click on its tab."""
        from qtpy.QtWidgets import QDockWidget

        dock = widget.parentWidget()
        while not isinstance(dock, QDockWidget):
            dock = dock.parentWidget()
        dock.raise_()
        self.counts["clicks"] += 1
        self.hand.spin(0.2)

    def seen(self, widget: QWidget, name: str) -> Any:
        """Return a part of a widget; a panel that has to be scrolled for it takes a drag."""
        from qtpy.QtWidgets import QScrollArea, QWidget

        part = widget.findChild(QWidget, name) if name else widget
        assert part is not None, name
        self.hand.spin(0.05)
        assert part.isVisible(), f"{name} is not shown"
        if not part.visibleRegion().contains(part.rect().center()):
            parent = part.parentWidget()
            while parent is not None:
                if isinstance(parent, QScrollArea):
                    parent.ensureWidgetVisible(part)
                parent = parent.parentWidget()
            self.counts["drags"] += 1
            self.hand.spin(0.1)
        if part.mapTo(part.window(), part.rect().center()).y() > SCREEN[1]:
            self.counts["drags"] += 1
        assert part.isEnabled(), f"{name} is disabled: {part.toolTip()}"
        return part

    def click(self, widget: QWidget, name: str) -> None:
        """Click on a button."""
        self._press(self.seen(widget, name))

    def type(self, widget: QWidget, name: str, text: str, enter: bool = False) -> None:
        """Click on a field and type into it, in place of what is there."""
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QAbstractSpinBox, QLineEdit

        part = self.seen(widget, name)
        line = part.findChild(QLineEdit) if isinstance(part, QAbstractSpinBox) else part
        self._press(line)
        # Without a window manager, a window may not be the active one again when a question has closed.
        line.window().activateWindow()
        line.setFocus()
        self.wait(line.hasFocus, 20)
        if line.text():
            line.selectAll()
            self.counts["keys"] += 1
        QTest.keyClicks(line, text)
        self.counts["keys"] += len(text)
        self._typed.append(text)
        if enter:
            self.enter(line)
        self.hand.spin()

    def enter(self, part: QWidget) -> None:
        """Press Enter."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        QTest.keyClick(part, Qt.Key.Key_Return)
        self.counts["keys"] += 1
        self.hand.spin()

    def choose(self, widget: QWidget, name: str, text: str) -> None:
        """Open a list, and click on the entry whose text begins so."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication

        combo = self.seen(widget, name)
        row = next(k for k in range(combo.count()) if combo.itemText(k).startswith(text))
        self._press(combo)
        view = combo.view()
        self.wait(view.isVisible, 10)
        # Qt takes a click that follows at once for the second half of a double click.
        self.hand.spin(QApplication.doubleClickInterval() / 1000 + 0.1)
        index = view.model().index(row, combo.modelColumn())
        view.scrollTo(index)
        QTest.mouseMove(view.viewport(), view.visualRect(index).center())
        QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index).center())
        self.counts["clicks"] += 1
        self.hand.spin()
        assert not view.isVisible()

    def page(self, widget: QWidget, name: str, title: str) -> None:
        """Click on a tab."""
        tabs = self.seen(widget, name)
        bar = tabs.tabBar()
        number = next(k for k in range(tabs.count()) if tabs.tabText(k) == title)
        self._press(bar, bar.tabRect(number).center())
        assert tabs.currentIndex() == number

    def cell(self, widget: QWidget, name: str, row: int, column: int = 0, held: str = "", twice: bool = False) -> Any:
        """Click on a cell of a table or list, with a key held, or twice; return the table."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        table = self.seen(widget, name)
        index = table.model().index(row, column)
        if not table.viewport().rect().contains(table.visualRect(index).center()):
            self.counts["drags"] += 1
        table.scrollTo(index)
        place = table.visualRect(index).center()
        held_key = {
            "": Qt.KeyboardModifier.NoModifier,
            "ctrl": Qt.KeyboardModifier.ControlModifier,
            "shift": Qt.KeyboardModifier.ShiftModifier,
        }[held]
        self.counts["keys"] += bool(held)
        self._press(table.viewport(), place, held_key)
        if twice:
            QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)
            self.counts["clicks"] += 1
            self.hand.spin(0.2)
        return table

    def drag_rows(self, widget: QWidget, name: str, first: int, last: int) -> None:
        """Select rows of a table by a drag over them."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        table = self.seen(widget, name)
        view, left = table.viewport(), Qt.MouseButton.LeftButton
        start, end = (table.visualRect(table.model().index(row, 0)).center() for row in (first, last))
        assert view.rect().contains(start)
        assert view.rect().contains(end)
        QTest.mousePress(view, left, pos=start)
        for place in ((start + end) / 2, end):
            QTest.mouseMove(view, place)
            self.hand.spin()
        QTest.mouseRelease(view, left, pos=end)
        self.counts["drags"] += 1
        self.hand.spin()

    def type_into_cell(self, text: str) -> None:
        """Type into the cell that is being edited, in place of its text, and press Enter."""
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication, QLineEdit

        editor = QApplication.focusWidget()
        assert isinstance(editor, QLineEdit)
        assert editor.selectedText() == editor.text()
        QTest.keyClicks(editor, text)
        self.counts["keys"] += len(text)
        self._typed.append(text)
        self.enter(editor)

    def answer(self, *paths: Path) -> None:
        """Choose files or folders in the next dialog of the system."""
        self._answers.append(paths)

    def in_dialogs(self, ask: Callable[[], None], *fills: Callable[[Any], None]) -> None:
        """Do what opens a dialog, and fill that in and those that follow it."""
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication

        wrong: list[BaseException] = []
        seen: list[Any] = []

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if dialog is None or not dialog.isVisible() or dialog in seen:
                QTimer.singleShot(20, look)
                return
            seen.append(dialog)
            if len(seen) < len(fills):
                QTimer.singleShot(20, look)
            try:
                fills[len(seen) - 1](dialog)
            except BaseException as error:
                wrong.append(error)
                dialog.close()

        QTimer.singleShot(20, look)
        ask()
        self.wait(lambda: wrong or len(seen) == len(fills), 60)
        if wrong:
            raise wrong[0]

    def press(self, text: str) -> Callable[[Any], None]:
        """Return what presses a button of a question."""
        from qtpy.QtWidgets import QPushButton

        def act(dialog: Any) -> None:
            buttons = dialog.findChildren(QPushButton)
            self._press(next(button for button in buttons if button.text().replace("&", "").startswith(text)))

        return act

    def load(self, path: Path, plugin: str = "napari") -> None:
        """Open a file in napari."""
        self.viewer.open(str(path), plugin=plugin, stack=False)
        self.counts["keys"] += 1
        self.counts["clicks"] += 2
        self.hand.spin(0.3)

    def whole_image(self) -> None:
        """Zoom to the whole image, without counting it."""
        self.viewer.reset_view()
        self.hand.spin(0.3)

    def _press(self, part: QWidget, place: Any = None, held: Any = None) -> None:
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        held = Qt.KeyboardModifier.NoModifier if held is None else held
        place = part.visibleRegion().boundingRect().center() if place is None else place
        self.counts["clicks"] += 1
        QTest.mouseClick(part, Qt.MouseButton.LeftButton, held, place)
        self.hand.spin()

    def _answer_dialogs(self) -> None:
        """Stand in for the system's dialogs, and count what they take."""
        from qtpy.QtWidgets import QFileDialog

        def chosen(*_: Any, **__: Any) -> tuple[Path, ...]:
            paths = self._answers.pop(0)
            if len(paths) == 1 and paths[0].exists():
                self.counts["clicks"] += 2
            elif len(paths) == 1:
                self.counts["keys"] += len(paths[0].name) + 1
                self._typed.append(paths[0].name)
            elif paths:
                self.counts["keys"] += 2
            else:
                self.counts["keys"] += 1
            return paths

        def one(*_: Any, **__: Any) -> str:
            return "".join(map(str, chosen()))

        QFileDialog.getExistingDirectory = one
        QFileDialog.getSaveFileName = QFileDialog.getOpenFileName = lambda *_, **__: (one(), "")
        QFileDialog.getOpenFileNames = lambda *_, **__: ([str(path) for path in chosen()], "")


def work(parts: Sequence[Callable[[DayDesk], None]]) -> int:
    """Do the parts of a day, each in a napari of its own, and write what they took to the file of the command line."""
    import napari

    rows: list[dict[str, Any]] = []
    out, only = Path(sys.argv[1]), sys.argv[2:]
    for part in parts:
        if only and part.__name__ not in only:
            continue
        home = Path(FOLDER.name) / part.__name__
        home.mkdir()
        viewer = napari.Viewer()
        desk = DayDesk(viewer, home)
        try:
            part(desk)
        except BaseException:
            viewer.window._qt_window.grab().save(str(out.with_suffix(".png")))
            raise
        rows += desk.rows
        # An older version may end the process when its window closes.
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        viewer.close()
    return 0
