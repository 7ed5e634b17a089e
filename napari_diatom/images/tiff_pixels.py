"""The pixels of TIFF pages, read window by window.

tifffile decodes tiles and strips; which of them a window needs, and keeping the last ones, is done here, so that
memory does not grow with the image. The file is opened again for every read: threads then share no file position,
and nothing stays open. What a tile or strip will need is known before it is decoded.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.images import decoded_size
from napari_diatom.images.decoding_errors import check_need, decoding

CACHE_BYTES: Final = 32 << 20
"""Bytes of decoded tiles of a file that are held."""
_STRIP_CACHE_BYTES: Final = 256 << 20
_STRIP_CACHE_ROWS: Final = 1024

_WHITE_IS_ZERO: Final = 0
_YCBCR: Final = 6
_SUPPORTED: Final = {_WHITE_IS_ZERO, 1, 2, 3, _YCBCR}
"""Photometric interpretations: white is zero, black is zero, RGB, palette, YCbCr."""
_JPEG: Final = {6, 7, 33007, 34892}
"""Compressions whose decoder turns YCbCr into RGB."""
_MANY_PIXELS: Final = 1_000_000_000
_MOST_PIXELS_PER_BYTE: Final = 1000
"""Where an image of more than a billion pixels has more than that for each byte of the file, most of it is not
there: tiles are left out, or one tile stands for all."""


class UnsupportedPixelsError(InputError):
    """The pixels of a TIFF file are of a kind that is not read here, or need too much memory; it is not damaged."""


class Segments:
    """The last decoded tiles and strips of the pages of a file."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[Any, ...], NDArray[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._limit = CACHE_BYTES

    def make_room(self, limit: int) -> None:
        """Hold at least so many bytes."""
        self._limit = max(self._limit, limit)

    def get(self, key: tuple[Any, ...]) -> NDArray[Any] | None:
        """Return what is held, else None."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key]

    def keep(self, key: tuple[Any, ...], values: NDArray[Any]) -> None:
        """Hold a tile or strip, and forget the ones that were used longest ago; the last one always stays."""
        with self._lock:
            self._held[key] = values
            held = sum(item.nbytes for item in self._held.values())
            while held > self._limit and len(self._held) > 1:
                held -= self._held.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._held.clear()


class TiffPixels:
    """The pixels of one plane of a TIFF page, read by windows.

    Parameters
    ----------
    path : Path
        The file.
    page : tifffile.TiffPage or tifffile.TiffFrame
        The page.
    largest_bytes : int
        Beyond which a tile or strip is refused before it is decoded.
    segments : Segments, optional
        Shared by the planes of a stack, so that memory does not grow with their number.
    within : int
        Which plane, where raw planes follow the page.
    depth : int
        Which plane of a page with a depth.
    sample : int, optional
        The only sample of a pixel that is wanted.

    Attributes
    ----------
    height, width : int
        In pixels.
    is_8_bit : bool
        Whether the values are meant to be shown as they are.

    Raises
    ------
    InputError
        When the page holds pixels of an unknown kind, or says of them what cannot be.
    """

    def __init__(
        self,
        path: Path,
        page: Any,
        largest_bytes: int,
        segments: Segments | None = None,
        within: int = 0,
        depth: int = 0,
        sample: int | None = None,
    ) -> None:
        import tifffile

        self._path = path
        # A frame has its own tables, and all else from the page that it is like.
        key = page.keyframe or page
        if not all(isinstance(said, int) for said in (key.photometric, key.compression, key.samplesperpixel)):
            raise InputError(f"{path} is damaged: it does not say how to read its pixels.")
        if key.photometric not in _SUPPORTED or (key.photometric == _YCBCR and key.compression not in _JPEG):
            try:
                kind = tifffile.PHOTOMETRIC(key.photometric).name
            except ValueError:
                kind = f"unknown (photometric interpretation {key.photometric})"
            raise UnsupportedPixelsError(
                f"{path} holds {kind} pixels, which are not supported; save it as grey or RGB."
            )
        if key.dtype is None or key.dtype.kind not in "buif":
            raise UnsupportedPixelsError(f"{path} holds pixels of a kind that is not supported.")
        if key.compression not in decoded_size.SUPPORTED:
            try:
                kind = tifffile.COMPRESSION(key.compression).name
            except ValueError:
                kind = f"an unknown way ({key.compression})"
            raise UnsupportedPixelsError(
                f"{path} is compressed as {kind}, which is not supported; save it uncompressed, or with LZW."
            )
        planes, depths, self.height, self.width, self._contiguous_samples = map(int, key.shaped)
        if min(self.height, self.width, planes, depths, self._contiguous_samples) < 1:
            raise InputError(f"{path} has no pixels: it is {self.width} x {self.height} px.")
        self._planes, self._depths, self._depth, self._within = planes, depths, depth, within
        self._offsets = tuple(page.dataoffsets)
        self._counts = tuple(page.databytecounts)
        self._dtype = np.dtype(key.dtype)
        self._raw_dtype = self._dtype.newbyteorder(key.parent.byteorder)
        self._largest_bytes = largest_bytes
        self._compression = int(key.compression)
        self._has_own_header = key.jpegheader is not None
        self._segment = (
            (int(key.tiledepth), int(key.tilelength), int(key.tilewidth))
            if key.is_tiled
            else (1, int(key.rowsperstrip), self.width)
        )
        self._is_raw = bool(key.is_contiguous) and bool(key.is_final)
        self._check(key.parent.filehandle.size)
        self._decode = key.decode
        self._jpeg = {
            name: table for name in ("jpegtables", "jpegheader") if (table := _own(page, key, name)) is not None
        }
        self._inverted = key.photometric == _WHITE_IS_ZERO
        self._colours = _colour_table(key)
        self._is_mask = key.bitspersample == 1
        self._sample = sample
        self.is_8_bit = self._colours is not None or (
            self._dtype in (np.uint8, np.bool_) and key.bitspersample in (1, 8)
        )
        self._key = (page.offset, self._offsets[0])
        self._cache = segments or Segments()
        if not key.is_tiled:
            self._cache.make_room(min(_STRIP_CACHE_ROWS * self._row_bytes * planes, _STRIP_CACHE_BYTES))

    @property
    def _row_bytes(self) -> int:
        """Bytes of a row of one plane."""
        return int(self.width * self._dtype.itemsize * self._contiguous_samples)

    def _check(self, size: int) -> None:
        """Raise InputError where sizes, offsets and byte counts contradict each other, or the file's size."""
        claimed = f"{self._path} claims {self.width:,} x {self.height:,} pixels"
        if not self._offsets or not self._counts:
            raise InputError(f"{self._path} is damaged: it does not say where its pixels are.")
        if self._is_raw:
            last = self._offsets[0] + self._row_bytes * self.height * self._planes * self._depths * (self._within + 1)
            if min(self._offsets[0], *self._offsets) < 0 or last > size:
                raise InputError(f"{self._path} is truncated: some of its pixels lie beyond the end of the file.")
            return
        depth, length, width = self._segment
        if min(depth, length, width) < 1:
            raise InputError(f"{self._path} is damaged: its tiles or strips have no pixels.")
        down, across = -(-self.height // length), -(-self.width // width)
        needed = self._planes * -(-self._depths // depth) * down * across
        known = min(len(self._offsets), len(self._counts))
        if needed > known:
            raise InputError(
                f"{claimed} in {needed:,} tiles or strips, and says where to find {known:,}; it is damaged."
            )
        if any(o < 0 or c < 0 or (c and o + c > size) for o, c in zip(self._offsets, self._counts, strict=False)):
            raise InputError(f"{self._path} is truncated: some of its pixels lie beyond the end of the file.")
        if self.height * self.width > max(_MANY_PIXELS, _MOST_PIXELS_PER_BYTE * size):
            raise InputError(f"{claimed}, far more than a file of {size:,} bytes can hold; it is damaged.")
        self._check_need(depth * length * width * self._contiguous_samples * self._dtype.itemsize)
        if max(self._counts[:needed]) > self._largest_bytes:
            self._check_need(max(self._counts[:needed]))

    def _check_need(self, need: int) -> None:
        """Raise InputError where a tile or strip would need more memory than is allowed."""
        check_need(f"{self._path} has a tile or strip that", need, self._largest_bytes, "save it in smaller tiles")

    def window(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Return the values of a window, shape (h, w, channels), of the file's own type.

        Raises
        ------
        InputError
            When the file has gone, or is damaged there.
        """
        with decoding(self._path), self._path.open("rb") as stream:
            values = self._raw(stream, x0, y0, x1, y1) if self._is_raw else self._decoded(stream, x0, y0, x1, y1)
        if self._colours is not None:
            return np.asarray(self._colours[np.minimum(values[..., 0], len(self._colours) - 1)])
        if self._is_mask:
            values = (values != 0).astype(np.uint8) * np.uint8(255)
        if self._inverted and values.dtype.kind != "f":
            values = np.invert(values)
        if self._sample is not None:
            return values[..., self._sample : self._sample + 1]
        return values[..., :3] if values.shape[2] >= 3 else values[..., :1]

    def release(self) -> None:
        """Forget decoded tiles and strips."""
        self._cache.clear()

    def _raw(self, stream: BinaryIO, x0: int, y0: int, x1: int, y1: int) -> NDArray[Any]:
        """Read an uncompressed page that lies in one piece, only the rows (or parts of rows) of the window."""
        pixel, row = self._dtype.itemsize * self._contiguous_samples, self._row_bytes
        plane = self.height * row
        whole_rows = (x1 - x0) * 4 > self.width
        left, take = (0, self.width) if whole_rows else (x0, x1 - x0)
        out = np.empty((self._planes, y1 - y0, take, self._contiguous_samples), dtype=self._raw_dtype)
        for number in range(self._planes):
            before = (self._within * self._planes + number) * self._depths + self._depth
            start = self._offsets[0] + before * plane
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
        deep, length, width = self._segment
        down, across = -(-self.height // length), -(-self.width // width)
        slabs = -(-self._depths // deep)
        out = np.zeros((y1 - y0, x1 - x0, self._planes * self._contiguous_samples), dtype=self._dtype)
        for plane in range(self._planes):
            channels = slice(plane * self._contiguous_samples, (plane + 1) * self._contiguous_samples)
            slab = plane * slabs + self._depth // deep
            for row in range(y0 // length, -(-y1 // length)):
                for column in range(x0 // width, -(-x1 // width)):
                    decoded = self._decoded_segment(stream, (slab * down + row) * across + column)
                    if decoded is None:
                        continue
                    values = decoded[self._depth % deep]
                    top, left = row * length, column * width
                    bottom, right = min(top + values.shape[0], y1), min(left + values.shape[1], x1)
                    y, x = max(top, y0), max(left, x0)
                    if bottom > y and right > x:
                        out[y - y0 : bottom - y0, x - x0 : right - x0, channels] = values[
                            y - top : bottom - top, x - left : right - left
                        ]
        return out

    def _decoded_segment(self, stream: BinaryIO, index: int) -> NDArray[Any] | None:
        """Return one tile or strip, shape (depth, h, w, samples); None where the file leaves it out."""
        key = (*self._key, index)
        if (held := self._cache.get(key)) is not None:
            return held
        if self._counts[index] == 0:
            return None
        stream.seek(self._offsets[index])
        data = stream.read(self._counts[index])
        self._check_stream(data)
        values: NDArray[Any] = np.asarray(self._decode(data, index, **self._jpeg)[0])
        self._cache.keep(key, values)
        return values

    def _check_stream(self, data: bytes) -> None:
        """Raise InputError where a compressed tile or strip says of itself that it is too large."""
        if self._compression not in decoded_size.WITH_SIZE or self._has_own_header:
            return
        stream = decoded_size.of_tiff(self._compression, data)
        if stream is None:
            raise InputError(f"{self._path} is damaged: one of its tiles or strips does not say how large it is.")
        depth, length, width = self._segment
        rows = stream.height or length
        # Decoders fill tiles up to whole blocks, and give the last strip in full.
        if rows * stream.width > 4 * max(depth * length * width, 64 * 64):
            raise InputError(
                f"{self._path} is damaged: a tile or strip of {width:,} x {length:,} pixels holds {stream.width:,} x "
                f"{rows:,}."
            )
        if stream.takes_long:
            raise InputError(
                f"{self._path} is damaged: one of its tiles or strips would be decoded {stream.scans:,} times."
            )
        self._check_need(
            rows * stream.width * stream.samples * self._dtype.itemsize * (3 if stream.is_progressive else 1)
        )


def _own(page: Any, key: Any, name: str) -> Any:
    """Return what a page has of its own, else what the page that it is like has."""
    value = getattr(page, name, None)
    return getattr(key, name, None) if value is None else value


def _colour_table(page: Any) -> NDArray[np.uint8] | None:
    """Return the palette of a page, shape (n, 3)."""
    if page.photometric != 3 or page.colormap is None:
        return None
    table = np.asarray(page.colormap).T
    # Some writers fill the 16-bit table with 8-bit colours.
    return (table >> 8 if table.max() > 255 else table).astype(np.uint8)
