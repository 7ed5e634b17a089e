"""From phase and absorption to intensity: a scalar wave through a thin slide.

Objects multiply a plane wave by ``exp(i phase - absorption)``. Those out of focus are propagated on
their own patch (Fresnel, damped for a light source of finite size), which gives rings and fringes.
The whole wave is then imaged in bright field, DIC, phase contrast or dark field.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from diatom_training.synthesis.dark_light import fluorescent_light, scattered_light
from diatom_training.synthesis.noise_maps import FloatMap, blurred
from diatom_training.synthesis.options import Modality
from diatom_training.synthesis.patches import DISPERSION, PhasePatch

ComplexMap = NDArray[np.complex64]

# Diffraction spreads with the wavelength: red, green and blue relative to green.
_SPREAD = (1.13, 1.0, 0.86)

# Shares of the near and the far surroundings in the light that a phase ring catches.
_NEAR, _FAR = np.float32(0.65), np.float32(0.35)

# Share of the depth of dark parts that a phase-contrast image keeps.
_VEILED = 0.75

# Below this Fresnel spread (px^2) defocus cannot be seen and its transform is saved.
_IN_FOCUS = 0.6


class WaveField:
    """The wave behind the slide, gathered object by object.

    Parameters
    ----------
    height, width
        Size of the field in pixels.
    channels
        3 for red, green and blue, 1 for green only.
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.height, self.width = height, width
        self._colours = (0, 1, 2) if channels == 3 else (1,)
        self._phase = np.zeros((len(self._colours), height, width), np.float32)
        self._absorption = np.zeros((len(self._colours), height, width), np.float32)
        self._wave = np.ones((len(self._colours), height, width), np.complex64)
        self.glow: FloatMap | None = None

    def add(self, patch: PhasePatch, x: float, y: float, angle: float, spread: float = 0.0) -> None:
        """Lay an object on the slide.

        Parameters
        ----------
        patch
            The object in its own frame.
        x, y
            Where the patch's centre lies, in pixels.
        angle
            Direction of the patch's x axis in radians, x right, y down.
        spread
            Defocus as wavelength times distance in square pixels; the sign tells above from below.
        """
        if abs(spread) < _IN_FOCUS:
            warp = _Warp(patch.phase.shape, patch.scale, x, y, angle, self.height, self.width)
            if not warp.visible:
                return
            phase = warp(patch.phase)
            for c, colour in enumerate(self._colours):
                self._phase[c][warp.window] += np.float32(patch.dispersion[colour]) * phase
            if patch.absorption is not None:
                loss = warp(patch.absorption)
                for c, colour in enumerate(self._colours):
                    self._absorption[c][warp.window] += np.float32(patch.tint[colour]) * loss
            return
        waves = self._propagated(patch, spread)
        warp = _Warp(waves.shape[1:], patch.scale, x, y, angle, self.height, self.width)
        if not warp.visible:
            return
        for c, wave in enumerate(waves):
            two = warp(wave.view(np.float32).reshape(*wave.shape, 2))
            self._wave[c][warp.window] *= 1 + two[..., 0] + 1j * two[..., 1]

    def add_map(
        self,
        phase: FloatMap | None,
        absorption: FloatMap | None,
        tint: tuple[float, float, float],
        x0: int = 0,
        y0: int = 0,
    ) -> None:
        """Add maps that are already in image coordinates, with their corner at ``x0, y0``."""
        if phase is not None:
            h, w = phase.shape
            for c, colour in enumerate(self._colours):
                self._phase[c, y0 : y0 + h, x0 : x0 + w] += np.float32(DISPERSION[colour]) * phase
        if absorption is not None:
            h, w = absorption.shape
            for c, colour in enumerate(self._colours):
                self._absorption[c, y0 : y0 + h, x0 : x0 + w] += np.float32(tint[colour]) * absorption

    def add_glow(self, patch: PhasePatch, x: float, y: float, angle: float, spread: float = 0.0) -> None:
        """Let an object shine by itself: ``patch.phase`` is its brightness; the place is that of :meth:`add`."""
        light = patch.phase
        if abs(spread) >= _IN_FOCUS:
            sigma = 0.6 * math.sqrt(abs(spread)) * patch.scale
            margin = math.ceil(2.5 * sigma)
            light = blurred(np.pad(light, margin), sigma)
        warp = _Warp(light.shape, patch.scale, x, y, angle, self.height, self.width)
        if not warp.visible:
            return
        if self.glow is None:
            self.glow = np.zeros((self.height, self.width), np.float32)
        self.glow[warp.window] += warp(light)

    def wave(self) -> ComplexMap:
        """Return the transmitted wave, (channels, height, width) complex64."""
        for c, phase in enumerate(self._phase):
            amplitude = np.exp(-self._absorption[c])
            focused = np.empty(phase.shape, np.complex64)
            focused.real, focused.imag = amplitude * np.cos(phase), amplitude * np.sin(phase)
            self._wave[c] *= focused
        self._phase[:] = 0
        self._absorption[:] = 0
        return self._wave

    def _propagated(self, patch: PhasePatch, spread: float) -> ComplexMap:
        """Return what the out-of-focus object adds to the undisturbed wave, per colour."""
        margin = math.ceil((2.2 * math.sqrt(abs(spread)) + 4) * patch.scale)
        h, w = patch.phase.shape
        rows, columns = h + 2 * margin, w + 2 * margin
        size = (fft.next_fast_len(rows), fft.next_fast_len(columns))
        disturbed = np.zeros((len(self._colours), *size), np.complex64)
        for c, colour in enumerate(self._colours):
            phase = patch.phase * np.float32(patch.dispersion[colour])
            amplitude = np.float32(1)
            if patch.absorption is not None:
                amplitude = np.exp(-np.float32(patch.tint[colour]) * patch.absorption)
            inner = disturbed[c, margin : margin + h, margin : margin + w]
            inner.real = amplitude * np.cos(phase) - 1
            inner.imag = amplitude * np.sin(phase)
        f2 = (fft.fftfreq(size[0], 1 / patch.scale) ** 2)[:, None] + (fft.fftfreq(size[1], 1 / patch.scale) ** 2)[
            None, :
        ]
        f2 = f2.astype(np.float32)
        spectrum = fft.fft2(disturbed, workers=1)
        for c, colour in enumerate(self._colours):
            turn = np.float32(-math.pi * spread * _SPREAD[colour]) * f2
            # The source's size smears fine fringes in proportion to the defocus.
            damp = np.exp(-np.float32(0.35 * abs(spread)) * f2)
            kernel = np.empty(size, np.complex64)
            kernel.real, kernel.imag = damp * np.cos(turn), damp * np.sin(turn)
            spectrum[c] *= kernel
        waves = fft.ifft2(spectrum, workers=1)[:, :rows, :columns]
        # Fade the cut-off fringes out, or the patch's rectangle would show.
        edge = max(2, margin // 2)
        for axis, count in ((1, rows), (2, columns)):
            ramp = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / edge, 0, 1)
            shape = [1, 1, 1]
            shape[axis] = count
            waves = waves * ramp.astype(np.float32).reshape(shape)
        return np.ascontiguousarray(waves, dtype=np.complex64)


