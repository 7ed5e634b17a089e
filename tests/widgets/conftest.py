"""A viewer with the widget, a fake network behind it, and settings that are not the user's."""

from __future__ import annotations

import contextlib
import gc

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QWidget

from helpers.outlining import OutlineWorker
from helpers.window import FakeAnalysis, child_of, model
from napari_diatom.images.optics_presets import Presets
from napari_diatom.widgets.review.send_dialog import SendDialog


@pytest.fixture(autouse=True)
def few_objects():
    """Leave what is there out of garbage collection: napari collects whenever it removes a layer."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture
def run(widget, qtbot):
    """Run the detection to its end."""

    def go():
        widget.run()
        qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
        if widget.result() is not None:
            widget.result().flush()

    return go


@pytest.fixture
def image(viewer, widget):
    """A grey image in the viewer."""
    return viewer.add_image(np.zeros((300, 400), np.uint8), name="slide")


@pytest.fixture
def annotate(dock, folder, monkeypatch):
    """Annotate with the first image of the project in the fixture ``folder``."""
    monkeypatch.setattr("napari_diatom.widgets.common.message_line.show_error", lambda text: None)
    widget = dock("Annotate diatoms")
    widget.open_project(folder)
    widget.open_image("s0f0")
    yield widget
    with contextlib.suppress(RuntimeError):
        widget.close_project()


@pytest.fixture
def worker(monkeypatch):
    """Draws outlines in place of the networks, when the test lets it."""
    from napari_diatom.analysis import worker_process

    worker = OutlineWorker()
    monkeypatch.setattr(worker_process, "outline_boxes", worker.boxes)
    monkeypatch.setattr(worker_process, "outline_point", worker.point)
    yield worker
    worker.may_go_on.set()


@pytest.fixture
def fill_in(qtbot, monkeypatch):
    """Press *Send to a project*, and do something in the dialog before it is sent."""

    def go(widget, act):
        def exec_(dialog):
            dialog.show()
            act(dialog)
            assert child_of(dialog, "send_send").isEnabled(), child_of(dialog, "send_problem").text()
            dialog.hide()
            return True

        monkeypatch.setattr(SendDialog, "exec", exec_)
        child_of(widget, "send").click()
        qtbot.waitUntil(lambda: child_of(widget, "send").isEnabled(), timeout=20_000)
        return child_of(widget, "message").text()

    return go


@pytest.fixture
def choose(monkeypatch):
    """Choose a folder in the next question for one."""

    def go(folder):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *args: str(folder))

    return go
