"""The density of striae, from the spectra of strips along the midline; ``docs/understand/sizes.md`` has the method."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_number
from napari_diatom.measurement.intensity import IntensitySource, intensity_source
from napari_diatom.measurement.morphometry import NEARLY_ROUND
from napari_diatom.measurement.straight_strips import straight_strips

FEWEST, MOST = 4.5, 60.0
"""Striae in 10 µm that are looked for."""
LEAST_PERIOD_PX: Final = 2.5
"""Pixels from stria to stria below which a picture does not show them as they are."""
LEAST_QUALITY: Final = 0.25
"""Quality below which striae do not stand out; found on rendered valves and girdle bands, ``benchmarks/striae.py``."""
GREEN_UM: Final = 0.55
"""Wavelength for which the resolution of an objective is told."""

NO_PIXEL_SIZE: Final = "no pixel size"
ROUND: Final = "no apical axis"
TOO_SMALL: Final = "too small"
CUT: Final = "not whole in the image"
TOO_FINE: Final = "finer than 2.5 px"
UNRESOLVED: Final = "finer than the objective resolves"
FAINT: Final = "no striae stand out"
REASONS: Final = (NO_PIXEL_SIZE, ROUND, TOO_SMALL, CUT, TOO_FINE, UNRESOLVED, FAINT)
"""Why there is no density."""

_SIDE: Final = np.linspace(0.2, 0.85, 8)
_ACROSS: Final = np.concatenate([-_SIDE[::-1], [-0.08, 0.0, 0.08], _SIDE])
_PARTS: Final = {"whole": slice(None), "left": slice(0, 8), "middle": slice(8, 11), "right": slice(11, 19)}
"""Which of the strips tell each density."""
_FEWEST_PERIODS: Final = 5.0
"""Striae along the strips below which their density is not known."""
_LEAST_SAMPLES: Final = 32
_PADDING: Final = 8
_FINEST: Final = 0.49
"""Cycles per pixel up to which peaks are looked for: striae finer than 2.5 px are recognised, and refused."""
_GRID: Final = 1.01
"""Ratio of neighbouring frequencies where a peak is looked for."""
_BLUR: Final = 1.25
"""Standard deviation in steps of that grid over which spectra are smoothed: striae are not wholly regular."""
_PEAK: Final = 0.06
"""Share of a frequency to either side of a peak that belongs to it, or two bins of the strips' length."""
_AROUND: Final = 0.35
"""Octaves, by the logarithm to base e, to either side over which the background of a peak is looked at."""


@dataclass(frozen=True)
class Striae:
    """Striae in 10 µm along the midline.

    Attributes
    ----------
    whole : float
        From all strips together; NaN where it is refused.
    left, middle, right : float
        From strips on the left half, along the midline, and on the right half as seen along the apical axis; NaN where
        no striae stand out there, as on a hyaline axial area.
    quality : float
        Share of the power between 4.5 and 60 in 10 µm that the peak has, 0 to 1; NaN where no spectrum was made.
    reason : str
        Why the density is refused, one of ``REASONS``; empty where it is not.
    """

    whole: float = math.nan
    left: float = math.nan
    middle: float = math.nan
    right: float = math.nan
    quality: float = math.nan
    reason: str = ""


@dataclass(frozen=True, eq=False)
class StriaeProfile:
    """What the density of a specimen's striae is read from, to be drawn.

    Attributes
    ----------
    striae : Striae
        What was read.
    along_um : ndarray of float, shape (N,)
        Places along the midline, from the middle on.
    brightness : ndarray of float, shape (N,)
        Grey values there without slow changes, the mean of the strips, each shifted so that its striae meet.
    per_10um : ndarray of float, shape (M,)
        Densities.
    power : ndarray of float, shape (M,)
        Power of the spectrum at each, 1 at its highest.
    """

    striae: Striae
    along_um: NDArray[np.float64]
    brightness: NDArray[np.float64]
    per_10um: NDArray[np.float64]
    power: NDArray[np.float64]


def checked_aperture(numerical_aperture: float) -> float:
    """Return a numerical aperture; raises InputError where an objective cannot have it."""
    value = given_number(numerical_aperture, "numerical_aperture")
    if not 0.02 <= value <= 1.7:
        raise InputError(f"A numerical aperture of {value:g} cannot be right; objectives have 0.02 to 1.7.")
    return value


