"""Outlines of known size, turned and moved, and their masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.mask_polygons import fill

Points = NDArray[np.float64]


def placed(outline: Points, angle: float, x: float = 300.3, y: float = 300.7) -> Points:
    """Return an outline turned by an angle and moved, shape (K, 2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return outline @ np.array([[cos, sin], [-sin, cos]]) + (x, y)


def mask_of(outline: Points) -> CroppedMask:
    """Return the pixels whose centres an outline encloses."""
    return fill(((outline,),))


def ellipse(length: float, width: float, count: int = 720) -> Points:
    """Return an ellipse round the origin, its length along x."""
    t = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.column_stack([length / 2 * np.cos(t), width / 2 * np.sin(t)])


def rectangle(length: float, width: float) -> Points:
    """Return a rectangle round the origin, its length along x."""
    return np.array([[-length, -width], [length, -width], [length, width], [-length, width]]) / 2


def ribbon(line: Points, widths: Points) -> Points:
    """Return what lies within half of ``widths`` of a line, shape (N, 2)."""
    ways = np.gradient(line, axis=0)
    ways /= np.hypot(ways[:, 0], ways[:, 1])[:, None]
    across = np.column_stack([-ways[:, 1], ways[:, 0]]) * widths[:, None] / 2
    return np.concatenate([line + across, (line - across)[::-1]])


def ellipse_perimeter(length: float, width: float) -> float:
    """Return the perimeter of an ellipse (Ramanujan, 1914: right to 1e-6 for those used here)."""
    a, b = length / 2, width / 2
    h = ((a - b) / (a + b)) ** 2
    return float(np.pi * (a + b) * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h))))
