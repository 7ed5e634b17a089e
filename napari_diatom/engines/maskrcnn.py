"""The Mask R-CNN engine: specimens with their masks from tiles, in torch."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.cropped_masks import least_box, of_probabilities
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.engines.torchvision_engine import TorchvisionEngine
from napari_diatom.tiling.stitching import stitch

LEAST_PIXELS: Final = 4
"""Pixels below which a mask is not a specimen."""


class MaskRcnnEngine(TorchvisionEngine):
    """A loaded Mask R-CNN model; see :class:`napari_diatom.engines.protocols.Engine`.

    The box of a specimen is the oriented one of least area around its mask.
    """

    def decoded(self, output: dict[str, NDArray[np.float32]]) -> Detections:
        """Return what a tile's output says."""
        return decode(output, self.card.classes)


def decode(output: dict[str, NDArray[np.float32]], classes: tuple[str, ...]) -> Detections:
    """Return the specimens of one tile, without copies.

    Parameters
    ----------
    output : dict
        ``boxes`` (N, 4) as x0, y0, x1, y1 in pixels, ``labels`` (N,) from 1, ``scores`` (N,) and ``masks``
        (N, 1, M, M), each mask's probabilities evenly spread over its box.
    classes : tuple of str
        Class names.
    """
    boxes: list[NDArray[np.float64]] = []
    masks: list[CroppedMask] = []
    kept: list[int] = []
    for k, (corners, values) in enumerate(zip(output["boxes"].astype(np.float64), output["masks"], strict=True)):
        x0, y0, x1, y1 = corners.tolist()
        if not np.isfinite(corners).all() or x1 - x0 <= 1 or y1 - y0 <= 1:
            continue
        mask = of_probabilities(values[0], x0, y0, x1, y1)
        if mask.area >= LEAST_PIXELS:
            boxes.append(least_box(mask))
            masks.append(mask)
            kept.append(k)
    return stitch(
        Detections.of(
            np.reshape(boxes, (-1, 5)),
            output["labels"][kept].astype(np.int64) - 1,
            np.clip(output["scores"][kept], 0, 1),
            classes,
            masks,
        )
    )
