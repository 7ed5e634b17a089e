"""The windows of *Fine-tune a model* that help to set a training up: learning rate, search, cross-validation."""

import json
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDialog, QFileDialog, QTableWidget

import napari_diatom.analysis.worker_process
from diatom_training.finetune import recent_runs, resource_estimate
from diatom_training.finetune.run_folder import RunFolder
from diatom_training.learning.rate_curve import RateCurve
from diatom_training.tuning.search_folder import SearchFolder
from helpers.tiny import draw_slides
from helpers.window import child_of
from napari_diatom.core.errors import DiatomError, Stopped
from napari_diatom.core.progress import Progress
from napari_diatom.widgets.training.widget import FineTuneWidget

TINY = {"size": 64, "batch": 2, "crops": 4, "epochs": 1, "validation_crops": 2, "workers": 0}
FALLING = RateCurve(
    tuple(10 ** (-6 + 6 * k / 79) for k in range(80)),
    (*[2.0] * 40, *(2.0 - 0.05 * k for k in range(30)), *[4.0] * 10),
    8e-4,
)


@pytest.fixture
def slides(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    # Without looking for GPUs in a process that would outlive the test.
    monkeypatch.setattr(napari_diatom.analysis.worker_process, "devices", lambda: ("auto", "cpu"))
    return draw_slides(tmp_path)


@pytest.fixture
def widget(viewer, slides, qtbot):
    made = FineTuneWidget(viewer)
    viewer.window.add_dock_widget(made, name="Fine-tune a model")
    child_of(made, "group").setText(r"^(s\d)_")
    made.slides.set_data(slides)
    qtbot.waitUntil(lambda: made.slides.dataset() is not None, timeout=20_000)
    task = child_of(made, "task")
    task.setCurrentIndex(task.findData("semantic"))
    child_of(made, "start").setCurrentIndex(child_of(made, "start").findData("scratch"))
    child_of(made, "architecture").setText("deeplabv3plus/tu-test_efficientnet/16")
    for name, value in TINY.items():
        child_of(made, f"learning.{name}").setValue(value)
    return made


def dialog_of(widget, qtbot, button: str, name: str):
    child_of(widget, button).click()
    qtbot.waitUntil(lambda: widget.findChild(QDialog, name) is not None)
    return widget.findChild(QDialog, name)


def row_of(table: QTableWidget, name: str) -> int:
    return next(row for row in range(table.rowCount()) if table.item(row, 0).data(Qt.ItemDataRole.UserRole) == name)


def test_a_learning_rate_is_found_and_taken_into_the_form(widget, qtbot):
    before = widget.config()
    dialog = dialog_of(widget, qtbot, "find_rate", "rate_finder")
    assert not child_of(dialog, "use_rate").isEnabled()
    child_of(dialog, "rate_finder_start").click()
    assert child_of(dialog, "rate_finder_cancel").isEnabled()
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=120_000)
    said = child_of(dialog, "rate_finder_message").text()
    assert "rate" in said
    assert widget.config() == before
    assert recent_runs.list_runs() == []
    dialog.show_result(FALLING)
    dialog.refresh()
    child_of(dialog, "use_rate").click()
    assert widget.config().learning.rate == FALLING.suggestion
    assert widget.config().replace(learning=before.to_plain()["learning"]) == before


@pytest.mark.parametrize("failure", [None, DiatomError("There is no room.")])
def test_finding_a_rate_is_cancelled_or_says_why_it_failed(widget, qtbot, monkeypatch, failure):
    def aside(target, config, monitor):
        while failure is None:
            monitor.report(Progress("rate", 1, 80))
            monitor.check()
        raise failure

    monkeypatch.setattr(resource_estimate, "call_aside", aside)
    dialog = dialog_of(widget, qtbot, "find_rate", "rate_finder")
    child_of(dialog, "rate_finder_start").click()
    message = child_of(dialog, "rate_finder_message")
    if failure is None:
        qtbot.waitUntil(lambda: message.text() == "Trying learning rates", timeout=10_000)
        child_of(dialog, "rate_finder_cancel").click()
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=10_000)
    assert message.text() == ("Stopped." if failure is None else "There is no room.")
    assert child_of(dialog, "rate_finder_start").isEnabled()
    assert not child_of(dialog, "use_rate").isEnabled()


