"""What a project keeps when a person accepts, closes, opens, and begins with nothing."""

import errno
import os
import socket

import cv2
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMessageBox

from helpers.window import FakeAnalysis, child_of, detections, press
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.common.closing import canvas_of

HEIGHT, WIDTH = 300, 400
CLICKS = ((80, 70), (160, 130), (114, 108))
RECTANGLE = np.array([[10, 10], [10, 60], [40, 60], [40, 10]])


def make_project(tmp_path, classes):
    images = []
    for number in range(2):
        path = tmp_path / f"slide_{number}.png"
        cv2.imwrite(str(path), np.full((HEIGHT, WIDTH), 90 + 40 * number, np.uint8))
        images.append(path)
    Project.create(tmp_path / "project", images, classes, "Ada").close()
    return tmp_path / "project"


@pytest.fixture
def opened(viewer, models, tmp_path):
    """Return what opens a project with some classes in a dock."""
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    widgets = []

    def open_(*classes):
        widget = AnnotateWidget(viewer, FakeAnalysis(found=detections(6)))
        viewer.window.add_dock_widget(widget, name="Annotate diatoms")
        widget.open_project(make_project(tmp_path, classes))
        widgets.append(widget)
        return widget

    yield open_
    for widget in widgets:
        if widget.project() is not None:
            widget.close_project()


def propose(annotate, qtbot):
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) > 0, timeout=10_000)


def draw(annotate):
    annotate.use_tool("three-clicks")
    for point in CLICKS:
        annotate.canvas().three_clicks.click(np.array(point))


def names(annotate):
    return {item.name for item in annotate.document().specimens.values()}


@pytest.mark.parametrize("way", ["accept", "accept_all", "correct"])
def test_accepted_proposals_get_a_class_of_the_project(opened, qtbot, way):
    annotate = opened("Navicula", "Nitzschia")
    propose(annotate, qtbot)
    annotate.use_class("Nitzschia")
    board = annotate.canvas().proposals
    if way == "correct":
        board.layer.selected_data = {0}
        board.layer._data_view.shift(0, np.array([3.0, 0.0]))
        board.layer.events.data(value=board.layer.data, action="changed", data_indices=(0,), vertex_indices=((),))
        annotate.canvas().flush()
    else:
        board.layer.selected_data = {0}
        getattr(annotate, way)()
    assert names(annotate) == {"Nitzschia"}
    assert [item.name for item in annotate.project().settings.classes] == ["Navicula", "Nitzschia"]


@pytest.mark.parametrize("tool", ["three-clicks", "upright", "polygon"])
def test_the_tool_that_is_shown_is_the_one_that_works_while_proposals_are_gone_through(opened, viewer, qtbot, tool):
    annotate = opened("Navicula", "Nitzschia")
    propose(annotate, qtbot)
    annotate.use_tool(tool)
    annotate.next_uncertain()
    annotate.accept()
    specimens = annotate.canvas().specimens.layer
    assert viewer.layers.selection.active != specimens
    assert not child_of(annotate, f"tool_{tool}").isChecked()
    assert child_of(annotate, "tool_select").isChecked()
    child_of(annotate, f"tool_{tool}").click()
    assert child_of(annotate, f"tool_{tool}").isChecked()
    assert viewer.layers.selection.active == specimens
    assert annotate.canvas().three_clicks.is_on == (tool == "three-clicks")


def test_accepted_proposals_keep_a_class_that_the_project_has(opened, qtbot):
    annotate = opened("Navicula", "diatom")
    propose(annotate, qtbot)
    annotate.use_class("Navicula")
    annotate.accept_all()
    assert names(annotate) == {"diatom"}


def test_a_project_without_classes_gets_those_of_the_accepted_proposals(opened, qtbot):
    annotate = opened()
    propose(annotate, qtbot)
    annotate.accept_all()
    assert names(annotate) == {"diatom"}
    assert [item.name for item in annotate.project().settings.classes] == ["diatom"]
    assert child_of(annotate, "classes").count() == 1


@pytest.mark.parametrize("tool", ["three-clicks", "upright", "paint"])
def test_what_is_drawn_without_a_class_is_answered(opened, tool):
    annotate = opened()
    annotate.use_tool(tool)
    if tool == "three-clicks":
        for point in CLICKS:
            annotate.canvas().three_clicks.click(np.array(point))
    elif tool == "upright":
        annotate.canvas().specimens.layer.add(RECTANGLE, shape_type="rectangle")
        annotate.canvas().flush()
    assert not annotate.document().specimens
    assert "type a name" in child_of(annotate, "message").text()


