"""The visible part of an image, and the view of one of its specimens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Image, Shapes

from napari_diatom.napari_layers import shapes_layer
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.canvas.viewer_camera import camera_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

_CLOSE_UP: Final = 5.0
"""Lengths of a specimen that fit into a view of :data:`_VIEW_PX` pixels."""
_VIEW_PX: Final = 700.0


def visible_region(image: Image) -> tuple[int, int, int, int]:
    """Return ``x0, y0, x1, y1`` of the visible part of an image, in its pixels."""
    low, high = np.asarray(image.corner_pixels, dtype=np.float64)[:, :2]
    factor = image.downsample_factors[image.data_level][:2] if image.multiscale else np.ones(2)
    (y0, x0), (y1, x1) = low * factor, (high + 1) * factor
    return int(x0), int(y0), int(x1), int(y1)


def zoom_to(viewer: Viewer, layer: Shapes, specimen: Specimen) -> None:
    """Zoom to a specimen of ``layer``, in the middle of the view."""
    points = shapes_layer.to_points([specimen.box[:2]])[0]
    camera = camera_of(viewer)
    camera.center = (*camera.center[:-2], *np.asarray(layer.data_to_world(points))[-2:])
    span = specimen.box[2] * float(layer.scale[-1]) * _CLOSE_UP
    camera.zoom = _VIEW_PX / span
