"""From intensity to the stored image: light, tone, noise, bit depth, JPEG, burned-in marks."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.synthesis.jpeg_loss import through_jpeg
from diatom_training.synthesis.noise_maps import FloatMap, blurred, smooth_noise
from diatom_training.synthesis.options import DARK, FieldOptions
from diatom_training.synthesis.video_stills import as_video_still

_CAPTIONS = ("x1000", "20 um", "KS-12 slide 4", "2023-05-23 0035", "Sample 17", "100x oil", "N12")
_SHOULDER = 0.72


def exposed(rng: np.random.Generator, intensity: FloatMap, options: FieldOptions) -> FloatMap:
    """Light and tone: (height, width, channels) on a scale of 0 to 1, without noise."""
    light = _illumination(rng, options)
    level = np.array(options.background, np.float32)
    if not options.colour:
        level = np.full(1, level.mean(), np.float32)
    if options.modality in DARK:
        image = _on_black(rng, intensity, level, options) * light[..., None]
    else:
        image = intensity * light[..., None] * level
    if options.colour:
        image = _chromatic(rng, image)
    # Sensors and their tone curves bend highlights over instead of clipping at once.
    over = np.clip(image - _SHOULDER, 0, None)
    room = np.float32(1 - _SHOULDER)
    return np.asarray(np.where(over > 0, _SHOULDER + room * (1 - np.exp(-over / room)), image), dtype=np.float32)


def _on_black(
    rng: np.random.Generator, intensity: FloatMap, level: NDArray[np.float32], options: FieldOptions
) -> FloatMap:
    """Light on a black background: the exposure suits the brightest parts, and haze veils the black."""
    height, width = intensity.shape[:2]
    bright = float(np.quantile(intensity, 0.998))
    gain = rng.uniform(0.8, 2.0) / max(bright, 0.02 / options.contrast)
    haze = np.clip(1 + 0.35 * smooth_noise(rng, height, width, 0.4 * max(height, width)), 0.3, 2.5)
    tone = np.ones(intensity.shape[-1])
    if options.colour and options.modality == "dark-field":
        # Halogen light is yellowish, a ring of diodes bluish.
        tone = 1 + rng.normal(0, 0.1) * np.array([1.0, 0.1, -1.0])
    # The camera's tone curve lifts the darks, or walls would vanish beside stones.
    lifted = (gain * intensity) ** np.float32(rng.uniform(0.6, 0.9))
    return np.asarray(level * haze[..., None] + lifted * tone, dtype=np.float32)


def recorded(
    rng: np.random.Generator, image: FloatMap, options: FieldOptions
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Noise, quantisation, burned-in marks and JPEG: the stored array."""
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        # Demosaicking and resizing leave noise in soft lumps.
        sigma = float(rng.uniform(0.4, 1.0))
        grain = cv2.GaussianBlur(grain, (0, 0), sigma).reshape(image.shape) * (1 + 1.5 * sigma)
    noisy = image + np.float32(options.noise) * grain * np.sqrt(0.15 + image)
    full = 255 if options.bit_depth == 8 else 65535
    stored = np.clip(np.rint(noisy * full), 0, full)
    pixels = stored.astype(np.uint8 if options.bit_depth == 8 else np.uint16)
    if not options.colour:
        pixels = pixels[..., 0]
    pixels = np.ascontiguousarray(pixels)
    _burn_in(rng, pixels, options, full)
    if options.view == "video":
        pixels = as_video_still(rng, pixels.astype(np.uint8))
    if options.jpeg_quality is not None:
        pixels = through_jpeg(pixels.astype(np.uint8), options.jpeg_quality)
    return np.asarray(pixels)


def _illumination(rng: np.random.Generator, options: FieldOptions) -> FloatMap:
    """Vignette, a slope, slow unevenness and shadows of dust near the camera."""
    height, width, strength = options.height, options.width, options.uneven_light
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :] + np.float32(rng.normal(0, 0.25))
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] + np.float32(rng.normal(0, 0.25))
    fall = rng.uniform(0, 0.15) * strength
    light = 1 - np.float32(fall) * (x * x + y * y)
    light = light + np.float32(rng.normal(0, 0.06) * strength) * x
    light = light + np.float32(rng.normal(0, 0.06) * strength) * y
    slow = smooth_noise(rng, height, width, 0.45 * max(height, width))
    light = light * (1 + np.float32(0.03 * strength) * slow)
    for _ in range(rng.poisson(1.5 * strength)):
        cx, cy = rng.uniform(-1, 1, 2)
        radius = rng.uniform(0.02, 0.12)
        bump = np.exp(-(((x - cx) / radius) ** 2) - ((y - cy) / radius) ** 2)
        light = light * (1 - np.float32(rng.uniform(0.01, 0.06)) * bump)
    return np.asarray(np.clip(light, 0.15, None), dtype=np.float32)


def _chromatic(rng: np.random.Generator, image: FloatMap) -> FloatMap:
    """Move red and blue a little against green and soften blue: lateral and axial colour."""
    height, width = image.shape[:2]
    out = image.copy()
    for channel in (0, 2):
        grow = 1 + rng.normal(0, 0.0005)
        dx, dy = rng.normal(0, 0.35, 2)
        matrix = np.array([[grow, 0, dx - (grow - 1) * width / 2], [0, grow, dy - (grow - 1) * height / 2]])
        plane = np.ascontiguousarray(image[..., channel])
        moved = cv2.warpAffine(plane, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        out[..., channel] = blurred(np.asarray(moved, np.float32), float(rng.uniform(0.2, 0.7)))
    return out


def _burn_in(
    rng: np.random.Generator,
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    options: FieldOptions,
    full: int,
) -> None:
    """Draw a scale bar and a caption into the stored pixels."""
    height, width = pixels.shape[:2]
    value = full if rng.random() < 0.6 or options.modality in DARK else 0
    size = max(0.35, width / 1400)
    ink = np.zeros((height, width), np.uint8)
    if options.scale_bar:
        bar_um = float(rng.choice((5, 10, 20, 50)))
        bar = int(min(bar_um / options.pixel_size_um, 0.4 * width))
        thick = max(2, round(height * rng.uniform(0.004, 0.01)))
        x0 = int(rng.uniform(0.03, 0.95) * max(1, width - bar))
        y0 = int(height * (0.95 if rng.random() < 0.7 else 0.05))
        cv2.rectangle(ink, (x0, y0), (x0 + bar, y0 + thick), 255, -1)
        if rng.random() < 0.7:
            below = y0 <= height // 2
            _write(ink, f"{bar_um:g} um", x0 + bar // 4, y0 + int(30 * size) + 6 if below else y0 - 6, size)
    if options.caption:
        text = _CAPTIONS[int(rng.integers(len(_CAPTIONS)))]
        y0 = int(height * (0.06 if rng.random() < 0.6 else 0.9))
        _write(ink, text, int(0.03 * width), y0, 1.3 * size)
    drawn = ink > 0
    # OpenCV writes text on 8 bit only; the ink's opacity carries it over to 16.
    opacity = ink[drawn].astype(np.float32)[(...,) + (None,) * (pixels.ndim - 2)] / 255
    pixels[drawn] = np.rint(pixels[drawn] * (1 - opacity) + value * opacity).astype(pixels.dtype)


def _write(ink: NDArray[np.uint8], text: str, x: int, y: int, size: float) -> None:
    """Write text whose first letter's lower left corner is at ``x, y``."""
    weight = max(1, round(1.6 * size))
    cv2.putText(ink, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, size, 255, weight, cv2.LINE_AA)
