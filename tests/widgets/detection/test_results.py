"""Threshold, edits, table and export of a result."""

import csv

import numpy as np
import pytest
from qtpy.QtCore import Qt

from helpers.window import child_of, detections
from napari_diatom.core import geometry
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.canvas.viewer_camera import camera_of


@pytest.fixture
def layer(viewer, image, run):
    run()
    return viewer.layers["slide diatoms"]


@pytest.fixture
def result(widget, layer):
    return widget.result()


def numbers(layer):
    return sorted(int(number) for number in layer.features["specimen"])


def settle(result, qtbot):
    qtbot.wait(20)
    result.flush()


def test_the_slider_filters_without_another_run(widget, layer, result, analysis, qtbot):
    found = detections()
    slider = child_of(widget.panel, "threshold")
    for threshold in (0.6, 0.95, 0.1, 0.25):
        slider.setValue(threshold)
        expected = int((found.scores >= np.float32(threshold)).sum())
        qtbot.waitUntil(lambda expected=expected: len(layer.data) == expected)
        assert numbers(layer) == list(range(1, expected + 1))
        assert len(layer.edge_color) == expected
    assert len(analysis.jobs) == 1
    qtbot.waitUntil(lambda: f"<b>{len(layer.data)}</b>" in child_of(widget, "counts").text())


def test_filtered_rows_keep_their_own_features(layer, result):
    before = layer.features.set_index("specimen")
    result.set_threshold(0.9)
    result.set_threshold(0.25)
    result.flush()
    after = layer.features.set_index("specimen").loc[before.index]
    assert before.equals(after)
    found = detections()
    boxes = shapes_layer.to_boxes(layer.data)
    order = np.asarray(layer.features["specimen"]) - 1
    np.testing.assert_allclose(boxes[:, :2], found.boxes[order, :2], atol=0.01)


def test_drawn_shapes_are_the_users_and_survive_the_slider(widget, layer, result, qtbot):
    n = len(layer.data)
    layer.add(shapes_layer.to_quads([[200, 150, 80, 20, 0.4]]), shape_type="rectangle")
    settle(result, qtbot)
    assert len(layer.data) == n + 1
    row = layer.features.iloc[-1]
    assert row["origin"] == "person"
    assert row["score"] == 1
    assert row["length_px"] == pytest.approx(80)
    assert row["specimen"] == 41
    result.set_threshold(0.95)
    assert 41 in numbers(layer)
    assert "drawn or changed" in child_of(widget, "counts").text() or settle(result, qtbot) is None


def test_a_deleted_specimen_does_not_come_back(layer, result, qtbot):
    layer.remove([0, 3])
    settle(result, qtbot)
    result.set_threshold(0.95)
    result.set_threshold(0.1)
    result.flush()
    assert numbers(layer) == [n for n in range(1, 41) if n not in (1, 4)]


def test_a_reshaped_specimen_becomes_a_rotated_rectangle_and_stays(layer, result, qtbot):
    data = layer.data
    polygon = np.array(data[2])
    polygon[1] += (-9, 14)
    # What napari does when a vertex is dragged: the rectangle becomes a polygon, and the change is told afterwards.
    layer.__wrapped__._data_view.edit(2, polygon, new_type=type_of("polygon"))
    layer.events.data(value=layer.data, action="changed", data_indices=(2,), vertex_indices=((1,),))
    settle(result, qtbot)
    row = numbers_in_order(layer).index(3)
    assert layer.shape_type[row] == "rectangle"
    assert shapes_layer.is_rectangle(layer.data[row])
    np.testing.assert_allclose(
        shapes_layer.to_boxes([layer.data[row]])[0, 2:4], geometry.min_area_box(polygon[:, ::-1])[2:4], rtol=1e-4
    )
    features = layer.features.iloc[row]
    assert features["origin"] == "person"
    assert features["length_px"] == pytest.approx(shapes_layer.to_boxes([layer.data[row]])[0, 2])
    result.set_threshold(0.95)
    assert 3 in numbers(layer)
    assert len(layer.data) == len(layer.features) == len(layer.edge_color)


def type_of(name):
    from napari.layers.shapes._shapes_constants import ShapeType, shape_classes

    return shape_classes[ShapeType(name)]


def numbers_in_order(layer):
    return [int(number) for number in layer.features["specimen"]]


def test_a_drawn_polygon_becomes_a_rotated_rectangle(layer, result, qtbot):
    layer.add(np.array([[10, 10], [12, 60], [30, 58], [34, 30], [28, 8.0]]), shape_type="polygon")
    settle(result, qtbot)
    assert set(layer.shape_type) == {"rectangle"}
    assert all(shapes_layer.is_rectangle(quad) for quad in layer.data)


def test_a_click_without_a_drag_leaves_no_specimen(layer, result, qtbot):
    n = len(layer.data)
    layer.add(np.array([[10, 10], [10, 10.5], [10.5, 10.5], [10.5, 10]]), shape_type="rectangle")
    settle(result, qtbot)
    assert len(layer.data) == n
    assert 41 not in numbers(layer)


def test_a_pasted_specimen_gets_a_number_of_its_own(layer, result, qtbot):
    layer.selected_data = {5}
    # New shapes take the features of the selected one over, its number included.
    layer.add(layer.data[5] + 10, shape_type="rectangle")
    settle(result, qtbot)
    assert len(set(numbers(layer))) == len(layer.data)
    assert numbers(layer)[-1] == 41


