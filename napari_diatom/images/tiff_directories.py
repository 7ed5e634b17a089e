"""The directories of a TIFF file, walked within bounds before anything believes what they say.

A directory (IFD) describes a page: its tags say how large it is and where its pixels are. In a hostile or damaged
file directories form loops, overlap by the thousand, or claim tables that the file could never hold. Readers of TIFF
follow them; so they are looked over here first.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from napari_diatom.core.errors import InputError

MOST_PAGES: Final = 20_000
"""Pages, reduced copies included; each is a field, or a plane of one."""
MOST_TAGS: Final = 4096
"""Tags of a page."""
MOST_TAGS_IN_ALL: Final = 500_000
"""Tags of all pages."""
MOST_SEGMENTS: Final = 4_000_000
"""Tiles or strips of a page: a slide of 500,000 x 500,000 pixels in tiles of 256."""

_REPEATED: Final = 4
"""How often values may be shared by pages, as a multiple of the file's size."""
_SMALL_BYTES: Final = 64 << 20
"""Bytes of values that are always taken."""
_VALUE_BYTES: Final = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_SUB_IFDS: Final = 330
_NDPI_FORMAT: Final = 65420
_WHOLE: Final = frozenset({1, 3, 4, 16})
_SINGLE: Final = frozenset({256, 257, 259, 262, 266, 277, 284, 317, 322, 323, 32997, 32998})
"""Tags of one whole number: readers multiply the sides of an image, and a table times a number is a longer table."""
_TABLES: Final = frozenset({273, 279, 324, 325})
"""Offsets and byte counts of strips and tiles."""


@dataclass(frozen=True)
class Directories:
    """What the directories of a file come to.

    Attributes
    ----------
    pages : int
        Directories of the main chain.
    is_ndpi : bool
        Whether offsets have 64 bits in a classic TIFF file, as Hamamatsu writes them.
    ends_early : bool
        Whether a further page is named that lies beyond the end of the file.
    """

    pages: int
    is_ndpi: bool
    ends_early: bool


@dataclass(frozen=True)
class _Kind:
    """How a variant of TIFF writes a directory."""

    order: str
    counter: str
    entry: str
    offset: str
    inline: int
    is_ndpi: bool = False

    @property
    def entry_bytes(self) -> int:
        return struct.calcsize(self.order + self.entry)


def scan_directories(path: Path) -> Directories:
    """Look over the directories of a TIFF file.

    Raises
    ------
    InputError
        When they form a loop, are too many, or claim more than the file could hold.
    OSError
        When the file cannot be read.
    """
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        kind, first = _start(stream, size)
        return _Walk(path, stream, size, kind).all(first)


def _start(stream: BinaryIO, size: int) -> tuple[_Kind, int]:
    """Return how directories are written, and where the first one is."""
    head = stream.read(16).ljust(16, b"\0")
    order = "<" if head[:2] == b"II" else ">"
    if struct.unpack(order + "H", head[2:4])[0] == 43:
        return _Kind(order, "Q", "HHQQ", "Q", 8), struct.unpack(order + "Q", head[8:16])[0]
    classic = _Kind(order, "H", "HHII", "I", 4)
    (first,) = struct.unpack(order + "I", head[4:8])
    (wide,) = struct.unpack(order + "Q", head[4:12])
    ndpi = _Kind(order, "H", "HHII", "Q", 4, is_ndpi=True)
    if order == "<" and 8 <= wide < size and _has_tag(stream, wide, ndpi, _NDPI_FORMAT):
        return ndpi, wide
    return classic, first


