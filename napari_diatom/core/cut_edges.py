"""Which edges of an image cut a specimen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.detections import NEAR_EDGE, cut_flags

LEFT, TOP, RIGHT, BOTTOM = 1, 2, 4, 8
"""Flags of the edges of an image that a specimen lies across."""


def box_of_bounds(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float, float]:
    """Return the box of what ends there: what the edges are to cut of an outline, which leaves corners of its box."""
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, 0.0


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
    near = distances <= np.maximum(NEAR_EDGE, distances.min(axis=1, keepdims=True))
    edges[cut] = near @ np.array([LEFT, TOP, RIGHT, BOTTOM], dtype=np.uint8)
    return edges


def edges_of_boxes(boxes: NDArray[np.float64], sizes_px: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return which edges of their images boxes reach, as flags, shape (N,).

    Parameters
    ----------
    boxes : ndarray, shape (N, 5)
        Oriented boxes in pixels.
    sizes_px : ndarray, shape (N, 2)
        Width and height of the image of each.
    """
    edges = np.zeros(len(boxes), dtype=np.uint8)
    # Corners are worked out near the edges alone: few specimens of thousands lie there.
    reach = np.hypot(boxes[:, 2], boxes[:, 3]) / 2 + NEAR_EDGE
    outer = np.flatnonzero(np.minimum(boxes[:, :2], sizes_px - boxes[:, :2]).min(axis=1) <= reach)
    if len(outer):
        near, (width, height) = boxes[outer], sizes_px[outer].T
        edges[outer] = cut_edges(near, sizes_px[outer], cut_flags(near, height, width) > 0)
    return edges