def test_settings_are_ticked_searched_and_trained_with(widget, slides, qtbot, monkeypatch):
    dialog = dialog_of(widget, qtbot, "tune_settings", "tune")
    table = child_of(dialog, "search_settings")
    assert dialog.table.texts() == ["rate=8e-05:0.008", "weight_decay=1e-05:0.3"]
    child_of(dialog, "search_filter").setText("optim")
    optimizer = row_of(table, "optimizer")
    assert not table.isRowHidden(optimizer)
    assert table.isRowHidden(row_of(table, "dropout"))
    table.item(optimizer, 0).setCheckState(Qt.CheckState.Checked)
    table.item(optimizer, 1).setText("adamw,newton")
    table.item(row_of(table, "weight_decay"), 0).setCheckState(Qt.CheckState.Unchecked)
    child_of(dialog, "trials").setValue(2)
    child_of(dialog, "tune_start").click()
    assert "newton" in child_of(dialog, "tune_message").text()
    assert not dialog.is_running
    table.item(optimizer, 1).setText("adamw,sgd")
    child_of(dialog, "tune_start").click()
    assert dialog.is_running
    assert not child_of(dialog, "search_settings").isEnabled()
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=240_000)
    assert "The best of 2 trials is trial" in child_of(dialog, "tune_message").text()
    shown = child_of(dialog, "trial_table")
    assert [shown.horizontalHeaderItem(k).text() for k in range(6)] == [
        *("trial", "state", "figure", "value", "rate", "optimizer"),
    ]
    assert shown.rowCount() == 2
    folder = SearchFolder.open(slides.parent / "searches" / "my-diatoms")
    assert len(folder.results().trials) == 2

    begun: list[RunFolder] = []
    monkeypatch.setattr(widget.progress, "start", begun.append)
    child_of(dialog, "train_best").click()
    best = folder.results().best
    assert best is not None
    assert begun[0].config().learning.rate == best.values["rate"]
    assert begun[0].config().learning.optimizer == best.values["optimizer"]

    # Another window shows it again, and could continue it.
    dialog.close()
    qtbot.waitUntil(lambda: widget.findChild(QDialog, "tune") is None)
    again = dialog_of(widget, qtbot, "tune_settings", "tune")
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder.path))
    child_of(again, "open_search").click()
    assert child_of(again, "trial_table").rowCount() == 2
    assert child_of(again, "tune_start").text() == "Continue"
    assert child_of(again, "trials").value() == 2
    child_of(again, "new_search").click()
    assert child_of(again, "tune_start").text() == "Search"
    assert child_of(again, "trial_table").rowCount() == 0


def test_a_cross_validation_shows_its_folds_and_goes_on_after_cancel(widget, slides, qtbot):
    dialog = dialog_of(widget, qtbot, "cross_validate", "cross_validation")
    child_of(dialog, "folds").setValue(2)
    child_of(dialog, "cross_validation_start").click()
    message = child_of(dialog, "cross_validation_message")
    qtbot.waitUntil(lambda: message.text().startswith("Fold 2 of 2"), timeout=240_000)
    child_of(dialog, "cross_validation_cancel").click()
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=20_000)
    assert message.text() == "Stopped."
    out = slides.parent / "cross-validations" / "my-diatoms"
    assert RunFolder(out / "fold-1").state().stage == "finished"
    first = (out / "fold-1" / "history.csv").stat().st_mtime_ns
    child_of(dialog, "cross_validation_start").click()
    qtbot.waitUntil(lambda: not dialog.is_running, timeout=240_000)
    assert message.text().startswith("2 models were trained")
    assert (out / "fold-1" / "history.csv").stat().st_mtime_ns == first
    table = child_of(dialog, "fold_table")
    assert [table.horizontalHeaderItem(k).text() for k in range(5)] == ["", "mean", "deviation", "fold-1", "fold-2"]
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert len(report["folds"]) == 2
    assert table.item(table.rowCount() - 1, 3).text() == str(report["folds"][0]["specimens"])
    assert child_of(dialog, "fold_report").isEnabled()


def test_closing_the_dock_stops_what_its_windows_do(viewer, widget, qtbot, monkeypatch):
    stopped = []

    def aside(target, config, monitor):
        try:
            while True:
                monitor.check()
        except Stopped:
            stopped.append(target)
            raise

    monkeypatch.setattr(resource_estimate, "call_aside", aside)
    dialog = dialog_of(widget, qtbot, "find_rate", "rate_finder")
    child_of(dialog, "rate_finder_start").click()
    qtbot.waitUntil(lambda: dialog.is_running)
    with qtbot.captureExceptions() as caught:
        viewer.window.remove_dock_widget(widget)
        widget.deleteLater()
        qtbot.waitUntil(lambda: bool(stopped), timeout=10_000)
        qtbot.wait(100)
    assert not caught
