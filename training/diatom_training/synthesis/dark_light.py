"""Light on a black background: dark field, and the fluorescence of chloroplasts."""

from __future__ import annotations

import numpy as np

from diatom_training.synthesis.noise_maps import FloatMap, blurred

# What walls and grains scatter into the image of a fluorescence microscope, in red, green and blue: blue haze.
_SCATTERED = (0.05, 0.16, 0.42)
# Chlorophyll glows deep red; the camera's green and blue hardly see it.
_CHLOROPHYLL = (1.0, 0.10, 0.05)


def scattered_light(real: FloatMap, imag: FloatMap, blur_px: float, width_px: float) -> FloatMap:
    """Intensity of what leaves the direct beam, 0 on the empty background.

    Parameters
    ----------
    real, imag
        (h, w) parts of the transmitted wave.
    blur_px
        Standard deviation of the point spread function.
    width_px
        Structures wider than this stay in the direct beam, so that the middle of a smooth valve is dark.
    """
    soft_real, soft_imag = blurred(real, 0.5 * blur_px), blurred(imag, 0.5 * blur_px)
    re, im = soft_real - blurred(real, width_px), soft_imag - blurred(imag, width_px)
    light = blurred(np.asarray(re * re + im * im, dtype=np.float32), 0.8 * blur_px)
    # Strong scatterers shine on their surroundings.
    return np.asarray(light + 0.06 * blurred(light, 6.0) + 0.05 * blurred(light, 30.0), dtype=np.float32)


def fluorescent_light(scattered: FloatMap, glow: FloatMap, blur_px: float, colours: int) -> FloatMap:
    """Light of chloroplasts and of what scatters the excitation, (h, w, colours), 0 on the empty background.

    Parameters
    ----------
    scattered
        (h, w) light that leaves the direct beam.
    glow
        (h, w) density of chlorophyll.
    blur_px
        Standard deviation of the point spread function.
    colours
        3, or 1 for a grey camera, which sees both.
    """
    # Stones scatter without bound, but the filter lets little of it through.
    scattered = np.asarray(scattered / (1 + 2 * scattered), dtype=np.float32)
    sharp = blurred(3.5 * glow, blur_px)
    red = sharp + 0.25 * blurred(sharp, 3.0 + blur_px) + 0.2 * blurred(sharp, 18.0)
    if colours == 1:
        return np.asarray(red + 0.2 * scattered, dtype=np.float32)[..., None]
    planes = [np.float32(c) * red + np.float32(s) * scattered for c, s in zip(_CHLOROPHYLL, _SCATTERED, strict=True)]
    return np.stack(planes, axis=-1)
