"""The open image of a project in the viewer: its specimens and the models' proposals as layers that can be edited."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from napari.layers import Image, Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_diatom.core.errors import DiatomError
from napari_diatom.napari_layers import project_layer, shapes_layer
from napari_diatom.napari_layers.project_layer import By
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.settings import ProjectClass
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.annotate.three_clicks import ThreeClicks
from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.canvas.clicks import is_click
from napari_diatom.widgets.common.image_layers import place_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

SPECIMENS: Final = "specimens"
PROPOSALS: Final = "proposals"
_PREVIEW: Final = "new box"
_PROPOSED_OPACITY: Final = 0.6


class Canvas(QObject):
    """Shows a document and turns what is drawn into its edits.

    The three Shapes layers are made once and used for every image: napari crashes with some graphics drivers when a
    Shapes layer is taken away.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    selectionChanged = Signal(object)
    """Ids of the selected specimens, or of the selected proposals."""
    sizeChanged = Signal(str)
    """Length and width of what is being drawn or dragged, empty where nothing is."""
    edited = Signal(object)
    """The :class:`Edit` that the document has made."""
    classless = Signal()
    """Something was drawn, and there is no class to give it."""
    refused = Signal(str)
    """Why an edit by hand was not made, or is not on disk."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.document: Document | None = None
        self.image: Image | None = None
        self.pixel_size_um: float | None = None
        self.classes: tuple[ProjectClass, ...] = ()
        self.new_class = ""
        self._by: By = "class"
        self._edge = 1.0
        self.specimens = _Board(self, SPECIMENS)
        self.proposals = _Board(self, PROPOSALS, opacity=_PROPOSED_OPACITY)
        preview = shape_edits.ManyShapes(ndim=2, name=_PREVIEW, **shapes_layer.LOOK.layer_kwargs())
        preview.add(np.array([[0, 0], [0, 1], [1, 1], [1, 0]]), edge_color="transparent", face_color="transparent")
        preview.mouse_pan = True
        self._preview = preview
        self.three_clicks = ThreeClicks(viewer, self.specimens.layer, preview)
        self.three_clicks.drawn.connect(self._add_box)
        self.three_clicks.changed.connect(self._tell_size)

    def open(
        self, document: Document, image: Image, classes: Sequence[ProjectClass], pixel_size_um: float | None
    ) -> None:
        """Show a document over its image, whose layer is in the viewer already."""
        self.close()
        self.document, self.image = document, image
        self.classes, self.pixel_size_um = tuple(classes), pixel_size_um
        height, width = image.data.shape[:2] if image.rgb or image.ndim == 2 else image.data.shape[-2:]
        self._edge = shapes_layer.edge_width(height, width)
        for layer in self.layers():
            for name, value in place_of(image).items():
                if name != "axis_labels":
                    setattr(layer, name, value)
            if layer in self.viewer.layers:
                # Over whatever was opened since, and over their own image.
                self.viewer.layers.move(self.viewer.layers.index(layer), len(self.viewer.layers))
            else:
                self.viewer.add_layer(layer)
                shape_edits.keep_from_list(layer)
        shape_edits.thicken(self._preview, self._edge)
        self.proposals.fill(document.proposals.values())
        self.specimens.fill(document.specimens.values())
        document.edited.connect(self._on_edited)
        self.viewer.layers.selection.active = self.specimens.layer

    def close(self) -> None:
        """Let go of the document; the layers stay, empty."""
        self.flush()
        self.three_clicks.give_up()
        if self.document is not None:
            self.document.edited.disconnect(self._on_edited)
        self.document = self.image = None
        self.specimens.fill(())
        self.proposals.fill(())

    def leave(self) -> None:
        """Let go of the document and take the layers out of the viewer."""
        self.close()
        for layer in self.layers():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def layers(self) -> tuple[Shapes, ...]:
        """Return the layers in which the open image's specimens are shown, the lowest first."""
        return self.proposals.layer, self.specimens.layer, self._preview

    def flush(self) -> None:
        """Take in at once what was drawn, moved or deleted."""
        self.specimens.flush()
        self.proposals.flush()

    def class_of(self, name: str) -> str:
        """Return the class that a proposal called ``name`` is accepted as.

        It keeps its own where the project has that; else it takes the one that is chosen.
        """
        return name if name in {known.name for known in self.classes} else self.new_class or name

    def colour_by(self, by: By) -> None:
        """Colour and label specimens by class, status or score."""
        self._by = by
        self.specimens.recolour()
        self.proposals.recolour()

    def set_classes(self, classes: Sequence[ProjectClass]) -> None:
        """Take other colours of classes."""
        self.classes = tuple(classes)
        self.colour_by(self._by)

    def selection(self) -> tuple[str, ...]:
        """Return the ids of the selected specimens."""
        return self.specimens.selection()

    def select(self, ids: Collection[str]) -> None:
        """Select specimens, or proposals, by their ids."""
        for board in (self.specimens, self.proposals):
            own = [id_ for id_ in ids if id_ in board.rows]
            board.select(own)
            if own:
                self.viewer.layers.selection.active = board.layer

    def colours_of(self, some: Sequence[Specimen]) -> NDArray[np.float32]:
        """Return the colours of specimens as they are asked for now."""
        return project_layer.colours(some, self.classes, self._by)

    def label_of(self, specimen: Specimen) -> str:
        """Return the text beside a specimen."""
        return project_layer.label(specimen, self.pixel_size_um, self._by)

    @property
    def edge_width(self) -> float:
        """Width of lines in pixels of the image."""
        return self._edge

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Tell an error of ours, so that what else was done by hand is taken in all the same."""
        try:
            yield
        except DiatomError as error:
            self.refused.emit(str(error))

    def _add_box(self, box: NDArray[np.float64]) -> None:
        if self.document is None:
            return
        if not self.new_class:
            self.classless.emit()
            return
        specimen = Specimen.rectangle(box, self.new_class)
        with self.told():
            self.document.add([specimen], "draw")
        self.specimens.select([specimen.id])

    def _tell_size(self, box: NDArray[np.float64] | None) -> None:
        self.sizeChanged.emit("" if box is None else project_layer.size_text(box, self.pixel_size_um))

    def _on_edited(self, edit: Edit) -> None:
        self.specimens.show(edit.after)
        self.proposals.show(edit.proposals_after)
        self.edited.emit(edit)


class _Board:
    """One Shapes layer that shows specimens by their ids, in their order but for what was drawn since."""

    def __init__(self, canvas: Canvas, name: str, opacity: float | None = None) -> None:
        self.canvas = canvas
        self.ids: list[str] = []
        self.rows: dict[str, int] = {}
        look = shapes_layer.LOOK.layer_kwargs() | ({} if opacity is None else {"opacity": opacity})
        empty = pd.DataFrame(project_layer.feature_columns([], None))
        self.layer = shape_edits.ManyShapes(ndim=2, name=name, features=empty, **look)
        self.layer.current_face_color = "transparent"
        self._own_depth = 0
        self._labelled = False
        self._timer = QTimer(canvas)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._sync)
        self._label_timer = QTimer(canvas)
        self._label_timer.setSingleShot(True)
        self._label_timer.setInterval(60)
        self._label_timer.timeout.connect(self._label)
        self._changed: set[str] = set()
        self.layer.events.data.connect(self._on_data)
        self.layer.selected_data.events.items_changed.connect(self._on_selection)
        self.layer.mouse_drag_callbacks.append(self._follow_drag)

    def known(self) -> Mapping[str, Specimen]:
        """Return the specimens that the layer shows, by their ids."""
        document = self.canvas.document
        if document is None:
            return {}
        return document.specimens if self is self.canvas.specimens else document.proposals

    def fill(self, some: Collection[Specimen]) -> None:
        """Show these specimens and no others."""
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
        """Show what an edit has made of specimens."""
        gone = [self.rows[id_] for id_, item in change.items() if item is None and id_ in self.rows]
        if gone:
            with self._own():
                shape_edits.remove(self.layer, gone)
            self._forget(gone)
        there = {id_: item for id_, item in change.items() if item is not None and id_ in self.rows}
        if there:
            rows, some = [self.rows[id_] for id_ in there], list(there.values())
            columns = project_layer.feature_columns(some, self.canvas.pixel_size_um)
            with self._own():
                shape_edits.change(self.layer, rows, self._moved(rows, some), self.canvas.colours_of(some), columns)
        self._append([item for id_, item in change.items() if item is not None and id_ not in self.rows])
        if change:
            self._label_timer.start()

    def select(self, ids: Collection[str]) -> None:
        """Select those of the ids that the layer shows."""
        self.layer.selected_data = {self.rows[id_] for id_ in ids if id_ in self.rows}

    def selection(self) -> tuple[str, ...]:
        """Return the ids of what is selected."""
        return tuple(self.ids[row] for row in sorted(self.layer.selected_data) if row < len(self.ids))

    def recolour(self) -> None:
        """Give all shapes their colours and labels anew."""
        if self.ids:
            some = [self.known()[id_] for id_ in self.ids]
            with self._own():
                self.layer.edge_color = self.canvas.colours_of(some)
        self._label_timer.start()

    def flush(self) -> None:
        """Take in at once what waits for the next turn of the event loop."""
        if self._timer.isActive():
            self._timer.stop()
            self._sync()

    @contextlib.contextmanager
    def _own(self) -> Iterator[None]:
        """Mark changes to the layer as ours, not the user's."""
        self._own_depth += 1
        try:
            yield
        finally:
            self._own_depth -= 1

    def _append(self, some: Sequence[Specimen]) -> None:
        if not some:
            return
        shapes = project_layer.to_shapes(some)
        columns = project_layer.feature_columns(some, self.canvas.pixel_size_um)
        with self._own():
            shape_edits.add(self.layer, shapes, self.canvas.edge_width, self.canvas.colours_of(some), columns)
        for item in some:
            self.rows[item.id] = len(self.ids)
            self.ids.append(item.id)

    def _moved(self, rows: Sequence[int], some: Sequence[Specimen]) -> dict[int, tuple[NDArray[np.float64], str]]:
        """Return the shapes of those specimens that the layer shows in ``rows`` otherwise."""
        shapes = zip(rows, project_layer.to_shapes(some), strict=True)
        shown = partial(shape_edits.shape, self.layer)
        return {row: shape for row, shape in shapes if not project_layer.is_same(*shape, *shown(row))}

    def _forget(self, rows: Collection[int]) -> None:
        leaving = set(rows)
        self.ids = [id_ for row, id_ in enumerate(self.ids) if row not in leaving]
        self.rows = {id_: row for row, id_ in enumerate(self.ids)}

    def _on_data(self, event: Any) -> None:
        """Note what napari's own tools have done; it is taken in when the mouse is let go."""
        if self._own_depth or self.canvas.document is None or event.action not in ("added", "changed", "removed"):
            return
        rows = [row for row in event.data_indices or () if 0 <= row < len(self.ids)]
        if event.action == "removed":
            ids = [self.ids[row] for row in rows]
            self._forget(rows)
            self._changed -= set(ids)
            with self.canvas.told():
                if self is self.canvas.specimens:
                    self.canvas.document.remove(ids)
                else:
                    self.canvas.document.reject(ids)
        else:
            self._changed |= {self.ids[row] for row in rows}
            self._timer.start(0)

    def _sync(self) -> None:
        """Take in what the user has drawn, moved or reshaped since the last time."""
        document = self.canvas.document
        if QApplication.mouseButtons() != Qt.MouseButton.NoButton or shape_edits.is_drawing(self.layer):
            self._timer.start(30)
            return
        if document is None:
            return
        fresh = list(range(len(self.ids), self.layer.nshapes))
        drawn = [self._drawn(row) for row in fresh]
        if fresh:
            with self._own():
                shape_edits.remove(self.layer, fresh)
        wanted = [item for item in drawn if item is not None]
        if fresh and not self.canvas.new_class:
            self.canvas.classless.emit()
        changed = self._changed & set(self.rows)
        self._changed.clear()
        if self is self.canvas.proposals:
            # What is corrected by hand is accepted by that.
            taken = {id_: self._shown(id_) for id_ in changed}
            if taken:
                # An edit for which there is no room on the disk is made all the same.
                with self.canvas.told():
                    document.accept(taken, name=self.canvas.class_of)
                with self.canvas.told():
                    document.reshape(taken)
            return
        if wanted:
            with self.canvas.told():
                document.add(wanted, "draw")
            self.select([item.id for item in wanted])
        if changed:
            with self.canvas.told():
                document.reshape({id_: self._shown(id_) for id_ in changed})
            # What the document says is a true rectangle, whatever was dragged.
            self.show({id_: document.specimens[id_] for id_ in changed})

    def _drawn(self, row: int) -> Specimen | None:
        """Return a new shape as a specimen; None for a click without a drag."""
        points, kind = shape_edits.shape(self.layer, row)
        if is_click(self.layer, points, new=True) or not self.canvas.new_class:
            return None
        return project_layer.from_shape(points, kind, self.canvas.new_class)

    def _shown(self, id_: str) -> Specimen:
        """Return a specimen as the layer shows it now; one known by its box stays a box."""
        known, row = self.known()[id_], self.rows[id_]
        points, kind = shape_edits.shape(self.layer, row)
        return project_layer.from_shape(points, kind if known.shape == "polygon" else "rectangle", known.name)

    def _on_selection(self, *_: Any) -> None:
        if not self._own_depth:
            self.canvas.selectionChanged.emit(self.selection())

    def _follow_drag(self, layer: Shapes, event: Any) -> Iterator[None]:
        """Tell the size of a box while it is dragged."""
        yield
        moved = False
        while event.type == "mouse_move":
            if len(layer.selected_data) == 1:
                [row] = layer.selected_data
                points = shapes_layer.from_points(shape_edits.shape(layer, row)[0])
                box = project_layer.bounding_box(points)
                if box is not None:
                    moved = True
                    self.canvas.sizeChanged.emit(project_layer.size_text(box, self.canvas.pixel_size_um))
            yield
        if moved:
            self.canvas.sizeChanged.emit("")

    def _label(self) -> None:
        """Write the labels, unless there are too many; napari needs time by the square of their number."""
        if not self.ids or len(self.ids) > shape_edits.MOST_LABELS:
            self._unlabel()
            return
        known = self.known()
        texts = [self.canvas.label_of(known[id_]) for id_ in self.ids if id_ in known]
        self.layer.text.string = {"array": texts, "default": ""}
        self._labelled = True

    def _unlabel(self) -> None:
        if self._labelled:
            self.layer.text.string = {"constant": ""}
            self._labelled = False
