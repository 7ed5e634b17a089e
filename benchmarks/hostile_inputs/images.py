"""Images of every kind, damaged by chance and on purpose, read as ``count`` reads them.

``prepare`` writes small valid files; ``attempt`` changes one of them and reads it: bytes, TIFF tags, the lengths of
chunks and segments, numbers in descriptions, and the ends of files.
"""

from __future__ import annotations

import logging
import random
import re
import struct
import sys
import warnings
import zlib
from pathlib import Path

from napari_diatom.core.errors import InputError
from napari_diatom.images.planes import BEST, EACH, MAX
from napari_diatom.images.slide_image import open_images

_TESTS = Path(__file__).parents[2] / "tests"
_WORDS = (0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 1000, 60000, 4097)
_LARGEST_WHOLE = 4_000_000
"""Pixels up to which an image is read as a whole."""
_WINDOW = 640
_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 11: 4, 12: 8, 13: 4, 16: 8, 18: 8}

_files: dict[str, bytes] = {}


def prepare(folder: Path) -> None:
    """Write a valid file of each kind, and keep its bytes."""
    sys.path.append(str(_TESTS))
    import tifffile

    from helpers.microscopes import FOCUS, SCANNERS, pictures, rgb

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    warnings.simplefilter("ignore")
    made = folder / "valid"
    made.mkdir()
    for name, write in FOCUS.items():
        write(made / name)
    for name, (write, _) in SCANNERS.items():
        write(made / name)
    for compression in (None, "zlib", "lzw", "jpeg", "packbits", "zstd", "jpeg2000", "webp", "png", "lerc", "jpegxr"):
        for layout in ({"tile": (64, 64)}, {"rowsperstrip": 32}):
            name = f"{compression}-{next(iter(layout))}.tif"
            tifffile.imwrite(made / name, rgb(), photometric="rgb", compression=compression, **layout)
    _files.update({path.name: path.read_bytes() for path in sorted(made.iterdir())})
    _files.update(pictures())


def attempt(number: int, seed: int, folder: Path) -> str:
    """Change a file and read it; return whether it was ``"read"`` or ``"refused"``."""
    chance = random.Random(f"{seed} {number}")
    name = chance.choice(sorted(_files))
    data = bytearray(_files[name])
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        data = _changed(data, name, chance)
    path = folder / name
    path.write_bytes(data)
    try:
        for image in open_images(path, z=chance.choice((BEST, BEST, MAX, EACH, "2")))[:4]:
            image.sha256()
            _read(image, chance)
            _ = image.notices
            image.release()
    except InputError as error:
        text = str(error)
        assert "\n" not in text, text
        assert len(text) < 1000, text
        return "refused"
    return "read"


def _read(image: object, chance: random.Random) -> None:
    """Read an image as an analysis does: all of it where it is small, else windows of it."""
    height, width = image.height, image.width  # type: ignore[attr-defined]
    read = image.read  # type: ignore[attr-defined]
    if height * width <= _LARGEST_WHOLE:
        read(0, 0, width, height)
        read(0, 0, width, height, 0.5)
        return
    for _ in range(3):
        x, y = chance.randrange(width), chance.randrange(height)
        read(x, y, x + _WINDOW, y + _WINDOW)
        read(x, y, x + 2 * _WINDOW, y + 2 * _WINDOW, 0.5)


def _changed(data: bytearray, name: str, chance: random.Random) -> bytearray:
    """Return a file with one change."""
    kinds = [_flipped, _overwritten, _cut, _doubled, _said]
    if data[:2] in (b"II", b"MM"):
        kinds += [_retagged] * 8
    elif data[:4] == b"\x89PNG":
        kinds += [_rechunked] * 4
    elif data[:2] == b"\xff\xd8":
        kinds += [_resegmented] * 4
    return chance.choice(kinds)(data, chance) if len(data) > 16 else data


def _flipped(data: bytearray, chance: random.Random) -> bytearray:
    """Change some bytes, most of them near the start or the end, where the structure is."""
    for _ in range(chance.choice((1, 4, 30))):
        near = chance.choice((64, 512, len(data)))
        at = chance.randrange(min(near, len(data)))
        data[at if chance.random() < 0.6 else -1 - at] = chance.randrange(256)
    return data


def _overwritten(data: bytearray, chance: random.Random) -> bytearray:
    """Put a number that is rarely right somewhere."""
    word = struct.pack(chance.choice(("<I", ">I")), chance.choice(_WORDS))
    at = chance.randrange(min(len(data) - 4, chance.choice((128, len(data)))))
    data[at : at + 4] = word
    return data


def _cut(data: bytearray, chance: random.Random) -> bytearray:
    """Cut the end off."""
    return data[: chance.randrange(8, len(data))]


def _doubled(data: bytearray, chance: random.Random) -> bytearray:
    """Put a piece of the file in a second time, or take one out."""
    start = chance.randrange(len(data))
    end = min(start + chance.choice((1, 16, 400)), len(data))
    if chance.random() < 0.5:
        del data[start:end]
        return data
    return data[:end] + data[start:end] * chance.choice((1, 1, 50)) + data[end:]


