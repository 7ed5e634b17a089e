"""Zip files that anybody may have written: what they hold is bounded before and while it is unpacked.

A few kilobytes of zip can unpack to terabytes, and the sizes that a zip states may be false. Whatever is wrong with one
is an :class:`~napari_diatom.core.errors.InputError` that names the file.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError

LARGEST_DIRECTORY: Final = 2**22
"""Bytes of the list of what is in a zip: about 50,000 names."""

_CHUNK: Final = 2**20
_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQ2H2L4Q")


@contextlib.contextmanager
def opened_zip(path: Path, kind: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip; ``kind`` is what it should be, such as ``"a PyTorch file"``.

    Raises
    ------
    InputError
        When it cannot be read, is no zip, lists more than :data:`LARGEST_DIRECTORY` bytes of names, or one name twice.
    """
    with regular(path) as stream, _zip(stream, path, kind) as archive:
        names = archive.namelist()
        if len(set(names)) < len(names):
            raise InputError(f"{path} is not {kind}: it contains two entries with the same name.")
        yield archive


@contextlib.contextmanager
def regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, if it is one: a pipe or a device would be waited for without end.

    Raises
    ------
    InputError
        When it is not a regular file, or cannot be read.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
            raise InputError(f"{path} is not a file but {what}.")
        stream = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path} does not exist.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    with stream:
        yield stream


def read_entry(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Return what an entry of a zip holds, at most ``largest`` bytes.

    Raises
    ------
    InputError
        When it is missing, damaged, encrypted or larger, whatever size the zip states.
    """
    return b"".join(chunks(archive, name, largest))


def chunks(archive: zipfile.ZipFile, name: str, largest: int) -> Iterator[bytes]:
    """Yield what an entry of a zip holds, a piece at a time. Raises like :func:`read_entry`."""
    source = archive.filename or "The zip"
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise InputError(f"{source} has no {name} in it.") from None
    too_large = InputError(
        f"{name} in {source} is larger than the {largest / 2**20:,.0f} MB up to which it is unpacked."
    )
    if info.file_size > largest:
        raise too_large
    done = 0
    try:
        with archive.open(info) as stream:
            while piece := stream.read(min(_CHUNK, largest + 1 - done)):
                done += len(piece)
                if done > largest:
                    raise too_large
                yield piece
    except InputError:
        raise
    except Exception as error:  # each way of packing has its own errors
        raise InputError(f"{name} in {source} cannot be unpacked: {_short(error)}") from error


def _zip(stream: BinaryIO, path: Path, kind: str) -> zipfile.ZipFile:
    """Open a zip whose list of names is of bounded length."""
    try:
        listed = _directory_bytes(stream)
        if listed > LARGEST_DIRECTORY:
            raise InputError(
                f"{path} is not {kind}: its list of names has {listed:,} bytes, and {LARGEST_DIRECTORY:,} are read."
            )
        archive = zipfile.ZipFile(stream)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except Exception as error:  # a damaged list may raise almost anything
        raise InputError(f"{path} is not {kind}: {_short(error)}") from error
    archive.filename = str(path)
    return archive


def _directory_bytes(stream: BinaryIO) -> int:
    """Return how long the list of names is, as :mod:`zipfile` finds it before it reads it; 0 where there is none."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _END.size - 2**16)
    stream.seek(start)
    tail = stream.read()
    at = len(tail) - _END.size
    if at < 0 or tail[at : at + 4] != b"PK\5\6" or tail[-2:] != b"\0\0":
        at = tail.rfind(b"PK\5\6")
    if at < 0 or at + _END.size > len(tail):
        return 0
    listed = int(_END.unpack_from(tail, at)[5])
    before = start + at - _LOCATOR.size
    if before >= 0:
        stream.seek(before)
        signature, _, place, _ = _LOCATOR.unpack(stream.read(_LOCATOR.size))
        if signature == b"PK\6\7":
            # zipfile looks for the longer record at the stated place, or right before this one.
            for position in {min(place, size), max(0, before - _END64.size)}:
                stream.seek(position)
                record = stream.read(_END64.size)
                if len(record) == _END64.size and record[:4] == b"PK\6\6":
                    listed = max(listed if listed != 2**32 - 1 else 0, int(_END64.unpack(record)[8]))
    return listed


def _short(error: Exception) -> str:
    """Return what a library says of a damaged file as one sentence."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return text.rstrip(".") + "."
