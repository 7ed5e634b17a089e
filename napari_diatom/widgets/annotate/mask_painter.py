"""A Labels layer for painting the mask of one specimen, no larger than the visible part of the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Image, Labels

from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.common.image_layers import layer_placement

if TYPE_CHECKING:
    from napari.viewer import Viewer

NAME: Final = "mask"
_MAX_SIDE: Final = 6000
"""Pixels of a side of the layer."""
_MARGIN: Final = 40
_BRUSH: Final = 9


class MaskPainter:
    """Paints one mask at a time.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._layer: Labels | None = None
        self._origin = (0, 0)
        self.specimen: Specimen | None = None

    @property
    def is_on(self) -> bool:
        """Whether a mask is being painted."""
        return self._layer is not None

    @property
    def layer(self) -> Labels | None:
        """The layer that is painted on, None while no mask is being painted."""
        return self._layer

    def begin(self, image: Image, view: tuple[int, int, int, int], specimen: Specimen | None) -> Labels:
        """Add a layer with the mask of a specimen, or with an empty mask, to paint on.

        Parameters
        ----------
        image : napari.layers.Image
            The slide.
        view : tuple of int
            ``x0, y0, x1, y1`` of its visible part, in pixels.
        specimen : Specimen or None
            The specimen whose mask is painted, or None for a new one.
        """
        mask = None if specimen is None else specimen.filled
        x0, y0, x1, y1 = view
        if mask is not None:
            left, top, right, bottom = mask.bounds
            x0, y0 = min(x0, left - _MARGIN), min(y0, top - _MARGIN)
            x1, y1 = max(x1, right + _MARGIN), max(y1, bottom + _MARGIN)
        height, width = (image.data[0] if image.multiscale else image.data).shape[:2]
        x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        x1, y1 = min(x1, x0 + _MAX_SIDE), min(y1, y0 + _MAX_SIDE)
        canvas = np.zeros((max(y1 - y0, 1), max(x1 - x0, 1)), dtype=np.uint8)
        if mask is not None:
            seen = mask.within(x0, y0, x1, y1)
            rows, columns = seen.pixels.shape
            canvas[seen.y0 - y0 : seen.y0 - y0 + rows, seen.x0 - x0 : seen.x0 - x0 + columns][seen.pixels] = 1
        place = layer_placement(image)
        place["translate"] = np.asarray(place["translate"]) + np.array([y0, x0]) * np.asarray(place["scale"])
        layer = Labels(canvas, name=NAME, opacity=0.5, **place)
        layer.selected_label, layer.brush_size, layer.mode = 1, _BRUSH, "paint"
        layer.n_edit_dimensions = 2
        self._viewer.add_layer(layer)
        self._layer, self._origin, self.specimen = layer, (x0, y0), specimen
        return layer

    def end(self) -> CroppedMask | None:
        """Remove the layer and return the mask that was painted, None if it is empty."""
        layer, self._layer = self._layer, None
        if layer is None:
            return None
        painted = np.asarray(layer.data) > 0
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)
        mask = CroppedMask(painted, *self._origin).trimmed()
        return mask if mask.area else None
