"""The table of trainings in *Fine-tune a model*: figures, two runs compared, renamed, deleted, exported."""

import json

import pytest
from qtpy.QtCore import QItemSelectionModel
from qtpy.QtWidgets import QFileDialog, QInputDialog, QLabel, QTableWidget

from diatom_training.finetune import recent_runs, run_changes
from diatom_training.finetune.run_folder import RunFolder
from helpers.runs import trained
from helpers.tiny import configured, draw_slides
from helpers.window import child_of, press
from napari_diatom.core.progress import Progress
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard
from napari_diatom.widgets.training.progress_page import ProgressPage
from napari_diatom.widgets.training.run_monitor import RunMonitor
from napari_diatom.widgets.training.run_status import RunStatus


@pytest.fixture
def page(tmp_path, qtbot, monkeypatch):
    """The page of two finished trainings."""
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "user" / "models"))
    slides = draw_slides(tmp_path)
    for number in (2, 1):
        run = trained(slides, number, b"%d" % number)
        run.write_history([{"train_loss": 2.0, "val_loss": 1.0 / k, "val_ap50": 0.1 * k * number} for k in (1, 2, 3)])
        run.write_state("finished")
        recent_runs.remember(run)
    page = ProgressPage()
    qtbot.addWidget(page)
    page.resize(420, 900)
    page.show()
    table: QTableWidget = child_of(page, "runs")
    qtbot.waitUntil(lambda: table.item(1, 6) is not None, timeout=20_000)
    yield page
    page.leave()


def select(page, *rows):
    table: QTableWidget = child_of(page, "runs")
    table.clearSelection()
    flags = QItemSelectionModel.SelectionFlag
    for row in rows:
        index = table.model().index(row, 0)
        table.selectionModel().setCurrentIndex(index, flags.Select | flags.Rows)


def names(page):
    table: QTableWidget = child_of(page, "runs")
    return [table.item(row, 0).text() for row in range(table.rowCount())]


def axes_of(page):
    return child_of(page, "compared_curves").figure.axes


def test_two_runs_are_compared_in_one_plot(page, qtbot):
    select(page, 0)
    assert page.monitor.folder.path.name == "my-diatoms"
    assert child_of(page, "comparison").isHidden() or not child_of(page, "comparison").isVisible()
    select(page, 0, 1)
    text: QLabel = child_of(page, "comparison")
    assert text.isVisible()
    assert not child_of(page, "curves").isVisible()
    assert "<b>my-diatoms</b>: best epoch: 3 of 3; validation: AP50 0.30" in text.text()
    assert "<b>my-diatoms-2</b>: best epoch: 3 of 3; validation: AP50 0.60" in text.text()
    assert [text.get_text() for text in axes_of(page)[0].get_legend().get_texts()] == ["my-diatoms", "my-diatoms-2"]
    page.setStyleSheet("QWidget { color: #102030; }")
    qtbot.waitUntil(lambda: axes_of(page)[0].xaxis.label.get_color() == "#102030", timeout=5_000)
    select(page, 1)
    assert not text.isVisible()
    assert child_of(page, "curves").isVisible()


def test_a_run_is_renamed_exported_and_deleted(page, qtbot, monkeypatch, tmp_path):
    select(page, 0)
    said: QLabel = child_of(page, "train_message")
    answers = iter([("my-diatoms-2", True), ("station-3", True), ("unused", False)])
    monkeypatch.setattr(QInputDialog, "getText", lambda *_: next(answers))
    child_of(page, "rename_run").click()
    assert "exists already" in said.text()
    for _ in range(2):
        child_of(page, "rename_run").click()
    assert names(page) == ["station-3", "my-diatoms-2"]
    assert page.monitor.folder.path.name == "station-3"
    assert ModelCard.read(page.monitor.folder / "model").name == "station-3"

    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    child_of(page, "export_run").click()
    qtbot.waitUntil(lambda: "is written" in said.text(), timeout=10_000)
    assert library.resolve_model(tmp_path / "mine.diatom-model").card.name == "station-3"

    gone = page.monitor.folder.path
    asked = press("Keep")
    child_of(page, "delete_run").click()
    assert "Delete the training station-3" in asked[0]
    assert gone.exists()
    press("Delete")
    child_of(page, "delete_run").click()
    qtbot.waitUntil(lambda: names(page) == ["my-diatoms-2"], timeout=10_000)
    assert not gone.exists()
    assert said.text() == "The training is deleted."
    assert not child_of(page, "delete_run").isEnabled()


def test_a_run_that_another_window_deleted_is_not_begun_anew(page):
    select(page, 0)
    gone, other = recent_runs.list_runs()
    for run in (gone, other):
        run.write_state("stopped")
        run_changes.delete_run(run)
    page.start(gone)
    assert "is not a training run" in child_of(page, "train_message").text()
    assert not gone.path.exists()
    select(page, 1)
    assert child_of(page, "train_message").text() == "my-diatoms-2 was deleted or moved by another program."
    assert child_of(page, "runs_note").text().startswith("No training yet.")


def test_a_run_in_progress_can_be_compared_but_not_renamed_or_deleted(page, qtbot):
    other = RunFolder(page.monitor.folder.path) if page.monitor.folder else recent_runs.list_runs()[0]
    other.write_state("running")
    page.show_run(other)
    assert page.monitor.is_running
    for name in ("rename_run", "delete_run", "export_run"):
        assert not child_of(page, name).isEnabled()
    select(page, 1)
    assert page.monitor.folder.path == other.path
    assert child_of(page, "comparison").isVisible()
    other.write_state("finished")


def test_the_epoch_and_the_time_left_are_shown(qtbot, tmp_path):
    slides = draw_slides(tmp_path)
    config = configured(slides, learning={"epochs": 12, "crops": 8, "batch": 2}, composed={"epochs": 6})
    run = RunFolder.create(tmp_path / "run", config)

    def after(stage, done, total):
        with (run / "events.jsonl").open("w") as stream:
            for step in range(done + 1):
                stream.write(json.dumps(Progress(stage, step, total).to_json() | {"time": 10.0 + step}) + "\n")
        monitor = RunMonitor()
        status = RunStatus()
        qtbot.addWidget(status)
        status.restart(config)
        shown = []
        monitor.progressed.connect(shown.append)
        monitor.show(run)
        status.show_progress(shown[-1], monitor)
        return child_of(status, "train_message").text()

    assert after("step", 9, 48) == "Training: epoch 3 of 12, at most 39 s left, 2.0 images per second"
    assert after("step", 48, 48).startswith("Training: epoch 12 of 12, at most 0 s left")
    # 15 steps on composed slides, and 48 on the real ones.
    assert after("composed-step", 9, 24).startswith("Training on composed slides: epoch 3 of 6, at most 63 s left")
