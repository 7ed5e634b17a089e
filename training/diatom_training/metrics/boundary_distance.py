"""How far apart the boundaries of two masks are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import NAN
from napari_diatom.core.cropped_masks import CroppedMask


def boundary_distance(a: CroppedMask, b: CroppedMask) -> float:
    """Return the average symmetric surface distance of two masks in pixels, NaN where one has no pixels.

    The mean, over the boundary pixels of both, of the distance to the nearest boundary pixel of the other one (Heimann
    et al. 2009, "Comparison and evaluation of methods for liver segmentation from CT datasets"). Unlike IoU it does not
    depend on the specimen's size, and unlike the Hausdorff distance not on a single pixel.
    """
    if not a.area or not b.area:
        return NAN
    bounds = np.array([a.bounds, b.bounds])
    # A pixel of ground all round: what reaches the edge of the canvas has a boundary there too.
    x0, y0 = (bounds[:, :2].min(axis=0) - 1).tolist()
    x1, y1 = (bounds[:, 2:].max(axis=0) + 1).tolist()
    edges = [_boundary(mask, x0, y0, x1, y1) for mask in (a, b)]
    far = [cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for edge in edges]
    distances = np.concatenate([far[1][edges[0]], far[0][edges[1]]])
    return float(distances.mean(dtype=np.float64))


def _boundary(mask: CroppedMask, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    """Return those pixels of a mask, on a canvas, that have a neighbour to a side outside of it."""
    part = mask.trimmed()
    canvas = np.zeros((y1 - y0, x1 - x0), dtype=np.uint8)
    height, width = part.pixels.shape
    canvas[part.y0 - y0 : part.y0 - y0 + height, part.x0 - x0 : part.x0 - x0 + width] = part.pixels
    inner = cv2.erode(canvas, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    return canvas > inner
