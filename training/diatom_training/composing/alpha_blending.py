"""Blend a turned cut-out into a field: its light and tone, its grain, its edge.

Grey levels of a cut-out are taken as shares of the light around it. What an object does to the light then looks the
same in brighter, darker or coloured light, and where two objects lie upon each other, both are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.composing.background import Area, Light, Rgb, as_pixels, grown

Blending = Literal["poisson", "feather"]

SOLVER_REACH: Final = 5
"""Pixels around an object that Poisson blending has to know: OpenCV's solver takes three off every mask."""

_LEAST_OPACITY: Final = 5
"""Opacity, of 255, from which a pixel is blended."""
_BEYOND: Final = 48
"""Pixels beyond the field's edges up to which what lies there bears on what is seen."""
_SAMPLE: Final = 20_000
"""Pixels that a spread is taken of."""
_QUANTILES: Final = np.linspace(0.1, 1.0, 10)
_CHANGE: Final = 2.0
"""Factor up to which matching of histograms changes a contrast, so that no grain is made out of smooth greys."""
_FEW: Final = 0.05
"""Share of pixels below which one side of the light has no histogram of its own."""
_GRAIN: Final = 1.5
"""Standard deviation in pixels of a blur; grain is what it takes away."""


@dataclass(frozen=True, eq=False)
class PlacedCutout:
    """A cut-out as it is to lie in a field.

    Attributes
    ----------
    shares : ndarray of float32, shape (h, w, 3)
        Grey levels as shares of the light.
    opacity : ndarray of uint8, shape (h, w)
    x0, y0 : int
        Column and row of the field that the patch begins at; it may reach beyond the field.
    """

    shares: Light
    opacity: NDArray[np.uint8]
    x0: int
    y0: int


@dataclass(frozen=True, eq=False)
class FieldCanvas:
    """A field in the making; its pixels and what lies in it change as patches are blended in.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (H, W, 3)
    light : ndarray of float32, shape (H, W, 3)
        Of the empty background.
    grain : ndarray of float32, shape (H, W, 3)
        What varies finely in the empty background.
    taken : ndarray of bool, shape (H, W)
        Where objects lie.
    """

    pixels: Rgb
    light: Light
    grain: Light
    taken: Area

    @classmethod
    def of(cls, background: Rgb) -> FieldCanvas:
        """Return the canvas of an empty background, shape (H, W, 3)."""
        values = background.astype(np.float32)
        grain = values - cv2.GaussianBlur(values, (0, 0), _GRAIN)
        light = np.asarray(cv2.GaussianBlur(values, (0, 0), 12.0), dtype=np.float32)
        return cls(background.copy(), light, grain, np.zeros(background.shape[:2], dtype=bool))


def tone_curve(ours: NDArray[np.floating], theirs: NDArray[np.floating]) -> Light:
    """Return the curve that gives a cut-out the histogram of another one.

    Darker and brighter than the light are matched apart, each quantile by quantile, so that the light stays what it is
    and the curve leaves no edge around what was cut out.

    Parameters
    ----------
    ours, theirs : ndarray, shapes (N,) and (M,)
        Grey levels as shares of the light: of the cut-out, and those it is to have.

    Returns
    -------
    ndarray of float32, shape (2, 11)
        Shares of the light, rising, and what they become; in between the curve is straight.
    """
    dark = _matched(1 - ours[ours < 1], 1 - theirs[theirs < 1], (len(ours), len(theirs)))
    bright = _matched(ours[ours > 1] - 1, theirs[theirs > 1] - 1, (len(ours), len(theirs)))
    return np.concatenate([1 - dark[:, :0:-1], 1 + bright], axis=1).astype(np.float32)


def _matched(ours: NDArray[np.floating], theirs: NDArray[np.floating], totals: tuple[int, int]) -> NDArray[np.float64]:
    """Return departures from the light, shape (2, K), rising from 0: ours, and theirs in their place."""
    if len(ours) < max(_FEW * totals[0], 1) or len(theirs) < max(_FEW * totals[1], 1):
        return np.array([[0.0, 1.0], [0.0, 1.0]])
    have = np.maximum.accumulate(np.quantile(ours, _QUANTILES) + 1e-6 * np.arange(len(_QUANTILES)))
    want = np.clip(np.quantile(theirs, _QUANTILES), have / _CHANGE, have * _CHANGE)
    return np.array([[0.0, *have], [0.0, *np.maximum.accumulate(want)]])


def with_tone(shares: Light, curve: Light) -> Light:
    """Return grey levels, as shares of the light, after a tone curve; beyond its ends it continues unchanged."""
    have, become = curve
    inside = np.interp(shares, have, become)
    beyond = np.where(shares > have[-1], shares - have[-1], np.minimum(shares - have[0], 0))
    return np.asarray(np.maximum(inside + beyond, 0), dtype=np.float32)