def _said(data: bytearray, chance: random.Random) -> bytearray:
    """Change a number in a description."""
    found = list(re.finditer(rb"(?<=[=\"])-?[0-9]{1,6}(?=[\"\n\s])", bytes(data)))
    if not found:
        return _flipped(data, chance)
    one = chance.choice(found)
    number = chance.choice(
        (b"0", b"-1", b"2", b"999999999999", b"1e9", b"NaN", b"x", str(chance.choice(_WORDS)).encode())
    )
    keep = len(one[0])
    # A description of the same length leaves the rest of the file where it is.
    number = number[:keep].ljust(keep, b"0" if number[:1].isdigit() else b" ") if chance.random() < 0.7 else number
    return data[: one.start()] + number + data[one.end() :]


def _retagged(data: bytearray, chance: random.Random) -> bytearray:
    """Change a tag of a TIFF: its code, type, count or value, or where the next page is."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    counter, entry, offset = ("Q", "HHQQ", "Q") if big else ("H", "HHII", "I")
    places = []
    (at,) = struct.unpack_from(order + offset, data, 8 if big else 4)
    head, size = struct.calcsize(counter), struct.calcsize(order + entry)
    while 8 <= at < len(data) - head and at not in places and len(places) < 50:
        places.append(at)
        (count,) = struct.unpack_from(order + counter, data, at)
        following = at + head + count * size
        if count > 1000 or following + struct.calcsize(offset) > len(data):
            break
        (at,) = struct.unpack_from(order + offset, data, following)
    if not places:
        return _flipped(data, chance)
    at = chance.choice(places)
    (count,) = struct.unpack_from(order + counter, data, at)
    if not 0 < count < 1000 or at + head + count * size + struct.calcsize(offset) > len(data):
        return _flipped(data, chance)
    if chance.random() < 0.1:
        target = chance.choice((*places, chance.randrange(len(data)), 0))
        struct.pack_into(order + offset, data, at + head + count * size, target)
        return data
    if chance.random() < 0.05:
        struct.pack_into(order + counter, data, at, chance.choice((0, 1, count + 1, 4096, 65535)))
        return data
    place = at + head + size * chance.randrange(count)
    code, kind, number, value = struct.unpack_from(order + entry, data, place)
    what = chance.randrange(6)
    if what == 0:
        code = chance.choice((254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 330, 338, 339))
    elif what == 1:
        kind = chance.choice((*_TYPES, 0, 99))
    elif what == 2:
        number = chance.choice((*_WORDS, number + 1, max(number - 1, 0)))
    elif number * _TYPES.get(kind, 1) <= (8 if big else 4) or what == 3:
        value = chance.choice((*_WORDS, value + 1, max(value - 1, 0), value * 2, chance.randrange(1, 20)))
    elif value + 4 < len(data):
        inside = value + min(chance.randrange(max(number * _TYPES.get(kind, 1) - 3, 1)), 4000)
        if inside + 4 <= len(data):
            struct.pack_into(order + "I", data, inside, chance.choice((*_WORDS, chance.randrange(len(data)))))
    most = 2**64 if big else 2**32
    struct.pack_into(order + entry, data, place, code, kind, number % most, value % most)
    return data


def _rechunked(data: bytearray, chance: random.Random) -> bytearray:
    """Change a chunk of a PNG and put its sum right, so that what is in it is believed."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            break
        chunks.append((bytes(data[at + 4 : at + 8]), bytearray(data[at + 8 : at + 8 + length])))
        at += 12 + length
    if not chunks:
        return _flipped(data, chance)
    kind, body = chance.choice([chunks[0], chance.choice(chunks)])
    place = chunks.index((kind, body))
    if kind == b"IHDR" and len(body) == 13 and chance.random() < 0.8:
        where = chance.choice((0, 4))
        if chance.random() < 0.7:
            struct.pack_into(">I", body, where, chance.choice((*_WORDS, 20000, 17000)))
        else:
            body[chance.randrange(8, 13)] = chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
    elif chance.random() < 0.2:
        body = bytearray(b"a\0\0" + zlib.compress(bytes(50_000_000)))
        kind = chance.choice((b"iCCP", b"zTXt"))
    elif chance.random() < 0.2:
        chunks[place:place] = [(chance.choice((b"tEXt", b"eXIf", b"acTL", b"fcTL")), body)] * 200
    elif body:
        body[chance.randrange(len(body))] = chance.randrange(256)
    chunks[min(place, len(chunks) - 1)] = (kind, body)
    out = bytearray(data[:8])
    for kind, body in chunks:
        out += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return out


def _resegmented(data: bytearray, chance: random.Random) -> bytearray:
    """Change the frame or a segment of a JPEG, or repeat its scans."""
    frame = re.search(rb"\xff[\xc0\xc2]\0\x11", bytes(data))
    if frame and chance.random() < 0.6:
        at = frame.start() + chance.choice((5, 7))
        struct.pack_into(">H", data, at, chance.choice((0, 1, 65535, 65500, 16000, 8, chance.randrange(65536))))
        return data
    scan = bytes(data).rfind(b"\xff\xda")
    if scan > 0 and chance.random() < 0.5:
        return data[:scan] + data[scan:-2] * chance.choice((2, 200)) + data[-2:]
    return _overwritten(data, chance)