def test_selecting_a_row_selects_and_centres_the_specimen(widget, viewer, layer, result):
    table = child_of(widget, "specimen_table")
    widget.show()
    result.set_threshold(0.25)
    table.setFeatures(layer.features, ("diatom",), False)
    table.selectRow(4)
    (row,) = layer.selected_data
    assert numbers_in_order(layer)[row] == 5
    centre = np.asarray(layer.data[row]).mean(axis=0)
    np.testing.assert_allclose(camera_of(viewer).center[-2:], centre, atol=0.01)


def test_selecting_a_shape_selects_its_row(widget, layer, result, qtbot):
    table = child_of(widget, "specimen_table")
    qtbot.waitUntil(lambda: table.model().rowCount() == len(layer.data))
    layer.selected_data = {7, 2}
    assert sorted(table.numbers()) == [3, 8]
    layer.selected_data = set()
    assert table.numbers() == ()


def test_sorting_keeps_rows_and_specimens_together(widget, layer, result, qtbot):
    table = child_of(widget, "specimen_table")
    qtbot.waitUntil(lambda: table.model().rowCount() == len(layer.data))
    length = [table.model().headerData(i, Qt.Orientation.Horizontal) for i in range(9)].index("Length px")
    table.sortByColumn(length, Qt.SortOrder.DescendingOrder)
    table.selectRow(0)
    (row,) = layer.selected_data
    assert layer.features["length_px"].iloc[row] == layer.features["length_px"].max()


def test_class_and_status_can_be_changed_in_the_table(widget, layer, result, qtbot):
    table = child_of(widget, "specimen_table")
    qtbot.waitUntil(lambda: table.model().rowCount() == len(layer.data))
    titles = [table.model().headerData(i, Qt.Orientation.Horizontal) for i in range(9)]
    index = table.model().index(0, titles.index("Status"))
    assert not table.model().setData(index, "nonsense")
    assert table.model().setData(index, "broken")
    assert layer.features["status"].iloc[0] == "broken"
    result.set_threshold(0.95)
    result.set_threshold(0.25)
    result.flush()
    assert layer.features.set_index("specimen")["status"][1] == "broken"


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".geojson"])
def test_export_writes_what_is_shown(widget, layer, result, tmp_path, suffix):
    result.set_threshold(0.5)
    path = tmp_path / f"out{suffix}"
    assert widget.panel.exportTo(path)
    assert path.name in child_of(widget, "message").text()
    if suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [int(row["specimen"]) for row in rows] == numbers(layer)
        assert rows[0]["length_um"] == ""
        assert rows[0]["model"] == "diatom-obb 1.0.0"
    elif suffix == ".geojson":
        assert len(geojson.read(path)) == len(layer.data)


def test_an_export_that_fails_says_so(widget, layer, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_diatom.widgets.detection.results_panel.show_error", shown.append)
    (tmp_path / "file").write_text("")
    assert not widget.panel.exportTo(tmp_path / "file" / "a.csv")
    assert not widget.panel.exportTo(tmp_path / "a.doc")
    assert len(shown) == 2


def test_a_geojson_opened_in_the_viewer_is_laid_over_its_image_and_can_be_edited(widget, viewer, tmp_path, qtbot):
    from napari_diatom.core.annotations import Annotations
    from napari_diatom.napari_layers import reader_writer

    path = tmp_path / "slide.geojson"
    geojson.write(path, Annotations.of(detections(5), image="slide.tif", height=300, width=400))
    viewer.add_image(np.zeros((300, 400), np.uint8), name="slide", scale=(0.1, 0.1), units=("µm", "µm"))
    ((data, kwargs, _),) = reader_writer.read_shapes(str(path))
    layer = viewer.add_shapes(data, **kwargs)
    np.testing.assert_allclose(layer.scale, (0.1, 0.1))
    result = widget.result()
    assert not child_of(widget.panel, "threshold").isEnabled()
    layer.remove([0])
    settle(result, qtbot)
    assert numbers(layer) == [2, 3, 4, 5]


def test_labels_are_there_up_to_a_number_that_can_be_drawn(widget, viewer, image, analysis, run):
    analysis.found = detections(900, seed=2)
    run()
    result = widget.result()
    layer = viewer.layers["slide diatoms"]
    for threshold, labelled in ((0.95, True), (0.1, False), (0.9, True), (0.5, False)):
        result.set_threshold(threshold)
        result.flush()
        texts = np.atleast_1d(layer.text.values)
        assert all(texts) if labelled else not any(texts)


def test_histogram_bins_are_round_and_hold_everything():
    from napari_diatom.widgets.detection.length_histogram import bin_edges, nice, ticks

    rng = np.random.default_rng(1)
    for values in (rng.lognormal(3, 1, 500), np.array([5.0]), np.array([0.02, 0.021])):
        edges = bin_edges(values)
        assert edges[0] <= values.min()
        assert values.max() <= edges[-1]
        assert np.histogram(values, edges)[0].sum() == len(values)
    assert nice(0.3) == pytest.approx(0.5)
    assert ticks(3, 41) == [10, 20, 30, 40]


def test_the_histogram_shows_all_specimens_and_paints(widget, layer, result, qtbot):
    histogram = child_of(widget, "histogram")
    qtbot.waitUntil(lambda: histogram.counts().sum() == len(layer.data))
    assert not histogram.grab().isNull()
