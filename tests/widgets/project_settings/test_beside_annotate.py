"""*Annotate diatoms* goes on while *Project settings*, or another program, changes its project."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from helpers.projects import box, names, new_project, picture
from helpers.window import FakeAnalysis, child_of, model
from napari_diatom.core.detections import Detections
from napari_diatom.models import library
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import to_annotations
from napari_diatom.widgets.canvas.viewer_camera import camera_of

NAME = 0


@pytest.fixture
def folder(tmp_path):
    """A project of two images with specimens of two classes, and a third class without any."""
    with new_project(tmp_path) as made:
        for number, image in enumerate(made.images):
            made.document(image.id).add([box(number), box(number + 1, "Nitzschia")])
        made.classes.add("Eunotia")
    return made.folder


@pytest.fixture
def settings(dock, annotate, folder, qtbot, no_process):
    widget = dock("Project settings")
    widget.open_project(folder)
    yield widget
    qtbot.waitUntil(lambda: not widget.session().is_running, timeout=60_000)
    widget.session().close()


@pytest.fixture
def rename(settings, qtbot):
    """Type another name into the table of classes."""

    def go(name, new_name):
        table = child_of(settings, "classes_table")
        [row] = [row for row in range(table.rowCount()) if table.item(row, NAME).text() == name]
        table.item(row, NAME).setText(new_name)
        qtbot.waitUntil(lambda: not settings.session().is_running, timeout=60_000)

    return go


def draw(annotate, number=20):
    """Draw a box as the tool for three clicks does."""
    before = set(annotate.document().specimens)
    annotate.canvas().three_clicks.drawn.emit(box(number).box)
    [new] = annotate.document().specimens.keys() - before
    return annotate.document().specimens[new]


def test_the_chosen_class_stays_chosen_under_its_new_name(annotate, rename):
    annotate.use_class("Eunotia")
    rename("Eunotia", "Eunotia bilunaris")
    assert child_of(annotate, "classes").currentItem().text().strip().endswith("Eunotia bilunaris")
    assert draw(annotate).name == "Eunotia bilunaris"


def test_what_is_undone_after_a_renaming_has_the_new_name(annotate, rename, folder):
    [navicula] = [id_ for id_, item in annotate.document().specimens.items() if item.name == "Navicula"]
    annotate.canvas().select([navicula])
    annotate.use_class("Nitzschia")
    annotate.delete()
    rename("Navicula", "Gomphonema")
    annotate.undo()
    annotate.undo()
    assert annotate.document().specimens[navicula].name == "Gomphonema"
    annotate.redo()
    assert annotate.document().specimens[navicula].name == "Nitzschia"
    annotate.undo()
    annotate.close_project()
    with Project.open(folder) as project:
        assert names(project, "s0f0")[navicula] == "Gomphonema"


def test_what_a_model_calls_by_a_former_name_is_proposed_under_the_present_one(annotate, rename, qtbot, monkeypatch):
    boxes = [(20 * n + 15, 40, 14, 5, 0.3) for n in range(3)]
    found = Detections.of(boxes, [0] * 3, [0.9] * 3, ("Navicula",))
    annotate.proposer()._analyse = FakeAnalysis(found)
    monkeypatch.setattr(annotate._form, "model", lambda: model("diatom-obb", "oriented-boxes"))
    rename("Navicula", "Gomphonema")
    annotate.use_class("Eunotia")
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) == 3, timeout=20_000)
    qtbot.waitUntil(lambda: not annotate.proposer().is_running, timeout=60_000)
    annotate.accept_all()
    assert sorted(names(annotate.project(), "s0f0").values()) == ["Gomphonema"] * 4 + ["Nitzschia"]


def test_a_click_before_a_renaming_gives_the_new_name(annotate, rename, qtbot, monkeypatch):
    from napari_diatom.analysis import worker_process
    from napari_diatom.analysis.click_outlining import ClickedSpecimen

    go_on = threading.Event()

    def point(job, x, y, outliner, monitor):
        go_on.wait(10)
        return ClickedSpecimen(box(30).box, None, 0, 0.9)

    monkeypatch.setattr(worker_process, "outline_point", point)
    known = [model("diatom-obb", "oriented-boxes"), model("diatom-outline", "outlines")]
    monkeypatch.setattr(library, "available", lambda: known)
    before = set(annotate.document().specimens)
    annotate.use_class("Navicula")
    annotate.use_tool("wand")
    annotate._outlining.click(*box(30).box[:2])
    rename("Navicula", "Gomphonema")
    go_on.set()
    qtbot.waitUntil(lambda: len(annotate.document().specimens) == 3, timeout=20_000)
    [new] = annotate.document().specimens.keys() - before
    assert annotate.document().specimens[new].name == "Gomphonema"


def test_an_image_that_another_program_removes_is_closed_with_its_edits_kept(annotate, settings, folder):
    annotate.flush()
    with Project.open(folder, "Bob") as other:
        other.remove_image("s0f0")
    late = draw(annotate)
    settings.session().tell()
    assert annotate.document() is None
    assert "s0f0 was removed from the project in another window" in child_of(annotate, "message").text()
    annotate.open_image("s0f1")
    draw(annotate)
    annotate.close_project()
    assert any(late.id in path.read_text() for path in folder.rglob("*") if path.suffix in (".jsonl", ".geojson"))
    with Project.open(folder) as project:
        assert len(names(project, "s0f1")) == 3


def test_edits_of_an_image_that_is_gone_stay_in_the_journal_and_nothing_complains_afterwards(annotate, folder):
    annotate.flush()
    with Project.open(folder, "Bob") as other:
        other.remove_image("s0f0")
    late = draw(annotate)
    annotate.flush()
    assert annotate.document() is None
    assert "s0f0 was removed from the project in another window" in child_of(annotate, "message").text()
    assert not (folder / "annotations" / "s0f0.geojson").exists()
    annotate.open_image("s0f1")
    child_of(annotate, "message").setText("")
    for _ in range(2):
        draw(annotate)
        annotate.flush()
        assert child_of(annotate, "message").text() == ""
    annotate.close_project()
    assert [path.name for path in (folder / ".project" / "journals").iterdir() if late.id in path.read_text()]
    with Project.open(folder) as project:
        assert len(names(project, "s0f1")) == 4


def on_screen(annotate):
    """Return where a place of the image is on the screen, and how large its pixels are, in pixels of the screen."""
    camera, layer = camera_of(annotate.canvas().viewer), annotate.canvas().layer
    place = np.array(layer.data_to_world([20.0, 15.0])) - np.array(camera.center[-2:])
    return np.append(place, layer.scale[-1]) * camera.zoom


def look_at_others(annotate):
    """Let the time pass after which it is seen what other windows do."""
    annotate._session._heartbeat_timer.timeout.emit()


def test_pixel_size_and_slide_from_another_window_reach_the_open_image(annotate, folder):
    draw(annotate)
    before = on_screen(annotate)
    with Project.open(folder, "Bob") as other:
        other.facts.set(["s0f0"], slide="river 7")
        other.facts.set_pixel_size(["s0f0"], 0.25)
    # Something else may read the settings before.
    annotate.project().refresh()
    look_at_others(annotate)
    canvas = annotate.canvas()
    assert "Facts of images were changed in another window" in child_of(annotate, "message").text()
    assert [layer.scale.tolist() for layer in (canvas.image, *canvas.layers())] == [[0.25, 0.25]] * 4
    table = canvas.layer.features
    assert np.allclose(table["length_um"], table["length_px"] / 4)
    assert np.allclose(on_screen(annotate), before)
    assert [tally.image.slide for tally in annotate.browser().tallies()] == ["river 7", "s0"]
    annotate.undo()
    assert len(annotate.document().specimens) == 2
    child_of(annotate, "message").setText("")
    look_at_others(annotate)
    assert child_of(annotate, "message").text() == ""


def test_a_pixel_size_from_another_window_waits_until_a_box_is_drawn(annotate, folder):
    with Project.open(folder, "Bob") as other:
        other.facts.set_pixel_size(["s0f0"], 0.25)
    annotate.use_tool("three-clicks")
    clicks = annotate.canvas().three_clicks
    for point in ((10, 10), (30, 10)):
        clicks.click(np.array(point, dtype=float))
        look_at_others(annotate)
    assert annotate.canvas().image.scale.tolist() == [1, 1]
    clicks.click(np.array([20, 14], dtype=float))
    assert len(annotate.document().specimens) == 3
    look_at_others(annotate)
    assert annotate.canvas().image.scale.tolist() == [0.25, 0.25]


def test_a_renaming_that_came_with_something_else_is_shown_as_well(annotate, folder, tmp_path):
    [navicula] = [id_ for id_, item in annotate.document().specimens.items() if item.name == "Navicula"]
    with Project.open(folder, "Bob") as other:
        other.classes.rename("Navicula", "Gomphonema")
    # Adding images reads the settings, and with them the names of classes.
    annotate._images.add([str(picture(tmp_path / "more" / "new.png", 7))])
    annotate._settings.catch_up()
    assert annotate.document().specimens[navicula].name == "Gomphonema"
    assert "Gomphonema" in child_of(annotate, "classes").item(0).text()


def test_what_is_sent_under_a_former_name_arrives_under_the_present_one(annotate, rename, folder):
    from napari_diatom.review.sending import SendOptions, send
    from napari_diatom.review.sent_image import SentImage

    rename("Navicula", "Gomphonema")
    image = folder.parent / "images" / "s0" / "s0f1.png"
    coming = to_annotations([box(30), box(45, "Fragilaria")], "s0f1.png", 60, 80)
    report = send(annotate.project(), [SentImage("s0f1.png", image, lambda: coming)], SendOptions(as_specimens="all"))
    assert report.classes_added == ["Fragilaria"]
    found = sorted(names(annotate.project(), "s0f1").values())
    assert found == ["Fragilaria", "Gomphonema", "Gomphonema", "Nitzschia"]
