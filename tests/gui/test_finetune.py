"""The dock widget *Fine-tune a model*, from annotated slides to a model that is used."""

import time
from pathlib import Path

import psutil
import pytest
from napari.layers import Shapes
from qtpy.QtWidgets import QLabel, QTableWidget
from skimage.io import imread
from tiny import draw_slides

from diatom_training.finetune import child, recent
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.folder import RunFolder
from gui.conftest import child_of
from napari_diatom.models import library
from napari_diatom.progress import never, silent
from napari_diatom.widgets.detect import DetectWidget
from napari_diatom.widgets.finetune.widget import FineTuneWidget

TINY = {"size": 64, "batch": 2, "crops": 4, "epochs": 2}


@pytest.fixture
def slides(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    return draw_slides(tmp_path)


def opened(viewer, slides, qtbot, **numbers):
    """Return the widget with slides and tiny settings."""
    widget = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Fine-tune a model")
    child_of(widget, "group").setText(r"^(s\d)_")
    widget.slides.set_data(slides)
    qtbot.waitUntil(lambda: widget.slides.dataset() is not None, timeout=20_000)
    child_of(widget, "start").setCurrentIndex(child_of(widget, "start").findData("scratch"))
    for name, value in {**TINY, **numbers}.items():
        child_of(widget, name).setValue(value)
    child_of(widget, "train_device").setCurrentIndex(0)
    return widget


def test_from_annotated_slides_to_detections_with_the_new_model(viewer, slides, qtbot, tmp_path):
    widget = opened(viewer, slides, qtbot)
    table: QTableWidget = child_of(widget, "classes")
    shown = [[table.item(row, k).text() for k in range(4)] for row in range(table.rowCount())]
    assert shown == [
        ["needle", "4", "2", "2"],
        ["square", "4", "2", "2"],
        ["specimens", "8", "4", "4"],
        ["images", "4", "2", "2"],
        ["slides", "2", "1", "1"],
    ]
    warnings: QLabel = child_of(widget, "slides_message")
    assert "20 are little" in warnings.text()
    child_of(widget, "start_training").click()
    watch = widget.progress.watch
    assert watch.is_running
    assert not child_of(widget, "start_training").isEnabled()
    qtbot.waitUntil(lambda: not watch.is_running, timeout=120_000)
    assert child_of(widget, "train_message").text().startswith("Finished.")
    assert child_of(widget, "curves").isVisibleTo(widget.progress)
    assert not child_of(widget, "example").pixmap().isNull()
    assert "Recall" in child_of(widget, "test_figures").text()
    assert child_of(widget, "runs").currentText() == "my-diatoms: finished"

    alone = RunFolder.create(tmp_path / "alone", TrainConfig.read(watch.folder / "config.yaml"))
    child.run(alone, silent, never)
    assert alone.history() == watch.folder.history()
    theirs, ours = (library.find(folder / "model").card for folder in (alone, watch.folder))
    assert (ours.metrics, ours.thresholds, ours.sha256) == (theirs.metrics, theirs.thresholds, theirs.sha256)

    viewer.add_image(imread(slides.parent / "images" / "s0_0.png"), name="slide")
    child_of(widget, "use_model").click()
    detect = next(part for part in viewer.window.dock_widgets.values() if isinstance(part, DetectWidget))
    assert detect.value().model == "my-diatoms"
    assert library.find("my-diatoms").folder == tmp_path / "models" / "my-diatoms"
    detect.run()
    qtbot.waitUntil(lambda: not detect.value().running, timeout=120_000)
    assert any(isinstance(layer, Shapes) for layer in viewer.layers)


def test_a_training_outlives_the_window_only_when_asked(viewer, slides, qtbot):
    first = opened(viewer, slides, qtbot, epochs=500)
    child_of(first, "keep_going").setChecked(True)
    first.start()
    run = first.progress.watch.folder
    qtbot.waitUntil(lambda: len(run.history()) > 0, timeout=60_000)
    viewer.window.remove_dock_widget(first)
    first.deleteLater()
    qtbot.wait(1500)
    assert run.state().stage == "running"
    process = psutil.Process(run.state().pid)

    second = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(second, name="Fine-tune again")
    assert second.progress.watch.is_running
    assert recent.runs()[0].path == run.path
    child_of(second, "stop_training").click()
    began = time.monotonic()
    qtbot.waitUntil(lambda: not second.progress.watch.is_running, timeout=10_000)
    assert time.monotonic() - began < 4
    assert child_of(second, "resume_training").isEnabled()
    child_of(second, "keep_going").setChecked(False)
    child_of(second, "resume_training").click()
    qtbot.waitUntil(lambda: run.state().stage == "running", timeout=60_000)
    process = psutil.Process(run.state().pid)
    viewer.window.remove_dock_widget(second)
    second.deleteLater()
    qtbot.waitUntil(lambda: not process.is_running() or process.status() == "zombie", timeout=10_000)


def test_what_is_wrong_is_said_before_the_start(viewer, slides, qtbot):
    widget = opened(viewer, slides, qtbot)
    start = child_of(widget, "start_training")
    assert start.isEnabled()
    child_of(widget, "model_name").setText("no such name!")
    assert not start.isEnabled()
    assert "name" in start.toolTip()
    child_of(widget, "model_name").setText("mine")
    widget.slides.set_data(Path("gone"))
    qtbot.waitUntil(lambda: "does not exist" in child_of(widget, "slides_message").text(), timeout=10_000)
    assert not start.isEnabled()
    assert "does not exist" in start.toolTip()
