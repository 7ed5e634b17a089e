"""Layers of class maps and probabilities, each right above its image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from napari.layers import Image, Labels

from napari_diatom.widgets.common.image_layers import layer_placement

if TYPE_CHECKING:
    from napari.viewer import Viewer


class MapLayers:
    """Adds maps to the viewer, and updates those that earlier runs added.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where they are shown.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._made: WeakKeyDictionary[Image, WeakSet[Image | Labels]] = WeakKeyDictionary()

    def put(
        self, kind: type[Image] | type[Labels], kwargs: dict[str, Any], over: Image, plane: tuple[int, ...]
    ) -> None:
        """Show a map right above its image, in the layer of an earlier run or in a new one."""
        made = self._made.setdefault(over, WeakSet())
        for layer in self._viewer.layers:
            bare = getattr(layer, "__wrapped__", layer)
            if bare in made and layer.name == kwargs["name"] and layer.metadata == kwargs["metadata"]:
                layer.data = kwargs["data"]
                return
        layer = kind(**kwargs, **layer_placement(over, plane))
        made.add(layer)
        self._viewer.layers.insert(self._viewer.layers.index(over) + 1, layer)
