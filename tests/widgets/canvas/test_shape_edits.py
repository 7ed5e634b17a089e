"""Thousands of shapes in one layer: shown as napari shows them, though changed in place.

These tests are what tells when a new napari does these things otherwise.
"""

import numpy as np
import pytest
from napari.layers import Shapes
from napari.layers.shapes._shape_list import ShapeList

from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.canvas.viewer_camera import camera_of

ORANGE, BLUE = (0.9, 0.6, 0.0, 1.0), (0.3, 0.7, 0.9, 1.0)


def quad(x, y, side=20.0):
    return np.array([[y, x], [y, x + side], [y + 0.5 * side, x + side], [y + 0.5 * side, x]])


POLYGON = np.array([[60.0, 60.0], [60.0, 90.0], [75.0, 95.0], [90.0, 80.0], [85.0, 62.0], [70.0, 58.0]])


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    """A viewer on the screen: what is hidden is not drawn."""
    return make_napari_viewer_proxy(show=True)


@pytest.fixture
def layer(viewer):
    made = shape_edits.ManyShapes(ndim=2, name="many", features={"id": []})
    viewer.add_layer(made)
    viewer.layers.selection.active = made
    shapes = [(quad(20.0 * n, 10.0 * n), "rectangle") for n in range(6)]
    shape_edits.add(made, shapes, 2.0, [ORANGE] * 6, {"id": list("abcdef")})
    return made


def as_napari(layer):
    """Return a plain layer of the same shapes."""
    return Shapes(
        [shape.data for shape in layer._data_view.shapes],
        shape_type=layer.shape_type,
        edge_width=layer.edge_width,
        edge_color=layer.edge_color,
        face_color=layer.face_color,
        z_index=layer.z_index,
    )


def picture(viewer, shown):
    """Return what the viewer draws of one layer."""
    for other in viewer.layers:
        other.visible = other is shown
    camera = camera_of(viewer)
    camera.center, camera.zoom = (50, 60), 3
    return viewer.screenshot(canvas_only=True, flash=False)


def assert_as_napari(viewer, layer):
    layer.selected_data = set()
    plain = as_napari(layer)
    viewer.add_layer(plain)
    view, its = layer._data_view, plain._data_view
    for own, expected in zip(layer.data, ShapeList.data.fget(view), strict=True):
        assert own is expected
    np.testing.assert_array_equal(layer.extent.data, plain.extent.data)
    np.testing.assert_array_equal(layer.extent.world, plain.extent.world)
    np.testing.assert_array_equal(view._z_order, its._z_order)
    for name in ("_update_displayed_vertices_to_shape_num", "_update_displayed_triangles_to_shape_index"):
        ours = view.displayed_vertices_to_shape_num.copy(), view._mesh.displayed_triangles_to_shape_index.copy()
        getattr(ShapeList, name)(view, np.flatnonzero(view._displayed))
        np.testing.assert_array_equal(view.displayed_vertices_to_shape_num, ours[0])
        np.testing.assert_array_equal(view._mesh.displayed_triangles_to_shape_index, ours[1])
    np.testing.assert_array_equal(view.slice_keys, its.slice_keys)
    drawn, expected = picture(viewer, layer), picture(viewer, plain)
    assert expected[..., :3].max() > 100
    np.testing.assert_array_equal(drawn, expected)
    viewer.layers.remove(plain)
    layer.visible = True


def test_shapes_are_drawn_as_napari_draws_them_after_every_kind_of_edit(viewer, layer):
    assert_as_napari(viewer, layer)
    shape_edits.change(layer, [1, 4], {}, [BLUE, BLUE], {"id": ["b", "e"]})
    assert_as_napari(viewer, layer)
    shape_edits.change(layer, [2], {2: (quad(5, 80), "rectangle")}, [BLUE], {"id": ["c"]})
    assert_as_napari(viewer, layer)
    shape_edits.change(layer, [3], {3: (POLYGON, "polygon")}, [ORANGE], {"id": ["d"]})
    assert_as_napari(viewer, layer)
    shape_edits.add(layer, [(quad(70, 5), "rectangle"), (POLYGON - 30, "polygon")], 2.0, [BLUE, ORANGE], {"id": "gh"})
    assert_as_napari(viewer, layer)
    shape_edits.remove(layer, [0, 5])
    assert_as_napari(viewer, layer)
    assert list(layer.features["id"]) == list("bcdegh")
    shape_edits.change(layer, [2], {2: (quad(40, 40), "rectangle")}, [BLUE], {"id": ["d"]})
    assert_as_napari(viewer, layer)


