"""The mouse on specimens: choosing them in any layer, one under the other, zooming to them, what is told of them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from qtpy.QtCore import QEvent, QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QToolTip

from napari_diatom.core.detections import Detections
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.canvas.label_layout import apart
from napari_diatom.widgets.canvas.pointing import Pointing
from napari_diatom.widgets.canvas.viewer_camera import camera_of
from napari_diatom.widgets.common.closing import canvas_of

HEIGHT, WIDTH = 300, 400
ON_TOP, BELOW, APART = (200, 150, 60, 30, 0.0), (205, 150, 160, 90, 0.0), (60, 60, 60, 20, 0.5)


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """A viewer on the screen: a hidden one does not feel the mouse."""
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def found(viewer, dock, analysis, qtbot):
    """A small specimen on a large one, and one apart, found by *Detect*."""
    analysis.found = Detections.of([BELOW, ON_TOP, APART], [0, 0, 0], [0.9, 0.8, 0.7], ("Navicula",))
    widget = dock("Detect diatoms")
    viewer.add_image(np.full((HEIGHT, WIDTH), 150, np.uint8), name="slide")
    widget.run()
    qtbot.waitUntil(lambda: not widget.value().running, timeout=60_000)
    widget.result().flush()
    qtbot.wait(50)
    return widget.result()


def at(viewer, layer, x, y):
    """Return where a place of the image is on the canvas."""
    canvas, camera = canvas_of(viewer), camera_of(viewer)
    world = np.asarray(layer.data_to_world((y, x)))[-2:]
    middle = np.array([canvas.height(), canvas.width()]) / 2
    row, column = middle + (world - camera.center[-2:]) * camera.zoom
    return QPoint(round(column), round(row))


def click(viewer, layer, x, y, qtbot):
    place, canvas = at(viewer, layer, x, y), canvas_of(viewer)
    QTest.mouseMove(canvas, place)
    qtbot.wait(10)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
    qtbot.wait(20)


def test_clicks_on_one_place_go_through_the_specimens_there(viewer, found, qtbot):
    chosen = []
    for _ in range(3):
        click(viewer, found.layer, 200, 150, qtbot)
        chosen.append(found.selection())
    assert chosen == [(2,), (1,), (2,)]
    click(viewer, found.layer, 60, 60, qtbot)
    assert found.selection() == (3,)
    click(viewer, found.layer, 380, 280, qtbot)
    assert found.selection() == ()


def test_after_a_run_a_click_and_delete_remove_a_specimen(viewer, found, qtbot):
    assert viewer.layers.selection.active == found.layer
    click(viewer, found.layer, 60, 60, qtbot)
    canvas_of(viewer).setFocus()
    qtbot.keyClick(canvas_of(viewer), Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: found.specimens().tolist() == [1, 2])


def test_a_double_click_zooms_to_a_specimen_and_a_resting_mouse_describes_it(viewer, found, qtbot, monkeypatch):
    canvas, camera = canvas_of(viewer), camera_of(viewer)
    QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=at(viewer, found.layer, 60, 60))
    qtbot.wait(20)
    np.testing.assert_allclose(camera.center[-2:], (59.5, 59.5), atol=0.6)
    assert camera.zoom * 60 > 0.3 * min(canvas.width(), canvas.height())
    shown = []
    monkeypatch.setattr(QToolTip, "showText", lambda place, text, widget: shown.append(text))
    monkeypatch.setattr(canvas, "underMouse", lambda: True)
    QTest.mouseMove(canvas, at(viewer, found.layer, 60, 60))
    qtbot.waitUntil(lambda: bool(shown))
    assert shown[-1] == "Navicula, valve\nscore 0.70, 60 x 20 px"


def test_a_proposal_is_chosen_though_its_layer_is_not_the_active_one(viewer, dock, tmp_path, qtbot):
    path = tmp_path / "slide.png"
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH), 150, np.uint8))
    Project.create(tmp_path / "project", [path], ("Navicula",), "Ada").close()
    annotate = dock("Annotate diatoms")
    annotate.open_project(tmp_path / "project")
    annotate.document().add([Specimen.rectangle(APART, "Navicula")])
    annotate.document().propose([Specimen.rectangle(ON_TOP, "Navicula", score=0.5)], "model 1")
    canvas = annotate.canvas()
    annotate.use_tool("select")
    qtbot.wait(50)
    click(viewer, canvas.specimens.layer, 60, 60, qtbot)
    assert len(canvas.specimens.selection()) == 1
    click(viewer, canvas.specimens.layer, 200, 150, qtbot)
    assert len(canvas.proposals.selection()) == 1
    assert canvas.specimens.selection() == ()
    assert viewer.layers.selection.active == canvas.proposals.layer
    click(viewer, canvas.specimens.layer, 60, 60, qtbot)
    assert len(canvas.specimens.selection()) == 1
    assert canvas.proposals.selection() == ()
    annotate.close_project()


def test_lines_are_as_wide_on_the_screen_at_every_zoom_and_labels_stay_in_the_image(viewer, found, qtbot):
    layer, camera = found.layer, camera_of(viewer)
    drawing = viewer.__wrapped__.window._qt_viewer.canvas.layer_to_visual[layer]
    widths = []
    for zoom in (1.0, 8.0):
        camera.zoom = zoom
        qtbot.wait(20)
        widths.append(drawing._place["width"].value * layer.usual_width * zoom)
        places = drawing.node.text.pos[shown_labels(drawing)]
        assert len(places)
        assert (places[:, 0] >= -0.5).all()
        assert (places[:, 1] >= 0).all()
    assert widths[0] == pytest.approx(widths[1])
    assert len(Pointing.of(viewer).under((150, 200))) == 2
    assert set(shapes_layer.FEATURES) <= set(layer.features)


def shown_labels(drawing):
    """Return which labels of a layer are anywhere near the image."""
    return np.abs(drawing.node.text.pos[:, 0]) < 1e6


def test_labels_that_would_cover_each_other_are_thinned_but_for_what_is_selected_or_pointed_at(
    viewer, found, qtbot, monkeypatch
):
    layer, camera, canvas = found.layer, camera_of(viewer), canvas_of(viewer)
    drawing = viewer.__wrapped__.window._qt_viewer.canvas.layer_to_visual[layer]
    camera.zoom = 0.2
    qtbot.waitUntil(lambda: shown_labels(drawing).tolist() == [True, False, False])
    found.select([2])
    qtbot.waitUntil(lambda: shown_labels(drawing).tolist() == [False, True, False])
    monkeypatch.setattr(canvas, "underMouse", lambda: True)
    QTest.mouseMove(canvas, at(viewer, layer, 60, 60))
    qtbot.waitUntil(lambda: shown_labels(drawing).tolist() == [False, True, True])
    QTest.mouseMove(canvas, at(viewer, layer, -300, -300))
    qtbot.waitUntil(lambda: shown_labels(drawing).tolist() == [False, True, False])
    QTest.mouseMove(canvas, at(viewer, layer, 60, 60))
    qtbot.waitUntil(lambda: shown_labels(drawing).tolist() == [False, True, True])
    QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
    qtbot.waitUntil(lambda: shown_labels(drawing).tolist() == [False, True, False])
    camera.zoom = 8.0
    qtbot.waitUntil(lambda: shown_labels(drawing).all())


@given(
    arrays(np.float64, (12, 2), elements=st.floats(0, 100)),
    arrays(np.float64, (12, 2), elements=st.floats(1, 40)),
    st.sets(st.integers(0, 11), max_size=3),
)
def test_of_labels_that_would_cover_each_other_the_first_is_shown(low, size, always):
    shown = apart(low, size, always)
    high = low + size
    covers = ((low[:, None] < high) & (high[:, None] > low)).all(axis=2)
    for row in range(12):
        others = [other for other in range(12) if other != row and shown[other] and covers[row, other]]
        if row in always:
            assert shown[row]
        elif shown[row]:
            assert others == []
        else:
            assert any(other < row or other in always for other in others)
