"""The rotated box in three clicks: both ends of the apical axis, then the margin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_diatom.core import geometry
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.canvas.clicks import stayed_in_place

_LINE_WIDTH: Final = 0.01
"""Width of a box after one click, when it is still a line, in pixels of the image."""
_COLOUR: Final = (1.0, 1.0, 0.0)

Point = NDArray[np.float64]


class ThreeClicks(QObject):
    """Draws a rotated box by three clicks on a layer, while it is switched on.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer that is clicked on. It must be the active layer.
    preview : napari.layers.Shapes
        A separate layer, whose first shape shows the box while it is drawn.
    plane : sequence of int
        Position of the image on the axes before y and x.
    """

    drawn = Signal(object)
    """The complete box, shape (5,)."""
    changed = Signal(object)
    """The box as it would be with the mouse where it is now, None if there is no box."""

    def __init__(self, layer: Shapes, preview: Shapes, plane: Sequence[int] = ()) -> None:
        super().__init__()
        self._layer = layer
        self._preview = preview
        self._plane = tuple(plane)
        self._points: list[Point] = []
        self._on = False

    @property
    def is_on(self) -> bool:
        """Whether the tool is switched on."""
        return self._on

    @property
    def clicks(self) -> int:
        """How many of the three clicks are done."""
        return len(self._points)

    def switch(self, on: bool) -> None:
        """Switch the tool on or off. A box that is not complete is cancelled."""
        self.cancel()
        if on == self._on:
            return
        self._on = on
        for callbacks, callback in self._callbacks():
            if on:
                callbacks.append(callback)
            else:
                callbacks.remove(callback)

    def cancel(self) -> None:
        """Forget the clicks so far."""
        self._points.clear()
        self._show(None)

    def step_back(self) -> bool:
        """Undo the last click. Return whether there was one."""
        if not self._points:
            return False
        self._points.pop()
        self._show(None)
        return True

    def _callbacks(self) -> tuple[tuple[list[Any], Callable[..., Any]], ...]:
        return (
            (self._layer.mouse_drag_callbacks, self._on_press),
            (self._layer.mouse_move_callbacks, self._on_move),
        )

    def _on_press(self, layer: Shapes, event: Any) -> Iterator[None]:
        """Handle a press and release in one place as a click."""
        pressed = self._at(event.position)
        if (yield from stayed_in_place(event)):
            self.click(pressed)

    def click(self, point: Point) -> None:
        """Handle a click at ``point``, x and y in pixels of the image."""
        if self._points and np.hypot(*(point - self._points[-1])) < 1:
            return
        self._points.append(point)
        if len(self._points) < 3:
            self._show(self._box(point))
            return
        first, second, side = self._points
        box = geometry.along_axis(first, second, side)
        self.cancel()
        self.drawn.emit(box)

    def _on_move(self, layer: Shapes, event: Any) -> None:
        if self._points:
            self._show(self._box(self._at(event.position)))

    def _at(self, position: Any) -> Point:
        """Return world coordinates as x and y in pixels of the image."""
        return np.asarray(shapes_layer.from_points([self._layer.world_to_data(position)])[0])

    def _box(self, point: Point) -> Point | None:
        """Return the box as it would be with a next click at ``point``."""
        first = self._points[0]
        if len(self._points) == 2:
            return geometry.along_axis(first, self._points[1], point)
        if np.hypot(*(point - first)) < 1:
            return None
        return geometry.along_axis(first, point, first, smallest=_LINE_WIDTH)

    def _show(self, box: Point | None) -> None:
        quad = None if box is None else shapes_layer.to_quads([box], self._plane)[0]
        shape_edits.show_alone(self._preview, quad, _COLOUR)
        self.changed.emit(box)
