"""TIFF files of every kind, read window by window.

tifffile finds the pages and decodes tiles and strips; which of them a window needs, and keeping the last ones, is
done here, so that memory does not grow with the image. The file is opened anew for every read: threads then share
no file position, and nothing stays open.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom import orientation, pixelsize
from napari_diatom.errors import InputError
from napari_diatom.files import reason
from napari_diatom.pixelsize import PixelSize

_CACHE_BYTES: Final = 32 << 20
_STRIP_CACHE_BYTES: Final = 256 << 20
_STRIP_CACHE_ROWS: Final = 1024

_WHITE_IS_ZERO: Final = 0
_YCBCR: Final = 6
_SUPPORTED: Final = {_WHITE_IS_ZERO, 1, 2, 3, _YCBCR}
"""Photometric interpretations: white is zero, black is zero, RGB, palette, YCbCr."""
_JPEG: Final = {6, 7, 33007, 34892}
"""Compressions whose decoder turns YCbCr into RGB."""


@dataclass(frozen=True, eq=False)
class TiffField:
    """One image of a TIFF file.

    Attributes
    ----------
    levels : tuple of TiffPixels
        The image, then smaller copies of it where the file has them, largest first.
    pixel_size : PixelSize
        Of the first level.
    notices : tuple of str
        What the user should know of how it was read.
    orientation : int
        Of the stored pixels, which the levels hand out as they are; see :mod:`napari_diatom.orientation`.
    """

    levels: tuple[TiffPixels, ...]
    pixel_size: PixelSize
    notices: tuple[str, ...] = ()
    orientation: int = orientation.AS_STORED


def is_tiff(head: bytes) -> bool:
    """Return whether a file starts like a TIFF or BigTIFF file."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_tiff(path: Path) -> list[TiffField]:
    """Return the images of a TIFF file; the reduced copies of a pyramid are levels, not images.

    Raises
    ------
    InputError
        When the file is damaged, truncated, or holds pixels of an unknown kind.
    """
    import tifffile

    try:
        with tifffile.TiffFile(path, _multifile=False) as file:
            sizes = _ome_sizes(file)
            return [_field(path, file, pages, sizes) for pages in _fields(file)]
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except Exception as error:  # tifffile meets damaged files with errors of many kinds
        raise InputError(f"{path} is a damaged TIFF file: {_short(error)}") from error


