"""Edits of single shapes in a layer that has thousands.

napari's public interface (``data``, ``edge_color``, ``features``, removing and adding) processes all shapes of a layer
at each change. With 5,000 boxes that takes 100 to 300 ms. Here, and nowhere else, the layer's list of shapes is changed
in place, and numpy does for all shapes at once what napari does for each shape in Python.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import numpy as np
import pandas as pd
from napari._vispy.utils.visual import layer_to_visual
from napari.layers import Layer, Shapes
from napari.layers.shapes._shape_list import ShapeList
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_diatom.widgets.canvas.shape_drawing import ShapesDrawing

_EDIT_EVENTS: Final = (
    *("data", "set_data", "features", "highlight", "edge_color", "edge_width", "face_color", "_extent_augmented"),
    *("current_edge_color", "current_face_color", "feature_defaults", "current_properties", "properties"),
)
"""Events of a layer at each edit or selection. The layer list does not show any of them."""

MAX_LABELS: Final = 300
"""Number of specimens up to which each has a label. napari's time to place text grows with the square of their number:
half a second for 2,000, at each change. With more specimens, only the one under the cursor shows its features."""

_DATA: Final = attrgetter("_data")


class _ShapeList(ShapeList):  # type: ignore[misc]  # napari's lists have no types
    """Shapes of a layer. numpy does what has to be done for all shapes at each change."""

    @property
    def data(self) -> list[NDArray[np.float32]]:
        return list(map(_DATA, self.shapes))

    @property
    def slice_keys(self) -> NDArray[np.int64]:
        if len(self.slice_key):
            return np.asarray(super().slice_keys)
        return np.empty((len(self.shapes), 2, 0), dtype=np.int64)

    def _update_displayed_triangles_to_shape_index(self, displayed_indices: NDArray[np.integer]) -> None:
        mesh = self._mesh
        rows = np.repeat(displayed_indices, np.diff(mesh.triangles_index)[displayed_indices])
        mesh.displayed_triangles_to_shape_index = rows[: len(mesh.displayed_triangles)].astype(np.int32)

    def _update_displayed_vertices_to_shape_num(self, displayed_indices: NDArray[np.integer]) -> None:
        rows = np.repeat(displayed_indices, np.diff(self._vertices_index)[displayed_indices])
        self.displayed_vertices_to_shape_num = rows[: len(self.displayed_vertices)].astype(np.int32)

    def _update_z_order(self) -> None:
        if np.any(np.diff(self._z_index) < 0):
            super()._update_z_order()
            return
        with self.batched_updates():
            self._z_order = np.arange(len(self._z_index))
            self._mesh.triangles_z_order = np.arange(len(self._mesh.triangles))
            self._update_displayed()


class ManyShapes(Shapes):  # type: ignore[misc]  # napari's layers have no types
    """A layer of thousands of shapes without fill, in which single shapes are edited. It starts empty.

    It does not have a thumbnail, which would be black.

    Parameters
    ----------
    **look
        Keyword arguments of :class:`napari.layers.Shapes`, except the shapes and their looks.

    Attributes
    ----------
    usual_width : float
        Width of a line, in pixels of the image, that is drawn as wide on the screen as specimens' lines are at every
        zoom, with a dark seam. 0 where lines grow with the image, as napari's own.
    frame : tuple of float or None
        Height and width of the image, in its pixels; labels stay inside of it. None where that is unknown.
    pointed : frozenset of int
        Rows of the shapes under the mouse.
    """

    _data_view: ShapeList

    def __init__(self, **look: Any) -> None:
        self.usual_width = 0.0
        self.frame: tuple[float, float] | None = None
        self.pointed: frozenset[int] = frozenset()
        super().__init__(**look)
        slice_key = self._data_view.slice_key
        self._data_view = _ShapeList(ndisplay=self._data_view.ndisplay)
        self._data_view.slice_key = slice_key

    def point_at(self, rows: Collection[int]) -> None:
        """Note which shapes are under the mouse. Their labels are shown, whatever they cover."""
        if self.pointed != frozenset(rows):
            self.pointed = frozenset(rows)
            self.events.highlight()

    def noticed_rows(self) -> set[int]:
        """Return the shapes that are selected or under the mouse."""
        return set(self.selected_data) | self.pointed

    @property
    def _type_string(self) -> str:
        return "shapes"

    @property
    def _extent_data(self) -> NDArray[np.float64]:
        view = self._data_view
        if self.ndim != 2 or not view.shapes:
            return np.asarray(super()._extent_data)
        return np.stack([view._vertices.min(axis=0), view._vertices.max(axis=0)])

    def _clear_extent(self) -> None:
        # The viewer processes all layers when an extent changes, and an edit seldom changes it.
        now = Layer._extent_augmented.func(self)
        known = [self.__dict__[name] for name in ("extent", "_extent_augmented") if name in self.__dict__]
        if not all(np.array_equal(was, is_now) for one in known for was, is_now in zip(one, now, strict=True)):
            super()._clear_extent()

    def _get_value(self, position: Sequence[float]) -> tuple[int | None, int | None]:
        # A selected shape can be dragged by any place in it, though another one lies above it there.
        row, vertex = super()._get_value(position)
        if row is None or vertex is not None or row in self.selected_data or self._slice_input.ndisplay != 2:
            return row, vertex
        point = np.asarray([position[axis] for axis in self._slice_input.displayed])
        below = [own for own, _ in shapes_at(self, point) if own in self.selected_data]
        return (below[0] if below else row), None

    def _on_selection_changed(self, added: Any, removed: Any) -> None:
        # napari emits a new width for the next shape as if the width of all lines had changed.
        with self.events.edge_width.blocker():
            super()._on_selection_changed(added, removed)

    def _update_thumbnail(self, event: Any = None) -> None:
        """Leave the thumbnail as it is."""


layer_to_visual[ManyShapes] = ShapesDrawing


def shapes_at(layer: Shapes, point: NDArray[np.float64]) -> list[tuple[int, float]]:
    """Return the rows and the areas of the visible shapes in which a point lies.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    point : ndarray, shape (2,)
        y and x in pixels of the image.
    """
    import cv2

    view = layer._data_view
    if not view.shapes:
        return []
    low, high = view._bounding_boxes
    found: list[tuple[int, float]] = []
    for place in np.flatnonzero(((low <= point) & (high >= point)).all(axis=1)):
        row, one = view._visible_shapes[place]
        corners = np.asarray(one.data[:, -2:], dtype=np.float32)
        if cv2.pointPolygonTest(corners, (float(point[0]), float(point[1])), False) >= 0:
            found.append((int(row), float(cv2.contourArea(corners))))
    return found


def disconnect_from_layer_list(layer: Shapes) -> None:
    """Disconnect edits of a layer from the viewer's layer list, which would paint the window again for each."""
    for name in _EDIT_EVENTS:
        layer.events[name].disconnect(layer.events)


