"""The curves of a training's test in the window: those of its report, or why there are none."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from matplotlib.colors import to_hex
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDialog

from diatom_training.finetune import recent_runs, training_process
from diatom_training.finetune.run_folder import RunFolder
from helpers.runs import trained
from helpers.tiny import configured, draw_slides
from helpers.window import child_of
from napari_diatom.core.progress import UNWATCHED
from napari_diatom.widgets.training.widget import FineTuneWidget

MATRIX = "Confusion matrix"
PLOTS = {
    "semantic": {
        "Precision against recall": "precision_recall",
        "Precision, recall and F1 over the threshold": "threshold",
        "F1 of each class over the threshold": "class_f1",
        "FROC: specimens found against false detections": "froc",
    },
    "classes": {
        "ROC curves": "roc",
        "Precision against recall": "precision_recall",
        "Are the scores reliable?": "calibration",
    },
}


@pytest.fixture
def slides(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_DIATOM_MODELS", str(tmp_path / "models"))
    return draw_slides(tmp_path)


@pytest.fixture
def show(viewer, qtbot):
    """Show *Fine-tune a model* with the latest run, and the window that its button opens."""

    def go(run):
        recent_runs.remember(run)
        widget = FineTuneWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Fine-tune a model")
        button = child_of(widget, "open_curves")
        if not button.isEnabled():
            return widget, None
        child_of(widget, "pages").setCurrentIndex(2)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        return widget, widget.findChild(QDialog, "test_curves")

    return go


def titles(dialog):
    choice: QComboBox = child_of(dialog, "test_plot")
    return [choice.itemText(k) for k in range(choice.count())]


def chosen(dialog, title):
    """Choose a plot and return its axes."""
    child_of(dialog, "test_plot").setCurrentText(title)
    [axes] = child_of(dialog, "test_plot_canvas").figure.axes
    return axes


@pytest.mark.parametrize("task", PLOTS)
def test_the_curves_of_a_tested_model_are_those_of_its_report(slides, show, task):
    run = RunFolder.create(slides.parent / "runs" / "tiny", configured(slides, task, learning={"epochs": 1}))
    assert training_process.run(run, UNWATCHED).stage == "finished"
    _, dialog = show(run)
    assert dialog.isVisible()
    assert dialog.windowTitle() == "Test curves of tiny"
    assert [title for title in titles(dialog) if title != "Are the scores reliable?"] == [
        *(title for title in PLOTS[task] if title != "Are the scores reliable?"),
        MATRIX,
    ]
    with (run / "report" / "curves.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for title, name in PLOTS[task].items():
        axes = chosen(dialog, title)
        lines = {line.get_label(): line for line in axes.lines}
        curves = {row["curve"] for row in rows if row["plot"] == name}
        assert curves
        for curve in curves:
            points = [row for row in rows if row["plot"] == name and row["curve"] == curve]
            if any(row["low"] for row in points):
                # A band is no line.
                assert curve in [band.get_label() for band in axes.collections]
                continue
            for axis, values in (("x", lines[curve].get_xdata()), ("y", lines[curve].get_ydata())):
                written = [float(row[axis] or "nan") for row in points]
                np.testing.assert_allclose(values, written, atol=1e-6)
        assert child_of(dialog, "test_caption").text()
    axes = chosen(dialog, MATRIX)
    report = json.loads((run / "report" / "report.json").read_text(encoding="utf-8"))
    table = (report["naming"] or report["detection"])["confusion"]
    assert sum(int(text.get_text()) for text in axes.texts) == sum(map(sum, table)) > 0
    assert axes.get_xlabel() == "found as"
    assert child_of(dialog, "test_caption").text().startswith("Rows: what there is; columns: what it was ")


def test_curves_have_the_colours_of_the_theme(slides, show, qtbot):
    run = with_report(slides, report())
    _, dialog = show(run)
    axes = chosen(dialog, "Some curves")
    assert axes.xaxis.label.get_color() == dialog.palette().text().color().name()
    dialog.setStyleSheet("QWidget { color: #102030; }")
    canvas = child_of(dialog, "test_plot_canvas")
    qtbot.waitUntil(lambda: canvas.figure.axes[0].xaxis.label.get_color() == "#102030", timeout=5_000)
    assert to_hex(canvas.figure.axes[0].get_legend().get_texts()[0].get_color()) == "#102030"
    assert child_of(dialog, "test_plot").currentText() == "Some curves"


def test_outlines_have_no_curves_and_the_window_says_why(slides, show):
    _, dialog = show(with_report(slides, report(curves=[], detection=None)))
    assert titles(dialog) == []
    assert not child_of(dialog, "test_plot_canvas").isVisible()
    assert "there are no curves" in child_of(dialog, "test_caption").text()


@pytest.mark.parametrize(
    "broken",
    ["[", json.dumps({"intervals": {}}), json.dumps([1])],
    ids=["not JSON", "of another version", "not a report"],
)
def test_a_report_that_cannot_be_read_is_named(slides, show, broken):
    run = with_report(slides, broken)
    _, dialog = show(run)
    assert str(run / "report" / "report.json") in child_of(dialog, "test_caption").text()
    assert not child_of(dialog, "test_plot").isVisible()


def test_values_that_do_not_belong_together_are_refused(slides, show):
    data = json.loads(report())
    data["curves"][0]["curves"][0]["y"] = [0.5]
    _, dialog = show(with_report(slides, json.dumps(data)))
    assert "Test the model again" in child_of(dialog, "test_caption").text()


def test_a_training_without_a_test_says_so(slides, show):
    widget, dialog = show(trained(slides, 1, b"1"))
    assert dialog is None
    for name in ("open_curves", "open_report"):
        assert "This training has no test" in child_of(widget, name).toolTip()


def with_report(slides, text):
    """Return a finished run with that report."""
    run = trained(slides, 1, b"1")
    run.write_state("finished")
    (run / "report").mkdir()
    (run / "report" / "report.json").write_text(text, encoding="utf-8")
    return run


def report(**entries):
    """Return a small report."""
    curve = {"name": "any", "x": [0.0, 1.0], "y": [1.0, None], "low": None, "high": None, "specimens": 0}
    texts = {"name": "threshold", "title": "Some curves", "x_label": "x", "y_label": "y", "caption": "Some."}
    plot = texts | {"curves": [curve], "mark": [0.5, 0.5], "reference": ""}
    found = {"confusion": [[0, 1], [2, 3]], "names": {"known": ["diatom"], "unknown": []}}
    return json.dumps({"curves": [plot], "detection": found, "naming": None} | entries)