class TiffPixels:
    """The pixels of one TIFF page, read by windows.

    Attributes
    ----------
    height, width : int
        In pixels.
    is_8_bit : bool
        Whether the values are meant to be shown as they are.
    """

    def __init__(self, path: Path, page: Any) -> None:
        import tifffile

        self._path = path
        if page.photometric not in _SUPPORTED or (page.photometric == _YCBCR and page.compression not in _JPEG):
            kind = tifffile.PHOTOMETRIC(page.photometric).name
            raise InputError(f"{path} holds {kind} pixels, which are not supported; save it as grey or RGB.")
        if page.dtype is None or page.dtype.kind not in "buif":
            raise InputError(f"{path} holds pixels of a kind that is not supported.")
        planes, depth, self.height, self.width, self._contiguous_samples = page.shaped
        if depth > 1:
            raise InputError(f"{path} holds a volume in one page; save its planes as pages.")
        if self.height < 1 or self.width < 1 or planes < 1:
            raise InputError(f"{path} has no pixels: it is {self.width} x {self.height} px.")
        self._planes = planes
        self._offsets = tuple(page.dataoffsets)
        self._counts = tuple(page.databytecounts)
        if not self._offsets or len(self._offsets) != len(self._counts):
            raise InputError(f"{path} is damaged: it does not say where its pixels are.")
        if max(o + c for o, c in zip(self._offsets, self._counts, strict=True)) > page.parent.filehandle.size:
            raise InputError(f"{path} is truncated: some of its pixels lie beyond the end of the file.")
        self._dtype = np.dtype(page.dtype)
        self._raw_dtype = self._dtype.newbyteorder(page.parent.byteorder)
        self._is_raw = bool(page.is_contiguous) and page.is_final and self._contiguous_samples * planes > 0
        self._decode = page.decode
        self._jpeg = {"jpegtables": page.jpegtables} if page.jpegtables is not None else {}
        self._segment = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, self.width)
        self._inverted = page.photometric == _WHITE_IS_ZERO
        self._colours = _colour_table(page)
        self._is_mask = page.bitspersample == 1
        self.is_8_bit = self._colours is not None or (
            self._dtype in (np.uint8, np.bool_) and page.bitspersample in (1, 8)
        )
        row_bytes = self.width * self._dtype.itemsize * self._contiguous_samples * planes
        self._cache_bytes = (
            _CACHE_BYTES if page.is_tiled else min(max(_CACHE_BYTES, _STRIP_CACHE_ROWS * row_bytes), _STRIP_CACHE_BYTES)
        )
        self._cache: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window, shape (h, w, channels), of the file's own type.

        Raises
        ------
        InputError
            When the file has gone, or is damaged there.
        """
        try:
            with self._path.open("rb") as stream:
                values = self._raw(stream, x0, y0, x1, y1) if self._is_raw else self._decoded(stream, x0, y0, x1, y1)
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {reason(error)}") from error
        except Exception as error:  # codecs meet damaged data with errors of many kinds
            raise InputError(f"{self._path} is damaged: {_short(error)}") from error
        if self._colours is not None:
            return np.asarray(self._colours[np.minimum(values[..., 0], len(self._colours) - 1)])
        if self._is_mask:
            values = (values != 0).astype(np.uint8) * np.uint8(255)
        if self._inverted and values.dtype.kind != "f":
            values = np.invert(values)
        return values[..., :3] if values.shape[2] >= 3 else values[..., :1]

    def release(self) -> None:
        """Forget decoded tiles and strips."""
        with self._lock:
            self._cache.clear()

    def _raw(self, stream: BinaryIO, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Read an uncompressed page that lies in one piece, only the rows (or parts of rows) of the window."""
        pixel = self._dtype.itemsize * self._contiguous_samples
        row, plane = self.width * pixel, self.height * self.width * pixel
        whole_rows = (x1 - x0) * 4 > self.width
        left, take = (0, self.width) if whole_rows else (x0, x1 - x0)
        out = np.empty((self._planes, y1 - y0, take, self._contiguous_samples), dtype=self._raw_dtype)
        for number in range(self._planes):
            start = self._offsets[0] + number * plane
            if whole_rows:
                self._read_into(stream, start + y0 * row, out[number])
            else:
                for y in range(y0, y1):
                    self._read_into(stream, start + y * row + left * pixel, out[number, y - y0])
        values = out[:, :, x0 - left : x1 - left]
        joined = values[0] if self._planes == 1 else np.moveaxis(values[..., 0], 0, -1)
        return joined.astype(self._dtype, copy=False)

    def _read_into(self, stream: BinaryIO, offset: int, target: NDArray[Any]) -> None:
        """Fill a contiguous array from the file."""
        stream.seek(offset)
        data = stream.read(target.nbytes)
        if len(data) != target.nbytes:
            raise InputError(f"{self._path} is truncated: some of its pixels lie beyond the end of the file.")
        target[...] = np.frombuffer(data, dtype=self._raw_dtype).reshape(target.shape)

    def _decoded(self, stream: BinaryIO, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Decode the tiles or strips under the window."""
        length, width = self._segment
        down, across = -(-self.height // length), -(-self.width // width)
        out = np.zeros((y1 - y0, x1 - x0, self._planes * self._contiguous_samples), dtype=self._dtype)
        for plane in range(self._planes):
            channels = slice(plane * self._contiguous_samples, (plane + 1) * self._contiguous_samples)
            for row in range(y0 // length, -(-y1 // length)):
                for column in range(x0 // width, -(-x1 // width)):
                    values = self._decoded_segment(stream, (plane * down + row) * across + column)
                    if values is None:
                        continue
                    top, left = row * length, column * width
                    bottom, right = min(top + values.shape[0], y1), min(left + values.shape[1], x1)
                    y, x = max(top, y0), max(left, x0)
                    out[y - y0 : bottom - y0, x - x0 : right - x0, channels] = values[
                        y - top : bottom - top, x - left : right - left
                    ]
        return out

    def _decoded_segment(self, stream: BinaryIO, index: int) -> NDArray[Any] | None:
        """Return one tile or strip, shape (h, w, samples); None where the file leaves it out."""
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        if self._counts[index] == 0:
            return None
        stream.seek(self._offsets[index])
        data = stream.read(self._counts[index])
        values: NDArray[Any] = np.asarray(self._decode(data, index, **self._jpeg)[0])[0]
        with self._lock:
            self._cache[index] = values
            held = sum(item.nbytes for item in self._cache.values())
            while held > self._cache_bytes and len(self._cache) > 1:
                held -= self._cache.popitem(last=False)[1].nbytes
        return values


def _colour_table(page: Any) -> NDArray[np.uint8] | None:
    """Return the palette of a page, shape (n, 3)."""
    if page.photometric != 3 or page.colormap is None:
        return None
    table = np.asarray(page.colormap).T
    # Some writers fill the 16-bit table with 8-bit colours.
    return (table >> 8 if table.max() > 255 else table).astype(np.uint8)


def _fields(file: Any) -> Iterator[list[Any]]:
    """Yield the pages of each image, full size first, then its reduced copies."""
    pyramids = [series for series in file.series if series.is_pyramidal] if len(file.pages) else []
    if pyramids:
        # Slide scanners add label and macro photographs as further series: no fields to count.
        for series in pyramids:
            for number in range(len(series.levels[0].pages)):
                yield [level.pages[number].aspage() for level in series.levels if number < len(level.pages)]
        return
    pages = [page for page in file.pages if not page.is_reduced]
    for page in pages or list(file.pages):
        yield [page]


def _field(path: Path, file: Any, pages: list[Any], sizes: dict[int, PixelSize]) -> TiffField:
    """Return one image with its levels and pixel size."""
    page = pages[0]
    levels = tuple(TiffPixels(path, level) for level in pages)
    turn = orientation.valid(page.tags.valueof(orientation.TAG))
    if (size := sizes.get(page.index)) is not None:
        return TiffField(levels, size, orientation=turn)
    unit = page.tags.valueof(296)
    size = pixelsize.from_tiff_tags(
        page.tags.valueof(282),
        page.tags.valueof(283),
        2 if unit is None else int(unit),
        file.imagej_metadata if file.is_imagej else None,
    )
    return TiffField(levels, size, orientation=turn)


def _ome_sizes(file: Any) -> dict[int, PixelSize]:
    """Return the pixel size by page number, for the pages whose OME image states one."""
    if not file.is_ome or not file.ome_metadata:
        return {}
    sizes = pixelsize.from_ome(file.ome_metadata)
    if not sizes:
        return {}
    by_page = dict.fromkeys(range(len(file.pages)), sizes[0])
    if len(sizes) == len(file.series):
        for size, series in zip(sizes, file.series, strict=True):
            by_page.update({page.index: size for page in series.pages if page is not None})
    return {number: size for number, size in by_page.items() if size != pixelsize.NOT_STATED}


def _short(error: Exception) -> str:
    """Return an error of a library as one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200].rstrip(".") + "."
