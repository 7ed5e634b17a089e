"""The frame in which a network outlines one specimen: a picture along its box, stretched so that boxes look alike.

Every box fills the same part of the picture, so that a needle thirty times as long as wide has as many pixels across as
a round valve. Points of the picture count from the outer corner of its first pixel, as those of images do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH: Final = 320
"""Of the picture, in pixels; the length of the box runs along it."""
HEIGHT: Final = 96
"""Of the picture, in pixels."""
BOX_WIDTH: Final = 270
"""Pixels of the picture along the length of the box, which lies in the middle."""
BOX_HEIGHT: Final = 58
"""Pixels of the picture along the width of the box."""
SMALLEST: Final = 1.0
"""Pixels of an image that a box is taken to be long and wide at least."""


@dataclass(frozen=True, eq=False)
class BoxFrame:
    """Where the picture of a box lies in its image.

    Attributes
    ----------
    linear : ndarray of float64, shape (2, 2)
        Times a point of the picture, x and y, ...
    offset : ndarray of float64, shape (2,)
        ... plus this, is the point of the image.
    """

    linear: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def of(cls, box: ArrayLike, mirrored: tuple[bool, bool] = (False, False)) -> BoxFrame:
        """Return the frame of a box, shape (5,): ``cx, cy, length, width, angle``.

        Parameters
        ----------
        box : array-like, shape (5,)
            In pixels and radians, as in :class:`~napari_diatom.core.detections.Detections`.
        mirrored : tuple of bool
            Whether the picture is mirrored along the length, and across it.
        """
        cx, cy, length, width, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
        cos, sin = np.cos(angle), np.sin(angle)
        units = np.array([max(length, SMALLEST) / BOX_WIDTH, max(width, SMALLEST) / BOX_HEIGHT])
        linear = np.array([[cos, -sin], [sin, cos]]) * (units * np.where(mirrored, -1.0, 1.0))
        return cls(linear, np.array([cx, cy]) - linear @ (WIDTH / 2, HEIGHT / 2))

    @property
    def units(self) -> NDArray[np.float64]:
        """Pixels of the image to a pixel of the picture, along it and across it, shape (2,)."""
        return np.asarray(np.hypot(self.linear[0], self.linear[1]))

    @property
    def corners(self) -> NDArray[np.float64]:
        """The corners of the picture in the image, shape (4, 2)."""
        return self.to_image([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]])

    def to_image(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return where points of the picture, shape (N, 2), lie in the image."""
        return np.asarray(np.asarray(points, dtype=np.float64) @ self.linear.T + self.offset)

    def to_picture(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return where points of the image, shape (N, 2), lie in the picture."""
        return np.asarray((np.asarray(points, dtype=np.float64) - self.offset) @ np.linalg.inv(self.linear).T)

    def bounds(self, height: int, width: int, margin: float = 0.0) -> tuple[int, int, int, int]:
        """Return the columns and rows ``x0, y0, x1, y1`` of an image that the picture touches.

        The last two lie just outside; they are not above the first two where the picture lies beside the image.
        """
        corners = self.corners
        # Clipped before they become whole numbers, which hold no endless ones.
        low = np.clip(corners.min(axis=0) - margin, 0, (width, height))
        high = np.clip(corners.max(axis=0) + margin, 0, (width, height))
        x0, y0 = np.floor(low).astype(int).tolist()
        x1, y1 = np.ceil(high).astype(int).tolist()
        return x0, y0, x1, y1

    def inside(self, height: int, width: int) -> NDArray[np.bool_]:
        """Tell of each pixel of the picture, shape (HEIGHT, WIDTH), whether its centre lies in the image."""
        corners = self.corners
        if ((corners >= 0) & (corners <= (width, height))).all():
            return np.ones((HEIGHT, WIDTH), dtype=np.bool_)
        centres = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), axis=-1)
        points = self.to_image(centres)
        return np.asarray(((points >= 0) & (points < (width, height))).all(axis=-1))
