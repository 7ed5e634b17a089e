"""Valves that are clicked on, and outlines drawn anew, in a result of *Detect diatoms*."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from helpers.outlining import drawn
from helpers.window import child_of, model
from napari_diatom.core.cropped_masks import mask_iou
from napari_diatom.core.detections import Detections
from napari_diatom.models import library
from napari_diatom.widgets.canvas import key_bindings
from napari_diatom.widgets.common.closing import canvas_of

VALVES = [(80, 70, 60, 16, 0.5), (220, 80, 70, 20, -0.4), (320, 200, 50, 24, 1.2)]
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def models(monkeypatch):
    known = [model("diatom-obb", "oriented-boxes"), model("diatom-outline", "outlines")]
    monkeypatch.setattr(library, "available", lambda: known)
    return known


@pytest.fixture
def found(widget, viewer, analysis, run, worker):
    """Return a function that finds the first two valves, with or without outlines."""

    def go(outlined):
        pixels, masks = drawn(VALVES, 300, 400)
        viewer.add_image(pixels, name="slide")
        masks = masks[:2] if outlined else None
        analysis.found = Detections.of(VALVES[:2], [0, 0], [0.9, 0.8], ("diatom",), masks)
        run()
        canvas_of(viewer).setFocus()
        return widget.result(), widget.shared.canvas_of(widget.result())

    return go


def press(viewer, qtbot, key, *modifiers):
    qtbot.keyClick(canvas_of(viewer), key, *modifiers)


def test_a_click_finds_a_valve_that_the_model_missed_and_is_undone(found, widget, viewer, qtbot):
    result, canvas = found(outlined=False)
    press(viewer, qtbot, Qt.Key.Key_W)
    assert canvas.tool == "wand"
    canvas._outlines.click(320.0, 200.0)
    qtbot.waitUntil(lambda: len(result.specimens()) == 3, timeout=10_000)
    np.testing.assert_allclose(result.annotations().detections.boxes[2, :4], VALVES[2][:4], atol=3)
    assert result.annotations().detections.masks is None
    assert child_of(widget, "message").text() == "A valve was added."
    canvas._outlines.click(80.0, 70.0)
    qtbot.waitUntil(lambda: "already" in child_of(widget, "message").text(), timeout=10_000)
    canvas._outlines.click(20.0, 280.0)
    qtbot.waitUntil(lambda: "No valve" in child_of(widget, "message").text(), timeout=10_000)
    qtbot.waitUntil(lambda: not canvas._outlines.is_running, timeout=60_000)
    press(viewer, qtbot, Qt.Key.Key_Z, CTRL)
    assert len(result.specimens()) == 2


def test_outlines_are_drawn_anew_and_clicked_valves_are_outlined_where_the_result_has_outlines(
    found, viewer, qtbot, worker
):
    result, canvas = found(outlined=True)
    masks = drawn(VALVES, 300, 400)[1]
    canvas._outlines.click(320.0, 200.0)
    qtbot.waitUntil(lambda: len(result.specimens()) == 3, timeout=10_000)
    assert mask_iou(result.annotations().detections.masks[2], masks[2]) > 0.9
    jobs = worker.jobs
    result.select([1])
    press(viewer, qtbot, Qt.Key.Key_O)
    qtbot.waitUntil(lambda: result.document.history.undo_label == "outline", timeout=10_000)
    assert worker.jobs == jobs + 1
    assert mask_iou(result.annotations().detections.masks[0], masks[0]) > 0.9
    assert result.layer.features.set_index("specimen")["origin"][1] == "person"


def test_what_a_result_cannot_hold_is_said(found, widget, viewer, qtbot, models):
    result, canvas = found(outlined=False)
    message = child_of(widget, "message")
    result.select([1])
    press(viewer, qtbot, Qt.Key.Key_O)
    assert message.text().startswith("This result has boxes only. Tick Outlines")
    press(viewer, qtbot, Qt.Key.Key_M)
    assert message.text().startswith("Masks are painted in a project")
    assert canvas.tool == "select"
    models.pop()
    press(viewer, qtbot, Qt.Key.Key_W)
    assert "No model for outlines is installed" in message.text()
    assert canvas.tool == "select"
    assert {"W", "O", "M"} <= {key for key, _ in key_bindings.key_rows(projects=False)}
