"""Undo in *Detect diatoms*: every edit goes back, and table and files agree with the layer meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.editing import Editor
from helpers.window import detections

CLASSES = ("diatom", "Navicula radiosa")


@pytest.fixture
def editor(widget, viewer, image, analysis, run, tmp_path):
    analysis.found = detections(14, classes=CLASSES)
    run()
    return Editor(widget, tmp_path)


@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**20))
def test_random_edits_are_undone_to_the_first_state(editor, seed):
    editor.check(12, seed)
