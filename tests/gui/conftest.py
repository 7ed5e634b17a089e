"""A viewer with the widget, a fake network behind it, and settings that are not the user's."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.detections import Detections
from napari_diatom.core.progress import Progress, check
from napari_diatom.images.optics_presets import Presets
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

    def __call__(self, job, report, should_stop):
        self.jobs.append(job)
        for tile in range(self.tiles):
            check(should_stop)
            time.sleep(self.seconds)
            report(Progress("tiles", tile + 1, self.tiles, job.name))
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


@pytest.fixture
def models(monkeypatch):
    """Two installed models."""
    from napari_diatom.models import library

    known = [model("diatom-obb", "oriented-boxes"), model("diatom-box", "boxes")]
    monkeypatch.setattr(library, "available", lambda: known)
    return known


@pytest.fixture
def presets(tmp_path):
    return Presets(tmp_path / "optics.json")


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy(show=False)


@pytest.fixture
def analysis():
    return FakeAnalysis()


@pytest.fixture
def quick(monkeypatch, models, presets, analysis):
    """What docks do in other processes is done at once, however they are opened."""
    from napari_diatom.analysis import worker_process

    monkeypatch.setattr(worker_process, "analyse", analysis)
    monkeypatch.setattr(worker_process, "devices", lambda: ("auto", "cpu", "cuda"))
    monkeypatch.setattr(Presets, "of_user", lambda: presets)


@pytest.fixture
def dock(viewer, quick, qtbot):
    """Open a dock by its name in the manifest, as the menu does."""

    def open_(title):
        _, widget = viewer.window.add_plugin_dock_widget("napari-diatom", title)
        if widget.findChild(QWidget, "device") is not None:
            qtbot.waitUntil(lambda: child_of(widget, "device").count() == 3)
        return widget

    return open_


@pytest.fixture
def widget(dock):
    """The dock widget in a viewer without images."""
    return dock("Detect diatoms")


def child_of(widget, name):
    """Return a part of a widget by its name."""
    found = widget.findChild(QWidget, name)
    assert found is not None, name
    return found


@pytest.fixture
def run(widget, qtbot):
    """Run the detection to its end."""

    def go():
        widget.run()
        qtbot.waitUntil(lambda: not widget.value().running, timeout=10_000)
        if widget.result() is not None:
            widget.result().flush()

    return go


@pytest.fixture
def image(viewer, widget):
    """A grey image in the viewer."""
    return viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")
