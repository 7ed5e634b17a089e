"""The mouse on specimens, whichever layer they are in: what is under it, choosing it, and zooming to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet, ref

import numpy as np
from napari.layers import Shapes
from qtpy.QtCore import QEvent, QObject, QPoint, QTimer
from qtpy.QtWidgets import QToolTip

from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.canvas.clicks import stayed_in_place
from napari_diatom.widgets.canvas.shape_edits import ManyShapes, shapes_at
from napari_diatom.widgets.canvas.viewer_camera import camera_of
from napari_diatom.widgets.common.closing import canvas_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

_SELECT: Final = "select"
_REST_MS: Final = 120
"""Time for which the mouse stays in place before a specimen is described."""
_SHARE_OF_VIEW: Final = 0.5
"""Part of the view that a specimen takes after a double-click."""

_of_viewers: Final[WeakKeyDictionary[Any, Pointing]] = WeakKeyDictionary()


class Pointed(NamedTuple):
    """A specimen under the mouse: its layer and its row."""

    layer: Shapes
    row: int


class Pointing(QObject):
    """Follows the mouse over the layers of specimens of a viewer, for all its docks.

    A click chooses a specimen in any of these layers, as long as one of them is active and its tool is *select*. More
    clicks on the same place go through the specimens that lie there, the smallest first. A double-click zooms to the
    specimen. A mouse that rests on a specimen shows its class, score and size.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = ref(viewer)
        self._layers: WeakSet[Shapes] = WeakSet()
        self._under: tuple[float, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self._describe)
        canvas = canvas_of(viewer)
        if canvas is not None:
            canvas.installEventFilter(self)
        viewer.mouse_move_callbacks.append(_without_self(self, Pointing._on_move))
        viewer.mouse_drag_callbacks.append(_without_self(self, Pointing._on_press))
        viewer.mouse_double_click_callbacks.append(_without_self(self, Pointing._on_double_click))

    @classmethod
    def of(cls, viewer: Viewer) -> Pointing:
        """Return the one object of a viewer."""
        bare = getattr(viewer, "__wrapped__", viewer)
        if bare not in _of_viewers:
            _of_viewers[bare] = cls(bare)
        return _of_viewers[bare]

    def follow(self, layer: Shapes) -> None:
        """Follow the mouse over a layer of specimens, as long as it exists."""
        self._layers.add(layer)

    def under(self, position: Sequence[float]) -> list[Pointed]:
        """Return the visible specimens at a place in world coordinates, the smallest first."""
        viewer = self._viewer()
        if viewer is None or viewer.dims.ndisplay != 2:
            return []
        found: list[tuple[float, Pointed]] = []
        for layer in viewer.layers:
            if isinstance(layer, Shapes) and layer in self._layers and layer.visible:
                point = np.asarray(layer.world_to_data(position[-layer.ndim :]), dtype=np.float64)[-2:]
                found += [(area, Pointed(layer, row)) for row, area in shapes_at(layer, point)]
        return [pointed for _, pointed in sorted(found, key=lambda item: item[0])]

    def zoom_to(self, pointed: Pointed) -> None:
        """Zoom to a specimen, which then fills half of the view."""
        viewer = self._viewer()
        canvas = None if viewer is None else canvas_of(viewer)
        if viewer is None or canvas is None:
            return
        corners = pointed.layer._data_view.shapes[pointed.row].data
        world = np.array([pointed.layer.data_to_world(corner) for corner in corners])[:, -2:]
        low, high = world.min(axis=0), world.max(axis=0)
        camera = camera_of(viewer)
        camera.center = (*camera.center[:-2], *((low + high) / 2))
        size = np.maximum(high - low, 1e-9)
        camera.zoom = _SHARE_OF_VIEW * float(np.min(np.array([canvas.height(), canvas.width()]) / size))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Look again when the mouse leaves the canvas."""
        if event is not None and event.type() == QEvent.Type.Leave:
            self._under = ()
            self._timer.start()
        return False

    def _active(self) -> Shapes | None:
        """Return the active layer if it is one of specimens whose tool selects or nothing is drawn with."""
        viewer = self._viewer()
        layer = None if viewer is None else viewer.layers.selection.active
        return layer if isinstance(layer, Shapes) and layer in self._layers else None

    def _on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        active = self._active()
        if active is None or str(active.mode) != _SELECT or event.button != 1 or event.modifiers:
            return
        here = self.under(event.position)
        chosen = [pointed for pointed in here if pointed.row in pointed.layer.selected_data and pointed.layer == active]
        handle = active.get_value(event.position, world=True)
        if not here or (handle is not None and handle[1] is not None):
            return
        if not chosen and here[0].layer != active and not any(pointed.layer == active for pointed in here):
            # The layer gets this very press, so that the specimen can be dragged at once.
            active.selected_data = set()
            viewer.layers.selection.active = here[0].layer
            here[0].layer.mode = _SELECT
        if (yield from stayed_in_place(event)):
            after = here[(here.index(chosen[0]) + 1) % len(here)] if chosen else here[0]
            QTimer.singleShot(0, partial(self._choose, after))

    def _choose(self, pointed: Pointed) -> None:
        """Select one specimen, in its layer."""
        viewer = self._viewer()
        if viewer is None or pointed.row >= pointed.layer.nshapes:
            return
        active = viewer.layers.selection.active
        if active != pointed.layer:
            if isinstance(active, Shapes):
                active.selected_data = set()
            viewer.layers.selection.active = pointed.layer
            pointed.layer.mode = _SELECT
        if set(pointed.layer.selected_data) != {pointed.row}:
            pointed.layer.selected_data = {pointed.row}

    def _on_double_click(self, viewer: Any, event: Any) -> None:
        active = viewer.layers.selection.active
        drawing = isinstance(active, Shapes) and str(active.mode) not in (_SELECT, "pan_zoom")
        here = [] if drawing or event.button != 1 else self.under(event.position)
        if here:
            selected = [pointed for pointed in here if pointed.row in pointed.layer.selected_data]
            self.zoom_to((selected or here)[0])

    def _on_move(self, viewer: Any, event: Any) -> None:
        self._under = tuple(event.position)
        if QToolTip.isVisible():
            QToolTip.hideText()
        self._timer.start()

    def _describe(self) -> None:
        """Show what is known of the specimen under the mouse."""
        viewer = self._viewer()
        canvas = None if viewer is None else canvas_of(viewer)
        here = [] if canvas is None or not self._under or not canvas.underMouse() else self.under(self._under)
        for layer in self._layers:
            if isinstance(layer, ManyShapes):
                layer.point_at([pointed.row for pointed in here if pointed.layer is layer])
        if here and canvas is not None:
            at = canvas.cursor().pos() + QPoint(12, 12)
            QToolTip.showText(at, "\n\n".join(hover_text(pointed) for pointed in here[:3]), canvas)


def hover_text(pointed: Pointed) -> str:
    """Return taxon or class, status, score and size of a specimen in two lines."""
    known = pointed.layer.features.iloc[pointed.row]
    size = f"{known[shapes_layer.LENGTH_PX]:.0f} x {known[shapes_layer.WIDTH_PX]:.0f} px"
    if np.isfinite(known[shapes_layer.LENGTH_UM]):
        size = f"{known[shapes_layer.LENGTH_UM]:.1f} x {known[shapes_layer.WIDTH_UM]:.1f} µm"
    name = known.get(shapes_layer.TAXON) or known[shapes_layer.CLASS]
    return f"{name}, {known[shapes_layer.STATUS]}\nscore {known[shapes_layer.SCORE]:.2f}, {size}"


def _without_self(pointing: Pointing, act: Callable[..., Any]) -> Callable[..., Any]:
    """Return a mouse callback that does not keep the object alive: the viewer would keep it, and it the viewer."""
    known = ref(pointing)

    def call(viewer: Any, event: Any) -> Any:
        alive = known()
        return None if alive is None else act(alive, viewer, event)

    return call
