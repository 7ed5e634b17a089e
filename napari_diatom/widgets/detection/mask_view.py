"""A Labels layer that shows the masks of a result. Each pixel holds the number of its specimen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QObject, QTimer

from napari_diatom.napari_layers import labels_layer
from napari_diatom.widgets.canvas.shape_edits import is_under_hand
from napari_diatom.widgets.common.image_layers import layer_placement

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_diatom.widgets.detection.result_layer import ResultLayer

_REST_MS: Final = 150
"""Delay of painting after the last change."""


class MaskView(QObject):
    """Shows the masks of a :class:`~napari_diatom.widgets.detection.result_layer.ResultLayer`, and follows its edits.

    Parameters
    ----------
    result : ResultLayer
        The specimens. The layer of masks is removed together with their layer.
    image : napari.layers.Image
        The image of the specimens.
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
            **layer_placement(image, facts.plane, facts),
        )
        # Users edit masks as outlines in the Shapes layer, where each has a class, a status and a number.
        self._lock()
        # napari makes a layer editable again when its data or the axes of the viewer change.
        self.layer.events.editable.connect(self._lock)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_REST_MS)
        self._timer.timeout.connect(self.paint)
        result.changed.connect(self._timer.start)

    def _lock(self, *_: object) -> None:
        self.layer.editable = False

    def paint(self) -> None:
        """Paint the specimens, or wait while the user is drawing."""
        if is_under_hand(self._result.layer):
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
            # If there is only one class, napari's own colours distinguish specimens that touch.
            self.layer.colormap = kwargs["colormap"]
