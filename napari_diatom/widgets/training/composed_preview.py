"""Composed slides, which a training can start with, shown in the viewer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_diatom.core.detections import Detections

LAYER: Final = "Composed slides"
LABELS: Final = "Composed slides: specimens"


def show_composed(viewer: Viewer, fields: Sequence[tuple[NDArray[np.uint8], Detections]]) -> None:
    """Show composed slides as one stack, with the specimens of each as labels."""
    images = np.stack([image for image, _ in fields])
    labels = np.zeros(images.shape[:3], np.int32)
    for plane, (_, truth) in zip(labels, fields, strict=True):
        for number, mask in enumerate(truth.masks or (), start=1):
            rows = slice(max(mask.y0, 0), min(mask.y0 + mask.pixels.shape[0], plane.shape[0]))
            columns = slice(max(mask.x0, 0), min(mask.x0 + mask.pixels.shape[1], plane.shape[1]))
            inside = mask.pixels[rows.start - mask.y0 : rows.stop - mask.y0, columns.start - mask.x0 :]
            plane[rows, columns][inside[:, : columns.stop - columns.start]] = number
    for name in (LAYER, LABELS):
        if name in viewer.layers:
            viewer.layers.remove(name)
    viewer.add_image(images, name=LAYER, rgb=True)
    shown = viewer.add_labels(labels, name=LABELS, opacity=0.8)
    shown.contour = 2
    viewer.dims.set_point(0, 0)
    viewer.reset_view()