def blend(canvas: FieldCanvas, patch: PlacedCutout, blending: Blending, rng: np.random.Generator) -> None:
    """Blend a patch into a canvas, which continues beyond its edges as if mirrored.

    Parameters
    ----------
    canvas : FieldCanvas
        Changed in place, nowhere but where the patch is opaque.
    patch : PlacedCutout
    blending : {"poisson", "feather"}
        ``poisson`` keeps the differences between neighbouring pixels of the patch and takes the level of the canvas
        around it (Perez, Gangnet and Blake 2003, Poisson image editing); ``feather`` keeps the patch's levels and goes
        over to the canvas across the halo.
    rng : numpy.random.Generator
        Draws grain.
    """
    patch = _near(patch, canvas.taken.shape)
    opacity = np.where(patch.opacity >= _LEAST_OPACITY, patch.opacity, 0).astype(np.uint8)
    if not opacity.any():
        return
    height, width = opacity.shape
    rows, columns = _mirrored(patch.y0, height, len(canvas.pixels)), _mirrored(patch.x0, width, canvas.pixels.shape[1])
    place = np.ix_(rows, columns)
    under, light = canvas.pixels[place], canvas.light[place]
    over = patch.shares * light
    over += _missing_grain(over, opacity, canvas, rng)
    crossing = canvas.taken[place]
    if crossing.any():
        # Both objects take their share of the light; what they add to it adds up.
        shares = over / np.maximum(light, 1)
        both = under * np.minimum(shares, 1) + light * np.maximum(shares - 1, 0)
        over += cv2.GaussianBlur(crossing.astype(np.float32), (0, 0), 1.5)[..., None] * (both - over)
    if blending == "poisson":
        mask = 255 * grown(opacity > 0, SOLVER_REACH - 1).astype(np.uint8)
        mask[[0, -1]] = mask[:, [0, -1]] = 0
        x, y, w, h = cv2.boundingRect(mask)
        pieces = np.ascontiguousarray(as_pixels(over)), np.ascontiguousarray(under)
        cloned = cv2.seamlessClone(*pieces, mask, (x + w // 2, y + h // 2), cv2.NORMAL_CLONE)
        over = np.asarray(cloned, dtype=np.float32)
    start = under.astype(np.float32)
    blended = start + (opacity / np.float32(255))[..., None] * (over - start)
    inside = np.ix_(_within(patch.y0, height, len(canvas.pixels)), _within(patch.x0, width, canvas.pixels.shape[1]))
    target = np.ix_(rows[inside[0].ravel()], columns[inside[1].ravel()])
    canvas.pixels[target] = np.where(opacity[..., None] > 0, as_pixels(blended), under)[inside]
    canvas.taken[target] |= (opacity > 50)[inside]


def _near(patch: PlacedCutout, shape: tuple[int, ...]) -> PlacedCutout:
    """Return what of a patch lies in a field of ``shape`` (H, W) or a little beyond its edges."""
    height, width = patch.opacity.shape
    top, left = max(-_BEYOND - patch.y0, 0), max(-_BEYOND - patch.x0, 0)
    bottom = max(min(height, shape[0] + _BEYOND - patch.y0), top)
    right = max(min(width, shape[1] + _BEYOND - patch.x0), left)
    part = np.s_[top:bottom, left:right]
    return PlacedCutout(patch.shares[part], patch.opacity[part], patch.x0 + left, patch.y0 + top)


def _missing_grain(over: Light, opacity: NDArray[np.uint8], canvas: FieldCanvas, rng: np.random.Generator) -> Light:
    """Return the grain, shape (h, w, 3), that a patch lost when it was scaled and turned, or never had.

    It is that of another place of the background, as strong as makes the variances equal.
    """
    height, width = opacity.shape
    green = np.ascontiguousarray(over[..., 1])
    fine = (green - cv2.GaussianBlur(green, (0, 0), _GRAIN))[opacity < 128]
    has, wanted = _spread(fine), _spread(canvas.grain[..., 1])
    rows = (np.arange(height) + rng.integers(len(canvas.grain))) % len(canvas.grain)
    columns = (np.arange(width) + rng.integers(canvas.grain.shape[1])) % canvas.grain.shape[1]
    if not len(fine) or wanted <= has:
        return np.zeros_like(over)
    return np.asarray(canvas.grain[np.ix_(rows, columns)] * np.sqrt(1 - (has / wanted) ** 2), dtype=np.float32)


def _spread(values: NDArray[np.float32]) -> float:
    """Return the standard deviation of what is normal among values, by their median absolute deviation."""
    some = values.ravel()[:: max(values.size // _SAMPLE, 1)]
    return 1.4826 * float(np.median(np.abs(some))) if some.size else 0.0


def _mirrored(start: int, count: int, size: int) -> NDArray[np.intp]:
    """Return ``count`` positions from ``start`` on, mirrored into 0..size - 1."""
    around = np.arange(start, start + count) % (2 * size)
    return np.asarray(np.where(around < size, around, 2 * size - 1 - around), dtype=np.intp)


def _within(start: int, count: int, size: int) -> NDArray[np.intp]:
    """Return which of ``count`` positions from ``start`` on lie in 0..size - 1."""
    return np.flatnonzero((np.arange(start, start + count) >= 0) & (np.arange(start, start + count) < size))
