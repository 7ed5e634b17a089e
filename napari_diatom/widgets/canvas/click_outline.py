"""Clicks on valves that are to be outlined, and the marks that they leave until that is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_diatom.core import geometry
from napari_diatom.models import library
from napari_diatom.models.card import OUTLINING_TASK, Task
from napari_diatom.models.library import ModelFolder
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.canvas.clicks import stayed_in_place

BUNDLED_OUTLINER: Final = "diatom-outline"
"""The model for outlines that goes before others."""
NO_OUTLINER: Final = (
    "No model for outlines is installed. Train one with task: outlines, or add one that you were given with "
    "`napari-diatom models import FOLDER`. Then try again."
)
SAME_IOU: Final = 0.5
"""Intersection over union of their boxes from which a specimen that was clicked on is there already."""
NOTHING_HERE: Final = "No valve was found where you clicked. Click on its middle, or draw it: B draws a box."
ALREADY_HERE: Final = "There is a specimen already where you clicked. To outline it, select it and press O."
CONTRADICTION: Final = "The outline of the valve contradicts its box, so the box was added. Check it."
"""What is said of a click."""
_GIVE_BOXES: Final[tuple[Task, ...]] = ("oriented-boxes", "boxes", "instances")
_MARK_PX: Final = 7.0
"""Screen pixels from the middle of a mark to its corners."""
_MARK_COLOUR: Final = (1.0, 1.0, 0.0, 1.0)


class ClickOutline(QObject):
    """Tells of clicks on a layer while it is switched on, and marks points.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer that is clicked on. It must be the active layer.
    marks : napari.layers.Shapes
        Shows the marks behind the shape that it always has.
    """

    clicked = Signal(float, float)
    """Somebody clicked: x and y in pixels of the image."""

    def __init__(self, layer: Shapes, marks: Shapes) -> None:
        super().__init__()
        self._layer = layer
        self._marks = marks
        self._on = False

    @property
    def is_on(self) -> bool:
        """Whether clicks are listened to."""
        return self._on

    def switch(self, on: bool) -> None:
        """Listen to clicks, or stop listening. Marks stay."""
        if on == self._on:
            return
        self._on = on
        callbacks: list[Callable[..., Any]] = self._layer.mouse_drag_callbacks
        if on:
            callbacks.append(self._on_press)
        else:
            callbacks.remove(self._on_press)

    def mark(self, points: Iterable[tuple[float, float]]) -> None:
        """Show marks at these points, x and y in pixels of the image, and at no others."""
        rows = range(1, self._marks.nshapes)
        if rows:
            shape_edits.remove(self._marks, rows)
        size = _MARK_PX * self._layer.scale_factor / abs(float(self._layer.scale[-1]))
        shapes = [(_diamond(point, size), "polygon") for point in points]
        if shapes:
            width = float(self._marks.edge_width[0])
            shape_edits.add(self._marks, shapes, width, np.array([_MARK_COLOUR] * len(shapes)), {})

    def _on_press(self, layer: Shapes, event: Any) -> Iterator[None]:
        pressed = shapes_layer.from_points([layer.world_to_data(event.position)])[0]
        if (yield from stayed_in_place(event)):
            self.clicked.emit(float(pressed[0]), float(pressed[1]))


def installed_outliner() -> ModelFolder | None:
    """Return the model for outlines that is used, None where none is installed."""
    models = [model for model in library.available() if model.card.task == OUTLINING_TASK]
    return next((model for model in models if model.card.name == BUNDLED_OUTLINER), models[0] if models else None)


def detector_for_clicks(chosen: ModelFolder | None) -> ModelFolder | None:
    """Return the model that finds what is clicked on: the chosen one if it gives boxes, else the usual one."""
    models = [model for model in (chosen, *library.available()) if model is not None]
    return next((model for model in models if model.card.task in _GIVE_BOXES), None)


def is_there(found: Specimen, specimens: Mapping[str, Specimen]) -> bool:
    """Return whether a specimen has the box of one of the others."""
    boxes = np.array([item.box for item in specimens.values()]).reshape(-1, 5)
    return bool((geometry.box_ious(np.repeat([found.box], len(boxes), axis=0), boxes) >= SAME_IOU).any())


def _diamond(point: tuple[float, float], size: float) -> NDArray[np.float64]:
    """Return the corners of a mark, shape (4, 2), as a layer has them."""
    around = np.array([[0, -size], [size, 0], [0, size], [-size, 0]])
    return np.asarray(shapes_layer.to_points(np.add(point, around)))
