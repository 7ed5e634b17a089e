"""Outlines for specimens that a detector, or a person, has found as boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import ModelError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.engines.protocols import Outliner
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.measurement.outline_refinement import NO_OUTLINE, refined_boxes
from napari_diatom.models.card import MASK_TASKS, ModelCard


def outline_specimens(
    image: ReadableImage,
    detections: Detections,
    engine: Outliner,
    monitor: ProgressMonitor = UNWATCHED,
) -> Detections:
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
    Detections
        The same specimens in their order, with masks and ``outline_flags``. Where a mask contradicts its box, the box
        stays; where none was found, the mask is the box, so that tables, files and layers show the specimen.

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
    corners = geometry.corners(detections.boxes)
    masks = [
        _filled(ring, image) if flag & NO_OUTLINE else mask
        for mask, flag, ring in zip(outlines.masks, outlines.flags.tolist(), corners, strict=True)
    ]
    return replace(detections, boxes=boxes, masks=tuple(masks), outline_flags=outlines.flags)


def check_has_boxes(card: ModelCard) -> None:
    """Check that a model finds boxes, which can be outlined.

    Raises
    ------
    ModelError
        When it gives masks of its own.
    """
    if card.task in MASK_TASKS:
        raise ModelError(
            f"Model {card.name} gives outlines of its own: leave out the outlines, or choose a model that finds boxes "
            "(see `napari-diatom models list`)."
        )


def _filled(ring: NDArray[np.float64], image: ReadableImage) -> CroppedMask:
    """Return what lies of a box in the image as a mask."""
    return fill(((ring,),)).within(0, 0, image.width, image.height)
