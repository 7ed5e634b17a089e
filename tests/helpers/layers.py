"""What napari's own menu of the list of layers does."""

from __future__ import annotations

from typing import Any


def duplicate(viewer: Any, layer: Any) -> Any:
    """Choose *Duplicate Layer*; return the copy."""
    from napari.layers import _layer_actions

    viewer.layers.selection = {layer}
    before = set(viewer.layers)
    _layer_actions._duplicate_layer(viewer.layers)
    [copy] = set(viewer.layers) - before
    return copy
