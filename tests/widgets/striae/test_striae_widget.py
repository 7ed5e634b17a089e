"""The dock Striae of a specimen: it follows the selection, and shows the numbers and the profile."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qtpy.QtWidgets import QLabel

from helpers.window import FakeAnalysis, child_of
from napari_diatom.core.detections import Detections

TITLE = "Striae of a specimen"
BOXES = [[150, 100, 180, 50, 0.3], [60, 200, 60, 60, 0.0]]


@pytest.fixture
def analysis():
    return FakeAnalysis(Detections.of(BOXES, [0, 0], [0.93, 0.8], ["diatom"]))


def valve():
    """Return a field with a valve of 14 striae in 10 µm at 0.1 µm per pixel."""
    y, x = np.mgrid[:300, :400] + 0.5
    along = math.cos(0.3) * (x - 150) + math.sin(0.3) * (y - 100)
    across = math.cos(0.3) * (y - 100) - math.sin(0.3) * (x - 150)
    inside = (np.abs(along) < 90) & (np.abs(across) < 25)
    pixels = 150 + inside * (25 * np.cos(2 * math.pi * 1.4 * along * 0.1) - 20)
    return (pixels + np.random.default_rng(0).normal(0, 3, x.shape)).clip(0, 255).astype(np.uint8)


def test_it_shows_the_striae_of_the_selected_specimen(viewer, dock, widget, run, qtbot):
    viewer.add_image(valve(), scale=(0.1, 0.1), units=("um", "um"), name="slide")
    run()
    striae = dock(TITLE)
    text = striae.findChild(QLabel, "striae")
    layer = widget.result().layer
    viewer.layers.selection.active = layer
    layer.selected_data = {0}
    qtbot.waitUntil(lambda: "14.0 striae in 10 µm" in text.text(), timeout=20_000)
    assert "specimen 1 of slide" in striae.findChild(QLabel, "selected").text()
    along, brightness = child_of(striae, "profile").curve()
    assert len(along) == len(brightness) > 100
    per_10um, power = child_of(striae, "spectrum").curve()
    assert per_10um[power.argmax()] == pytest.approx(14, abs=0.3)
    child_of(striae, "spectrum").grab()
    layer.selected_data = {1}
    qtbot.waitUntil(lambda: text.text() == "No value: no apical axis.", timeout=20_000)
    assert len(child_of(striae, "profile").curve()[0]) == 0
    layer.selected_data = set()
    qtbot.waitUntil(lambda: text.text() == "" and not striae.running, timeout=20_000)
