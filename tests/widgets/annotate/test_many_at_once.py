"""Hundreds of specimens that arrive at once in the open image, and a user who goes on working meanwhile."""

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from helpers.projects import box, new_project, polygon
from napari_diatom.project.project import Project
from napari_diatom.widgets.annotate.waiting_shapes import AT_ONCE

MANY = 500


@pytest.fixture
def folder(tmp_path):
    with new_project(tmp_path) as made:
        made.document("s0f0").add([box(1, id="first")])
    return made.folder


@pytest.fixture
def steps(annotate):
    """The number of shapes after each change of the layer."""
    seen = []
    layer = annotate.canvas().layer
    layer.events.features.connect(lambda event: seen.append(layer.nshapes))
    return seen


def many(**known):
    return [polygon(n % 40).replace(id=f"new{n}", **known) for n in range(MANY)]


def first_turn(layer):
    """Run the event loop until the first specimens have arrived."""
    while layer.nshapes == 1:
        QApplication.processEvents()


def is_whole(annotate):
    """Return whether the layer shows the document."""
    layer, shown = annotate.canvas().layer, annotate.canvas().specimens
    ids = list(layer.features["id"]) if layer.nshapes else []
    return ids == shown.ids and sorted(ids) == sorted(annotate.document().specimens)


def test_no_turn_of_the_event_loop_adds_more_than_a_few(annotate, steps, qtbot):
    annotate.document().add(many(), "import")
    assert annotate.canvas().layer.nshapes == 1
    qtbot.waitUntil(lambda: is_whole(annotate))
    assert max(after - before for before, after in zip([1, *steps], steps, strict=False)) <= AT_ONCE
    assert list(annotate.canvas().layer.features["class"]) == ["Navicula"] + ["Nitzschia"] * MANY


def test_undo_and_redo_while_specimens_arrive(annotate, steps, qtbot):
    document, layer = annotate.document(), annotate.canvas().layer
    document.add(many(), "import")
    first_turn(layer)
    assert layer.nshapes < MANY
    document.undo()
    assert layer.nshapes == 1
    qtbot.wait(100)
    assert (layer.nshapes, list(document.specimens)) == (1, ["first"])
    document.redo()
    qtbot.waitUntil(lambda: is_whole(annotate))
    assert layer.nshapes == MANY + 1


def test_specimens_that_still_wait_are_selected_changed_deleted_and_saved(annotate, folder, qtbot):
    document, canvas = annotate.document(), annotate.canvas()
    document.add(many(), "import")
    last = [f"new{MANY - 1}", f"new{MANY - 2}"]
    canvas.select(last)
    assert sorted(canvas.selection()) == sorted(last)
    assert canvas.layer.nshapes == 3
    document.set_class([f"new{MANY - 3}"], "Navicula")
    document.remove([f"new{MANY - 4}"])
    # napari's own delete, of what is selected.
    canvas.layer.remove_selected()
    qtbot.waitUntil(lambda: is_whole(annotate))
    assert canvas.layer.nshapes == MANY - 2
    names = dict(zip(canvas.layer.features["id"], canvas.layer.features["class"], strict=True))
    assert names[f"new{MANY - 3}"] == "Navicula"


def test_leaving_while_specimens_arrive_saves_all_of_them(annotate, folder, qtbot):
    document, canvas = annotate.document(), annotate.canvas()
    document.add(many(), "import")
    first_turn(canvas.layer)
    document.remove([f"new{MANY - 1}"])
    annotate.close_project()
    with Project.open(folder) as other:
        assert len(other.document("s0f0").specimens) == MANY


def test_nothing_is_added_under_a_shape_that_is_drawn(annotate, monkeypatch, qtbot):
    document, layer = annotate.document(), annotate.canvas().layer
    document.add(many(), "import")
    first_turn(layer)
    with monkeypatch.context() as held:
        held.setattr(QApplication, "mouseButtons", staticmethod(lambda: Qt.MouseButton.LeftButton))
        before = layer.nshapes
        layer.add([[10, 10], [10, 30], [20, 30], [20, 10]], shape_type="rectangle")
        qtbot.wait(150)
        assert layer.nshapes == before + 1
    qtbot.waitUntil(lambda: is_whole(annotate))
    assert len(document.specimens) == MANY + 2
    assert document.undo() is not None
    assert len(document.specimens) == MANY + 1
    assert is_whole(annotate)


def test_another_image_is_opened_while_specimens_arrive(annotate, qtbot):
    annotate.document().add(many(), "import")
    annotate.open_image("s0f1")
    qtbot.wait(100)
    assert annotate.canvas().layer.nshapes == 0
    annotate.open_image("s0f0")
    qtbot.waitUntil(lambda: is_whole(annotate))
    assert annotate.canvas().layer.nshapes == MANY + 1
