"""The Shapes layers of the open image, kept in step with its document: one of specimens, one of proposals."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from napari.layers import Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.napari_layers import project_layer, shapes_layer
from napari_diatom.project.document import Document
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.annotate.canvas_state import CanvasState
from napari_diatom.widgets.annotate.waiting_shapes import AT_ONCE, WaitingShapes
from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.canvas.clicks import is_click

SPECIMENS: Final = "specimens"
PROPOSALS: Final = "proposals"
_PROPOSED_OPACITY: Final = 0.6
_LABEL_DELAY_MS: Final = 60
_MOUSE_POLL_MS: Final = 30
"""Time after which a layer looks again whether the mouse button was released."""


class SyncedLayer(QObject):
    """One Shapes layer that shows specimens by their ids.

    The order is that of the document, apart from specimens drawn since the image was opened. Many specimens are added
    over several turns of the event loop.

    Parameters
    ----------
    state : CanvasState
        What is shown.
    name : str
        Name of the layer.
    opacity : float, optional
        Opacity of the layer.
    """

    selectionChanged = Signal(object)
    """Ids of what is selected."""
    sizeChanged = Signal(str)
    """Length and width of the box that is being dragged. Empty when the drag ends."""
    classless = Signal()
    """Something was drawn, but the project has no classes."""
    refused = Signal(str)
    """Why an edit by hand was not made, or is not on disk."""

    def __init__(self, state: CanvasState, name: str, opacity: float | None = None) -> None:
        super().__init__()
        self._state = state
        self.ids: list[str] = []
        self.rows: dict[str, int] = {}
        look = shapes_layer.LOOK.layer_kwargs() | ({} if opacity is None else {"opacity": opacity})
        empty = pd.DataFrame(project_layer.feature_columns([], None))
        self.layer = shape_edits.ManyShapes(ndim=2, name=name, features=empty, **look)
        self.layer.current_face_color = "transparent"
        self._own_depth = 0
        self._labelled = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._sync)
        self._label_timer = QTimer(self)
        self._label_timer.setSingleShot(True)
        self._label_timer.setInterval(_LABEL_DELAY_MS)
        self._label_timer.timeout.connect(self._label)
        self._changed: set[str] = set()

        def is_free() -> bool:
            """Return whether the user draws nothing, and nothing that was drawn still has to become an edit."""
            drawn = shape_edits.is_under_hand(self.layer) or self._timer.isActive()
            return not drawn and self.layer.nshapes == len(self.ids)

        self._waiting = WaitingShapes(self, self._arrive, lambda: len(self.ids), is_free)
        self.layer.events.data.connect(self._on_data)
        self.layer.selected_data.events.items_changed.connect(self._on_selection)
        self.layer.mouse_drag_callbacks.append(self._follow_drag)

    @abstractmethod
    def known(self) -> Mapping[str, Specimen]:
        """Return the specimens that the layer shows, by their ids."""

    def fill(self, some: Collection[Specimen]) -> None:
        """Show these specimens and no others."""
        self._waiting.clear()
        with self._own():
            self.layer.selected_data = set()
            self._unlabel()
            if self.ids:
                shape_edits.remove(self.layer, range(len(self.ids)))
            self.ids, self.rows = [], {}
            self._changed.clear()
        self._append(list(some))
        self._label_timer.start()

    def show(self, change: Mapping[str, Specimen | None]) -> None:
        """Show the specimens as they are after an edit. Those that wait are read when they are added."""
        self._waiting.take([id_ for id_, item in change.items() if item is None])
        gone = [self.rows[id_] for id_, item in change.items() if item is None and id_ in self.rows]
        if gone:
            with self._own():
                shape_edits.remove(self.layer, gone)
            self._forget(gone)
        there = {id_: item for id_, item in change.items() if item is not None and id_ in self.rows}
        if there:
            rows, some = [self.rows[id_] for id_ in there], list(there.values())
            columns = project_layer.feature_columns(some, self._state.pixel_size_um)
            with self._own():
                shape_edits.change(self.layer, rows, self._moved(rows, some), self._state.colours_of(some), columns)
        shown = self.rows.keys()
        self._append(
            [item for id_, item in change.items() if item is not None and id_ not in shown and id_ not in self._waiting]
        )
        if change:
            self._label_timer.start()

    def select(self, ids: Collection[str]) -> None:
        """Select those of the ids that the layer shows, or will show; what waits is added first."""
        self._arrive(self._waiting.take(ids))
        self.layer.selected_data = {self.rows[id_] for id_ in ids if id_ in self.rows}

    def selection(self) -> tuple[str, ...]:
        """Return the ids of what is selected."""
        return tuple(self.ids[row] for row in sorted(self.layer.selected_data) if row < len(self.ids))

    def recolour(self, with_sizes: bool = False) -> None:
        """Update the colours and labels of all shapes, and the sizes in µm among their features if asked for."""
        if self.ids:
            some = [self.known()[id_] for id_ in self.ids]
            with self._own():
                self.layer.edge_color = self._state.colours_of(some)
                if with_sizes:
                    columns = project_layer.feature_columns(some, self._state.pixel_size_um)
                    shape_edits.write_features(self.layer, range(len(some)), columns)
        self._label_timer.start()

    def flush(self) -> None:
        """Make the edits that wait for the next turn of the event loop."""
        if self._timer.isActive():
            self._timer.stop()
            self._sync()

    @abstractmethod
    def _remove(self, document: Document, ids: list[str]) -> None:
        """Remove from the document what the user has deleted from the layer."""

    @abstractmethod
    def _edit(self, document: Document, drawn: list[Specimen], changed: Mapping[str, Specimen]) -> None:
        """Edit the document by what the user has drawn, and by the shapes that the user has changed."""

    @contextlib.contextmanager
    def _own(self) -> Iterator[None]:
        """Mark changes to the layer as ours, not the user's."""
        self._own_depth += 1
        try:
            yield
        finally:
            self._own_depth -= 1

    @contextlib.contextmanager
    def _reporting_errors(self) -> Iterator[None]:
        """Report one of our errors, so that the user's other edits are still made."""
        try:
            yield
        except DiatomError as error:
            self.refused.emit(str(error))

    def _arrive(self, ids: Sequence[str]) -> None:
        """Add specimens that waited, as they are now."""
        known = self.known()
        self._add([known[id_] for id_ in ids if id_ in known])
        self._label_timer.start()

    def _append(self, some: Sequence[Specimen]) -> None:
        """Add specimens, at once if they are few."""
        if len(some) > AT_ONCE:
            self._waiting.put(item.id for item in some)
        else:
            self._add(some)

    def _add(self, some: Sequence[Specimen]) -> None:
        if not some:
            return
        shapes = project_layer.to_shapes(some)
        columns = project_layer.feature_columns(some, self._state.pixel_size_um)
        with self._own():
            if len(self.ids) + len(some) > shape_edits.MAX_LABELS:
                self._unlabel()
            shape_edits.add(self.layer, shapes, self._state.edge_width, self._state.colours_of(some), columns)
        for item in some:
            self.rows[item.id] = len(self.ids)
            self.ids.append(item.id)

    def _moved(self, rows: Sequence[int], some: Sequence[Specimen]) -> dict[int, tuple[NDArray[np.float64], str]]:
        """Return the shapes of those specimens whose ``rows`` show another shape."""
        shapes = zip(rows, project_layer.to_shapes(some), strict=True)
        shown = partial(shape_edits.shape, self.layer)
        return {row: shape for row, shape in shapes if not project_layer.is_same(*shape, *shown(row))}

    def _forget(self, rows: Collection[int]) -> None:
        leaving = set(rows)
        self.ids = [id_ for row, id_ in enumerate(self.ids) if row not in leaving]
        self.rows = {id_: row for row, id_ in enumerate(self.ids)}

    def _on_data(self, event: Any) -> None:
        """Note what napari's own tools have done. The edit is made when the mouse button is released."""
        document = self._state.document
        if self._own_depth or document is None or event.action not in ("added", "changed", "removed"):
            return
        rows = [row for row in event.data_indices or () if 0 <= row < len(self.ids)]
        if event.action == "removed":
            ids = [self.ids[row] for row in rows]
            self._forget(rows)
            self._changed -= set(ids)
            with self._reporting_errors():
                self._remove(document, ids)
        else:
            self._changed |= {self.ids[row] for row in rows}
            self._timer.start(0)

    def _sync(self) -> None:
        """Make edits of what the user has drawn, moved or reshaped since the last call."""
        document = self._state.document
        if shape_edits.is_under_hand(self.layer):
            self._timer.start(_MOUSE_POLL_MS)
            return
        if document is None:
            return
        fresh = list(range(len(self.ids), self.layer.nshapes))
        drawn = [item for row in fresh if (item := self._drawn(row)) is not None]
        if fresh:
            with self._own():
                shape_edits.remove(self.layer, fresh)
        if fresh and not self._state.new_class:
            self.classless.emit()
        changed = {id_: self._shown(id_) for id_ in self._changed if id_ in self.rows}
        self._changed.clear()
        self._edit(document, drawn, changed)

    def _drawn(self, row: int) -> Specimen | None:
        """Return a new shape as a specimen, or None for a click without a drag."""
        points, kind = shape_edits.shape(self.layer, row)
        if is_click(self.layer, points, new=True) or not self._state.new_class:
            return None
        return project_layer.from_shape(points, kind, self._state.new_class)

    def _shown(self, id_: str) -> Specimen:
        """Return a specimen with the shape that the layer shows now. A box stays a box."""
        known, row = self.known()[id_], self.rows[id_]
        points, kind = shape_edits.shape(self.layer, row)
        return project_layer.from_shape(points, kind if known.shape == "polygon" else "rectangle", known.name)

    def _on_selection(self, *_: Any) -> None:
        if not self._own_depth:
            self.selectionChanged.emit(self.selection())

    def _follow_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        """Report the size of a box while it is dragged."""
        yield
        moved = False
        while event.type == "mouse_move":
            if len(layer.selected_data) == 1:
                [row] = layer.selected_data
                points = shapes_layer.from_points(shape_edits.shape(layer, row)[0])
                box = project_layer.bounding_box(points)
                if box is not None:
                    moved = True
                    self.sizeChanged.emit(self._state.size_text(box))
            yield
        if moved:
            self.sizeChanged.emit("")

    def _label(self) -> None:
        """Write the labels, unless there are too many: napari's time grows with the square of their number."""
        if not self.ids or len(self.ids) > shape_edits.MAX_LABELS:
            self._unlabel()
            return
        known = self.known()
        texts = [self._state.label_of(known[id_]) for id_ in self.ids if id_ in known]
        self.layer.text.string = {"array": texts, "default": ""}
        self._labelled = True

    def _unlabel(self) -> None:
        if self._labelled:
            self.layer.text.string = {"constant": ""}
            self._labelled = False


