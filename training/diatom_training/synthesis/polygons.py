"""Areas and clipping of polygons."""

from __future__ import annotations

import numpy as np

from diatom_training.synthesis.noise_maps import Points


def area(points: Points) -> float:
    """Area of a polygon (n, 2) in square pixels."""
    x, y = points[:, 0], points[:, 1]
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


def clipped(points: Points, height: int, width: int) -> Points:
    """Return the part of a polygon (n, 2) inside the frame (Sutherland and Hodgman 1974).

    Pixel centres have whole coordinates, so the frame reaches from -0.5 to its size - 0.5.
    """
    sides = ((0, -0.5, 1.0), (0, width - 0.5, -1.0), (1, -0.5, 1.0), (1, height - 0.5, -1.0))
    for axis, bound, sign in sides:
        if not len(points):
            break
        room = sign * (points[:, axis] - bound)
        following, room_after = np.roll(points, -1, axis=0), np.roll(room, -1)
        crosses = (room >= 0) != (room_after >= 0)
        share = room / np.where(crosses, room - room_after, 1.0)
        crossing = points + share[:, None] * (following - points)
        kept = np.stack([points, crossing], axis=1).reshape(-1, 2)
        points = kept[np.stack([room >= 0, crosses], axis=1).ravel()]
    return points