def test_a_class_is_added_by_typing_it(opened, viewer, qtbot, monkeypatch):
    annotate = opened()
    focused = []
    monkeypatch.setattr(canvas_of(viewer), "setFocus", lambda: focused.append(True))
    search = child_of(annotate, "class_search")
    asked = []
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *args, **_: asked.append(args[2]) or yes)
    for name in ("Navicula", "Eunotia"):
        search.setText(name)
        qtbot.keyClick(search, Qt.Key.Key_Return)
    assert [item.name for item in annotate.project().settings.classes] == ["Navicula", "Eunotia"]
    qtbot.waitUntil(lambda: len(focused) == 2)
    # Where there are classes already, a slip of the pen is not one more.
    assert len(asked) == 1
    assert "Eunotia" in asked[0]
    annotate.use_tool("three-clicks")
    for point in CLICKS:
        annotate.canvas().three_clicks.click(np.array(point))
    assert names(annotate) == {"Eunotia"}


def test_counts_of_classes_are_there_before_the_first_edit(viewer, models, tmp_path):
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    folder = make_project(tmp_path, ["Navicula"])
    with Project.open(folder) as project:
        project.document("slide_1").add([Specimen.rectangle((100, 100, 40, 9, 0), "Navicula")])
    widget = AnnotateWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Annotate diatoms")
    widget.open_project(folder)
    assert child_of(widget, "classes").item(0).text().endswith("Navicula   1")
    widget.close_project()


def test_edits_that_find_no_room_are_told_of_until_they_are_on_disk(opened, qtbot, monkeypatch):
    annotate = opened("Navicula")
    warning = child_of(annotate, "not_stored")
    draw(annotate)
    assert warning.isHidden()
    with monkeypatch.context() as full:

        def refuse(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(os, "write", refuse)
        full.setattr(os, "fsync", refuse)
        draw(annotate)
        assert not warning.isHidden()
        annotate.flush()
        annotate.next_image()
        draw(annotate)
        annotate.use_tool("select")
        assert not warning.isHidden()
        assert "not on disk" in warning.text()
    qtbot.waitUntil(warning.isHidden, timeout=10_000)
    folder = annotate.project().folder
    assert [len(geojson.read(folder / "annotations" / f"slide_{number}.geojson")) for number in range(2)] == [2, 1]


def test_who_changed_what_is_asked_of_specimen_by_specimen(opened):
    annotate = opened("Navicula", "Nitzschia", "Eunotia")
    boxes = [Specimen.rectangle((50 + 20 * number, 100, 40, 9, 0), "Navicula") for number in range(14)]
    annotate.document().add(boxes)
    annotate.flush()
    ids = [item.id for item in boxes]
    with Project.open(annotate.project().folder, "Bob") as other:
        document = other.document("slide_0")
        document.set_class(ids[1:], "Eunotia")
        document.remove(ids[:1])
    annotate.document().set_class(ids, "Nitzschia")
    asked = press("Keep theirs")
    annotate.flush()
    (text,) = asked
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == 12
    assert "And 2 more." in text
    assert "removed it" in lines[0]
    host = socket.gethostname()
    for number, line in enumerate(lines[1:], start=1):
        assert line.startswith(
            f"- Navicula at x {50 + 20 * number}, y 100: you changed the class from Navicula to Nitz"
        )
        assert f"Bob on {host} changed the class from Navicula to Eunotia (" in line
        assert "UTC)" in line
    assert not any(id_ in text for id_ in ids)
    assert names(annotate) == {"Eunotia"}


def test_the_image_lies_over_others_and_its_boxes_over_it(opened, viewer):
    viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="another")
    annotate = opened("Navicula")
    assert [layer.name for layer in viewer.layers][:2] == ["another", "slide_0"]
    viewer.add_image(np.zeros((HEIGHT, WIDTH), np.uint8), name="a third")
    annotate.next_image()
    assert [layer.name for layer in viewer.layers] == [
        "another",
        "a third",
        "slide_1",
        *(layer.name for layer in annotate.canvas().layers()),
    ]


@pytest.mark.parametrize("close", ["cross", "remove_dock_widget"])
def test_a_closed_dock_leaves_its_project(opened, viewer, qtbot, close):
    annotate = opened("Navicula")
    annotate.use_tool("three-clicks")
    for point in CLICKS:
        annotate.canvas().three_clicks.click(np.array(point))
    folder, layer = annotate.project().folder, annotate.canvas().specimens.layer
    dock = annotate.parentWidget()
    if close == "cross":
        dock.destroyOnClose()
    else:
        viewer.window.remove_dock_widget(annotate)
    assert annotate.project() is None
    assert len(viewer.layers) == 0
    with Project.open(folder) as project:
        assert project.session.others() == []
        assert len(project.contents("slide_0").specimens) == 1
    layer.add(RECTANGLE, shape_type="rectangle")
    qtbot.wait(50)
    assert len(geojson.read(folder / "annotations" / "slide_0.geojson")) == 1
