"""Scale bars that a camera's program has burned into a picture: where they are, and how many pixels long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images.pixel_size import is_usual, unusual
from napari_diatom.images.scale_label import ScaleLabel, parse_label, read_label

if TYPE_CHECKING:
    from napari_diatom.images.slide_image import ReadableImage

DISAGREE: Final = 0.02
"""Share by which two pixel sizes may differ and still be the same."""
MOST_PIXELS: Final = 100_000_000
"""Larger images are stitched scans, and nothing is burned into these."""

_LEAST_SHARE, _MOST_SHARE = 0.025, 0.75
"""Of the width of the image that a bar has, ..."""
_LEAST_PX: Final = 18
"""... and pixels."""
_LEAST_SLENDERNESS: Final = 4.0
"""Length over thickness."""
_MOST_THICK: Final = 0.035
"""Of the image's height."""
_LEAST_CONTRAST: Final = 45.0
"""Grey values between the bar and what is above and below it."""
_MOST_SPREAD: Final = 9.0
"""Standard deviation of the brightness inside; of hues, which JPEG keeps less well, three times that."""
_LIGHT: Final = np.array([0.299, 0.587, 0.114])
"""Of red, green and blue in brightness."""
_MOST_RAGGED: Final = 1.0
"""Pixels by which the ends of a bar's rows differ: what is drawn ends all at once, ..."""
_MOST_BORDER: Final = 0.3
"""... and the share of its length along which the ink goes on above or below: letters and ticks, but no more."""
_MOST_TICK, _MOST_TICK_PX = 0.4, 14.0
"""Height of the ticks of a bar without a label, over its length, or in pixels, above and below it together."""
_ALIKE: Final = 60.0
"""Grey values by which what goes on from a bar in its colour differs from it."""
_MOST_BARS: Final = 4
"""Lines as good as the best one above which they are a graticule and not a scale bar."""


@dataclass(frozen=True)
class ScaleBar:
    """A scale bar.

    Attributes
    ----------
    length_px : float
        From end to end, ticks included.
    place : tuple of float, length 4
        Left, top, right and bottom edge in pixels.
    label : ScaleLabel or None
        The length that is written beside it; None where it cannot be read.
    """

    length_px: float
    place: tuple[float, float, float, float]
    label: ScaleLabel | None = None

    @property
    def pixel_size_um(self) -> float | None:
        """Micrometres per pixel; None without a label."""
        return None if self.label is None else self.label.length_um / self.length_px

    def labelled(self, text: str) -> ScaleBar:
        """Return the same bar with a label that a person gives, such as ``"20 µm"``.

        Raises
        ------
        InputError
            When it is not a length.
        """
        return replace(self, label=parse_label(text))

    def disagrees(self, stated_um: float | None) -> bool:
        """Return whether the image states another pixel size, by more than 2 %."""
        um = self.pixel_size_um
        return um is not None and stated_um is not None and not math.isclose(um, stated_um, rel_tol=DISAGREE)

    def remark(self, stated_um: float | None) -> str:
        """Return what a person should look at before taking the pixel size; empty where nothing speaks against it."""
        um = self.pixel_size_um
        if um is None:
            return "label not read: give the length of the bar"
        if not is_usual(um):
            return unusual(um)
        if self.disagrees(stated_um) and stated_um is not None:
            return f"differs by {100 * abs(um / stated_um - 1):.0f} % from what the file states"
        return ""


def find_scale_bar(image: ReadableImage) -> ScaleBar | None:
    """Find the scale bar that is burned into an image, and read its label.

    Parameters
    ----------
    image : ReadableImage
        Read as a whole; stitched slides of more than 100 megapixels have no scale bar burned in.

    Returns
    -------
    ScaleBar or None
        None where there is none, or several lines could be one.

    Raises
    ------
    InputError
        When the image cannot be read.
    """
    if image.height * image.width > MOST_PIXELS:
        raise InputError(
            f"An image of {image.width} x {image.height} px is a stitched scan: nothing is burned into these. Give a "
            "single field."
        )
    pixels = np.asarray(image.read(0, 0, image.width, image.height, 1.0))
    bars = [bar for ink in _inks(pixels) for bar in _bars(ink, pixels)]
    bars = [bar for bar in bars if not _is_paper(bar, bars)]
    # A bar may have been found in two inks.
    bars = [bar for k, bar in enumerate(bars) if not any(_same(bar, other) for other in bars[:k])]
    if not bars or len(bars) > _MOST_BARS:
        return None
    labelled = [replace(bar, label=read_label(pixels, bar.place)) for bar in bars]
    labelled = [bar for bar in labelled if bar.label is not None or not _is_wall(bar, pixels)]
    return max(labelled, key=lambda bar: (bar.label is not None, bar.length_px), default=None)