def test_filled_shapes_and_other_orders_are_drawn_too(viewer, layer):
    layer.selected_data = {1}
    layer.current_face_color = "red"
    layer.move_to_front()
    layer.selected_data = {4}
    layer.move_to_back()
    assert_as_napari(viewer, layer)


def test_an_edit_is_drawn_once_and_nothing_reaches_the_list_of_layers(viewer, layer):
    shape_edits.disconnect_from_layer_list(layer)
    drawn, events = [], []
    layer.events.set_data.connect(drawn.append)
    viewer.layers.events.connect(events.append)
    layer.selected_data = {2}
    shape_edits.change(layer, [2], {2: (quad(30, 30), "rectangle")}, [BLUE], {"id": ["c"]})
    assert len(drawn) == 1
    assert [event.type for event in events if event.source is layer] == []
    layer.visible = False
    assert any(event.type == "visible" for event in events)


def test_selecting_sends_no_shapes_again(layer):
    drawn = []
    layer.events.edge_width.connect(drawn.append)
    layer.events.set_data.connect(drawn.append)
    layer.selected_data = {3}
    assert not drawn
    np.testing.assert_allclose(layer._selected_box[[0, 2, 4, 6]], layer._data_view.shapes[3].data)


def test_the_viewer_learns_of_another_extent_and_of_no_other_edit(viewer, layer):
    events = []
    layer.events.data.connect(events.append)
    layer.events._extent_augmented.connect(events.append)
    shape_edits.add(layer, [(quad(40, 20), "rectangle")], 2.0, [BLUE], {"id": ["g"]})
    shape_edits.remove(layer, [6])
    shape_edits.change(layer, [2], {2: (quad(42, 22), "rectangle")}, [ORANGE], {"id": ["c"]})
    assert not events
    shape_edits.add(layer, [(quad(500, 20), "rectangle")], 2.0, [BLUE], {"id": ["g"]})
    assert events
    assert viewer.dims.range[-1].stop == pytest.approx(520)


def test_a_shape_alone_is_shown_and_hidden(viewer):
    alone = shape_edits.ManyShapes(ndim=2)
    alone.add(quad(0, 0), edge_color="transparent", face_color="transparent")
    viewer.add_layer(alone)
    nothing = picture(viewer, alone)
    shape_edits.show_alone(alone, quad(40, 40), ORANGE[:3])
    assert not np.array_equal(picture(viewer, alone), nothing)
    shape_edits.show_alone(alone, None, ORANGE[:3])
    np.testing.assert_array_equal(picture(viewer, alone), nothing)


@pytest.mark.parametrize("fill", ["transparent", "white"])
def test_each_line_is_drawn_in_its_own_colour_over_a_dark_seam(viewer, layer, fill):
    layer.usual_width = 2.0
    layer.face_color = fill
    shape_edits.add(layer, [(POLYGON, "polygon")], 2.0, [BLUE], {"id": ["g"]})
    shape_edits.change(layer, [2], {}, [BLUE], {"id": ["c"]})
    layer.refresh()
    sent = viewer.__wrapped__.window._qt_viewer.canvas.layer_to_visual[layer]._sent
    view = layer._data_view
    vertices = np.diff(view._mesh.vertices_index)
    owner = np.tile(np.repeat(np.arange(7), vertices), 2)
    is_line = np.tile(view._mesh.vertices_offsets.any(axis=1), 2)
    is_seam = np.arange(len(owner)) < len(owner) // 2
    drawn = sent["faces"][is_line[sent["faces"]].any(axis=1)]
    colours = sent["base_color"][drawn]
    wanted = view.edge_color[owner[drawn]]
    seams = is_seam[drawn]
    assert np.allclose(colours[~seams], wanted[~seams])
    assert not colours[seams][:, :3].any()
    assert np.allclose(colours[seams][:, 3], 0.7)
    assert np.count_nonzero(seams) == np.count_nonzero(~seams) > 0
