"""Boxes are turned into outlines, and valves are clicked on, while the user goes on working."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QToolButton

from helpers.outlining import PerfectOutliner, drawn
from helpers.window import child_of, model
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import mask_iou
from napari_diatom.core.errors import ModelError
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.measurement.outline_refinement import IN_PARTS
from napari_diatom.models import library
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen

HEIGHT, WIDTH = 300, 400
VALVES = [(80, 70, 60, 16, 0.5), (220, 80, 70, 20, -0.4), (320, 200, 50, 24, 1.2), (110, 220, 90, 18, 0)]


@pytest.fixture
def models(monkeypatch):
    known = [model("diatom-obb", "oriented-boxes"), model("diatom-outline", "outlines")]
    monkeypatch.setattr(library, "available", lambda: known)
    return known


@pytest.fixture
def folder(tmp_path):
    pixels, _ = drawn(VALVES, HEIGHT, WIDTH)
    images = []
    for number in range(2):
        images.append(tmp_path / f"slide_{number}.png")
        cv2.imwrite(str(images[-1]), pixels + np.uint8(number))
    Project.create(tmp_path / "project", images, ("Navicula", "Nitzschia"), "Ada").close()
    return tmp_path / "project"


@pytest.fixture
def annotate(dock, worker, folder):
    widget = dock("Annotate diatoms")
    widget.open_project(folder)
    yield widget
    widget.close_project()


@pytest.fixture
def press(annotate):
    """Press a key while the layer of the specimens is selected."""
    from napari.utils.key_bindings import coerce_keybinding

    def go(key):
        layer = annotate.canvas().specimens.layer
        layer.keymap[coerce_keybinding(key)](layer)

    return go


@pytest.fixture
def settled(annotate, qtbot):
    """Wait until nothing is being outlined."""

    def go():
        qtbot.waitUntil(lambda: not child_of(annotate, "stop").isEnabled(), timeout=10_000)

    return go


def boxes(annotate, which=(0, 1, 2, 3), **known):
    """Add the boxes of valves, and select them."""
    added = [Specimen.rectangle(VALVES[k], "Nitzschia", **known) for k in which]
    annotate.document().add(added)
    annotate.canvas().select([item.id for item in added])
    return [item.id for item in added]


def click(annotate, x, y, drag=0.0):
    """Press and release the mouse on a place of the image, as napari tells its layers of it."""

    class Event:
        button = 1
        type = "mouse_press"

        def __init__(self):
            self.position, self.pos = (y, x), (x, y)

    event = Event()
    for callback in annotate.canvas().specimens.layer.mouse_drag_callbacks:
        steps = callback(annotate.canvas().specimens.layer, event)
        if steps is None:
            continue
        next(steps, None)
        event.pos, event.type = (x + drag, y), "mouse_release"
        next(steps, None)
        event.pos, event.type = (x, y), "mouse_press"


def said(annotate):
    return child_of(annotate, "message").text()


def marks(annotate):
    return annotate.canvas().layers()[-1].nshapes - 1


def masks():
    return drawn(VALVES, HEIGHT, WIDTH)[1]


@pytest.mark.parametrize("way", ["key", "button"])
def test_selected_boxes_become_outlines_in_one_step(annotate, press, settled, qtbot, folder, way):
    ids = boxes(annotate, status="girdle")
    if way == "key":
        press("O")
    else:
        qtbot.mouseClick(child_of(annotate, "outline"), Qt.MouseButton.LeftButton)
    settled()
    found = annotate.document().specimens
    for id_, mask, box in zip(ids, masks(), VALVES, strict=True):
        assert mask_iou(found[id_].mask, mask) > 0.95
        assert geometry.box_ious(found[id_].box, box)[0] > 0.9
        assert (found[id_].name, found[id_].status) == ("Nitzschia", "girdle")
    assert said(annotate) == "4 specimens were outlined."
    assert annotate.canvas().specimens.layer.shape_type == ["polygon"] * 4
    annotate.flush()
    assert geojson.read(folder / "annotations" / "slide_0.geojson").shapes == ("polygon",) * 4
    annotate.undo()
    assert {item.shape for item in annotate.document().specimens.values()} == {"rectangle"}
    annotate.redo()
    assert {item.shape for item in annotate.document().specimens.values()} == {"polygon"}


def test_a_persons_outline_is_never_overwritten(annotate, press, settled, worker):
    [first, second, third] = boxes(annotate, (0, 1, 2))
    annotate.document().reshape({first: Specimen.of_mask(masks()[1], "Nitzschia")})
    annotate.document().reshape({second: Specimen.polygon((([(9, 9), (50, 9), (30, 40)],),), "Nitzschia")})
    before = dict(annotate.document().specimens)
    annotate.canvas().select([first, second, third])
    press("O")
    settled()
    after = annotate.document().specimens
    assert after[first] is before[first]
    assert after[second] is before[second]
    assert after[third].shape == "polygon"
    assert said(annotate).startswith("1 specimen was outlined. 2 specimens have an outline already, which was kept.")
    press("O")
    settled()
    assert worker.jobs == 1
    assert "3 specimens have an outline already" in said(annotate)


def test_an_outline_that_contradicts_its_box_is_named_and_the_box_stays(annotate, press, settled, worker):
    ids = boxes(annotate)
    before = dict(annotate.document().specimens)
    worker.outliner = PerfectOutliner(flags={1: IN_PARTS})
    press("O")
    settled()
    after = annotate.document().specimens
    assert after[ids[1]] is before[ids[1]]
    assert [after[id_].shape for id_ in ids] == ["polygon", "rectangle", "polygon", "polygon"]
    assert "contradicts the box, which was kept, of Nitzschia at 220, 80." in said(annotate)


def test_specimens_that_are_changed_deleted_or_undone_meanwhile_get_no_outline(annotate, press, settled, worker):
    [deleted, moved, renamed] = boxes(annotate, (0, 1, 2))
    [undone] = boxes(annotate, (3,))
    annotate.canvas().select([deleted, moved, renamed, undone])
    worker.may_go_on.clear()
    press("O")
    annotate.undo()
    annotate.document().remove([deleted])
    annotate.document().reshape({moved: Specimen.rectangle((200, 90, 70, 20, 0), "Nitzschia")})
    annotate.document().set_class([renamed], "Navicula")
    worker.may_go_on.set()
    settled()
    found = annotate.document().specimens
    assert set(found) == {moved, renamed}
    assert found[moved].shape == "rectangle"
    assert (found[renamed].shape, found[renamed].name) == ("polygon", "Navicula")
    assert "3 specimens were changed or deleted in the meantime" in said(annotate)


@pytest.mark.parametrize("way", ["Escape", "stop"])
def test_outlining_is_stopped_and_nothing_has_changed(annotate, press, settled, qtbot, worker, way):
    boxes(annotate)
    before = dict(annotate.document().specimens)
    worker.may_go_on.clear()
    press("O")
    qtbot.waitUntil(lambda: worker.jobs == 1)
    if way == "stop":
        qtbot.mouseClick(child_of(annotate, "stop"), Qt.MouseButton.LeftButton)
    else:
        press(way)
    settled()
    qtbot.waitUntil(lambda: said(annotate).startswith("Outlining was stopped."))
    assert dict(annotate.document().specimens) == before
    assert annotate.document().history.undo_label == "add"


def test_five_hundred_boxes_are_outlined_and_the_window_stays_awake(annotate, press, settled, qtbot):
    rng = np.random.default_rng(0)
    some = [Specimen.rectangle(VALVES[k % 4] + rng.normal(0, 0.1, 5), "Navicula") for k in range(500)]
    annotate.document().add(some)
    annotate.canvas().select([item.id for item in some])
    start = time.monotonic()
    press("O")
    assert time.monotonic() - start < 2
    qtbot.waitUntil(lambda: said(annotate) == "500 specimens were outlined.", timeout=60_000)
    assert {item.shape for item in annotate.document().specimens.values()} == {"polygon"}


def test_another_image_may_be_open_when_the_outlines_are_there(annotate, press, settled, worker, folder):
    ids = boxes(annotate)
    worker.may_go_on.clear()
    press("O")
    annotate.next_image()
    worker.may_go_on.set()
    settled()
    assert not annotate.document().specimens
    annotate.previous_image()
    assert {annotate.document().specimens[id_].shape for id_ in ids} == {"polygon"}


def test_a_click_on_a_valve_gives_its_box_and_outline(annotate, press, settled, qtbot):
    press("W")
    assert child_of(annotate, "tool_wand").isChecked()
    annotate.use_class("Nitzschia")
    click(annotate, 222, 82)
    settled()
    [found] = annotate.document().specimens.values()
    assert mask_iou(found.mask, masks()[1]) > 0.95
    assert (found.name, found.reviewed) == ("Nitzschia", True)
    assert annotate.canvas().selection() == (found.id,)
    assert said(annotate) == "A valve was added."
    annotate.undo()
    assert not annotate.document().specimens


def test_clicks_queue_up_with_a_mark_each_and_can_be_taken_back(annotate, press, settled, qtbot, worker):
    press("W")
    worker.may_go_on.clear()
    for x, y, *_ in VALVES:
        click(annotate, x, y)
    assert marks(annotate) == 4
    annotate.undo()
    assert marks(annotate) == 3
    assert not annotate.document().specimens
    worker.may_go_on.set()
    settled()
    assert marks(annotate) == 0
    assert len(annotate.document().specimens) == 3
    worker.may_go_on.clear()
    click(annotate, *VALVES[3][:2])
    press("Escape")
    assert marks(annotate) == 0
    settled()
    assert len(annotate.document().specimens) == 3


def test_undo_as_soon_as_a_clicked_valve_is_there_takes_it_away(annotate, press, qtbot):
    kept = boxes(annotate, (0,))
    press("W")
    # The edit is made before the thread of its click has ended.
    annotate._outlining.queue.outlined.connect(lambda *_: annotate.undo())
    click(annotate, *VALVES[2][:2])
    qtbot.waitUntil(lambda: annotate.document().history.redo_label is not None, timeout=10_000)
    assert list(annotate.document().specimens) == kept
    annotate.redo()
    assert len(annotate.document().specimens) == 2


def test_a_valve_that_waits_for_the_mouse_button_is_what_undo_takes_back(annotate, press, settled, qtbot, monkeypatch):
    kept = boxes(annotate, (0,))
    press("W")
    is_held = [True]
    monkeypatch.setattr(type(annotate.canvas()), "is_drawn_on", property(lambda canvas: is_held[0]))
    click(annotate, *VALVES[2][:2])
    qtbot.waitUntil(lambda: bool(annotate._outlining._arrived), timeout=10_000)
    settled()
    annotate.undo()
    is_held[0] = False
    qtbot.waitUntil(lambda: not annotate._outlining.is_running, timeout=60_000)
    qtbot.wait(100)
    assert list(annotate.document().specimens) == kept


def test_beside_all_valves_and_on_a_specimen_a_click_adds_nothing(annotate, press, settled):
    boxes(annotate, (0,))
    press("W")
    click(annotate, 200, 280)
    settled()
    assert said(annotate).startswith("No valve was found where you clicked.")
    click(annotate, *VALVES[0][:2])
    settled()
    assert said(annotate).startswith("There is a specimen already where you clicked.")
    assert len(annotate.document().specimens) == 1


def test_a_drag_and_another_tool_are_no_click(annotate, press, settled, worker):
    press("W")
    click(annotate, 222, 82, drag=30)
    press("Z")
    click(annotate, 222, 82)
    settled()
    assert worker.jobs == 0


def test_an_error_of_the_networks_is_said_and_the_next_click_works(annotate, press, settled, worker):
    press("W")
    worker.error = ModelError("The weights are damaged.")
    click(annotate, 222, 82)
    settled()
    assert said(annotate) == "slide_0 was not outlined: The weights are damaged."
    worker.error = None
    click(annotate, 222, 82)
    settled()
    assert len(annotate.document().specimens) == 1


@pytest.mark.parametrize("key", ["O", "W"])
def test_without_a_model_for_outlines_the_keys_and_buttons_say_what_to_do(dock, worker, folder, monkeypatch, key):
    monkeypatch.setattr(library, "available", lambda: [model("diatom-obb", "oriented-boxes")])
    annotate = dock("Annotate diatoms")
    annotate.open_project(folder)
    boxes(annotate)
    layer = annotate.canvas().specimens.layer
    if key == "O":
        annotate.outline()
    else:
        annotate.use_tool("wand")
        assert child_of(annotate, "tool_select").isChecked()
    assert "No model for outlines is installed." in said(annotate)
    for name in ("outline", "tool_wand"):
        button = child_of(annotate, name)
        assert isinstance(button, QToolButton)
        assert "napari-diatom models import" in button.toolTip()
    assert layer.nshapes == 4
    annotate.close_project()
