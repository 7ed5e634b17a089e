"""A result as a canvas: the tools and keys that edit its layer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Final

from napari.components import LayerList
from napari.layers import Image, Shapes
from napari.utils.notifications import show_error
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many
from napari_diatom.napari_layers import project_layer, shapes_layer
from napari_diatom.widgets.canvas import key_bindings, shape_edits
from napari_diatom.widgets.canvas.drawing_tools import use_tool
from napari_diatom.widgets.canvas.new_box import preview_layer
from napari_diatom.widgets.canvas.specimen_actions import SpecimenActions
from napari_diatom.widgets.canvas.three_clicks import ThreeClicks
from napari_diatom.widgets.detection.result_outlines import ResultOutlines

if TYPE_CHECKING:
    import numpy as np

    from napari_diatom.widgets.detection.result_document import ResultDocument
    from napari_diatom.widgets.detection.result_layer import ResultLayer

_PLACE: Final = ("scale", "translate", "rotate", "shear", "affine", "units")
_SELECT_FIRST: Final = "Select the specimens first: click them, or choose their rows in the table."
_DRAWN_WITH: Final = ("three-clicks", "wand")
"""Tools that show what is being drawn in a layer of its own."""
_PAINT_THERE: Final = (
    "Masks are painted in a project: press Send to a project, select the specimen in Annotate, and press M."
)


def _nowhere() -> None:
    """Return no image."""


class ResultCanvas(QObject):
    """Edits the specimens of a result with tools and keys.

    Its methods are what the keys and the buttons of a dock do.

    Parameters
    ----------
    result : ResultLayer
        The result.
    find_layers : callable
        Returns the layers of the viewer, None if it is closed.
    find_image : callable, optional
        Returns the image layer of the result, None if it is not open.

    Attributes
    ----------
    tool : str
        The tool that is in use.
    """

    tool_changed = Signal(str)
    """Another tool is in use."""
    class_changed = Signal(str)
    """Another class was chosen for the next specimen."""
    said = Signal(str)
    """What was done, what is missing, or the size of the box that is being drawn."""

    def __init__(
        self,
        result: ResultLayer,
        find_layers: Callable[[], LayerList | None],
        find_image: Callable[[], Image | None] = _nowhere,
    ) -> None:
        super().__init__(result)
        self.tool = "select"
        self._result = result
        self._find_layers = find_layers
        self._preview = preview_layer(result.layer.ndim)
        self.three_clicks = ThreeClicks(result.layer, self._preview, result.facts.plane)
        self.three_clicks.drawn.connect(result.add_box)
        self.three_clicks.changed.connect(self._say_size)
        result.refused.connect(self.said)
        self._outlines = ResultOutlines(self, result, self._preview, find_image)
        self._outlines.said.connect(self.said)
        self.outline = self._outlines.outline
        self._actions = actions = SpecimenActions(self, self, self._outlines)
        self.set_status, self.delete = actions.set_status, actions.delete
        self.undo, self.redo, self.cancel = actions.undo, actions.redo, actions.cancel
        key_bindings.bind(result.layer, self._action, projects=False)

    @property
    def document(self) -> ResultDocument:
        """The specimens."""
        return self._result.document

    @property
    def layer(self) -> Shapes:
        """The layer of the specimens."""
        return self._result.layer

    @property
    def viewer_layers(self) -> LayerList | None:
        """The layers of the viewer, None if it is closed."""
        return self._find_layers()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the model or of the file."""
        return self._result.facts.classes

    @property
    def new_class(self) -> str:
        """The class of the next specimen that is drawn."""
        return self._result.sync.new_class or self.classes[0]

    def selection(self) -> tuple[str, ...]:
        """Return the ids of the selected specimens."""
        return tuple(map(str, self._result.selection()))

    def select(self, ids: Collection[str]) -> None:
        """Select specimens by their ids."""
        self._result.select([int(id_) for id_ in ids])

    def flush(self) -> None:
        """Make edits of what was drawn, moved or deleted, without waiting for the event loop."""
        self._result.flush_edits()

    @contextlib.contextmanager
    def showing_errors(self) -> Iterator[None]:
        """Show one of our errors to the user."""
        try:
            yield
        except DiatomError as error:
            self.said.emit(str(error))
            show_error(str(error))

    def use_tool(self, tool: str) -> None:
        """Use a tool on the layer, which becomes the active layer."""
        if tool == "paint":
            self.said.emit(_PAINT_THERE)
            return
        missing = self._outlines.missing() if tool == "wand" else ""
        tool = "select" if missing else tool
        if tool in _DRAWN_WITH:
            self._add_preview()
        self._outlines.switch(tool == "wand")
        use_tool(self, tool)
        self.tool = tool
        self.tool_changed.emit(tool)
        if missing:
            self.said.emit(missing)

    def use_class(self, key_or_name: str) -> None:
        """Choose a class, by its number or name, for the next specimen and for the selected ones.

        While a box is being drawn, only that box gets the class.
        """
        name = key_or_name
        if key_or_name.isdigit() and key_or_name not in self.classes:
            if int(key_or_name) > len(self.classes):
                return
            name = self.classes[int(key_or_name) - 1]
        self._result.sync.new_class = name
        self.class_changed.emit(name)
        if not self.three_clicks.clicks:
            self._actions.set_class(name)

    def give_name(self, name: str) -> None:
        """Give the selected specimens a name that was typed.

        One of the classes becomes their class, and any other name their taxon.
        """
        self.flush()
        ids = self.selection()
        if name in self.classes:
            self.use_class(name)
        elif not ids:
            self.said.emit(_SELECT_FIRST)
        elif name:
            with self.showing_errors():
                self.document.set_taxon(ids, name)
            self.said.emit(f"{many(len(ids), 'specimen')} named {name}.")

    def close(self) -> None:
        """Remove what was added to the viewer."""
        self.three_clicks.switch(False)
        self._outlines.leave()
        self._remove_preview()

    def tidy(self, is_in_hand: bool) -> None:
        """Keep the layer of what is being drawn in the viewer only while the user works on this result."""
        if is_in_hand:
            if self.tool in _DRAWN_WITH:
                self._add_preview()
        elif not self.three_clicks.clicks and not self._outlines.is_running:
            self._remove_preview()

    def _action(self, name: str) -> Callable[..., object]:
        """Return what a key calls."""
        action: Callable[..., object] = getattr(self, name)
        return action

    def _add_preview(self) -> None:
        """Put the layer that shows the box on top, in the place of the specimens."""
        layers = self.viewer_layers
        if layers is None or self._preview in layers:
            return
        for name in _PLACE:
            setattr(self._preview, name, getattr(self.layer, name))
        facts = self._result.facts
        shape_edits.set_edge_width(self._preview, shapes_layer.edge_width(facts.height, facts.width))
        layers.append(self._preview)
        layers.selection.active = self.layer

    def _remove_preview(self) -> None:
        layers = self.viewer_layers
        if layers is not None and self._preview in layers:
            layers.remove(self._preview)

    def _say_size(self, box: NDArray[np.float64] | None) -> None:
        size = "" if box is None else project_layer.size_text(box, self._result.facts.pixel_size_um)
        self.said.emit(size)
