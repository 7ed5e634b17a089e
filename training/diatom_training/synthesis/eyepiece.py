"""What a telephone sees through an eyepiece: a round field, a pointer, the grid of a counting chamber."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.synthesis.noise_maps import FloatMap, Points, blurred, smooth_noise

_CORNERS = 120


@dataclass(frozen=True)
class FieldStop:
    """The round edge of the field.

    Attributes
    ----------
    x, y, radius
        Middle and radius in pixels; middles of pixels are whole numbers.
    """

    x: float
    y: float
    radius: float

    def polygon(self) -> Points:
        """Corners of the field, (n, 2), counted like the specimens'."""
        turns = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
        return np.column_stack([self.x + self.radius * np.cos(turns), self.y + self.radius * np.sin(turns)])

    def clipped(self, polygon: Points) -> Points:
        """Return the part of a polygon that lies within the field, (n, 2), empty where none does."""
        away = np.hypot(polygon[:, 0] - self.x, polygon[:, 1] - self.y)
        inner = self.radius * math.cos(math.pi / _CORNERS)
        if away.max() <= inner:
            return polygon
        middle = np.array([self.x, self.y])
        for turn in (np.arange(_CORNERS) + 0.5) * (2 * math.pi / _CORNERS):
            polygon = _on_one_side(polygon, middle, np.array([math.cos(turn), math.sin(turn)]), inner)
            if len(polygon) < 3:
                return np.zeros((0, 2))
        return polygon


def draw_field_stop(rng: np.random.Generator, height: int, width: int) -> FieldStop:
    """Draw the field's place in the picture: mostly whole, sometimes cut by the picture's edges."""
    short = min(height, width)
    radius = float(rng.uniform(0.40, 0.72)) * short
    x, y = 0.5 * width + rng.normal(0, 0.05) * short, 0.5 * height + rng.normal(0, 0.05) * short
    return FieldStop(float(x), float(y), radius)


def through_eyepiece(rng: np.random.Generator, image: FloatMap, stop: FieldStop) -> FloatMap:
    """Darken what lies outside the field and towards its edge, and lay pointer and grid over it.

    Parameters
    ----------
    rng
        Source of chance.
    image
        (height, width, channels) on a scale of 0 to 1.
    stop
        The field's edge.
    """
    height, width, channels = image.shape
    x = (np.arange(width, dtype=np.float32) - np.float32(stop.x))[None, :]
    y = (np.arange(height, dtype=np.float32) - np.float32(stop.y))[:, None]
    away = np.hypot(x, y) / np.float32(stop.radius)
    fall = rng.uniform(0.1, 0.55)
    light = 1 - np.float32(fall) * np.clip(away, 0, 1) ** np.float32(rng.uniform(2, 5))
    hot = rng.uniform(0, 0.25)
    light += np.float32(hot) * np.exp(-((away / 0.5) ** 2))
    shade = np.ones((height, width), np.float32)
    if rng.random() < 0.4:
        shade *= 1 - _grid_lines(rng, height, width, stop)
    if rng.random() < 0.5:
        shade *= 1 - _pointer(rng, height, width, stop)
    soft = np.float32(rng.uniform(0.8, 5.0))
    stray = rng.uniform(0.0, 0.06) * (0.7 + 0.3 * smooth_noise(rng, height, width, 0.3 * width))
    glare = np.float32(rng.uniform(0, 0.12)) * np.exp(-np.clip(away - 1, 0, None) / np.float32(rng.uniform(0.02, 0.1)))
    seen = image * (light * shade)[..., None]
    outside = (stray + glare * float(image.mean())).astype(np.float32)
    planes = []
    for channel in range(channels):
        # Lateral colour: the field's edge is red or blue.
        grown = 1 + (0.004 * (channel - 1) if channels == 3 else 0.0)
        inside = 1 / (1 + np.exp(np.clip((away / grown - 1) * np.float32(stop.radius) / soft, -30, 30)))
        planes.append(seen[..., channel] * inside + outside * (1 - inside))
    return np.stack(planes, axis=-1).astype(np.float32)


def _on_one_side(polygon: Points, middle: Points, outward: Points, reach: float) -> Points:
    """Clip a polygon by a straight line at ``reach`` from ``middle``."""
    beyond = (polygon - middle) @ outward - reach
    if (beyond <= 0).all():
        return polygon
    following, beyond_next = np.roll(polygon, -1, axis=0), np.roll(beyond, -1)
    kept: list[Points] = []
    for here, there, a, b in zip(polygon, following, beyond, beyond_next, strict=True):
        if a <= 0:
            kept.append(here)
        if (a <= 0) != (b <= 0):
            kept.append(here + (there - here) * (a / (a - b)))
    return np.array(kept).reshape(-1, 2)


def _grid_lines(rng: np.random.Generator, height: int, width: int, stop: FieldStop) -> FloatMap:
    """Lines of a counting chamber or an eyepiece's grid, single, double or triple: how much light they take."""
    turn = rng.uniform(-0.3, 0.3)
    step = stop.radius * rng.uniform(0.2, 0.9)
    lines, apart = int(rng.choice((1, 1, 2, 3))), rng.uniform(4, 12)
    ink = np.zeros((height, width), np.uint8)
    reach = 2 * float(np.hypot(height, width))
    for direction in (turn, turn + math.pi / 2):
        along = np.array([math.cos(direction), math.sin(direction)])
        across = np.array([-along[1], along[0]])
        start = rng.uniform(0, step)
        for k in range(-12, 13):
            for line in range(lines):
                middle = np.array([stop.x, stop.y]) + across * (start + k * step + line * apart)
                ends = np.rint(np.array([middle - reach * along, middle + reach * along]) * 16).astype(np.int32)
                cv2.polylines(ink, [ends[:, None]], False, 255, int(rng.integers(1, 3)), cv2.LINE_AA, 4)
    return blurred(_opacity(ink), float(rng.uniform(0.6, 3.0))) * np.float32(rng.uniform(0.15, 0.7))


def _pointer(rng: np.random.Generator, height: int, width: int, stop: FieldStop) -> FloatMap:
    """Draw a dark needle that reaches from the edge into the field: how much light it takes."""
    turn = rng.uniform(0, 2 * math.pi)
    outward = np.array([math.cos(turn), math.sin(turn)])
    across = np.array([-outward[1], outward[0]])
    tip = np.array([stop.x, stop.y]) + outward * stop.radius * rng.uniform(0.0, 0.45)
    foot = np.array([stop.x, stop.y]) + outward * stop.radius * 1.1
    broad = stop.radius * rng.uniform(0.006, 0.025)
    sides = ((tip, -0.3), (tip, 0.3), (foot, 1.0), (foot, -1.0))
    corners = np.array([end + side * broad * across for end, side in sides])
    ink = np.zeros((height, width), np.uint8)
    cv2.fillPoly(ink, [np.rint(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return blurred(_opacity(ink), float(rng.uniform(0.8, 4.0))) * np.float32(rng.uniform(0.75, 0.98))


def _opacity(ink: NDArray[np.uint8]) -> FloatMap:
    return np.asarray(ink, dtype=np.float32) / np.float32(255)
