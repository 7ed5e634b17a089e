"""Which edges of an image cut a specimen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import cut_flags

LEFT, TOP, RIGHT, BOTTOM = 1, 2, 4, 8
"""Flags of the edges of an image that a specimen lies across."""

_NEAR: Final = 1.0
"""Pixels from an edge within which a specimen that is cut is cut by it."""


def cut_edges(
    boxes: NDArray[np.float64], sizes_px: NDArray[np.float64], is_cut: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return which edges of their images cut specimens, as flags, shape (N,).

    Parameters
    ----------
    boxes : ndarray, shape (N, 5)
        Oriented boxes in pixels.
    sizes_px : ndarray, shape (N, 2)
        Width and height of the image of each.
    is_cut : ndarray of bool, shape (N,)
        Which are cut at all. Those whose box ends before every edge are cut by the nearest one.
    """
    edges = np.zeros(len(boxes), dtype=np.uint8)
    cut = np.flatnonzero(is_cut)
    if not len(cut):
        return edges
    bounds = geometry.bounds(boxes[cut])
    distances = np.concatenate([bounds[:, :2], sizes_px[cut] - bounds[:, 2:]], axis=1)
    near = distances <= np.maximum(_NEAR, distances.min(axis=1, keepdims=True))
    edges[cut] = near @ np.array([LEFT, TOP, RIGHT, BOTTOM], dtype=np.uint8)
    return edges


def edges_of_boxes(boxes: NDArray[np.float64], height: int, width: int) -> NDArray[np.uint8]:
    """Return which edges of one image cut specimens, as flags, shape (N,).

    Parameters
    ----------
    boxes : ndarray, shape (N, 5)
        Oriented boxes in pixels.
    height, width : int
        Of the image.
    """
    edges = np.zeros(len(boxes), dtype=np.uint8)
    # Corners are worked out near the edges alone: few specimens of thousands lie there.
    reach = np.hypot(boxes[:, 2], boxes[:, 3]) / 2 + _NEAR
    inside = np.minimum(boxes[:, 0], width - boxes[:, 0]) > reach
    inside &= np.minimum(boxes[:, 1], height - boxes[:, 1]) > reach
    outer = np.flatnonzero(~inside)
    if len(outer):
        near = boxes[outer]
        sizes = np.broadcast_to(np.array([width, height], dtype=np.float64), (len(outer), 2))
        edges[outer] = cut_edges(near, sizes, cut_flags(near, height, width) > 0)
    return edges