def _inks(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
    """Yield where an image has colours that scale bars are drawn in: white, black, and pure colours."""
    low, high = pixels.min(axis=2), pixels.max(axis=2)
    yield low >= 205
    yield high <= 50
    yield high.astype(np.int16) - low >= 95


def _bars(ink: NDArray[np.bool_], pixels: NDArray[np.uint8]) -> Iterator[ScaleBar]:
    """Yield the bars of an ink: level rectangles of one colour with sharp edges."""
    import cv2

    height, width = ink.shape
    least = max(_LEAST_PX, round(_LEAST_SHARE * width))
    runs = cv2.morphologyEx(ink.view(np.uint8), cv2.MORPH_OPEN, np.ones((1, least), np.uint8))
    _, _, found, _ = cv2.connectedComponentsWithStats(runs, connectivity=4)
    for x, y, long, thick, area in found[1:].tolist():
        if not 2 <= thick <= max(_MOST_THICK * height, 6) or long < _LEAST_SLENDERNESS * thick:
            continue
        if long > _MOST_SHARE * width or area < 0.93 * long * thick:
            continue
        if x < 1 or y < 2 or x + long > width - 1 or y + thick > height - 2:
            continue
        bar = _measured(pixels, ink, x, y, long, thick)
        if bar is not None:
            yield bar


def _measured(
    pixels: NDArray[np.uint8], ink: NDArray[np.bool_], x: int, y: int, long: int, thick: int
) -> ScaleBar | None:
    """Return the bar in a rectangle of ink, measured between the pixels; None where it is none."""
    above, below = ink[y - 2, x : x + long], ink[y + thick + 1, x : x + long]
    if max(above.mean(), below.mean()) > _MOST_BORDER:
        return None
    inner = slice(y, y + thick) if thick < 4 else slice(y + 1, y + thick - 1)
    core = pixels[inner, x + 2 : x + long - 2].astype(np.float64)
    colour = core.mean(axis=(0, 1))
    if float((core @ _LIGHT).std()) > _MOST_SPREAD or float(core.std(axis=(0, 1)).max()) > 3 * _MOST_SPREAD:
        return None
    # How unlike the bar's colour each pixel is; above and below it is another one along nearly the whole length.
    left, right = max(x - 12, 0), min(x + long + 12, ink.shape[1])
    outside = np.concatenate([pixels[y - 2, x : x + long], pixels[y + thick + 1, x : x + long]]).astype(np.float64)
    if float(np.quantile(np.abs(outside - colour).max(axis=1), 0.25)) < _LEAST_CONTRAST:
        return None
    band = _unlikeness(pixels[inner, left:right], colour)
    first = [_end(row[::-1], len(row) - (x - left) - 3) for row in band]
    last = [_end(row, x + long - 1 - left - 2) for row in band]
    if None in first or None in last:
        return None
    starts = right - np.array(first, dtype=np.float64)
    ends = left + np.array(last, dtype=np.float64)
    if max(np.ptp(starts), np.ptp(ends)) > _MOST_RAGGED + 0.25 * thick:
        return None
    start, end = float(np.median(starts)), float(np.median(ends))
    return ScaleBar(end - start, (start, float(y), end, float(y + thick)))


def _unlikeness(pixels: NDArray[np.uint8], colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how unlike a colour pixels are, shape (h, w), in grey values.

    JPEG and cameras keep brightness sharper than hue: where the brightness differs, it alone tells where a bar ends.
    """
    away = pixels.astype(np.float64) - colour
    by_light, by_all = np.abs(away @ _LIGHT), np.abs(away).max(axis=2)
    outside = np.concatenate([np.arange(6), np.arange(-6, 0)])
    differs = float(np.median(by_light[:, outside])) > 0.4 * float(np.median(by_all[:, outside]))
    return np.asarray(by_light if differs else by_all)


def _is_paper(bar: ScaleBar, bars: list[ScaleBar]) -> bool:
    """Return whether a bar is but the strip of a box between its edge and the bar drawn in it."""
    left, top, right, bottom = bar.place
    return any(
        left + 2 < x0 and x1 < right - 2 and (abs(y0 - bottom) <= 3 or abs(top - y1) <= 3)
        for x0, y0, x1, y1 in (other.place for other in bars)
    )


def _is_wall(bar: ScaleBar, pixels: NDArray[np.uint8]) -> bool:
    """Return whether a bar is but the level side of something drawn in its colour, such as the wall of a cell."""
    import cv2

    left, top, right, bottom = (round(value) for value in bar.place)
    colour = np.median(pixels[top:bottom, left + 2 : right - 2].reshape(-1, 3), axis=0)
    tall = max(_MOST_TICK * bar.length_px, _MOST_TICK_PX)
    around = round(tall) + 4
    y0, x0 = max(top - around, 0), max(left - around, 0)
    part = pixels[y0 : bottom + around, x0 : right + around].astype(np.float64)
    alike = (np.abs(part - colour).max(axis=2) <= _ALIKE).astype(np.uint8)
    _, labels, found, _ = cv2.connectedComponentsWithStats(alike, connectivity=8)
    own = int(labels[(top + bottom) // 2 - y0, (left + right) // 2 - x0])
    return own > 0 and int(found[own, cv2.CC_STAT_HEIGHT]) - (bottom - top) > tall


def _end(row: NDArray[np.float64], inside: int) -> float | None:
    """Return where a row of unlikeness to the bar rises half way to what lies beyond its end, None if nowhere."""
    beyond = row[inside:]
    if len(beyond) < 5:
        return None
    away = float(np.median(beyond[min(6, len(beyond) - 1) :]))
    level = min(away, float(beyond.max())) / 2
    if level < _LEAST_CONTRAST / 3:
        level = float(beyond.max()) / 2
    over = np.flatnonzero(beyond > level)
    if not len(over) or level < _LEAST_CONTRAST / 3 or over[0] == 0:
        return None
    k = int(over[0])
    # From the centres of the two pixels about the level to their edges.
    return float(inside + k - 1 + (level - beyond[k - 1]) / (beyond[k] - beyond[k - 1]) + 0.5)


def _same(one: ScaleBar, other: ScaleBar) -> bool:
    """Return whether two bars lie in one place."""
    a, b = one.place, other.place
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
