"""Annotation with a real mouse and keyboard: every press goes through the X server, and the files are read."""

import cv2
import numpy as np
import pytest

from helpers import hand as hands
from helpers.window import FakeAnalysis
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project.project import Project
from napari_diatom.widgets.canvas.viewer_camera import camera_of

pytestmark = pytest.mark.skipif(bool(hands.missing()), reason=hands.missing())

HEIGHT, WIDTH = 480, 640
FOUND = Detections.of([[150, 400, 60, 20, 0.2], [500, 400, 60, 20, -0.4]], [0, 0], [0.9, 0.3], ("Navicula",))


@pytest.fixture
def folder(tmp_path):
    """A project of one grey slide."""
    path = tmp_path / "slide.png"
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH), 150, np.uint8))
    Project.create(tmp_path / "project", [path], ("Navicula", "Nitzschia"), "Ada").close()
    return tmp_path / "project"


@pytest.fixture
def opened(make_napari_viewer, models, folder):
    """Open napari with the project, and a hand at it; each call is a new napari."""
    from napari_diatom.widgets.annotate.widget import AnnotateWidget

    def start():
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1400, 900)
        widget = AnnotateWidget(viewer, FakeAnalysis(found=FOUND))
        viewer.window.add_dock_widget(widget, name="Annotate diatoms")
        widget.open_project(folder)
        return viewer, widget, hands.Hand(viewer)

    return start


def on_disk(folder):
    return geojson.read(folder / "annotations" / "slide.geojson")


def test_a_slide_is_annotated_by_hand(opened, folder):
    viewer, widget, hand = opened()
    document, canvas = widget.document(), widget.canvas()
    hand.click(20, 20)

    hand.key("b")
    for x, y in ((200, 120), (400, 180), (290, 180)):
        hand.click(x, y)
    hand.wait(lambda: len(document.specimens) == 1)
    [id_] = document.specimens
    drawn = np.array(document.specimens[id_].box)
    np.testing.assert_allclose(drawn, geometry.along_axis((200, 120), (400, 180), (290, 180)), atol=2)
    assert hand.counts["clicks"] == 4

    hand.key("s")
    x, y = drawn[:2]
    hand.drag((x, y), (x + 15, y + 10), (x + 40, y + 30))
    hand.wait(lambda: document.specimens[id_].box[0] > x + 30)
    moved = np.array(document.specimens[id_].box)
    np.testing.assert_allclose(moved - drawn, [40, 30, 0, 0, 0], atol=2)

    # The handle to turn it by stands out of the frame around it.
    handle = canvas.specimens.layer._selected_box[9]
    x, y = handle[::-1]
    hand.drag((x, y), (x + 30, y + 6), (x + 60, y + 30))
    hand.wait(lambda: document.history.undo_label != "" and document.specimens[id_].box[4] != moved[4])
    turned = np.array(document.specimens[id_].box)
    assert abs(turned[4] - moved[4]) > 0.1
    np.testing.assert_allclose(turned[:4], moved[:4], atol=1)
    assert canvas.specimens.layer.shape_type == ["rectangle"]

    hand.key("2")
    hand.wait(lambda: document.specimens[id_].name == "Nitzschia")
    hand.key("ctrl+z")
    hand.key("ctrl+z")
    hand.wait(lambda: np.allclose(document.specimens[id_].box, moved))
    assert document.specimens[id_].name == "Navicula"
    hand.key("ctrl+shift+z")
    hand.key("ctrl+shift+z")
    hand.wait(lambda: document.specimens[id_].name == "Nitzschia")

    widget.propose()
    hand.wait(lambda: len(document.proposals) == 2)
    # The model does not show what was drawn: that comes first, then the lowest score.
    hand.key("n")
    hand.wait(lambda: canvas.selection() == (id_,))
    hand.key("n")
    hand.wait(lambda: len(canvas.proposals.selection()) == 1)
    hand.key("x")
    hand.wait(lambda: len(document.proposals) == 1)
    hand.key("a")
    hand.wait(lambda: len(document.specimens) == 2 and not document.proposals)
    hand.key("ctrl+z")
    hand.wait(lambda: len(document.proposals) == 1)
    while not canvas.proposals.selection():
        hand.key("n")
    hand.key("2")
    hand.wait(lambda: len(document.specimens) == 2 and not document.proposals)
    assert {item.name for item in document.specimens.values()} == {"Nitzschia"}
    widget.close_project()
    viewer.close()

    assert sorted(on_disk(folder).origins) == ["diatom-obb 1.0.0", "person"]
    viewer, widget, hand = opened()
    seen = widget.document().specimens
    assert len(seen) == 2
    np.testing.assert_allclose(seen[id_].box, turned, atol=1e-3)
    assert seen[id_].name == "Nitzschia"
    assert widget.canvas().specimens.layer.nshapes == 2
    widget.close_project()
    viewer.close()


def test_a_click_of_a_tool_that_drags_leaves_no_specimen_at_any_zoom(opened):
    viewer, widget, hand = opened()
    document = widget.document()
    hand.click(20, 20)
    for zoom in (0.2, 1.0):
        camera_of(viewer).zoom = zoom
        hand.spin(0.2)
        widget.use_tool("upright")
        hand.click(WIDTH / 2, HEIGHT / 2)
        hand.spin(0.2)
        assert not document.specimens
        assert widget.canvas().specimens.layer.nshapes == 0
    hand.drag((300, 200), (330, 220), (360, 240))
    hand.wait(lambda: len(document.specimens) == 1)
    widget.close_project()
    viewer.close()
