"""Napari in a process of its own that is closed while a dock works, as by the cross of its window."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from helpers.window import child_of, trigger
from napari_diatom.widgets.batch_run.batch_form import Scope

PATIENCE = 120.0
"""Seconds that a dock may take to begin."""

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
        self.viewer = napari.Viewer(show=True)
        self.viewer.window._qt_window.resize(1366, 768)

    def open(self, command: str) -> Any:
        """Open a dock, and return its widget."""
        before = set(self.viewer.window.dock_widgets)
        trigger(self.viewer, f"napari-diatom.{command}")
        [name] = set(self.viewer.window.dock_widgets) - before
        return self.viewer.window.dock_widgets[name]

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
        child_of(dock, "run").click()
        states = child_of(dock, "image_list").images.states
        return lambda: sum(state.finished for state in states()) >= 2

    def train(self) -> IsUnderWay:
        """Train on drawn slides, for many epochs."""
        dock = self.open("finetune")
        child_of(dock, "group").setText(r"^(s\d)_")
        dock.slides.set_data(self.folder / "slides.json")
        for name, value in {"size": 64, "batch": 2, "crops": 4, "epochs": 500}.items():
            child_of(dock, f"learning.{name}").setValue(value)
        child_of(dock, "start").setCurrentIndex(child_of(dock, "start").findData("scratch"))
        self.wait(child_of(dock, "start_training").isEnabled)
        child_of(dock, "start_training").click()
        run = dock.progress.monitor.folder
        return lambda: len(run.history()) > 0

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
            assert time.monotonic() < end, "it did not begin"
            QApplication.processEvents()
            time.sleep(0.01)

    def _command(self, command: str, **paths: Path) -> IsUnderWay:
        dock = self.open(command)
        for name, path in paths.items():
            child_of(dock, f"{name}.path").setText(str(path))
        child_of(dock, "run").click()
        return child_of(dock, "cancel").isEnabled


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
