"""Small phase and absorption maps of single objects, each in its own frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from diatom_training.synthesis.noise_maps import BoolMap, FloatMap, Points
from napari_diatom.core.cropped_masks import draw_polygon

# Share of the absorption that red, green and blue suffer.
CLEAR = (1.0, 1.0, 1.0)
BROWN = (0.35, 0.7, 1.3)
ORANGE = (0.15, 0.75, 1.6)

# Phase that red, green and blue suffer: by the inverse wavelength for clear matter. In stones and
# thick granules blue light is also scattered away, so that they glow yellow in phase contrast.
DISPERSION = (0.88, 1.0, 1.17)
WARM = (1.06, 0.97, 0.74)


@dataclass(frozen=True)
class PhasePatch:
    """What one object does to a wave that passes it, sampled on its own grid.

    Attributes
    ----------
    phase
        (h, w) retardation in radians of green light.
    absorption
        (h, w) loss of amplitude as a negative exponent, before ``tint``.
    tint
        Share of ``absorption`` in red, green and blue.
    dispersion
        Share of ``phase`` in red, green and blue.
    scale
        Samples per image pixel: fine objects are sampled more densely than the image.
    """

    phase: FloatMap
    absorption: FloatMap | None = None
    tint: tuple[float, float, float] = CLEAR
    dispersion: tuple[float, float, float] = DISPERSION
    scale: float = 1.0


@dataclass(frozen=True)
class Grid:
    """The sampling grid of a patch around an outline.

    Attributes
    ----------
    x, y
        (1, w) and (h, 1) coordinates of the samples in image pixels.
    inside
        (h, w) samples within the outline.
    depth
        (h, w) distance to the outline in image pixels, 0 outside.
    scale
        Samples per image pixel.
    """

    x: FloatMap
    y: FloatMap
    inside: BoolMap
    depth: FloatMap
    scale: float


def grid_around(polygon: Points, scale: float, margin_px: float = 3.0) -> Grid:
    """Lay a sampling grid, centred on the frame's origin, around an outline."""
    half_width = float(np.abs(polygon[:, 0]).max()) + margin_px
    half_height = float(np.abs(polygon[:, 1]).max()) + margin_px
    w = 2 * int(np.ceil(half_width * scale)) + 1
    h = 2 * int(np.ceil(half_height * scale)) + 1
    x = ((np.arange(w) - w // 2) / scale).astype(np.float32)[None, :]
    y = ((np.arange(h) - h // 2) / scale).astype(np.float32)[:, None]
    inside = np.zeros((h, w), np.uint8)
    draw_polygon(inside, polygon * scale + (w // 2, h // 2))
    depth = np.asarray(cv2.distanceTransform(inside, cv2.DIST_L2, 5), dtype=np.float32)
    # The distance of the outermost samples is half a step, not a whole one.
    depth = np.maximum(depth - 0.5, 0) / np.float32(scale)
    return Grid(x, y, inside.astype(bool), depth, scale)
