"""Undo in *Detect diatoms*: every edit goes back, and table and files agree with the layer meanwhile."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from helpers.editing import Editor
from helpers.window import child_of, detections

CLASSES = ("diatom", "Navicula radiosa")
EDITS = int(os.environ.get("NAPARI_DIATOM_TEST_EDITS", "30"))
"""Edits of each example; NAPARI_DIATOM_TEST_EDITS=200 has more of them."""


@pytest.fixture
def editor(widget, viewer, image, analysis, run, tmp_path):
    analysis.found = detections(14, classes=CLASSES)
    run()
    return Editor(widget, tmp_path)


@settings(
    max_examples=1,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(1, 2**20))
def test_random_edits_are_undone_to_the_first_state(editor, seed):
    editor.check(EDITS, seed)


def test_a_drag_of_the_threshold_is_one_step_and_the_slider_goes_back(widget, editor, qtbot):
    slider, result = child_of(widget.panel, "threshold"), editor.result
    first = result.threshold
    slider.sliderPressed.emit()
    inner = slider._slider
    inner.setSliderDown(True)
    for value in (0.4, 0.5, 0.6):
        slider.setValue(value)
        qtbot.waitUntil(lambda value=value: result.threshold == pytest.approx(value))
    inner.setSliderDown(False)
    slider.setValue(0.8)
    qtbot.waitUntil(lambda: result.threshold == pytest.approx(0.8))
    child_of(widget, "undo").click()
    assert slider.value() == pytest.approx(first)
    assert len(result.layer.data) == int((result.candidates.scores >= np.float32(first)).sum())
    child_of(widget, "redo").click()
    assert slider.value() == pytest.approx(0.8)
    assert not result.touched()


def test_a_pasted_specimen_and_a_class_set_in_the_features_are_edits(widget, editor, qtbot):
    layer, result = editor.layer, editor.result
    before = editor.state()
    layer.selected_data = {2}
    layer._copy_data()
    layer._paste_data()
    qtbot.waitUntil(lambda: len(result.document.specimens) == len(layer.data))
    assert sorted(layer.features["specimen"])[-1] == 15
    table = layer.features.copy()
    table.loc[0, "status"] = "broken"
    layer.features = table
    qtbot.waitUntil(lambda: result.document.history.undo_label == "status")
    table = layer.features.copy()
    table.loc[0, "status"] = "nonsense"
    layer.features = table
    qtbot.waitUntil(lambda: layer.features["status"][0] == "broken")
    editor.canvas.undo()
    editor.canvas.undo()
    assert editor.state() == before
