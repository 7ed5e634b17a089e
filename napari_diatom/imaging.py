"""Image files and arrays as lazily read RGB images with a pixel size, upright however they are stored.

A :class:`SlideImage` hands out 8-bit RGB windows at any scale. 8-bit images are given as they are; the values of all
others are mapped from their 0.1th..99.9th percentile, computed once per image, to 0..255. A file of several pages
(or planes of a stack) gives an image per page.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_diatom.errors import InputError
from napari_diatom.files import reason

# Images are found and opened by one name.
from napari_diatom.finding import RESULT_FOLDERS as RESULT_FOLDERS
from napari_diatom.finding import RESULTS_MARK as RESULTS_MARK
from napari_diatom.finding import SUFFIXES as SUFFIXES
from napari_diatom.finding import find_images as find_images
from napari_diatom.orientation import AS_STORED, Upright, of_picture
from napari_diatom.pixelsize import NOT_STATED, PixelSize, checked, unusual
from napari_diatom.tiff import is_tiff, open_tiff

_PERCENTILES: Final = (0.1, 99.9)
_SAMPLE_WINDOW: Final = 256
_SAMPLE_GRID: Final = 8
_BAND_PIXELS: Final = 4_000_000
"""How many full-resolution pixels are held at once while a large window is made smaller."""
_LARGEST_PICTURE: Final = 500_000_000
"""Pixels of a JPEG or PNG, which have to be decoded in one piece."""


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


@dataclass(frozen=True, eq=False)
class SlideImage:
    """A lazily read image; safe to read from several threads.

    Attributes
    ----------
    name : str
        File name, with ``#2`` and so on for the pages of a file of several.
    path : Path or None
        The file, None for arrays.
    height, width : int
        In pixels.
    pixel_size_um : float or None
        Micrometres per pixel.
    pixel_size_source : str
        ``"ome"``, ``"tiff"``, ``"layer"``, ``"user"`` or ``"unknown"``.
    levels : tuple of Pixels
        The image, then smaller copies of it where the file has them, largest first.
    notices : tuple of str
        What the user should know of how the file was read, in sentences that do not name the image.
    orientation : int
        How the file stores it; height, width and pixels are those of the upright image.
    """

    name: str
    path: Path | None
    height: int
    width: int
    pixel_size_um: float | None
    pixel_size_source: str
    levels: tuple[Pixels, ...] = field(repr=False)
    notices: tuple[str, ...] = ()
    orientation: int = AS_STORED
    _hash: _FileHash | None = field(default=None, repr=False)
    _memo: _Memo = field(default_factory=lambda: _Memo(), repr=False)

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> NDArray[np.uint8]:
        """Return a window as RGB, clipped to the image.

        Parameters
        ----------
        x0, y0, x1, y1 : int
            Left, top, right and bottom in full-resolution pixels, right and bottom excluded.
        scale : float
            Pixels of the result per pixel of the image: sides are multiplied by it and rounded, at least 1 px.
            Smaller windows are averaged over areas, larger ones interpolated.

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)

        Raises
        ------
        InputError
            When the window lies outside, the file is damaged there, or pixels are NaN or infinite.
        """
        x0, y0, x1, y1 = max(int(x0), 0), max(int(y0), 0), min(int(x1), self.width), min(int(y1), self.height)
        if x1 <= x0 or y1 <= y0:
            raise InputError(f"{self.name}: the window {x0}..{x1}, {y0}..{y1} lies outside the image.")
        if scale == 1:
            return self._rgb(self.levels[0], x0, y0, x1, y1)
        size = max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1)
        level, factor = self._level(scale)
        left, right = round(x0 / factor), round(x1 / factor)
        top, bottom = round(y0 / factor), round(y1 / factor)
        left, top = min(left, level.width - 1), min(top, level.height - 1)
        right, bottom = min(max(right, left + 1), level.width), min(max(bottom, top + 1), level.height)
        return self._resampled(level, left, top, right, bottom, size)

    def sha256(self) -> str | None:
        """Return the hash of the file in hexadecimal, None for arrays; computed once.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        return None if self._hash is None else self._hash.hexadecimal()

    def release(self) -> None:
        """Forget decoded pixels; they are decoded again when they are read again."""
        for level in self.levels:
            level.release()

    def named(self, name: str) -> SlideImage:
        """Return the same image under another name."""
        return replace(self, name=name)

    def _level(self, scale: float) -> tuple[Pixels, float]:
        """Return the smallest level that need not be enlarged for ``scale``, and how much smaller it is."""
        for level in reversed(self.levels):
            factor = self.width / level.width
            if factor * scale <= 1.001:
                return level, factor
        return self.levels[0], 1.0

    def _resampled(self, level: Pixels, x0: int, y0: int, x1: int, y1: int, size: tuple[int, int]) -> NDArray[np.uint8]:
        """Return a window of a level at ``size`` (w, h), reading and averaging band by band when it is large."""
        import cv2

        width, height = size
        method = cv2.INTER_AREA if width < x1 - x0 else cv2.INTER_LINEAR
        bands = -(-(x1 - x0) * (y1 - y0) // _BAND_PIXELS) if method == cv2.INTER_AREA else 1
        out = np.empty((height, width, 3), dtype=np.uint8)
        edges = np.linspace(0, height, min(bands, height) + 1).round().astype(int)
        for top, bottom in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            first = y0 + round(top * (y1 - y0) / height)
            last = y0 + max(round(bottom * (y1 - y0) / height), first - y0 + 1)
            pixels = self._rgb(level, x0, first, x1, last)
            cv2.resize(pixels, (width, bottom - top), dst=out[top:bottom], interpolation=method)
        return out

    def _rgb(self, level: Pixels, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.uint8]:
        """Return a window of a level as RGB of 8 bits."""
        values = self._finite(level.window(x0, y0, x1, y1), x0, y0)
        mapped = values if level.is_8_bit else self._memo_range().apply(values)
        if mapped.shape[2] == 3:
            return np.ascontiguousarray(mapped, dtype=np.uint8)
        return np.repeat(mapped.astype(np.uint8, copy=False), 3, axis=2)

    def _finite(self, values: NDArray[Any], x0: int, y0: int) -> NDArray[Any]:
        """Return the values, or raise when some are NaN or infinite."""
        if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
            y, x = np.argwhere(~finite)[0, :2]
            raise InputError(
                f"{self.name} has NaN or infinite pixels (at x={x0 + x}, y={y0 + y}); "
                "give them a value before the image is analysed."
            )
        return values

    def _memo_range(self) -> _Range:
        """Return the mapping of values to 0..255, from a sample of the image."""
        with self._memo.lock:
            if self._memo.range is None:
                sample = np.concatenate([window.ravel() for window in self._sample()])
                low, high = np.percentile(sample.astype(np.float64), _PERCENTILES)
                self._memo.range = _Range.between(float(low), float(high), sample.dtype)
            return self._memo.range

    def _sample(self) -> Iterator[NDArray[Any]]:
        """Yield values of windows spread over the image; all of it when it is small."""
        level, step, side = self.levels[0], _SAMPLE_WINDOW, _SAMPLE_GRID
        if self.height * self.width <= (step * side) ** 2:
            yield self._finite(level.window(0, 0, self.width, self.height), 0, 0)
            return
        for top in sorted(set(np.linspace(0, max(self.height - step, 0), side).astype(int).tolist())):
            for left in sorted(set(np.linspace(0, max(self.width - step, 0), side).astype(int).tolist())):
                right, bottom = min(left + step, self.width), min(top + step, self.height)
                yield self._finite(level.window(left, top, right, bottom), left, top)


@dataclass(frozen=True, eq=False)
class _Range:
    """The mapping of an image's values to 0..255."""

    low: float
    high: float
    table: NDArray[np.uint8] | None

    @classmethod
    def between(cls, low: float, high: float, dtype: np.dtype[Any]) -> _Range:
        """Return the mapping of low..high; a table where the type has few values."""
        bare = cls(low, high, None)
        if dtype != np.uint16:
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


@dataclass(eq=False)
class _Memo:
    """What an image works out once: shared by its copies under other names."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    range: _Range | None = None


class _FileHash:
    """The SHA-256 of a file, worked out once for all its pages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._digest: str | None = None

    def hexadecimal(self) -> str:
        with self._lock:
            if self._digest is None:
                try:
                    with self._path.open("rb") as stream:
                        self._digest = hashlib.file_digest(stream, "sha256").hexdigest()
                except OSError as error:
                    raise InputError(f"{self._path} cannot be read: {reason(error)}") from error
            return self._digest


def open_images(path: Path, pixel_size_um: float | None = None) -> list[SlideImage]:
    """Open an image file; pixels are read later, window by window.

    Parameters
    ----------
    path : Path
        TIFF, JPEG, PNG or BMP file, told by its content.
    pixel_size_um : float, optional
        Micrometres per pixel that go before those in the file.

    Raises
    ------
    InputError
        When the file cannot be read, is no image, is truncated or empty, or the given pixel size cannot be right.
    """
    path = Path(path)
    if pixel_size_um is not None:
        checked(pixel_size_um, "The given pixel size")
    try:
        with path.open("rb") as stream:
            head = stream.read(32)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    if not head:
        raise InputError(f"{path} is empty: it has no bytes.")
    if not is_tiff(head):
        picture = _Picture(path, head)
        return [
            _slide(path.name, path, (picture,), pixel_size_um, digest=_FileHash(path), orientation=picture.orientation)
        ]
    fields = open_tiff(path)
    if not fields:
        raise InputError(f"{path} has no pixels: it is a TIFF file without pages.")
    names = [path.name] if len(fields) == 1 else [f"{path.name}#{number}" for number in range(1, len(fields) + 1)]
    digest = _FileHash(path)
    return [
        _slide(
            name,
            path,
            page.levels,
            pixel_size_um,
            page.pixel_size,
            digest=digest,
            notices=page.notices,
            orientation=page.orientation,
        )
        for name, page in zip(names, fields, strict=True)
    ]


def from_array(
    array: Any,
    name: str,
    pixel_size_um: float | None = None,
    rgb: bool | None = None,
) -> SlideImage:
    """Return an array as an image; dask and zarr arrays are computed window by window.

    Parameters
    ----------
    array : array-like, shape (Y, X) or (Y, X, 3 or 4)
        Numbers of any type.
    name : str
        Name of the image, as of its layer.
    pixel_size_um : float, optional
        Micrometres per pixel.
    rgb : bool, optional
        Whether the last axis is colour; by default when it is a third one of length 3 or 4.

    Raises
    ------
    InputError
        When the array has another shape, no pixels, or no numbers.
    """
    shape = tuple(int(n) for n in array.shape)
    if rgb is None:
        rgb = len(shape) == 3 and shape[2] in (3, 4)
    if len(shape) != (3 if rgb else 2) or (rgb and shape[2] not in (3, 4)):
        raise InputError(f"{name} has the shape {shape}; one plane (Y, X) or an RGB image (Y, X, 3) is needed.")
    if 0 in shape:
        raise InputError(f"{name} has no pixels: it is {shape[1]} x {shape[0]} px.")
    if np.dtype(array.dtype).kind not in "buif":
        raise InputError(f"{name} holds {array.dtype} values; numbers are needed.")
    return _slide(name, None, (_Array(array),), pixel_size_um, given="layer")


def _slide(
    name: str,
    path: Path | None,
    levels: tuple[Pixels, ...],
    given_um: float | None,
    found: PixelSize = NOT_STATED,
    given: str = "user",
    digest: _FileHash | None = None,
    notices: tuple[str, ...] = (),
    orientation: int = AS_STORED,
) -> SlideImage:
    """Return an image with the pixel size that was given, else with the one that its file states."""
    size = found
    if given_um is not None:
        warning = unusual(checked(given_um, name if path is None else str(path)))
        size = PixelSize(float(given_um), given, (warning,) if warning else ())
    shown = levels if orientation == AS_STORED else tuple(Upright(level, orientation) for level in levels)
    height, width = shown[0].height, shown[0].width
    told = (*size.notices, *notices)
    return SlideImage(name, path, height, width, size.um, size.source, shown, told, orientation, digest)


class _Array:
    """Pixels of an array in memory, or of a lazy one."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.height, self.width = int(array.shape[0]), int(array.shape[1])
        self._is_bool = np.dtype(array.dtype).kind == "b"
        self.is_8_bit = np.dtype(array.dtype) in (np.uint8, np.bool_)

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        values = np.asarray(self._array[y0:y1, x0:x1])
        if self._is_bool:
            values = values.astype(np.uint8) * np.uint8(255)
        return values[..., None] if values.ndim == 2 else values[..., :3]

    def release(self) -> None:
        """Keep the array: it belongs to somebody else."""


class _Picture:
    """Pixels of a JPEG, PNG or BMP file as they are stored, decoded in one piece when they are first read."""

    def __init__(self, path: Path, head: bytes) -> None:
        from PIL import Image

        self._path = path
        self._lock = threading.Lock()
        self._values: NDArray[Any] | None = None
        # Pillow cuts the 16-bit channels of such a PNG down to 8 bits.
        self._is_deep_rgb = (
            head[:8] == b"\x89PNG\r\n\x1a\n" and len(head) > 25 and head[24] == 16 and head[25] in (2, 6)
        )
        with self._guarded(), _large_pictures(), Image.open(path) as picture:
            self.width, self.height = picture.size
            self.orientation = of_picture(picture, path)
            self.is_8_bit = not (self._is_deep_rgb or picture.mode.startswith("I") or picture.mode == "F")
        if self.width < 1 or self.height < 1:
            raise InputError(f"{path} has no pixels: it is {self.width} x {self.height} px.")
        if self.width * self.height > _LARGEST_PICTURE:
            raise InputError(
                f"{path} has more than {_LARGEST_PICTURE // 1_000_000} million pixels; save it as a tiled TIFF."
            )

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        with self._lock:
            if self._values is None:
                with self._guarded(), _large_pictures():
                    self._values = self._decode()
            return self._values[y0:y1, x0:x1]

    def release(self) -> None:
        with self._lock:
            self._values = None

    def _decode(self) -> NDArray[Any]:
        """Return all values as they are stored, shape (h, w, 1 or 3)."""
        from PIL import Image

        if self._is_deep_rgb:
            import cv2

            deep = cv2.imdecode(np.fromfile(self._path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
            if deep is None:
                raise InputError(f"{self._path} is damaged: its pixels cannot be decoded.")
            return np.asarray(deep[..., 2::-1])
        with Image.open(self._path) as picture:
            plain: Image.Image = picture
            if picture.mode in ("1", "LA", "La"):
                plain = picture.convert("L")
            elif picture.mode not in ("L", "RGB", "F") and not picture.mode.startswith("I"):
                plain = picture.convert("RGB")
            values = np.asarray(plain)
        return values[..., None] if values.ndim == 2 else values

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn Pillow's errors into ours."""
        from PIL import UnidentifiedImageError

        try:
            yield
        except InputError:
            raise
        except UnidentifiedImageError:
            raise InputError(f"{self._path} is not an image that can be read (TIFF, JPEG, PNG or BMP).") from None
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {reason(error)}") from error
        except Exception as error:  # damaged files lead Pillow to errors of many kinds
            text = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{self._path} is a damaged image: {text[:200].rstrip('.')}.") from error


_pillow_limit = threading.Lock()


@contextmanager
def _large_pictures() -> Iterator[None]:
    """Let Pillow open pictures of any size, since the size is checked here; others of its users keep their limit."""
    from PIL import Image

    with _pillow_limit:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
