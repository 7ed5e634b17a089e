"""The dock What the network sees: the selected specimen of any layer, its maps as pictures and as layers."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, Qt
from qtpy.QtWidgets import QLabel, QTableView, QToolButton

from diatom_training.explanation.explanation import Explanation, FeatureMaps, HeatMap
from diatom_training.explanation.specimen_views import SpecimenView
from helpers import REPOSITORY
from helpers.window import FakeAnalysis, child_of, dock_of, trigger
from napari_diatom.analysis import worker_process
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, Stopped
from napari_diatom.models import library
from napari_diatom.napari_layers.shapes_layer import MAP_KEY
from napari_diatom.project.project import Project
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.explanation.explanation_layers import cells_to_image

TITLE = "What the network sees"
SLIDE = REPOSITORY / "sample_data" / "slides" / "river_bright_field_40x.jpg"
BOXES = [[266.7, 262.2, 249.6, 109.9, -1.299], [150, 100, 60, 20, 0.3]]


@pytest.fixture
def models():
    """The models that are installed."""
    return library.available()


@pytest.fixture
def analysis():
    return FakeAnalysis(Detections.of(BOXES, [0, 0], [0.93, 0.8], ["diatom"]))


class Child:
    """Stands for the child process: a hot cell in the middle of each map."""

    def __init__(self):
        self.orders, self.waits, self.error = [], False, None

    def __call__(self, target, order, monitor, tell):
        self.orders.append(order)
        while self.waits:
            time.sleep(0.01)
            if monitor.should_stop():
                raise Stopped("Stopped as asked.")
        if self.error is not None:
            raise self.error
        values = np.zeros((5, 5), np.float32)
        values[2, 2] = 1
        features = [FeatureMaps(depth, 8.0, (3, 1), 16, np.stack([values, -values])) for depth in ("shallow", "deep")]
        cam = HeatMap("Grad-CAM", "layer", values)
        return Explanation(order.specimen, order.view, "fake 1", "score of the box", 0.93, tuple(features), (cam,))


@pytest.fixture
def child(monkeypatch):
    child = Child()
    monkeypatch.setattr(worker_process, "call", child)
    return child


@pytest.fixture
def slide(viewer):
    """A piece of a sample slide, with a valve at the first box."""
    picture = cv2.imread(str(SLIDE))[380:900, 1500:2140, ::-1]
    return viewer.add_image(np.ascontiguousarray(picture), rgb=True, name="river")


def select_in_table(qtbot, widget, number):
    """Click the row of a specimen."""
    view = child_of(widget, "specimen_table")
    assert isinstance(view, QTableView)
    qtbot.waitUntil(lambda: view.model().row(number) is not None)
    index = view.model().index(view.model().row(number), 0)
    flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
    view.selectionModel().select(index, flags)


def press(qtbot, widget, name):
    qtbot.mouseClick(child_of(widget, name), Qt.MouseButton.LeftButton)


def explained(qtbot, dock):
    """Press the button and wait for the maps."""
    press(qtbot, dock, "explain")
    qtbot.waitUntil(lambda: not dock.progress.running, timeout=120_000)
    return dock.explanation()


@pytest.fixture
def seen(viewer, slide, run, widget, qtbot):
    """The dock, opened from the results of a run, with the first specimen selected."""
    run()
    select_in_table(qtbot, widget, 1)
    press(qtbot, widget, "open_explain")
    return dock_of(viewer, TITLE)


def hottest(layer):
    """Return where the highest value of a map lies, as x and y of the image in napari."""
    at = np.unravel_index(int(np.argmax(layer.data)), layer.data.shape)
    return np.asarray(layer.data_to_world(at))[-2:][::-1]


def test_a_specimen_of_a_result_is_explained_by_the_real_network(seen, viewer, qtbot):
    assert "specimen 1 of river" in child_of(seen, "selected").text()
    explanation = explained(qtbot, seen)
    assert explanation is not None, child_of(seen, "message").text()
    assert explanation.model.startswith("diatom-obb")
    assert explanation.score > 0.7
    assert "the score of the box is 0." in child_of(seen, "score").text()
    maps = [button for button in seen.findChildren(QToolButton) if button.objectName().startswith("map_")]
    assert len(maps) == 1 + 3 * 8
    assert all(button.toolTip() and button.accessibleName() and not button.icon().isNull() for button in maps)
    press(qtbot, seen, "map_grad-cam")
    layer = viewer.layers["Grad-CAM, specimen 1"]
    corner = geometry.corners([BOXES[0]])[0]
    assert cv2.pointPolygonTest(corner.astype(np.float32), hottest(layer).tolist(), False) > 0
    # Another map can be asked for at once, and the map is no image to search in.
    assert "specimen 1 of river" in child_of(seen, "selected").text()
    assert MAP_KEY in layer.metadata
    # With all its pictures, at most as wide as a dock may be.
    assert seen.minimumSizeHint().width() <= 420
    assert child_of(seen, "map_deep_7").parentWidget().minimumSizeHint().width() <= 380
    worker_process.close()


def test_pictures_lay_their_maps_over_the_image_and_take_them_away(seen, viewer, child, qtbot):
    explained(qtbot, seen)
    press(qtbot, seen, "map_shallow_1")
    layer = viewer.layers["Map 1 of the shallow layer, specimen 1"]
    assert child_of(seen, "map_shallow_1").isChecked()
    press(qtbot, seen, "map_shallow_1")
    assert layer not in viewer.layers
    press(qtbot, seen, "map_shallow_0")
    viewer.layers.remove(viewer.layers["Map 3 of the shallow layer, specimen 1"])
    assert not child_of(seen, "map_shallow_0").isChecked()
    press(qtbot, seen, "map_grad-cam")
    explained(qtbot, seen)
    assert [layer.name for layer in viewer.layers if MAP_KEY in layer.metadata] == []


def test_the_selection_is_followed_and_the_model_that_found_it_is_chosen(seen, widget, child, qtbot):
    assert child_of(seen, "model").currentData() == "diatom-obb"
    select_in_table(qtbot, widget, 2)
    assert "specimen 2 of river" in child_of(seen, "selected").text()
    seen.choose_model("diatom-outline")
    explanation = explained(qtbot, seen)
    assert explanation.specimen.number == 2
    assert child.orders[-1].model.name == "diatom-outline"
    np.testing.assert_allclose(child.orders[-1].specimen.box, BOXES[1], atol=0.01)


def test_work_can_be_cancelled_and_errors_are_said(seen, child, qtbot):
    child.waits = True
    press(qtbot, seen, "explain")
    qtbot.waitUntil(lambda: bool(child.orders))
    assert not child_of(seen, "explain").isEnabled()
    press(qtbot, seen, "cancel")
    qtbot.waitUntil(lambda: not seen.progress.running)
    assert "Cancelled" in child_of(seen, "message").text()
    assert seen.explanation() is None
    child.waits, child.error = False, InputError("There is no score to explain.")
    assert explained(qtbot, seen) is None
    assert "no score to explain" in child_of(seen, "message").text()


def test_the_dock_says_what_to_do_first(viewer, quick, qtbot):
    trigger(viewer, "napari-diatom.explain")
    dock = dock_of(viewer, TITLE)
    assert "Select a specimen" in child_of(dock, "selected").text()
    assert not child_of(dock, "explain").isEnabled()
    assert isinstance(child_of(dock, "selected"), QLabel)


def test_a_specimen_of_an_annotated_image_is_explained_too(viewer, dock, child, tmp_path, qtbot):
    picture = cv2.imread(str(SLIDE))[380:900, 1500:2140]
    cv2.imwrite(str(tmp_path / "river.png"), picture)
    Project.create(tmp_path / "project", [tmp_path / "river.png"], ("Navicula", "Nitzschia"), "Ada").close()
    annotate = dock("Annotate diatoms")
    annotate.open_project(tmp_path / "project")
    annotate.open_image("river")
    button = child_of(annotate, "open_explain")
    assert not button.isEnabled()
    assert button.toolTip() == "Select a specimen first: click it in the image"
    box = Specimen.rectangle(BOXES[0], "Nitzschia")
    annotate.document().add([box])
    annotate.canvas().select([box.id])
    # Whichever layer is active, the button is about the specimen.
    viewer.layers.selection.active = viewer.layers["river"]
    press(qtbot, annotate, "open_explain")
    opened = dock_of(viewer, TITLE)
    assert "specimen 1 of river" in child_of(opened, "selected").text()
    assert child_of(opened, "explain").isEnabled()
    assert explained(qtbot, opened) is not None
    order = child.orders[0]
    assert order.specimen.name == "Nitzschia"
    np.testing.assert_allclose(order.specimen.box, BOXES[0], atol=0.01)
    x0, y0 = order.view.offset.astype(int).tolist()
    rows, columns = order.view.pixels.shape[:2]
    np.testing.assert_array_equal(order.view.pixels, picture[y0 : y0 + rows, x0 : x0 + columns, ::-1])
    annotate.canvas().select([])
    assert not button.isEnabled()
    annotate.explain()
    assert "Select a specimen first" in child_of(annotate, "message").text()
    annotate.close_project()


def test_a_proposal_is_explained_too(viewer, dock, child, analysis, tmp_path, qtbot):
    picture = cv2.imread(str(SLIDE))[380:900, 1500:2140]
    cv2.imwrite(str(tmp_path / "river.png"), picture)
    Project.create(tmp_path / "project", [tmp_path / "river.png"], ("diatom",), "Ada").close()
    annotate = dock("Annotate diatoms")
    annotate.open_project(tmp_path / "project")
    annotate.open_image("river")
    annotate.propose()
    qtbot.waitUntil(lambda: len(annotate.document().proposals) == 2, timeout=20_000)
    press(qtbot, annotate, "next_uncertain")
    press(qtbot, annotate, "open_explain")
    opened = dock_of(viewer, TITLE)
    assert "of river" in child_of(opened, "selected").text()
    assert explained(qtbot, opened) is not None
    assert min(np.abs(np.asarray(BOXES) - child.orders[0].specimen.box).max(axis=1)) < 0.01
    annotate.close_project()


def test_a_map_of_a_plane_lies_on_that_plane(viewer, widget, run, child, dock, qtbot):
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (3, 520, 640), np.uint8), name="stack", scale=(2, 3, 3))
    viewer.dims.set_current_step(0, 1)
    run()
    select_in_table(qtbot, widget, 1)
    opened = dock(TITLE)
    explained(qtbot, opened)
    press(qtbot, opened, "map_grad-cam")
    layer = viewer.layers["Grad-CAM, specimen 1"]
    assert layer.ndim == 3
    at = layer.data_to_world((0, 2, 2))
    assert at[0] == pytest.approx(2)
    view = child.orders[0].view
    middle = view.to_image([[view.pixels.shape[1] / 2, view.pixels.shape[0] / 2]])[0]
    np.testing.assert_allclose(np.array(at)[1:][::-1] / 3, middle - 0.5, atol=1e-6)


def test_cells_of_a_turned_picture_lie_where_their_pixels_do():
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]]) * 1.5
    view = SpecimenView(np.zeros((96, 320, 3), np.uint8), turn, np.array([40.0, 70.0]))
    matrix = cells_to_image(view, (24, 80))
    row, column = 7, 31
    y, x, _ = matrix @ (row, column, 1)
    np.testing.assert_allclose([x + 0.5, y + 0.5], view.to_image([[(column + 0.5) * 4, (row + 0.5) * 4]])[0])
    part = cells_to_image(view, (7, 7), (80, 24, 150, 59))
    y, x, _ = part @ (0, 0, 1)
    np.testing.assert_allclose([x + 0.5, y + 0.5], view.to_image([[85, 26.5]])[0])
