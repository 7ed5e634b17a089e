"""The open image of a project in the viewer: its specimens and the models' proposals as layers that can be edited."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QApplication

from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.project_layer import By
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Edit
from napari_diatom.project.settings import ProjectClass
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.annotate.canvas_state import CanvasState
from napari_diatom.widgets.annotate.specimen_layers import ProposalsLayer, SpecimensLayer
from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.canvas.click_outline import ClickOutline
from napari_diatom.widgets.canvas.new_box import preview_layer
from napari_diatom.widgets.canvas.pointing import Pointing
from napari_diatom.widgets.canvas.three_clicks import ThreeClicks
from napari_diatom.widgets.canvas.viewer_camera import camera_of
from napari_diatom.widgets.common.image_layers import layer_placement

if TYPE_CHECKING:
    from napari.viewer import Viewer


class AnnotationCanvas(QObject):
    """Shows a document and edits it by what the user draws.

    The three Shapes layers are made once and used for every image. With some graphics drivers, napari crashes when a
    Shapes layer is removed.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    selectionChanged = Signal(object)
    """Ids of the selected specimens, or of the selected proposals."""
    sizeChanged = Signal(str)
    """Length and width of the box that is being drawn or dragged. Empty when there is none."""
    edited = Signal(object)
    """The :class:`Edit` that the document has made."""
    classless = Signal()
    """Something was drawn, but the project has no classes."""
    refused = Signal(str)
    """Why an edit by hand was not made, or is not on disk."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self._state = CanvasState()
        self.specimens = SpecimensLayer(self._state)
        self.proposals = ProposalsLayer(self._state)
        for synced in (self.specimens, self.proposals):
            synced.selectionChanged.connect(self.selectionChanged)
            synced.sizeChanged.connect(self.sizeChanged)
            synced.classless.connect(self.classless)
            synced.refused.connect(self.refused)
            Pointing.of(viewer).follow(synced.layer)
        self._preview = preview = preview_layer()
        self.three_clicks = ThreeClicks(self.specimens.layer, preview)
        self.three_clicks.drawn.connect(self._add_box)
        self.three_clicks.changed.connect(self._show_size)
        self.click_outline = ClickOutline(self.specimens.layer, preview)

    @property
    def image(self) -> Image | None:
        """The layer of the open image."""
        return self._state.image

    @property
    def document(self) -> Document | None:
        """The annotations of the open image."""
        return self._state.document

    @property
    def layer(self) -> Shapes:
        """The layer of the specimens."""
        return self.specimens.layer

    @property
    def viewer_layers(self) -> LayerList:
        """The layers of the viewer."""
        return self.viewer.layers

    @property
    def pixel_size_um(self) -> float | None:
        """Micrometres per pixel of the open image, None where that is unknown."""
        return self._state.pixel_size_um

    @property
    def is_drawn_on(self) -> bool:
        """Whether the user is drawing or dragging a shape just now: specimens should not change meanwhile."""
        drawing = shape_edits.is_drawing(self.specimens.layer) or bool(self.three_clicks.clicks)
        return drawing or QApplication.mouseButtons() != Qt.MouseButton.NoButton

    @property
    def classes(self) -> tuple[ProjectClass, ...]:
        """The classes of the project."""
        return self._state.classes

    @property
    def new_class(self) -> str:
        """The class of the next specimen that is drawn. Empty if the project has no classes."""
        return self._state.new_class

    @new_class.setter
    def new_class(self, name: str) -> None:
        self._state.new_class = name

    def open(
        self, document: Document, image: Image, classes: Sequence[ProjectClass], pixel_size_um: float | None
    ) -> None:
        """Show a document over its image, whose layer is already in the viewer."""
        self.close()
        state = self._state
        state.document, state.image = document, image
        state.classes, state.pixel_size_um = tuple(classes), pixel_size_um
        height, width = image.data.shape[:2] if image.rgb or image.ndim == 2 else image.data.shape[-2:]
        state.edge_width = shapes_layer.edge_width(height, width)
        for layer in self.layers():
            layer.usual_width, layer.frame = state.edge_width, (height, width)
            _place(layer, image)
            if layer in self.viewer.layers:
                # Above all layers that were opened in the meantime, and above their own image.
                self.viewer.layers.move(self.viewer.layers.index(layer), len(self.viewer.layers))
            else:
                self.viewer.add_layer(layer)
                shape_edits.disconnect_from_layer_list(layer)
        shape_edits.set_edge_width(self._preview, state.edge_width)
        self.proposals.fill(document.proposals.values())
        self.specimens.fill(document.specimens.values())
        document.edited.connect(self._on_edited)
        self.viewer.layers.selection.active = self.specimens.layer

    def set_pixel_size(self, pixel_size_um: float | None) -> None:
        """Show the open image at another pixel size; what is seen of it stays where and as large as it is."""
        state, camera = self._state, camera_of(self.viewer)
        image = state.image
        if image is None or pixel_size_um == state.pixel_size_um:
            return
        state.pixel_size_um = pixel_size_um
        size, unit = (1.0, "pixel") if pixel_size_um is None else (pixel_size_um, "µm")
        ratio, centre, zoom = size / float(image.scale[-1]), camera.center, camera.zoom
        image.scale, image.units = (size, size), (unit, unit)
        for layer in self.layers():
            _place(layer, image)
        camera.center, camera.zoom = tuple(ratio * value for value in centre), zoom / ratio
        self.specimens.recolour(with_sizes=True)
        self.proposals.recolour(with_sizes=True)

    def close(self) -> None:
        """Close the document. The layers stay in the viewer, empty."""
        self.flush()
        self.three_clicks.cancel()
        if self._state.document is not None:
            self._state.document.edited.disconnect(self._on_edited)
        self._state.document = self._state.image = None
        self.specimens.fill(())
        self.proposals.fill(())

    def leave(self) -> None:
        """Close the document and remove the layers from the viewer."""
        self.close()
        for layer in self.layers():
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)

    def layers(self) -> tuple[Shapes, ...]:
        """Return the layers in which the open image's specimens are shown, the lowest first."""
        return self.proposals.layer, self.specimens.layer, self._preview

    def flush(self) -> None:
        """Make edits of what was drawn, moved or deleted, without waiting for the event loop."""
        self.specimens.flush()
        self.proposals.flush()

    def class_of(self, name: str) -> str:
        """Return the class that a proposal called ``name`` gets when it is accepted."""
        return self._state.class_of(name)

    def colour_by(self, by: By) -> None:
        """Colour and label specimens by class, status or score."""
        self._state.by = by
        self.specimens.recolour()
        self.proposals.recolour()

    def set_classes(self, classes: Sequence[ProjectClass]) -> None:
        """Show the specimens in the colours of these classes."""
        self._state.classes = tuple(classes)
        self.colour_by(self._state.by)

    def selection(self) -> tuple[str, ...]:
        """Return the ids of the selected specimens."""
        return self.specimens.selection()

    def select(self, ids: Collection[str]) -> None:
        """Select specimens, or proposals, by their ids."""
        for synced in (self.specimens, self.proposals):
            known = synced.known()
            own = [id_ for id_ in ids if id_ in known]
            synced.select(own)
            if own:
                self.viewer.layers.selection.active = synced.layer

    def activate_selected(self) -> bool:
        """Make the layer active in which something is selected, and return whether there is such a layer."""
        active = self.viewer.layers.selection.active
        layers = [synced.layer for synced in (self.specimens, self.proposals) if synced.selection()]
        if layers and active not in layers:
            self.viewer.layers.selection.active = layers[0]
        return bool(layers)

    def _add_box(self, box: NDArray[np.float64]) -> None:
        if self._state.document is None:
            return
        if not self.new_class:
            self.classless.emit()
            return
        self.specimens.add_drawn([Specimen.rectangle(box, self.new_class)])

    def _show_size(self, box: NDArray[np.float64] | None) -> None:
        self.sizeChanged.emit("" if box is None else self._state.size_text(box))

    def _on_edited(self, edit: Edit) -> None:
        self.specimens.show(edit.after)
        self.proposals.show(edit.proposals_after)
        self.edited.emit(edit)


def _place(layer: Shapes, image: Image) -> None:
    """Place a layer on its image."""
    for name, value in layer_placement(image).items():
        if name != "axis_labels":
            setattr(layer, name, value)