class SpecimensLayer(SyncedLayer):
    """The specimens of the open image."""

    def __init__(self, state: CanvasState) -> None:
        super().__init__(state, SPECIMENS)

    def known(self) -> Mapping[str, Specimen]:
        """Return the specimens of the document, by their ids."""
        return {} if self._state.document is None else self._state.document.specimens

    def add_drawn(self, drawn: Sequence[Specimen]) -> None:
        """Add specimens that were drawn to the document, and select them."""
        if self._state.document is None:
            return
        with self._reporting_errors():
            self._state.document.add(drawn, "draw")
        self.select([item.id for item in drawn])

    def _remove(self, document: Document, ids: list[str]) -> None:
        document.remove(ids)

    def _edit(self, document: Document, drawn: list[Specimen], changed: Mapping[str, Specimen]) -> None:
        if drawn:
            self.add_drawn(drawn)
        if changed:
            with self._reporting_errors():
                document.reshape(changed)
            # The box of the document is a true rectangle, whatever shape was dragged.
            self.show({id_: document.specimens[id_] for id_ in changed})


class ProposalsLayer(SyncedLayer):
    """The models' proposals for the open image. A proposal that is corrected by hand is accepted."""

    def __init__(self, state: CanvasState) -> None:
        super().__init__(state, PROPOSALS, opacity=_PROPOSED_OPACITY)

    def known(self) -> Mapping[str, Specimen]:
        """Return the proposals of the document, by their ids."""
        return {} if self._state.document is None else self._state.document.proposals

    def _remove(self, document: Document, ids: list[str]) -> None:
        document.reject(ids)

    def _edit(self, document: Document, drawn: list[Specimen], changed: Mapping[str, Specimen]) -> None:
        if changed:
            # The disk may be full: each edit is made in memory even if it cannot be written.
            with self._reporting_errors():
                document.accept(changed, name=self._state.class_of)
            with self._reporting_errors():
                document.reshape(changed)
