"""What an image shows where it shows nothing: its light, its noise, and the image emptied of all objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""Pixels, shape (h, w, 3)."""

Light = NDArray[np.float32]
"""Grey levels of the light without objects, shape (h, w, 3)."""

Area = NDArray[np.bool_]
"""Pixels that belong to something, shape (h, w)."""

_WORKING_SIDE: Final = 256
"""Longer side in pixels to which an image is reduced for its light, which varies slowly."""
_REACH: Final = 6.0
"""Standard deviation of the smoothing of the light, in pixels of the reduced image."""
_ROUNDS: Final = 5
_FAINT: Final = 3.0
"""Grey levels of a smoothed image below which nothing is taken for an object, ..."""
_CLEAR: Final = 6.0
"""... and that an object reaches somewhere."""
_SHIFTS: Final = 48
"""How often another place is tried for the part to fill."""
_COLLAR: Final = 24.0
"""Pixels around objects that are freed from their halos, fading over as many again."""
_FINE: Final = 4.0
"""Standard deviation in pixels of a blur that noise does not survive."""


@dataclass(frozen=True, eq=False)
class Ground:
    """An image taken apart into light and objects.

    Attributes
    ----------
    light : ndarray of float32, shape (h, w, 3)
        Grey levels without objects and noise.
    objects : ndarray of bool, shape (h, w)
        Where something differs from the light.
    empty : ndarray of uint8, shape (h, w, 3)
        The image with all objects replaced by light and by noise from elsewhere in the image.
    """

    light: Light
    objects: Area
    empty: Rgb

    @property
    def covered(self) -> float:
        """Share of the image that objects cover."""
        return float(self.objects.mean())


def ground_of(image: Rgb, known: Area | None = None) -> Ground:
    """Tell light from objects.

    Parameters
    ----------
    image : ndarray of uint8, shape (h, w, 3)
    known : ndarray of bool, shape (h, w), optional
        Pixels that are known to belong to objects, such as annotated ones.
    """
    marked = np.zeros(image.shape[:2], dtype=bool) if known is None else known
    light = light_of(image, marked)
    objects = marked | salient(image, light, marked)
    return Ground(light, objects, emptied(image, light, objects))


