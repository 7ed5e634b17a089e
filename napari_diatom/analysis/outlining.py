"""Outlines for specimens that a detector, or a person, has found as boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines.protocols import Outliner
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.measurement.outline_refinement import refined_boxes


def outline_specimens(
    image: ReadableImage,
    detections: Detections,
    engine: Outliner,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[Detections, NDArray[np.uint8]]:
    """Give specimens the masks that a network draws in their boxes, and the boxes of these masks.

    Parameters
    ----------
    image : ReadableImage
        Where they are.
    detections : Detections
        N specimens; masks that they have are replaced.
    engine : Outliner
        What outlines them.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Returns
    -------
    detections : Detections
        The same specimens in their order, with masks. Where a mask contradicts its box, the box stays.
    flags : ndarray of uint8, shape (N,)
        Of :class:`~napari_diatom.measurement.outline_refinement.BoxOutlines`.

    Raises
    ------
    InputError
        When the image cannot be read.
    Stopped
        When a stop was asked for.
    """
    outlines = engine.outlines(image, detections.boxes, monitor)
    boxes = geometry.canonical(refined_boxes(detections.boxes, outlines)).astype(np.float32)
    # A box that stays keeps its last digit.
    boxes[outlines.flags > 0] = detections.boxes[outlines.flags > 0]
    return replace(detections, boxes=boxes, masks=outlines.masks), outlines.flags
