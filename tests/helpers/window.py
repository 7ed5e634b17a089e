"""Docks in tests: a stand-in for the analysis, and the parts of a widget."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton, QWidget

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.detections import Detections
from napari_diatom.core.progress import Progress
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder


def detections(n=40, height=300, width=400, seed=0, classes=("diatom",)):
    """Return n specimens with scores from 0.99 down to 0.1, the best first."""
    rng = np.random.default_rng(seed)
    length = rng.uniform(20, 60, n)
    boxes = np.column_stack(
        [
            rng.uniform(40, width - 40, n),
            rng.uniform(40, height - 40, n),
            length,
            length * rng.uniform(0.2, 0.7, n),
            rng.uniform(-1.5, 1.5, n),
        ]
    )
    return Detections.of(boxes, rng.integers(0, len(classes), n), np.linspace(0.99, 0.1, n), classes)


def plane_shape(job):
    shape = job.pixels.shape[len(job.plane) :]
    return shape[0], shape[1]


class FakeAnalysis:
    """Stands for the analysis: slow enough to be watched, and it can fail."""

    def __init__(self, found=None, tiles=3, seconds=0.01, error=None):
        self.found = detections() if found is None else found
        self.tiles, self.seconds, self.error = tiles, seconds, error
        self.jobs = []

    def __call__(self, job, monitor):
        self.jobs.append(job)
        for tile in range(self.tiles):
            monitor.check()
            time.sleep(self.seconds)
            monitor.report(Progress("tiles", tile + 1, self.tiles, job.name))
        if self.error is not None:
            raise self.error
        height, width = plane_shape(job)
        return Analysis(
            image=job.name,
            path=None,
            sha256=None,
            height=height,
            width=width,
            detections=self.found,
            threshold=0.25,
            pixel_size_um=job.pixel_size_um,
            pixel_size_source="user",
            scales=(1.0,),
            model="diatom-obb",
            model_version="1.0.0",
            model_sha256="0" * 64,
        )


NETWORKS = {
    "oriented-boxes": ("yolo", "yolo11n-obb"),
    "boxes": ("yolo", "yolo11n"),
    "semantic": ("deeplab", "deeplabv3plus/resnet18/64"),
    "instances": ("maskrcnn", "maskrcnn/resnet18/64"),
    "classes": ("classifier", "classifier/tu-resnet18/192"),
    "outlines": ("outline", "outline/tu-resnet18/128"),
}


def model(name, task):
    engine, architecture = NETWORKS[task]
    card = ModelCard(
        name=name,
        version="1.0.0",
        task=task,
        engine=engine,
        architecture=architecture,
        classes=("diatom",),
        tile_size=640,
        sha256="0" * 64,
    )
    return ModelFolder(card, Path(name))


def child_of(widget, name):
    """Return a part of a widget by its name."""
    found = widget.findChild(QWidget, name)
    assert found is not None, name
    return found


def click_row(qtbot, table, row):
    """Click a row of a table, as a user does."""
    table.scrollTo(table.model().index(row, 0))
    place = table.visualRect(table.model().index(row, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def dock_of(viewer, title):
    """Return the widget of the one open dock with a title."""
    [name] = [name for name in viewer.window.dock_widgets if name.startswith(f"{title} (")]
    widget = viewer.window.dock_widgets[name]
    return getattr(widget, "__wrapped__", widget)


def trigger(viewer, command):
    """Choose a command in the menu of plugins."""
    menus = [viewer.window.plugins_menu]
    while menus:
        menu = menus.pop()
        menu.aboutToShow.emit()
        for action in menu.actions():
            if getattr(action, "_command_id", "") == command:
                action.trigger()
                return
            if action.menu() is not None:
                menus.append(action.menu())
    raise AssertionError(f"There is no {command} in the menu.")


def press(text):
    """Press a button of the next question; return what is asked."""
    asked = []

    def look():
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(20, look)
            return
        asked.append(box.text())
        next(button for button in box.findChildren(QPushButton) if button.text() == text).click()

    QTimer.singleShot(20, look)
    return asked