class _Warp:
    """Resampling of one patch into the window of the field that it covers."""

    def __init__(
        self,
        shape: tuple[int, ...],
        scale: float,
        x: float,
        y: float,
        angle: float,
        height: int,
        width: int,
    ) -> None:
        h, w = shape[:2]
        cos, sin = math.cos(angle), math.sin(angle)
        reach_x = (abs(cos) * w + abs(sin) * h) / (2 * scale) + 1
        reach_y = (abs(sin) * w + abs(cos) * h) / (2 * scale) + 1
        x0, x1 = max(0, math.floor(x - reach_x)), min(width, math.ceil(x + reach_x) + 1)
        y0, y1 = max(0, math.floor(y - reach_y)), min(height, math.ceil(y + reach_y) + 1)
        self.visible = x1 > x0 and y1 > y0
        self.window = (slice(y0, y1), slice(x0, x1))
        self._size = (x1 - x0, y1 - y0)
        dx, dy = x0 - x, y0 - y
        self._matrix = np.array(
            [
                [scale * cos, scale * sin, scale * (cos * dx + sin * dy) + w // 2],
                [-scale * sin, scale * cos, scale * (-sin * dx + cos * dy) + h // 2],
            ]
        )

    def __call__(self, values: FloatMap) -> FloatMap:
        """Return the patch's values in the window; 0 where the patch does not reach."""
        return np.asarray(
            cv2.warpAffine(
                values,
                self._matrix,
                self._size,
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
            ),
            dtype=np.float32,
        )


@dataclass(frozen=True)
class Microscope:
    """Settings of the light path.

    Attributes
    ----------
    modality
        Which contrast.
    blur_px
        Standard deviation of the point spread function.
    halo_px
        Width of phase-contrast halos.
    ring_transmission
        Amplitude that the phase ring lets through; smaller means more contrast.
    shear_px, shear_angle, bias
        Displacement of the two DIC beams, its direction, and half their phase difference.
    """

    modality: Modality
    blur_px: float
    halo_px: float
    ring_transmission: float
    shear_px: float
    shear_angle: float
    bias: float


def image_intensity(wave: ComplexMap, microscope: Microscope, glow: FloatMap | None = None) -> FloatMap:
    """Intensity in the image plane.

    Parameters
    ----------
    wave
        (channels, height, width) behind the slide.
    microscope
        The light path.
    glow
        (height, width) brightness of what shines by itself, for fluorescence.

    Returns
    -------
    ndarray, (height, width, channels) float32
        1 on the empty background; in dark field and fluorescence 0.
    """
    if microscope.modality == "fluorescence":
        green = wave[len(wave) // 2]
        real, imag = np.ascontiguousarray(green.real), np.ascontiguousarray(green.imag)
        scattered = scattered_light(real, imag, microscope.blur_px + 0.6, microscope.halo_px)
        glow = np.zeros_like(scattered) if glow is None else glow
        return fluorescent_light(scattered, glow, microscope.blur_px, len(wave))
    planes = []
    for channel in wave:
        # Views of a complex array are strided; OpenCV wants whole rows.
        real, imag = np.ascontiguousarray(channel.real), np.ascontiguousarray(channel.imag)
        if microscope.modality == "bright-field":
            planes.append(_bright_field(real, imag, microscope))
        elif microscope.modality == "dic":
            planes.append(_dic(real, imag, microscope))
        elif microscope.modality == "dark-field":
            planes.append(scattered_light(real, imag, microscope.blur_px, 0.6 * microscope.halo_px))
        else:
            planes.append(_phase_contrast(real, imag, microscope))
    return np.stack(planes, axis=-1)


def _bright_field(real: FloatMap, imag: FloatMap, microscope: Microscope) -> FloatMap:
    """Drop what the objective loses: light that steep edges scatter, so that they look dark."""
    sigma = max(0.6, microscope.blur_px)
    real, imag = blurred(real, sigma), blurred(imag, sigma)
    return real * real + imag * imag


def _dic(real: FloatMap, imag: FloatMap, microscope: Microscope) -> FloatMap:
    """Two sheared beams interfere; the bias turns phase slopes into light and shadow."""
    real, imag = blurred(real, microscope.blur_px), blurred(imag, microscope.blur_px)
    dx = 0.5 * microscope.shear_px * math.cos(microscope.shear_angle)
    dy = 0.5 * microscope.shear_px * math.sin(microscope.shear_angle)
    (re_a, im_a), (re_b, im_b) = ((_shifted(real, s * dx, s * dy), _shifted(imag, s * dx, s * dy)) for s in (1.0, -1.0))
    c, s = np.float32(math.cos(microscope.bias)), np.float32(math.sin(microscope.bias))
    re = c * (re_a - re_b) - s * (im_a + im_b)
    im = c * (im_a - im_b) + s * (re_a + re_b)
    return np.asarray((re * re + im * im) / (4 * s * s), dtype=np.float32)


def _phase_contrast(real: FloatMap, imag: FloatMap, microscope: Microscope) -> FloatMap:
    """Weaken the direct light, a wide average of the wave, and turn it by a quarter wave.

    Zernike's positive phase contrast: weak phase objects look dark in a bright halo, strong ones
    glow, in colours, since phase goes with the inverse wavelength.
    """
    sigma = microscope.halo_px
    direct_re = _NEAR * blurred(real, sigma) + _FAR * blurred(real, 4 * sigma)
    direct_im = _NEAR * blurred(imag, sigma) + _FAR * blurred(imag, 4 * sigma)
    tau = np.float32(microscope.ring_transmission)
    soft = 0.6 * microscope.blur_px
    re = blurred(np.asarray(real - direct_re + tau * direct_im, dtype=np.float32), soft)
    im = blurred(np.asarray(imag - direct_im - tau * direct_re, dtype=np.float32), soft)
    intensity = (re * re + im * im) / (tau * tau)
    # Light that takes part in no interference veils the darks, and the ring's own width spreads
    # whatever differs from the background into a pale seam.
    veiled = 1 + np.where(intensity < 1, _VEILED, 1.0) * (intensity - 1)
    seam = blurred(np.abs(intensity - 1).astype(np.float32), 0.5 * sigma)
    seamed = veiled + 0.22 * np.minimum(seam, 1.5)
    return blurred(seamed.astype(np.float32), 0.8 * microscope.blur_px)


def _shifted(image: FloatMap, dx: float, dy: float) -> FloatMap:
    """Move the image by a fraction of a pixel."""
    height, width = image.shape
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.float32)