def measure_striae(
    image: IntensitySource | NDArray[Any],
    boxes: ArrayLike,
    masks: Sequence[CroppedMask | None],
    pixel_size_um: float | None,
    numerical_aperture: float | None = None,
) -> list[Striae]:
    """Return the striae of specimens, in their order.

    Parameters
    ----------
    image : SlideImage, or ndarray of shape (H, W) or (H, W, 3)
        Read crop by crop.
    boxes : array-like, shape (N, 5)
        Oriented boxes.
    masks : sequence of CroppedMask or None, length N
        Outlines; the midline of a specimen without one is straight.
    pixel_size_um : float or None
        Micrometres per pixel; without it all are refused.
    numerical_aperture : float, optional
        Of the objective; striae finer than half a wavelength of green light over it are refused.

    Raises
    ------
    InputError
        When the image cannot be read, or the numerical aperture is none.
    """
    aperture = None if numerical_aperture is None else checked_aperture(numerical_aperture)
    source = intensity_source(image)
    rows = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)
    return [_read(source, box, mask, pixel_size_um, aperture)[0] for box, mask in zip(rows, masks, strict=True)]


def striae_profile(
    image: IntensitySource | NDArray[Any],
    box: ArrayLike,
    mask: CroppedMask | None,
    pixel_size_um: float | None,
    numerical_aperture: float | None = None,
) -> StriaeProfile | Striae:
    """Return what the density of one specimen's striae is read from; only :class:`Striae` where nothing is read.

    Parameters and errors are those of :func:`measure_striae`, for one specimen.
    """
    aperture = None if numerical_aperture is None else checked_aperture(numerical_aperture)
    striae, spectra = _read(intensity_source(image), np.asarray(box, dtype=np.float64), mask, pixel_size_um, aperture)
    if spectra is None or pixel_size_um is None:
        return striae
    frequencies, power = spectra.part("whole")
    shown = (frequencies >= FEWEST * pixel_size_um / 10) & (frequencies <= MOST * pixel_size_um / 10)
    along = (np.arange(spectra.samples) - (spectra.samples - 1) / 2) * pixel_size_um
    peak = frequencies[shown][power[shown].argmax()] if math.isnan(striae.whole) else striae.whole * pixel_size_um / 10
    return StriaeProfile(
        striae,
        along,
        spectra.in_step(float(peak)),
        frequencies[shown] * 10 / pixel_size_um,
        power[shown] / max(float(power[shown].max()), 1e-12),
    )


def _read(
    image: IntensitySource,
    box: NDArray[np.float64],
    mask: CroppedMask | None,
    pixel_size_um: float | None,
    aperture: float | None,
) -> tuple[Striae, _Spectra | None]:
    """Return the striae of a specimen, and the spectra of its strips where there are any."""
    if pixel_size_um is None:
        return Striae(reason=NO_PIXEL_SIZE), None
    if box[2] < NEARLY_ROUND * box[3]:
        return Striae(reason=ROUND), None
    if FEWEST * pixel_size_um / 10 * LEAST_PERIOD_PX > 1:
        return Striae(reason=TOO_FINE), None
    strips = straight_strips(image, box, mask, _ACROSS)
    if strips is None:
        return Striae(reason=CUT if _leaves(box, image) else TOO_SMALL), None
    samples = strips.values.shape[1]
    finest = min(MOST * pixel_size_um / 10, _FINEST)
    if samples < max(_LEAST_SAMPLES, _FEWEST_PERIODS * LEAST_PERIOD_PX, _FEWEST_PERIODS / finest):
        return Striae(reason=TOO_SMALL), None
    spectra = _Spectra(strips.values, pixel_size_um)
    found, quality = spectra.peak("whole")
    reason = _refusal(found, quality, samples, pixel_size_um, aperture)
    if reason:
        return Striae(quality=quality, reason=reason), spectra

    def told(name: str) -> float:
        frequency, own_quality = spectra.peak(name)
        refused = _refusal(frequency, own_quality, samples, pixel_size_um, aperture)
        return math.nan if refused else frequency * 10 / pixel_size_um

    striae = Striae(found * 10 / pixel_size_um, told("left"), told("middle"), told("right"), quality)
    return striae, spectra


def _refusal(frequency: float, quality: float, samples: int, pixel_size_um: float, aperture: float | None) -> str:
    """Return why a peak is no density of striae, empty where it is one."""
    if not quality >= LEAST_QUALITY:
        return FAINT
    if frequency * LEAST_PERIOD_PX > 1:
        return TOO_FINE
    if aperture is not None and frequency / pixel_size_um > 2 * aperture / GREEN_UM:
        return UNRESOLVED
    return TOO_SMALL if frequency * samples < _FEWEST_PERIODS else ""


