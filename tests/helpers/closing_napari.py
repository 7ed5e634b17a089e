"""Napari in a process of its own whose docks work while they are closed, or while it is, by the cross of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from helpers.tiny import TINY
from helpers.window import child_of, press, trigger
from napari_diatom.widgets.batch_run.batch_form import Scope

PATIENCE = 120.0
"""Seconds that a dock may take to begin."""
AT_ONCE = 20.0
"""Seconds in which what a dock does has to end after the dock was closed."""
_SAYING = ("message", "problem")
"""Ends the names of labels with what a dock says."""

IsUnderWay = Callable[[], bool]


class Window:
    """Napari, with docks that are opened from its menu.

    Parameters
    ----------
    folder : Path
        Has what the docks work on.
    """

    def __init__(self, folder: Path) -> None:
        import napari

        self.folder = folder
        self.docks: dict[str, Any] = {}
        self.viewer = napari.Viewer(show=True)
        self.viewer.window._qt_window.resize(1366, 768)

    def open(self, command: str) -> Any:
        """Open a dock, and return its widget."""
        before = set(self.viewer.window.dock_widgets)
        trigger(self.viewer, f"napari-diatom.{command}")
        [name] = set(self.viewer.window.dock_widgets) - before
        self.docks[command] = self.viewer.window.dock_widgets[name]
        return self.docks[command]

    def search(self, command: str) -> IsUnderWay:
        """Search a slide with the network of a dock."""
        self.viewer.open(str(self.folder / "slide.jpg"), plugin="napari")
        dock = self.open(command)
        child_of(dock, "run").click()
        return lambda: "Tile" in _message(dock)

    def search_folder(self) -> IsUnderWay:
        """Count a folder, a tenth of a second an image."""
        from napari_diatom.counting import batch_job

        batch_job.RUN = "helpers.batch_runs:run_slowly"
        dock = self.open("detect")
        dock.batch.scope.setValue(Scope.FOLDER)
        child_of(dock, "input_folder").setText(str(self.folder / "river"))
        if (self.folder / "river-diatoms").exists():
            earlier = child_of(dock, "earlier_results")
            assert not earlier.isHidden()
            assert "not finished" in earlier.text()
            press("Go on")
        child_of(dock, "run").click()
        states = child_of(dock, "image_list").images.states
        return lambda: sum(state.finished for state in states()) >= 2

    def train(self) -> IsUnderWay:
        """Train on drawn slides, for many epochs."""
        dock = self.open("finetune")
        child_of(dock, "group").setText(r"^(s\d)_")
        dock.slides.set_data(self.folder / "slides.json")
        for name, value in (TINY | {"epochs": 500}).items():
            child_of(dock, f"learning.{name}").setValue(value)
        child_of(dock, "start").setCurrentIndex(child_of(dock, "start").findData("scratch"))
        self.wait(child_of(dock, "start_training").isEnabled)
        child_of(dock, "start_training").click()
        run = dock.progress.monitor.folder
        return lambda: len(run.history()) > 0

    def go_on_training(self, keep: str = "") -> IsUnderWay:
        """Open the dock again that trained, see what it says of the training, and go on with it.

        If ``keep`` is given, the training is to go on when its dock is closed, too.
        """
        dock = self.open("finetune")
        monitor = dock.progress.monitor
        assert monitor.folder.path == self.folder / "runs" / "my-diatoms"
        assert monitor.folder.state().stage == "stopped"
        assert not monitor.is_running
        child_of(dock, "keep_going").setChecked(bool(keep))
        child_of(dock, "resume_training").click()
        return lambda: monitor.is_running and monitor.folder.state().stage == "running"

    def find_training(self) -> IsUnderWay:
        """Open the dock of a training that went on without it, and let it end with napari."""
        dock = self.open("finetune")
        assert dock.progress.monitor.is_running
        assert child_of(dock, "stop_training").isEnabled()
        assert child_of(dock, "keep_going").isChecked()
        child_of(dock, "keep_going").setChecked(False)
        return lambda: dock.progress.monitor.folder.state().stage == "running"

    def shut(self) -> IsUnderWay:
        """Close all docks by their crosses; what they did has ended soon afterwards."""
        from napari_diatom.analysis import worker_process

        for command in tuple(self.docks):
            self._cross(command)
        end = time.monotonic() + AT_ONCE

        def is_over() -> bool:
            left = _children()
            assert time.monotonic() < end, [child.cmdline() for child in left]
            if len(left) == 1:
                # It may be the one that keeps networks for docks that are opened later.
                worker_process.close()
            return not left

        return is_over

    def leave_training(self) -> IsUnderWay:
        """Close the dock of a training that is to go on; it does."""
        run = self.docks["finetune"].progress.monitor.folder
        self._cross("finetune")
        end = time.monotonic() + 1

        def goes_on() -> bool:
            assert run.state().stage == "running"
            return time.monotonic() > end

        return goes_on

    def _cross(self, command: str) -> None:
        """Click on the cross of a dock."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QDockWidget

        dock = self.docks.pop(command)
        while not isinstance(dock, QDockWidget):
            dock = dock.parent()
        dock.raise_()
        self.wait(dock.title.close_button.isVisible)
        QTest.mouseClick(dock.title.close_button, Qt.MouseButton.LeftButton)

    def estimate(self) -> IsUnderWay:
        """Measure a few steps of a training."""
        dock = self.open("finetune")
        child_of(dock, "group").setText(r"^(s\d)_")
        dock.slides.set_data(self.folder / "slides.json")
        self.wait(child_of(dock, "start_training").isEnabled)
        child_of(dock, "estimate").click()
        return lambda: bool(psutil.Process().children())

    def take_in(self) -> IsUnderWay:
        """Import many specimens into a project."""
        dock = self.open("project_settings")
        dock.open_project(self.folder / "project")
        dock.show_page("Import")
        dock._pages["Import"].set_files([self.folder / "many.json"])
        child_of(dock, "import_start").click()
        bar = child_of(dock, "settings_progress")
        return lambda: bar.value() > 0 or not dock.session().is_running

    def convert(self) -> IsUnderWay:
        """Write many specimens in another format."""
        return self._command("convert", source=self.folder / "many.json", out=self.folder / "out.xml")

    def compose(self) -> IsUnderWay:
        """Compose slides."""
        paths = {"coco": self.folder / "slides.json", "images": self.folder / "images", "out": self.folder / "composed"}
        return self._command("compose", **paths)

    def render(self) -> IsUnderWay:
        """Render the example slides."""
        return self._command("render", folder=self.folder / "rendered")

    def tables(self) -> IsUnderWay:
        """Write the tables of a project."""
        return self._command("tables", project=self.folder / "project", out=self.folder / "tables")

    def look(self) -> IsUnderWay:
        """Look at the machine."""
        self.open("about")
        return lambda: bool(psutil.Process().children())

    def read_model(self) -> IsUnderWay:
        """Read a model that others made."""
        dock = self.open("models")
        dock.import_from(self.folder / "theirs.diatom-model")
        return lambda: "Reading" in _message(dock)

    def wait(self, until: Callable[[], object]) -> None:
        """Wait until something is so."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + PATIENCE
        while not until():
            assert time.monotonic() < end, self.told()
            QApplication.processEvents()
            time.sleep(0.01)

    def told(self) -> str:
        """Return why something does not begin: what the docks say, and the latest events and the log of each run."""
        from qtpy.QtWidgets import QLabel

        said = [f"it did not begin in {PATIENCE:g} s"]
        for command, dock in self.docks.items():
            labels = [label for label in dock.findChildren(QLabel) if label.objectName().endswith(_SAYING)]
            said += [f"{command}, {label.objectName()}: {label.text()}" for label in labels if label.text()]
        for run in sorted((self.folder / "runs").glob("*")):
            for name in ("run.json", "events.jsonl", "log.txt"):
                path = run / name
                said.append(f"{path.name}: {path.read_text(errors='replace')[-1500:] if path.exists() else 'missing'}")
        said += [f"process {child.pid} ({child.status()}): {child.cmdline()[-2:]}" for child in _children()]
        return "\n".join(said)

    def _command(self, command: str, **paths: Path) -> IsUnderWay:
        dock = self.open(command)
        for name, path in paths.items():
            child_of(dock, f"{name}.path").setText(str(path))
        child_of(dock, "run").click()
        return child_of(dock, "cancel").isEnabled


def _children() -> list[psutil.Process]:
    """Return the processes that this one has started, and theirs, that have not ended."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def _message(dock: Any) -> str:
    text: str = child_of(dock, "message").text()
    return text


def main(folder: str, *tasks: str) -> None:
    """Begin tasks of docks, close the window, and say which processes worked for it."""
    import napari
    from qtpy.QtCore import QTimer

    window = Window(Path(folder))
    for task in tasks:
        name, _, argument = task.partition(":")
        window.wait(getattr(window, name)(*filter(None, [argument])))
        print("begun", task, flush=True)
    print("children", *(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    QTimer.singleShot(0, window.viewer.window._qt_window.close)
    napari.run()
    print("end", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