def light_of(image: Rgb, known: Area) -> Light:
    """Return the light of an image, shape (h, w, 3): a surface of second degree, and what departs from it smoothly.

    Pixels far from the surface get no weight in its next fit (Tukey's biweight), so that objects do not bend it while
    they cover less than about half of what is not ``known``.
    """
    height, width = image.shape[:2]
    reduction = min(1.0, _WORKING_SIDE / max(height, width))
    size = max(round(width * reduction), 1), max(round(height * reduction), 1)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float64)
    free = 1.0 - np.asarray(cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA), dtype=np.float64)
    free = np.where(free > 0.9, 1.0, 0.0)
    if not free.any():
        free = np.ones_like(free)
    y, x = np.mgrid[: size[1], : size[0]]
    x, y = 2 * (x + 0.5) / size[0] - 1, 2 * (y + 0.5) / size[1] - 1
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    values = small.reshape(-1, 3)
    # The commonest brightness is that of the empty slide, as long as objects are of many.
    start = np.median(values[free.ravel() > 0], axis=0)
    surface = np.broadcast_to(start, values.shape)
    for _ in range(_ROUNDS):
        weight = free.ravel() * _biweight(values - surface, free.ravel() > 0)
        root = np.sqrt(weight)[:, None]
        factors, *_ = np.linalg.lstsq(terms * root, values * root, rcond=None)
        surface = terms @ factors
    rest = (values - surface).reshape(small.shape)
    weight = (free.ravel() * _biweight(values - surface, free.ravel() > 0)).reshape(size[1], size[0])
    total = cv2.GaussianBlur(weight, (0, 0), _REACH)
    smooth = cv2.GaussianBlur(rest * weight[..., None], (0, 0), _REACH) / (total[..., None] + 0.05)
    light = (surface.reshape(small.shape) + smooth).astype(np.float32)
    return np.asarray(cv2.resize(light, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)


def _biweight(rest: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return Tukey's weights, shape (N,), of differences, shape (N, 3), by their largest in units of their spread."""
    spread = np.maximum(1.4826 * np.median(np.abs(rest[free]), axis=0), 1.0)
    far = np.abs(rest / spread).max(axis=1) / 4.7
    return np.asarray(np.where(far < 1, (1 - far**2) ** 2, 1e-9))


def salient(image: Rgb, light: Light, known: Area) -> Area:
    """Return where an image departs from its light by more than its noise does, with holes closed."""
    rest = cv2.GaussianBlur(image.astype(np.float32) - light, (0, 0), 1.5)
    free = rest[~known][:: max(1, rest.size // 600_000)]
    noise = 1.4826 * np.median(np.abs(free), axis=0) if len(free) else np.zeros(3)
    # Per channel what is faint: three times the noise, and never less than what an eye can tell.
    strength = np.abs(rest) / np.maximum(3 * noise, _FAINT).astype(np.float32)
    highest = np.maximum(np.maximum(strength[..., 0], strength[..., 1]), strength[..., 2])
    count, labels = cv2.connectedComponents((highest >= 1).astype(np.uint8), connectivity=8)
    clear = np.zeros(count, dtype=bool)
    clear[labels[highest >= _CLEAR / _FAINT]] = True
    return close_holes(closed(clear[labels], 3))


def close_holes(area: Area) -> Area:
    """Return an area with its holes closed."""
    found, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    out = np.zeros(area.shape, dtype=np.uint8)
    cv2.drawContours(out, found, -1, 1, thickness=cv2.FILLED)
    return np.asarray(out, dtype=bool)


def grown(area: Area, radius: float) -> Area:
    """Return an area widened by ``radius`` pixels; as fast for a large radius as for a small one."""
    return np.asarray(cv2.distanceTransform((~area).astype(np.uint8), cv2.DIST_L2, 5) <= radius)


def shrunk(area: Area, radius: float) -> Area:
    """Return an area without its outermost ``radius`` pixels; beyond the image nothing is taken from it."""
    return ~grown(~area, radius)


def closed(area: Area, radius: float) -> Area:
    """Return an area with gaps closed that are narrower than twice ``radius`` pixels."""
    pad = int(radius) + 2
    return shrunk(grown(np.pad(area, pad), radius), radius)[pad:-pad, pad:-pad]


def emptied(image: Rgb, light: Light, objects: Area) -> Rgb:
    """Return an image, shape (h, w, 3), without its objects.

    In their place stands the light, and on it the noise of the same image moved by chance until it comes from where
    nothing lies: inpainting would leave smooth patches in a grainy image. Around them only what varies finely is kept
    of the image, so that no halo shows what was there.
    """
    height, width = objects.shape
    holes = grown(objects, max(3, round(min(height, width) / 250)))
    clear = (~holes).astype(np.float32)[..., None]
    rest = (image.astype(np.float32) - light) * clear
    weight = cv2.GaussianBlur(clear, (0, 0), _FINE)[..., None]
    coarse = cv2.GaussianBlur(rest, (0, 0), _FINE) / (weight + 1e-3)
    fine = rest - coarse
    outside = np.asarray(cv2.distanceTransform((~holes).astype(np.uint8), cv2.DIST_L2, 5))
    grain = rest - np.clip(2 - outside / _COLLAR, 0, 1)[..., None] * coarse
    y, x = np.nonzero(holes)
    grain[y, x] = 0
    rng = np.random.default_rng(0)
    for _ in range(_SHIFTS):
        from_y, from_x = (y + rng.integers(height)) % height, (x + rng.integers(width)) % width
        found = ~holes[from_y, from_x]
        grain[y[found], x[found]] = fine[from_y[found], from_x[found]]
        y, x = y[~found], x[~found]
    return as_pixels(light + grain)


def as_pixels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return grey levels as pixels, rounded and cut to 0..255."""
    return np.asarray(np.clip(values + 0.5, 0, 255), dtype=np.uint8)
