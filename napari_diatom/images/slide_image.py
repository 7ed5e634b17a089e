"""Image files and arrays as lazily read RGB images with a pixel size, upright however they are stored.

A :class:`SlideImage` hands out 8-bit RGB windows at any scale. 8-bit images are given as they are; the values of all
others are mapped from their 0.1th..99.9th percentile, computed once per image, to 0..255. A file of several pages
(or planes of a stack) gives an image per page.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many

# Images are found and opened by one name.
from napari_diatom.images.field_opening import open_fields
from napari_diatom.images.file_hash import FileHash
from napari_diatom.images.image_files import RESULT_FOLDERS as RESULT_FOLDERS
from napari_diatom.images.image_files import RESULTS_MARK as RESULTS_MARK
from napari_diatom.images.image_files import SUFFIXES as SUFFIXES
from napari_diatom.images.image_files import find_images as find_images
from napari_diatom.images.orientation import AS_STORED, Upright
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize, unusual, validate_pixel_size
from napari_diatom.images.planes import BEST, EACH, PAGES, Focus, Pixels, Range, checked_z, finite

LARGEST_DECODE_MB: Final = 1024
"""Memory that one piece of an image may need to be decoded: a tile, a strip, or a JPEG, PNG or BMP file."""

BAND_PIXELS: Final = 4_000_000
"""How many full-resolution pixels are held at once while a large window is made smaller."""


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
        ``"ome"``, ``"tiff"``, ``"czi"``, ``"nd2"``, ``"lif"``, ``"ome-zarr"``, ``"openslide"``, ``"layer"``,
        ``"user"`` or ``"unknown"``.
    levels : tuple of Pixels
        The image, then smaller copies of it where the file has them, largest first.
    size_notices : tuple of str
        What the user should know of the pixel size, in sentences that do not name the image, ...
    stated : tuple of str
        ... and of how else the file was read.
    orientation : int
        How the file stores it; height, width and pixels are those of the upright image.
    focus : Focus or None
        Which plane is taken of a focus series, where the sharpest is.
    """

    name: str
    path: Path | None
    height: int
    width: int
    pixel_size_um: float | None
    pixel_size_source: str
    levels: tuple[Pixels, ...] = field(repr=False)
    size_notices: tuple[str, ...] = ()
    stated: tuple[str, ...] = ()
    orientation: int = AS_STORED
    focus: Focus | None = field(default=None, repr=False)
    _hash: FileHash | None = field(default=None, repr=False)
    _memo: _Memo = field(default_factory=lambda: _Memo(), repr=False)

    @property
    def notices(self) -> tuple[str, ...]:
        """All of them, and which plane of a focus series is the sharpest; raises InputError as reading does."""
        said = self.size_notices + self.stated
        return said if self.focus is None else (*said, self.focus.notice())

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
        bands = -(-(x1 - x0) * (y1 - y0) // BAND_PIXELS) if method == cv2.INTER_AREA else 1
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
        values = finite(level.window(x0, y0, x1, y1), x0, y0, self.name)
        mapped = values if level.is_8_bit else self._memo_range().apply(values)
        if mapped.shape[2] == 3:
            return np.ascontiguousarray(mapped, dtype=np.uint8)
        return np.repeat(mapped.astype(np.uint8, copy=False), 3, axis=2)

    def _memo_range(self) -> Range:
        """Return the mapping of values to 0..255, from a sample of the image."""
        with self._memo.lock:
            if self._memo.range is None:
                self._memo.range = Range.of(self.levels[0], self.name)
            return self._memo.range


@dataclass(eq=False)
class _Memo:
    """What an image works out once: shared by its copies under other names."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    range: Range | None = None


def open_images(
    path: Path, pixel_size_um: float | None = None, z: str = BEST, max_decode_mb: int = LARGEST_DECODE_MB
) -> list[SlideImage]:
    """Open an image file; pixels are read later, window by window.

    Parameters
    ----------
    path : Path
        TIFF, JPEG, PNG or BMP file, or one of a microscope's kinds, detected from its content; or an OME-Zarr folder.
    pixel_size_um : float, optional
        Micrometres per pixel that go before those in the file.
    z : str
        What is taken of a focus series: the sharpest plane (``"best"``), the brightest value at each pixel
        (``"max"``), each plane as an image of its own (``"each"``), or the plane of a number from 1. ``"pages"`` takes
        every page as an image, whatever the file says of channels and planes.
    max_decode_mb : int
        Megabytes that a tile, a strip, or a JPEG, PNG or BMP file may need to be decoded.

    Raises
    ------
    InputError
        When the file cannot be read, is not an image, is truncated or empty, needs more memory than is allowed, has no
        plane of that number, or the given pixel size cannot be right.
    """
    path = Path(path)
    if pixel_size_um is not None:
        pixel_size_um = validate_pixel_size(pixel_size_um, "The given pixel size")
    z = checked_z(z)
    largest = checked_decode_mb(max_decode_mb) << 20
    fields = open_fields(path, z, largest)
    names = [path.name] if len(fields) == 1 else [f"{path.name}#{number}" for number in range(1, len(fields) + 1)]
    digest = FileHash(path)
    return [
        _slide(
            name,
            path,
            page.levels,
            _known_size(page.pixel_size, pixel_size_um, str(path)),
            digest=digest,
            notices=page.notices,
            orientation=page.orientation,
            focus=page.focus,
        )
        for name, page in zip(names, fields, strict=True)
    ]


def open_page(path: Path, page: int) -> SlideImage:
    """Return one image of a file, counted from 1.

    A number beyond the images of a file may be that of a focus plane, as ``--z each`` counts them, or of a page that
    is a plane or channel of one of the images.

    Raises
    ------
    InputError
        When the file cannot be read, or has no such image.
    """
    for z in (BEST, EACH, PAGES):
        pages = open_images(path, z=z)
        if page <= len(pages):
            return pages[page - 1]
    raise InputError(f"{path} has {many(len(pages), 'page')}, and {f'{path.name}#{page}'!r} is not one of them.")


def checked_decode_mb(megabytes: int) -> int:
    """Return the memory that one piece of an image may need in megabytes; raises InputError where it is below 1."""
    if megabytes < 1:
        raise InputError(f"A piece of an image cannot be decoded in {megabytes} MB; allow at least 1.")
    return megabytes


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
    _require_numbers(array, name)
    return _slide(name, None, (_Array(array),), _known_size(NOT_STATED, pixel_size_um, name, "layer"))


def _require_numbers(array: Any, name: str) -> None:
    """Raise InputError where an array does not hold numbers as numpy's do, or some of its pixels are masked."""
    try:
        kind = np.dtype(array.dtype).kind
    except TypeError:
        raise InputError(
            f"{name} is of type {type(array).__name__} with {array.dtype} values; convert it to a numpy array first."
        ) from None
    if kind not in "buif":
        raise InputError(f"{name} holds {array.dtype} values; numbers are needed.")
    if np.ma.is_masked(array):
        raise InputError(f"{name} has masked pixels; replace them with array.filled(value) before the analysis.")


def _known_size(stated: PixelSize, given_um: float | None, image: str, source: str = "user") -> PixelSize:
    """Return the pixel size that was given for an image, by ``source``, else the one that its file states."""
    if given_um is None:
        return stated
    warning = unusual(validate_pixel_size(given_um, image))
    return PixelSize(float(given_um), source, (warning,) if warning else ())


def _slide(
    name: str,
    path: Path | None,
    levels: tuple[Pixels, ...],
    size: PixelSize,
    digest: FileHash | None = None,
    notices: tuple[str, ...] = (),
    orientation: int = AS_STORED,
    focus: Focus | None = None,
) -> SlideImage:
    """Return an image that stands upright, whichever way its pixels are stored."""
    shown = levels if orientation == AS_STORED else tuple(Upright(level, orientation) for level in levels)
    height, width = shown[0].height, shown[0].width
    notice_groups = size.notices, notices
    return SlideImage(
        name, path, height, width, size.um, size.source, shown, *notice_groups, orientation, focus, digest
    )


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


class ReadableImage(Protocol):
    """An image whose windows can be read, such as :class:`~napari_diatom.images.slide_image.SlideImage`."""

    @property
    def height(self) -> int:
        """Rows at full resolution."""
        ...

    @property
    def width(self) -> int:
        """Columns at full resolution."""
        ...

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> NDArray[np.uint8]:
        """Return a window given in full-resolution pixels, resampled by ``scale``, as RGB."""
        ...
