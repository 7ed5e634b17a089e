"""The tools, keys and names of *Detect diatoms*, which are those of *Annotate diatoms*."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from helpers.projects import new_project
from helpers.window import child_of, detections
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.canvas import new_box
from napari_diatom.widgets.common.closing import canvas_of
from napari_diatom.widgets.common.known_names import KnownNames
from napari_diatom.widgets.detection.result_canvas import ResultCanvas
from napari_diatom.widgets.detection.result_layer import ResultLayer

CLICKS = ((100.0, 100.0), (160.0, 110.0), (130.0, 120.0))
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def result(widget, viewer, image, analysis, run):
    analysis.found = detections(8, classes=("diatom", "Navicula"))
    run()
    window = widget.window()
    window.show()
    window.activateWindow()
    return widget.result()


def three_clicks(canvas):
    for point in CLICKS:
        canvas.three_clicks.click(np.array(point))


def test_keys_act_on_the_layer_in_hand_in_detect_and_annotate(widget, result, viewer, dock, qtbot, tmp_path):
    new_project(tmp_path).close()
    annotate = dock("Annotate diatoms")
    annotate.open_project(tmp_path / "project")
    ours, theirs = widget.shared.canvas_of(result), annotate.canvas()
    keys, n = canvas_of(viewer), len(result.layer.data)
    keys.setFocus()
    for canvas in (theirs, ours):
        viewer.layers.selection.active = canvas.layer
        qtbot.keyClick(keys, Qt.Key.Key_B)
        assert canvas.three_clicks.is_on
        three_clicks(canvas)
        qtbot.keyClick(keys, Qt.Key.Key_2)
        qtbot.keyClick(keys, Qt.Key.Key_K)
    assert result.layer.features["status"].tolist()[-1] == "broken"
    assert result.layer.features["class"].tolist()[-1] == "Navicula"
    assert result.annotations().detections.boxes[-1, 2] == pytest.approx(np.hypot(60, 10), abs=0.01)
    [drawn] = annotate.document().specimens.values()
    assert (drawn.name, drawn.status) == ("Nitzschia", "broken")
    for key, left in (("K", 3), ("2", 2), ("B", 1)):
        qtbot.keyClick(keys, Qt.Key.Key_Z, CTRL)
        assert len(result.document.history.done) == left - 1, key
    assert len(result.layer.data) == n
    assert len(annotate.document().history.done) == 3
    viewer.layers.selection.active = theirs.layer
    qtbot.keyClick(keys, Qt.Key.Key_Z, CTRL)
    assert [len(annotate.document().history.done), len(result.document.history.undone)] == [2, 3]
    annotate.close_project()


def test_what_is_typed_into_a_field_is_no_key(widget, result, qtbot):
    field = child_of(widget, "name")
    field.setFocus()
    qtbot.waitUntil(field.hasFocus)
    result.select([1])
    before = result.layer.features.copy()
    qtbot.keyClicks(field, "vk1")
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    qtbot.keyClick(field, Qt.Key.Key_Z, CTRL)
    assert result.layer.features.equals(before)
    assert result.selection() == (1,)


def test_names_are_typed_or_found_in_a_list_and_undone(widget, result, viewer, qtbot, tmp_path, monkeypatch):
    field, layer = child_of(widget, "name"), result.layer
    good, bad = tmp_path / "flora.csv", tmp_path / "bad.csv"
    good.write_text("name,code\nNitzschia palea,NPAL\nGomphonema parvulum,GPAR\n")
    bad.write_text("length,width\n1,2\n")
    shown = []
    monkeypatch.setattr("napari_diatom.widgets.detection.edit_bar.show_error", shown.append)
    for path in (good, bad):
        monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, path=path: (str(path), ""))
        child_of(widget, "taxon_list").click()
    assert "no column for names" in shown[0]
    assert KnownNames.of(viewer).names() == ("Nitzschia palea", "Gomphonema parvulum")
    field.list_names()
    finder = field.completer()
    finder.setCompletionPrefix("parv")
    assert finder.currentCompletion() == "Gomphonema parvulum"
    qtbot.keyClicks(field, "Gomphonema parvulum")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert "Select the specimens first" in child_of(widget, "message").text()
    # What is typed next are keys of tools.
    qtbot.waitUntil(canvas_of(viewer).hasFocus)
    first = layer.features.copy()
    for name in ("Gomphonema parvulum", "Navicula", "Nobody's diatom"):
        result.select([2, 3])
        qtbot.keyClicks(field, name)
        qtbot.keyClick(field, Qt.Key.Key_Return)
    table = layer.features.set_index("specimen").loc[[2, 3]]
    assert set(table["taxon"]) == {"Nobody's diatom"}
    assert set(table["class"]) == {"Navicula"}
    model = child_of(widget, "specimen_table").model()
    qtbot.waitUntil(lambda: model.rowCount() == len(layer.data) and "Taxon" in headers(model))
    cell = model.index(model.row(3), headers(model).index("Taxon"))
    assert model.setData(cell, "  Fragilaria   sp. ")
    assert not model.setData(cell, " ")
    assert layer.features.set_index("specimen")["taxon"][3] == "Fragilaria sp."
    while result.document.history.done:
        child_of(widget, "undo").click()
    assert layer.features.equals(first)


def headers(model):
    return [model.headerData(i, Qt.Orientation.Horizontal) for i in range(model.columnCount())]


def bare_result(found, ndim=2, plane=()):
    """Return a result without a viewer."""
    image = Image(np.zeros((3,) * (ndim - 2) + (120, 160), np.uint8), name="slide")
    result = ResultLayer.create(image, ResultFacts("slide", 120, 160, found.classes, None, "m 1", plane), found)
    result.set_threshold(0.1)
    return result, ResultCanvas(result, lambda: None)


def test_a_specimen_gets_its_own_mask_back(qapp):
    inside = np.ones((9, 31), bool)
    inside[4, 10:20] = False
    masks = [CroppedMask(inside, 20, 30), CroppedMask(inside, 90, 70)]
    result, canvas = bare_result(Detections.of([oriented_box(mask) for mask in masks], scores=[0.9, 0.8], masks=masks))
    before = result.layer.features.copy()
    moved = [np.array(shape) for shape in result.layer.data]
    moved[0] = moved[0] + 7
    result.layer.data = moved
    assert result.annotations().detections.masks[0].x0 in (26, 27, 28)
    assert result.annotations().detections.masks[0].pixels[4, 15]
    result.select([2])
    canvas.delete()
    canvas.undo()
    canvas.undo()
    assert [mask is own for mask, own in zip(result.annotations().detections.masks, masks, strict=True)] == [True, True]
    assert result.layer.features.set_index("specimen").loc[[1, 2]].equals(before.set_index("specimen"))
    assert not result.touched()


def test_a_box_of_a_plane_lies_in_its_plane(qapp):
    result, canvas = bare_result(Detections.of([[60, 60, 30, 10, 0.2]]), ndim=3, plane=(2,))
    canvas.use_tool("three-clicks")
    three_clicks(canvas)
    assert [set(shape[:, 0]) for shape in result.layer.data] == [{2.0}, {2.0}]
    canvas.undo()
    canvas.redo()
    assert [set(shape[:, 0]) for shape in result.layer.data] == [{2.0}, {2.0}]
    assert canvas.selection() == ()


def test_what_is_being_drawn_has_one_layer_however_many_results_are_open(widget, viewer, run, qtbot):
    canvases = []
    for number in range(3):
        viewer.add_image(np.zeros((300, 400), np.uint8), name=f"slide {number}")
        run()
        canvases.append(widget.shared.canvas_of(widget.result()))
        child_of(widget, "tool_three-clicks").click()
        qtbot.wait(20)
        assert previews(viewer) == 1
    # The tool of the first result is in use still, and shows what it draws.
    first = canvases[0]
    viewer.layers.selection.active = first.layer
    qtbot.wait(20)
    assert previews(viewer) == 1
    assert viewer.layers.selection.active == first.layer
    before = len(first.layer.data)
    for point in CLICKS[:2]:
        first.three_clicks.click(np.array(point))
    [preview] = [layer for layer in viewer.layers if layer.name.startswith(new_box.NAME)]
    assert preview.edge_color[0][3] == 1
    # A box that is not complete is not given up when somebody looks at another result.
    viewer.layers.selection.active = canvases[1].layer
    qtbot.wait(20)
    viewer.layers.selection.active = first.layer
    qtbot.wait(20)
    first.three_clicks.click(np.array(CLICKS[2]))
    assert len(first.layer.data) == before + 1
    viewer.layers.selection.active = canvases[1].layer
    qtbot.wait(20)
    assert previews(viewer) == 1


def previews(viewer):
    """Return how many layers show what is being drawn."""
    return sum(layer.name.startswith(new_box.NAME) for layer in viewer.layers)