def _has_tag(stream: BinaryIO, offset: int, kind: _Kind, tag: int) -> bool:
    """Return whether the directory at an offset has a tag."""
    stream.seek(offset)
    data = stream.read(2 + 12 * MOST_TAGS)
    count = min(struct.unpack_from(kind.order + "H", data.ljust(2, b"\0"))[0], (len(data) - 2) // 12)
    return any(struct.unpack_from(kind.order + "H", data, 2 + 12 * k)[0] == tag for k in range(count))


class _Walk:
    """The way along all directories of a file."""

    def __init__(self, path: Path, stream: BinaryIO, size: int, kind: _Kind) -> None:
        self._path = path
        self._stream = stream
        self._size = size
        self._kind = kind
        self._seen: set[int] = set()
        self._directory_bytes = 0
        self._tags = 0
        self._value_bytes = 0

    def all(self, first: int) -> Directories:
        """Follow the chain of pages, and look at the reduced copies that each of them names."""
        offset, pages = first, 0
        while offset:
            if not 8 <= offset < self._size:
                return Directories(pages, self._kind.is_ndpi, ends_early=True)
            if offset in self._seen:
                raise InputError(f"{self._path} is a damaged TIFF file: its pages follow each other in a loop.")
            following, reduced = self._directory(offset)
            if following is None:
                return Directories(pages, self._kind.is_ndpi, ends_early=True)
            pages += 1
            for copy in reduced:
                if 8 <= copy < self._size and copy not in self._seen:
                    self._directory(copy)
            offset = following
        return Directories(pages, self._kind.is_ndpi, ends_early=False)

    def _directory(self, offset: int) -> tuple[int | None, tuple[int, ...]]:
        """Look at one directory; return where the next one is, None if it is cut off, and its reduced copies."""
        kind, stream = self._kind, self._stream
        self._seen.add(offset)
        if len(self._seen) > MOST_PAGES:
            raise InputError(f"{self._path} has more than {MOST_PAGES:,} pages; split it into several files.")
        stream.seek(offset)
        head = stream.read(struct.calcsize(kind.counter))
        if len(head) < struct.calcsize(kind.counter):
            return None, ()
        (count,) = struct.unpack(kind.order + kind.counter, head)
        if count > MOST_TAGS:
            raise InputError(f"{self._path} is a damaged TIFF file: a page claims {count:,} tags.")
        entries = stream.read(count * kind.entry_bytes)
        if len(entries) < count * kind.entry_bytes:
            return None, ()
        tail = stream.read(struct.calcsize(kind.offset))
        following = struct.unpack(kind.order + kind.offset, tail)[0] if len(tail) == struct.calcsize(kind.offset) else 0
        self._directory_bytes += len(head) + len(entries)
        self._tags += count
        if self._tags > MOST_TAGS_IN_ALL:
            raise InputError(f"{self._path} has more than {MOST_TAGS_IN_ALL:,} tags; split it into several files.")
        if self._directory_bytes > self._size:
            raise InputError(f"{self._path} is a damaged TIFF file: its pages overlap.")
        reduced: tuple[int, ...] = ()
        for tag, form, number, value in struct.iter_unpack(kind.order + kind.entry, entries):
            if tag in _SINGLE and (number != 1 or form not in _WHOLE):
                raise InputError(f"{self._path} is a damaged TIFF file: tag {tag} of a page is not one whole number.")
            # What lies in the entry itself was read with it; what cannot be in the file is never read.
            wide = number * _VALUE_BYTES.get(form, 0)
            if wide <= kind.inline or value + wide > self._size:
                if tag == _SUB_IFDS and number == 1:
                    reduced = (value,)
                continue
            if tag in _TABLES and number > MOST_SEGMENTS:
                raise InputError(f"{self._path} claims {number:,} tiles or strips in a page, which cannot be right.")
            self._value_bytes += wide
            if tag == _SUB_IFDS:
                reduced = self._offsets(value, form, number)
        if self._value_bytes > _SMALL_BYTES + _REPEATED * self._size:
            raise InputError(f"{self._path} is a damaged TIFF file: its pages claim more values than it holds.")
        return following, reduced

    def _offsets(self, at: int, form: int, number: int) -> tuple[int, ...]:
        """Return a table of offsets."""
        letter = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(form)
        if letter is None or number > MOST_PAGES:
            return ()
        self._stream.seek(at)
        return struct.unpack(f"{self._kind.order}{number}{letter}", self._stream.read(number * _VALUE_BYTES[form]))