def change(
    layer: Shapes,
    rows: Sequence[int],
    moved: Mapping[int, tuple[NDArray[np.float64], str]],
    colours: ArrayLike,
    features: Mapping[str, Sequence[Any]],
) -> None:
    """Change the shapes in ``rows`` and draw them once.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    rows : sequence of int
        The N shapes.
    moved : mapping
        New corners, shape (M, D), and kind (``rectangle``, ``polygon``) of those of them that change.
    colours : array-like, shape (N, 4)
        Red to alpha of 0..1 of their lines.
    features : mapping
        N values of each column. Text that is made of features is not updated.
    """
    view, wanted = layer._data_view, np.asarray(colours, dtype=np.float32)
    recoloured = len(rows) > 0 and not np.allclose(view.edge_color[list(rows)], wanted, atol=1e-3)
    with view.batched_updates():
        for row, (points, kind) in moved.items():
            view.edit(row, points, new_type=None if view.shapes[row].name == kind else kind)
        if recoloured:
            view.update_edge_colors(list(rows), wanted)
    if layer.selected_data.intersection(moved):
        layer._selected_box = layer.interaction_box(layer.selected_data)
    if moved or recoloured:
        layer.refresh(extent=bool(moved), highlight=bool(moved))
    write_features(layer, rows, features)


def add(
    layer: Shapes,
    shapes: Sequence[tuple[NDArray[np.float64], str]],
    width: float,
    colours: ArrayLike,
    features: Mapping[str, Sequence[Any]],
) -> None:
    """Add N shapes without fill after the existing ones.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    shapes : sequence
        Corners, shape (M, D), and kind (``rectangle``, ``polygon``) of each.
    width : float
        Width of their lines, in pixels of the image.
    colours : array-like, shape (N, 4)
        Red to alpha of 0..1 of their lines.
    features : mapping
        N values of each column.
    """
    before = layer.nshapes
    with _without_data_events(layer):
        layer.add(
            [points for points, _ in shapes],
            shape_type=[kind for _, kind in shapes],
            edge_width=width,
            edge_color=colours,
            face_color="transparent",
        )
    if before:
        write_features(layer, range(before, layer.nshapes), features)
    else:
        layer.features = pd.DataFrame(features)


def remove(layer: Shapes, rows: Sequence[int]) -> None:
    """Remove shapes."""
    with _without_data_events(layer):
        layer.remove(list(rows))


@contextlib.contextmanager
def _without_data_events(layer: Shapes) -> Iterator[None]:
    """Emit the layer's data event only if its extent changes: the viewer processes all layers at each such event."""
    before = layer.extent.data
    with layer.events.data.blocker():
        yield
    if not np.array_equal(before, layer.extent.data, equal_nan=True):
        rows = tuple(range(layer.nshapes))
        layer.events.data(value=layer.data, action="changed", data_indices=rows, vertex_indices=((),))


def show_alone(layer: Shapes, rectangle: NDArray[np.float64] | None, colour: Sequence[float]) -> None:
    """Show a layer's first shape as a rectangle, shape (4, D), in a colour of red, green and blue. None hides it.

    If the layer itself were hidden, napari would process all layers at each click.
    """
    moved = {} if rectangle is None else {0: (rectangle, "rectangle")}
    change(layer, [0], moved, [[*colour, 0.0 if rectangle is None else 1.0]], {})


def write_features(layer: Shapes, rows: Sequence[int], features: Mapping[str, Sequence[Any]]) -> None:
    """Write columns of the features of the shapes in ``rows``. Text that is made of features is not updated."""
    table = layer.features
    if len(rows):
        for name, values in features.items():
            table.iloc[list(rows), table.columns.get_loc(name)] = list(values)


def shape(layer: Shapes, row: int) -> tuple[NDArray[np.float64], str]:
    """Return corners, shape (M, D), and kind of one shape. ``layer.data`` would make a list of all shapes."""
    found = layer._data_view.shapes[row]
    return np.asarray(found.data, dtype=np.float64), str(found.name)


def set_edge_width(layer: Shapes, width: float) -> None:
    """Set the width of all lines of a small layer, in pixels of the image."""
    layer.edge_width = [width] * layer.nshapes


def is_drawing(layer: Shapes) -> bool:
    """Return whether a polygon is being drawn that is not closed yet."""
    return bool(layer._is_creating)


def is_under_hand(layer: Shapes) -> bool:
    """Return whether the user is drawing or moving something."""
    return is_drawing(layer) or QApplication.mouseButtons() != Qt.MouseButton.NoButton
