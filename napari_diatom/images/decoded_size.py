"""What compressed pictures will decode to, detected from their headers, before any of it is decoded.

A stream of a few hundred bytes may claim billions of pixels. Decoders believe it and take the memory, or work for
hours, before anybody can look at the result.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MOST_SCAN_PIXELS: Final = 5_000_000_000
"""Pixels times scans of a progressive JPEG beyond which it is refused; cameras write about ten scans."""
FEWEST_SCANS: Final = 20
"""Scans that are always taken."""

_JPEG_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_PROGRESSIVE: Final = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
_JPEG_SCAN: Final = 0xDA

_JPEG: Final = frozenset({6, 7, 33007, 34892})
_JPEG2000: Final = frozenset({33003, 33004, 33005, 34712})
_PNG: Final = 34933
_WEBP: Final = 50001
_JPEGXL: Final = frozenset({50002, 52546})
_LERC: Final = 34887
WITH_SIZE: Final = _JPEG | _JPEG2000 | _JPEGXL | {_PNG, _WEBP, _LERC}
"""Compressions of TIFF whose streams say how large they are, ..."""
SUPPORTED: Final = WITH_SIZE | {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000}
"""... and all that are read. The decoder of JPEG XR crashes on damaged data, and nothing is known of others."""


@dataclass(frozen=True)
class Stream:
    """The size of a compressed picture.

    Attributes
    ----------
    height, width : int
        In pixels; a height of 0 is given later in the stream, or by the file around it.
    samples : int
        Values a pixel.
    scans : int
        How often the decoder goes over the picture.
    is_progressive : bool
        Whether the decoder has to keep the whole picture's coefficients.
    """

    height: int
    width: int
    samples: int = 1
    scans: int = 1
    is_progressive: bool = False

    @property
    def takes_long(self) -> bool:
        """Whether the scans make the decoder work far longer than the picture's size explains."""
        return self.scans > FEWEST_SCANS and self.scans * self.height * self.width > MOST_SCAN_PIXELS


def jpeg_size(data: bytes) -> Stream | None:
    """Return the size of a JPEG stream, None where the stream does not state it."""
    at = 2 if data[:2] == b"\xff\xd8" else 0
    found: Stream | None = None
    progressive = False
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _JPEG_BARE or marker == 0:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_FRAMES and at + 10 <= len(data):
            height, width, samples = struct.unpack_from(">HHB", data, at + 5)
            # A second frame would be decoded in place of the first: the larger one counts.
            if found is None or height * width > found.height * found.width:
                found = Stream(height, width, max(samples, 1))
            progressive = progressive or marker in _JPEG_PROGRESSIVE
        if marker in (_JPEG_SCAN, 0xD9):
            break
        at += 2 + max(length, 2)
    if found is None:
        return None
    scans = data.count(b"\xff\xda") if progressive else 1
    return Stream(found.height, found.width, found.samples, scans, progressive)


def of_tiff(compression: int, data: bytes) -> Stream | None:
    """Return the size of one tile or strip of a TIFF file in a compression of :data:`WITH_SIZE`, None where unknown.

    Parameters
    ----------
    compression : int
        Compression tag.
    data : bytes
        The tile or strip.
    """
    try:
        if compression in _JPEG:
            return jpeg_size(data)
        if compression in _JPEG2000:
            return _jpeg2000(data)
        if compression == _PNG:
            return _png(data)
        if compression == _WEBP:
            return webp(data)
        if compression in _JPEGXL:
            return _jpegxl(data)
        if compression == _LERC:
            return _lerc(data)
    except (struct.error, IndexError):
        return None
    return None


def _png(data: bytes) -> Stream | None:
    """Return the size in the header of a PNG."""
    if data[:4] != b"\x89PNG":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return Stream(height, width, 4)


def _jpeg2000(data: bytes) -> Stream | None:
    """Return the size in the SIZ segment of a JPEG 2000 codestream."""
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    (samples,) = struct.unpack_from(">H", data, at + 40)
    return Stream(max(bottom - top, 0), max(right - left, 0), max(samples, 1))


def webp(data: bytes) -> Stream | None:
    """Return the size of a WebP picture, None where it is none."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width = 1 + int.from_bytes(data[24:27], "little")
        return Stream(1 + int.from_bytes(data[27:30], "little"), width, 4)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Stream(1 + (bits >> 14 & 0x3FFF), 1 + (bits & 0x3FFF), 4)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return Stream(height & 0x3FFF, width & 0x3FFF, 4)
    return None


def _jpegxl(data: bytes) -> Stream | None:
    """Return the size in the header of a JPEG XL codestream."""
    at = data.find(b"jxlc") + 4 if data[:4] == b"\0\0\0\x0c" else 0
    if at == 3 and (at := data.find(b"jxlp") + 8) == 7:
        return None
    if data[at : at + 2] != b"\xff\x0a":
        return None
    bits = int.from_bytes(data[at + 2 : at + 18], "little")

    def take(number: int) -> int:
        nonlocal bits
        value = bits & ((1 << number) - 1)
        bits >>= number
        return value

    def length(small: bool) -> int:
        return 8 * (take(5) + 1) if small else 1 + take((9, 13, 18, 30)[take(2)])

    small = bool(take(1))
    height = length(small)
    ratio = take(3)
    if ratio == 0:
        return Stream(height, length(small), 4)
    over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return Stream(height, height * over // under, 4)


def _lerc(data: bytes) -> Stream | None:
    """Return the size in the header of a LERC 2 blob."""
    if data[:6] != b"Lerc2 ":
        return None
    (version,) = struct.unpack_from("<i", data, 6)
    rows, columns, *depth = struct.unpack_from("<3i" if version >= 4 else "<2i", data, 14 if version >= 3 else 10)
    return Stream(max(rows, 0), max(columns, 0), max(*depth, 1) if depth else 1)
