"""What the tools and keys need of a canvas: those of a project and of a result differ in what lies behind them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from napari.components import LayerList
from napari.layers import Shapes

from napari_diatom.project.document import Document
from napari_diatom.widgets.canvas.three_clicks import ThreeClicks


class EditingCanvas(Protocol):
    """Shows the specimens of a document in a layer, and makes edits of what the user does there.

    Attributes
    ----------
    three_clicks : ThreeClicks
        The tool that draws rotated boxes.
    """

    three_clicks: ThreeClicks

    @property
    def document(self) -> Document | None:
        """The specimens, None if no image is open."""
        ...

    @property
    def layer(self) -> Shapes:
        """The layer of the specimens."""
        ...

    @property
    def viewer_layers(self) -> LayerList | None:
        """The layers of the viewer, None if it is closed."""
        ...

    def selection(self) -> tuple[str, ...]:
        """Return the ids of the selected specimens."""
        ...

    def select(self, ids: Collection[str]) -> None:
        """Select specimens by their ids."""
        ...

    def flush(self) -> None:
        """Make edits of what was drawn, moved or deleted, without waiting for the event loop."""
        ...
