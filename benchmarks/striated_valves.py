"""Valves whose striae have a known density, contrast and noise, and girdle bands without striae, for ``striae.py``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import CroppedMask

FINER = 2
"""Samples of the drawing per pixel of the picture, along each side."""
_BACKGROUND = 185.0

Map = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class StriatedValve:
    """A picture of one specimen, and what is true of it.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (H, W)
        The picture.
    mask : CroppedMask
        Of the specimen.
    pixel_size_um : float
        Micrometres per pixel.
    density : float or None
        Striae in 10 µm along the midline; None for a girdle band.
    contrast : float
        Amplitude of the striae after the optics' blur, in grey values.
    noise : float
        Standard deviation of the noise in grey values.
    kind : str
        Form and curvature.
    """

    pixels: NDArray[np.uint8]
    mask: CroppedMask
    pixel_size_um: float
    density: float | None
    contrast: float
    noise: float
    kind: str


def draw_valve(rng: np.random.Generator, density: float, pixels_per_um: float) -> StriatedValve:
    """Draw a valve at any angle, straight, curved or sigmoid, with so many striae in 10 µm."""
    length, half = _size(rng, pixels_per_um)
    form = str(rng.choice(("lanceolate", "linear", "elliptic")))
    bend = str(rng.choice(("straight", "curved", "sigmoid"), p=(0.5, 0.3, 0.2)))
    canvas = _Canvas(rng, length, half, form, bend)
    period = 10 * pixels_per_um / density
    wave = canvas.striae(rng, period)
    strength = float(np.exp(rng.uniform(math.log(4), math.log(45))))
    blur = _blur(rng, pixels_per_um)
    # A sine loses by a Gaussian, and by the square pixel that gathers the light.
    left_over = math.exp(-2 * (math.pi * blur / period) ** 2) * abs(float(np.sinc(1 / period)))
    noise = float(np.exp(rng.uniform(math.log(1.0), math.log(8.0))))
    relief = canvas.shell(rng) + strength * wave
    pixels = canvas.photographed(rng, relief, blur, noise)
    mask = canvas.mask()
    return StriatedValve(pixels, mask, 1 / pixels_per_um, density, strength * left_over, noise, f"{form} {bend}")


def draw_girdle(rng: np.random.Generator, pixels_per_um: float) -> StriatedValve:
    """Draw a plain girdle view: bands along the cell, speckled or clean, without striae."""
    length, half = _size(rng, pixels_per_um)
    canvas = _Canvas(rng, length, half * float(rng.uniform(0.8, 1.3)), "linear", "straight")
    noise = float(np.exp(rng.uniform(math.log(1.0), math.log(8.0))))
    relief = canvas.shell(rng) + canvas.bands(rng)
    pixels = canvas.photographed(rng, relief, _blur(rng, pixels_per_um), noise)
    return StriatedValve(pixels, canvas.mask(), 1 / pixels_per_um, None, 0.0, noise, "girdle")


def _size(rng: np.random.Generator, pixels_per_um: float) -> tuple[float, float]:
    """Return a length and half a width in pixels."""
    length_um = float(np.exp(rng.uniform(math.log(12), math.log(50))))
    width_um = max(3.0, length_um * float(rng.uniform(0.14, 0.42)))
    return length_um * pixels_per_um, 0.5 * width_um * pixels_per_um


def _blur(rng: np.random.Generator, pixels_per_um: float) -> float:
    """Return the standard deviation of the point spread function in pixels, of oil immersion or a little worse."""
    return float(rng.uniform(0.07, 0.11)) * pixels_per_um


class _Canvas:
    """A specimen's own coordinates at every sample of a picture: along its midline, and across between the margins."""

    def __init__(self, rng: np.random.Generator, length: float, half: float, form: str, bend: str) -> None:
        turn = float(rng.uniform(-math.pi, math.pi))
        cos, sin = math.cos(turn), math.sin(turn)
        width, height = (
            math.ceil(2 * (0.56 * length * abs(a) + (half + 0.1 * length) * abs(b)) + 16)
            for a, b in ((cos, sin), (sin, cos))
        )
        self.shape = (height, width)
        grid = (np.arange(FINER) + 0.5) / FINER
        off = rng.uniform(-0.5, 0.5, 2).tolist()
        ys, xs = (
            (np.add.outer(np.arange(n), grid).ravel() - n / 2 + o).astype(np.float32)
            for n, o in zip(self.shape, off, strict=True)
        )
        x = cos * xs[None, :] + sin * ys[:, None]
        y = -sin * xs[None, :] + cos * ys[:, None]
        self.along, self.across_px = self._straight(rng, x, y, length, bend)
        self.length, self.half = length, half
        u = np.clip(2 * self.along / length, -1, 1)
        if form == "linear":
            profile = (1 - np.abs(u) ** 12) ** 0.5
        elif form == "elliptic":
            profile = np.sqrt(1 - u**2)
        else:
            profile = (1 - np.abs(u) ** 2.2) ** 1.1
        self.half_width = np.maximum(half * profile, 1e-6)
        self.across = self.across_px / self.half_width
        self.inside = (np.abs(self.across) < 1) & (np.abs(2 * self.along / length) < 1)

    @staticmethod
    def _straight(rng: np.random.Generator, x: Map, y: Map, length: float, bend: str) -> tuple[Map, Map]:
        """Return the coordinates along the midline and across it."""
        if bend == "straight":
            return x, y
        if bend == "curved":
            radius = length * float(rng.uniform(0.9, 2.5))
            away = np.hypot(x, y + radius)
            return radius * np.arctan2(x, y + radius), away - radius
        # A sigmoid: the middle line is a small sine; the coordinates are right to the second order of its slope.
        depth = length * float(rng.uniform(0.015, 0.035))
        k = 2 * math.pi / length
        slope = depth * k * np.cos(k * x)
        off = (y - depth * np.sin(k * x)) / np.sqrt(1 + slope**2)
        at = x + off * slope / np.sqrt(1 + slope**2)
        path = at + depth**2 * k**2 / 4 * (at + np.sin(2 * k * at) / (2 * k))
        return path, off

    def striae(self, rng: np.random.Generator, period: float) -> Map:
        """Return the striae, of amplitude 1 where they are whole, spared by an axial and a central area."""
        u = 2 * self.along / self.length
        lean = float(rng.uniform(-0.1, 0.35)) * 0.5 * self.half * np.tanh(3 * u) * self.across**2
        wave = np.cos(2 * math.pi / period * (self.along - lean) + rng.uniform(0, 2 * math.pi))
        if rng.random() < 0.3 and period > 4:
            puncta = 2 * math.pi / (period * float(rng.uniform(0.7, 1.3)))
            wave = wave * (0.7 + 0.3 * np.cos(puncta * self.across_px))
        clear = rng.uniform(0.03, 0.16) + rng.uniform(0, 0.4) * np.exp(-((u / rng.uniform(0.04, 0.15)) ** 2))
        fade = np.clip((1 - np.abs(self.across)) / 0.12, 0, 1)
        return np.asarray(wave * fade / (1 + np.exp((clear - np.abs(self.across)) * 20)) * self.inside)

    def shell(self, rng: np.random.Generator) -> Map:
        """Return the rim, the plate and, on most, a raphe."""
        depth = (1 - np.abs(self.across)) * self.half_width
        rim = max(1.0, 0.05 * self.half)
        relief = -float(rng.uniform(20, 80)) * np.exp(-(((depth - rim) / rim) ** 2))
        relief = relief + float(rng.normal(0, 12))
        if rng.random() < 0.7:
            line = self.across_px / max(0.8, 0.03 * self.half)
            relief = relief - float(rng.uniform(15, 60)) * np.exp(-(line**2))
        return np.asarray(relief * self.inside)

    def bands(self, rng: np.random.Generator) -> Map:
        """Return girdle bands: lines along the cell."""
        relief = np.zeros_like(self.along)
        for place in rng.uniform(-0.9, 0.9, int(rng.integers(2, 8))):
            wide = max(0.8, float(rng.uniform(0.02, 0.08)) * self.half)
            line = np.exp(-(((self.across - place) * self.half / wide) ** 2))
            relief += float(rng.normal(0, 35)) * line
        return np.asarray(relief * self.inside)

    def photographed(self, rng: np.random.Generator, relief: Map, blur: float, noise: float) -> NDArray[np.uint8]:
        """Return the picture: blurred, gathered by pixels, on a stained background, with noise, at times as JPEG."""
        height, width = self.shape
        image = cv2.GaussianBlur(relief, (0, 0), blur * FINER)
        image = image.reshape(height, FINER, width, FINER).mean(axis=(1, 3))
        stains = np.asarray(cv2.GaussianBlur(rng.standard_normal(self.shape), (0, 0), float(rng.uniform(4, 20))))
        stains *= float(rng.uniform(0, 5)) / max(float(stains.std()), 1e-9)
        grime = np.asarray(cv2.GaussianBlur(rng.standard_normal(self.shape), (0, 0), max(blur, 0.5)))
        grime *= float(rng.uniform(0, 3)) / max(float(grime.std()), 1e-9)
        stored: Any = _BACKGROUND + image + stains + grime + noise * rng.standard_normal(self.shape)
        pixels = np.clip(np.rint(stored), 0, 255).astype(np.uint8)
        if rng.random() < 0.3:
            coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(80, 97))])[1]
            pixels = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
        return pixels

    def mask(self) -> CroppedMask:
        """Return the mask: pixels that are half inside."""
        height, width = self.shape
        share = self.inside.reshape(height, FINER, width, FINER).mean(axis=(1, 3))
        return CroppedMask(share >= 0.5, 0, 0).trimmed()
