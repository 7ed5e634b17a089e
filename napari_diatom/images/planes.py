"""Planes of a stack and channels of a place as one picture, read window by window.

A focus series shows one place several times. One of its planes is taken, the sharpest by default, or the brightest
value of all at each pixel. Channels show one place in other light: up to three of them become red, green and blue.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted

BEST: Final = "best"
MAX: Final = "max"
EACH: Final = "each"
PAGES: Final = "pages"
"""Every page is a field, whatever the file says of its axes."""

MOST_CHANNELS: Final = 3

_PERCENTILES: Final = (0.1, 99.9)
_SAMPLE_WINDOW: Final = 256
_SAMPLE_GRID: Final = 8
_FOCUS_STEP: Final = 2
"""Pixels between the values that are compared: wider than the noise of a sensor, narrower than a stria."""


class Pixels(Protocol):
    """Where the values of an image come from: a TIFF page, a decoded picture, an array."""

    height: int
    width: int
    is_8_bit: bool

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return values of shape (h, w, 1) or (h, w, 3)."""
        ...

    def release(self) -> None:
        """Forget what can be read again."""
        ...


def checked_z(z: str | int) -> str:
    """Return what is taken of a focus series: ``best``, ``max``, ``each``, or the number of a plane from 1.

    Raises
    ------
    InputError
        When it is something else.
    """
    is_number = isinstance(z, Integral) and not isinstance(z, bool)
    name = z.strip().lower() if isinstance(z, str) else str(z) if is_number else ""
    if name in (BEST, MAX, EACH, PAGES) or (name.isascii() and name.isdigit() and 0 < len(name) < 7 and int(name) > 0):
        return name
    raise InputError(
        f"{quoted(z)} does not name a plane of a stack; give best, max, each, or the number of a plane from 1."
    )


def finite(values: NDArray[Any], x0: int, y0: int, name: str) -> NDArray[Any]:
    """Return the values of a window whose corner is given, or raise InputError when some are NaN or infinite."""
    if values.dtype.kind == "f" and not (sound := np.isfinite(values)).all():
        y, x = np.argwhere(~sound)[0, :2]
        raise InputError(
            f"{name} has NaN or infinite pixels (at x={x0 + x}, y={y0 + y}); replace them before the image is analysed."
        )
    return values


def sample(pixels: Pixels) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield windows spread over an image with their left and top; all of it when it is small."""
    step, side, height, width = _SAMPLE_WINDOW, _SAMPLE_GRID, pixels.height, pixels.width
    if height * width <= (step * side) ** 2:
        yield 0, 0, pixels.window(0, 0, width, height)
        return
    for top in sorted(set(np.linspace(0, max(height - step, 0), side).astype(int).tolist())):
        for left in sorted(set(np.linspace(0, max(width - step, 0), side).astype(int).tolist())):
            yield left, top, pixels.window(left, top, min(left + step, width), min(top + step, height))


@dataclass(frozen=True, eq=False)
class Range:
    """The mapping of an image's values to 0..255."""

    low: float
    high: float
    table: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, pixels: Pixels, name: str) -> Range:
        """Return the mapping of an image's 0.1th to 99.9th percentile; raises InputError where values are NaN."""
        values = np.concatenate([finite(window, x0, y0, name).ravel() for x0, y0, window in sample(pixels)])
        kind = np.result_type(values.dtype, np.float32).type
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = np.percentile(values.astype(np.float64), _PERCENTILES)
            if not np.isfinite(kind(high) - kind(low)):
                raise InputError(
                    f"{name} has values from {values.min():g} to {values.max():g}, too far apart to be shown as grey "
                    "levels. Divide them by a constant before the image is analysed."
                )
        bare = cls(float(low), float(high))
        if values.dtype != np.uint16:
            return bare
        return replace(bare, table=bare.apply(np.arange(65536, dtype=np.uint16)))

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return values as 0..255."""
        if self.table is not None:
            return np.asarray(np.take(self.table, values))
        kind = np.result_type(values.dtype, np.float32).type
        low, high = kind(self.low), kind(self.high)
        # An image of one value has no range; what lies above that value is white then.
        high = max(high, np.nextafter(low, kind(np.inf)))
        share = (np.clip(values.astype(kind), low, high) - low) / (high - low)
        return np.asarray(np.rint(share * kind(255)), dtype=np.uint8)


class Composed:
    """Two or three channels as one RGB picture.

    Channels of 8 bits are shown as they are, each other one from its own 0.1th to its 99.9th percentile. Where there
    are two, blue is their mean, so that a picture in two equal channels stays grey.

    Parameters
    ----------
    channels : sequence of Pixels
        Of one size.
    name : str
        The file, for errors.
    ranges : list of (Range or None), optional
        Of the channels, shared by all levels of a pyramid.
    """

    is_8_bit = True

    def __init__(self, channels: Sequence[Pixels], name: str, ranges: Ranges | None = None) -> None:
        self._channels = tuple(channels)
        self._name = name
        self._ranges = ranges or Ranges(self._channels, name)
        self.height, self.width = channels[0].height, channels[0].width

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return a window as RGB."""
        out = np.empty((y1 - y0, x1 - x0, 3), dtype=np.uint8)
        for number, channel in enumerate(self._channels):
            values = finite(channel.window(x0, y0, x1, y1)[..., 0], x0, y0, self._name)
            out[..., number] = values if channel.is_8_bit else self._ranges.of(number).apply(values)
        if len(self._channels) == 2:
            out[..., 2] = (out[..., 0].astype(np.uint16) + out[..., 1] + 1) // 2
        return out

    def release(self) -> None:
        """Forget what can be read again."""
        for channel in self._channels:
            channel.release()


