"""A Labels layer that shows the masks of a result: each pixel holds the number of the specimen that lies there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from napari_diatom.napari_layers import labels_layer
from napari_diatom.widgets.common.image_layers import place_of

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_diatom.widgets.detection.result_layer import ResultLayer

_REST_MS: Final = 150
"""Painting follows when the hand rests."""


class MaskView(QObject):
    """Shows the masks of a :class:`~napari_diatom.widgets.detection.result_layer.ResultLayer`, and follows its edits.

    Parameters
    ----------
    result : ResultLayer
        Whose specimens are shown; the layer of masks goes with it.
    image : napari.layers.Image
        What they lie on.
    """

    def __init__(self, result: ResultLayer, image: Image) -> None:
        super().__init__(result)
        self._result = result
        facts = result.facts
        size = (facts.height or 1, facts.width or 1)
        self.layer = Labels(
            np.zeros((*(1 for _ in facts.plane), *size), dtype=np.uint16),
            name=f"{facts.image} masks",
            opacity=0.45,
            **place_of(image, facts.plane, facts),
        )
        # Masks are changed as outlines in the other layer: there a class, a status and a number go with them.
        self._lock()
        # napari takes every layer for editable anew when its data or the viewer's axes change.
        self.layer.events.editable.connect(self._lock)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self.paint)
        result.changed.connect(self._timer.start)

    def _lock(self, *_: object) -> None:
        self.layer.editable = False

    def paint(self) -> None:
        """Paint the specimens as they are now, or when the user has drawn what is half drawn."""
        if self._result.drawing():
            self._timer.start()
            return
        self._timer.stop()
        annotations = self._result.annotations()
        found, facts = annotations.detections, self._result.facts
        numbers = np.sort(self._result.specimens())
        measured = self._result.measurements(annotations)
        kwargs = labels_layer.labels_kwargs(found, numbers, annotations.origins, facts, measured)
        height, width = self.layer.data.shape[-2:]
        self.layer.data = labels_layer.to_labels(found, height, width, numbers).reshape(self.layer.data.shape)
        self.layer.features = kwargs["features"]
        if len(facts.classes) > 1:
            # Of one class, specimens that touch are told apart by napari's own colours.
            self.layer.colormap = kwargs["colormap"]