def _leaves(box: NDArray[np.float64], image: IntensitySource) -> bool:
    """Return whether a box sticks out of the image."""
    cx, cy, length, width, angle = box.tolist()
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    x, y = (length * cos + width * sin) / 2, (length * sin + width * cos) / 2
    return bool(cx < x or cy < y or cx + x > image.width or cy + y > image.height)


class _Spectra:
    """Spectra of the strips of one specimen.

    Parameters
    ----------
    values : ndarray, shape (K, N)
        Grey values of the strips.
    pixel_size_um : float
        Micrometres per pixel.
    """

    def __init__(self, values: NDArray[np.float64], pixel_size_um: float) -> None:
        from scipy import fft
        from scipy.ndimage import gaussian_filter1d

        self.samples = values.shape[1]
        self.lowest = FEWEST * pixel_size_um / 10
        self.highest = min(MOST * pixel_size_um / 10, _FINEST)
        # What changes more slowly than the coarsest striae is no stria.
        self.flat = values - gaussian_filter1d(values, 0.5 / self.lowest, axis=1, mode="nearest")
        window = np.hanning(self.samples + 2)[1:-1]
        # The mean of spectra is the spectrum of the mean autocorrelation, which needs to be padded only once.
        self._short = fft.next_fast_len(2 * self.samples, real=True)
        self._long = fft.next_fast_len(_PADDING * self.samples, real=True)
        self._power = np.abs(fft.rfft(self.flat * window, self._short, axis=1)) ** 2
        band = np.arange(self._power.shape[1]) / self._short
        band_power = self._power[:, (band >= self.lowest) & (band <= self.highest)]
        # A strip across a wide hyaline area or a raphe shall not outvote the others.
        self._weights = 1 / np.maximum(np.median(band_power, axis=1), 1e-6)

    def part(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return frequencies in cycles per pixel and the mean power of some strips there, shape (M,) both."""
        from scipy import fft

        chosen = _PARTS[name]
        mean = self._weights[chosen] @ self._power[chosen] / len(self._weights[chosen])
        correlation = fft.irfft(mean, self._short)
        reach = self.samples
        padded = np.zeros(self._long)
        padded[:reach] = correlation[:reach]
        padded[-reach + 1 :] = correlation[1:reach][::-1]
        power = np.maximum(fft.rfft(padded).real, 0.0)
        return np.arange(len(power)) / self._long, power

    def peak(self, name: str) -> tuple[float, float]:
        """Return the frequency of the peak that stands out most, in cycles per pixel, and its quality."""
        from scipy.ndimage import gaussian_filter1d, median_filter

        frequencies, power = self.part(name)
        low = max(self.lowest, 2.5 / self.samples)
        steps = int(math.log(self.highest / low) / math.log(_GRID)) if self.highest > low else 0
        if steps < 16:
            return math.nan, math.nan
        grid = low * _GRID ** np.arange(steps + 1)
        smooth = gaussian_filter1d(np.interp(grid, frequencies, power), _BLUR, mode="nearest")
        around = 2 * round(_AROUND / math.log(_GRID)) + 1
        standing = smooth / np.maximum(median_filter(smooth, around, mode="nearest"), 1e-12)
        top = int(standing.argmax())
        place = grid[top]
        if 0 < top < steps:
            before, at, after = np.log(np.maximum(smooth[top - 1 : top + 2], 1e-12))
            bend = before - 2 * at + after
            if bend < 0:
                place *= _GRID ** float(np.clip((before - after) / (2 * bend), -1, 1))
        inside = slice(*np.searchsorted(frequencies, (self.lowest, self.highest)))
        reach = max(_PEAK * place, 2 / self.samples)
        near = slice(*np.searchsorted(frequencies, (max(place - reach, self.lowest), min(place + reach, self.highest))))
        return float(place), float(power[near].sum() / max(power[inside].sum(), 1e-12))

    def in_step(self, frequency: float) -> NDArray[np.float64]:
        """Return the mean of the strips after each was shifted so that its wave of this frequency meets the others'."""
        from scipy import fft

        places = np.arange(self.samples)
        phases = np.angle(self.flat @ (np.hanning(self.samples) * np.exp(-2j * np.pi * frequency * places)))
        shifts = phases / (2 * np.pi * frequency)
        waves = fft.rfft(self.flat, axis=1)
        turn = np.exp(2j * np.pi * np.outer(-shifts, np.fft.rfftfreq(self.samples)))
        return np.asarray(fft.irfft(waves * turn, self.samples, axis=1).mean(axis=0), dtype=np.float64)