class Ranges:
    """The mappings of channels, each worked out when it is first needed."""

    def __init__(self, channels: Sequence[Pixels], name: str) -> None:
        self._channels = tuple(channels)
        self._name = name
        self._lock = threading.Lock()
        self._known: dict[int, Range] = {}

    def of(self, number: int) -> Range:
        """Return the mapping of one channel."""
        with self._lock:
            if number not in self._known:
                self._known[number] = Range.of(self._channels[number], self._name)
            return self._known[number]


class Brightest:
    """The largest value of all planes at each pixel."""

    def __init__(self, planes: Sequence[Pixels]) -> None:
        self._planes = tuple(planes)
        first = planes[0]
        self.height, self.width, self.is_8_bit = first.height, first.width, first.is_8_bit

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window; one window of two planes is held at a time."""
        out = self._planes[0].window(x0, y0, x1, y1)
        for plane in self._planes[1:]:
            out = np.maximum(out, plane.window(x0, y0, x1, y1))
        return out

    def release(self) -> None:
        """Forget what can be read again."""
        for plane in self._planes:
            plane.release()


@dataclass(eq=False)
class Focus:
    """Which plane of a focus series is the sharpest, found out when it is first needed.

    Sharpness is Brenner's: the mean squared difference of values two pixels apart, along both axes, in windows
    spread over the plane. With several channels each of them is heard alike.

    Attributes
    ----------
    channels : tuple of tuple of Pixels
        The planes of each channel.
    """

    channels: tuple[tuple[Pixels, ...], ...]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _plane: int | None = None

    @property
    def planes(self) -> int:
        """How many planes there are."""
        return len(self.channels[0])

    def plane(self) -> int:
        """Return the sharpest plane, counted from 0; the first one of several alike.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        with self._lock:
            if self._plane is None:
                shares = np.zeros(self.planes)
                for planes in self.channels:
                    scores = np.array([_sharpness(plane) for plane in planes])
                    shares += scores / (scores.max() or 1.0)
                self._plane = int(shares.argmax())
            return self._plane

    def notice(self) -> str:
        """Say which plane was taken."""
        return f"Plane {self.plane() + 1} of {self.planes}, the sharpest, was used from the focus series (--z best)."


class Sharpest:
    """The plane that a focus series is sharpest in."""

    def __init__(self, planes: Sequence[Pixels], focus: Focus) -> None:
        self._planes = tuple(planes)
        self._focus = focus
        first = planes[0]
        self.height, self.width, self.is_8_bit = first.height, first.width, first.is_8_bit

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window."""
        return self._planes[self._focus.plane()].window(x0, y0, x1, y1)

    def release(self) -> None:
        """Forget what can be read again."""
        for plane in self._planes:
            plane.release()


def _sharpness(plane: Pixels) -> float:
    """Return Brenner's measure of a plane; 0 where there is nothing to compare."""
    total, number = 0.0, 0
    for _, _, window in sample(plane):
        grey = np.nan_to_num(window.astype(np.float32).mean(axis=2))
        for axis in (0, 1):
            if grey.shape[axis] > _FOCUS_STEP:
                first, second = (
                    (grey[_FOCUS_STEP:], grey[:-_FOCUS_STEP])
                    if axis == 0
                    else (grey[:, _FOCUS_STEP:], grey[:, :-_FOCUS_STEP])
                )
                total += float(np.sum(np.square(first - second), dtype=np.float64))
                number += first.size
    plane.release()
    return total / number if number else 0.0
