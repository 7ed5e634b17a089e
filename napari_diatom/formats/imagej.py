"""ImageJ's regions of interest, as its ROI Manager saves them: a zip file per image, a region per specimen.

A box is a rotated rectangle, which ImageJ keeps as the line through its middle and its width; an outline of one ring is
a polygon, one with holes or islands a composite. Class, status, score and similar are properties of the region. A
region without them is of the class that its name says, unless ImageJ gave it that name.

The regions of a stack say by their position to which of its fields they belong; those without one belong to the first.
Points, lines and texts are left out, and counted. Folders in a zip file are looked into, and what systems leave there
(``__MACOSX``, hidden files) is skipped.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom.core.annotations import Annotations, Outline
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import MOST_POINTS
from napari_diatom.core.text_files import read_bytes
from napari_diatom.formats.shared.file_sets import read_each, write_each
from napari_diatom.formats.shared.image_index import Pictures
from napari_diatom.formats.shared.name_index import base_name, split_page
from napari_diatom.formats.shared.parsed_specimens import (
    DEFAULT_CLASS,
    Facts,
    NoArea,
    ParsedSpecimen,
    Problems,
    Sheet,
    Size,
    assembled,
    some_of,
)
from napari_diatom.formats.shared.polygon_repair import ellipse, nested, parse_ring
from napari_diatom.formats.shared.specimen_shapes import between, corners_of, specimen_polygons

if TYPE_CHECKING:
    from roifile import ImagejRoi

TITLE: Final = "ImageJ ROI"
SUFFIX: Final = ".zip"
SINGLE: Final = ".roi"
"""Suffix of a file with one region."""
MOST: Final = 2**24
"""Bytes that one region may have."""
MOST_UNPACKED: Final = 2**29
"""Bytes that all regions of a file may have."""
LARGEST_DIRECTORY: Final = 2**25
"""Bytes of the list of a zip file's entries: some 300,000 of them."""
RATIO: Final = 200
"""How many times larger than the file its regions may be, where they are large."""

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
_AUTOMATIC: Final = re.compile(r"[\dF][\dC-]*")
_SLICE: Final = re.compile(r"(\d{4,6})-\d{4,6}-\d{4,6}")
"""Names that ImageJ gives to regions of a stack: slice, row, column."""
_CLUTTER: Final = re.compile(r"(^|.*/)(__MACOSX/.*|\.[^/]*(/.*)?|[^/]*/|Thumbs\.db|desktop\.ini)", re.IGNORECASE)
"""What systems add to a zip file, and folders."""
_TAIL: Final = 22 + 65_535
"""Bytes at the end of a zip file; some of them say how long its list of entries is."""


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write a file per image into the new folder ``path``, or the one image into the file ``path``.

    Raises
    ------
    InputError
        When images have no names of their own.
    OutputError
        When something cannot be written.
    """
    write_each(path, annotations, SUFFIX, TITLE, _zip)


def _zip(part: Annotations) -> bytes:
    """Return the file of one image."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for i in range(len(part)):
            # Without a date, so that the same specimens give the same bytes.
            file.writestr(zipfile.ZipInfo(f"{i + 1:05d}{SINGLE}"), _region(part, i).tobytes())
    return stream.getvalue()


def _region(part: Annotations, i: int) -> ImagejRoi:
    """Return specimen ``i`` as a region."""
    from roifile import ROI_OPTIONS, ROI_SUBTYPE, ROI_TYPE, ImagejRoi

    found = part.detections
    name = found.classes[int(found.class_ids[i])]
    outline = specimen_polygons(part, i)
    region = ImagejRoi.frompoints(np.concatenate([ring for polygon in outline for ring in polygon])
                                  if outline is not None else corners_of(part, i))  # fmt: skip
    region.name = f"{i + 1:05d}"
    region.position = split_page(base_name(part.image))[1] or 0
    region.props = "".join(f"{key}: {_escaped(text)}\n" for key, text in _texts(part, i, name).items())
    if outline is None:
        first, second, third, fourth = corners_of(part, i)
        region.subtype = ROI_SUBTYPE.ROTATED_RECT
        (region.x1, region.y1), (region.x2, region.y2) = (first + fourth) / 2, (second + third) / 2
        width = struct.pack(">f", float(found.boxes[i, 3]))
        region.arrow_style_or_aspect_ratio, region.arrow_head_size, region.rounded_rect_arc_size = struct.unpack(
            ">BBh", width
        )
    elif len(outline) == 1 and len(outline[0]) == 1:
        region.roitype = ROI_TYPE.POLYGON
    else:
        region.roitype = ROI_TYPE.RECT
        region.options &= ~ROI_OPTIONS.SUB_PIXEL_RESOLUTION
        region.integer_coordinates = region.subpixel_coordinates = None
        region.n_coordinates = 0
        region.multi_coordinates = _path(outline)
        region.shape_roi_size = len(region.multi_coordinates)
    return region


def _texts(part: Annotations, i: int, name: str) -> dict[str, str]:
    return {"class": name, **Facts.of(part, i).texts()}


def _escaped(text: str) -> str:
    """Return a text as the value of a property, with blanks at its ends that last."""
    inner = text.strip(" ")
    start = len(text) - len(text.lstrip(" "))
    end = len(text) - len(inner) - start
    blank = "\\u0020"
    return blank * start + json.dumps(inner)[1:-1] + blank * end


def _path(outline: Outline) -> Any:
    """Return rings as ImageJ's path: a number for what is done, then where."""
    steps: list[float] = []
    for ring in (ring for polygon in outline for ring in polygon):
        for position, (x, y) in enumerate(ring.tolist()):
            steps += [_LINE if position else _MOVE, x, y]
        steps.append(_CLOSE)
    return np.array(steps, dtype=np.float32)


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read a zip file or a single region, or all such files in a folder.

    Raises
    ------
    InputError
        When they cannot be read or hold damaged regions; the first few are named.
    """
    sheets = read_each(path, (SUFFIX, SINGLE), TITLE, lambda file: _sheets(file, pictures))
    return assembled([sheet for several in sheets for sheet in several])


def _sheets(file: Path, pictures: Pictures) -> list[Sheet]:
    """Read the regions of one file: an image, or the fields of a stack that they lie on."""
    image, size = pictures.known(file.stem, None, file)
    # A file that is itself named after a field holds that field alone.
    fields = 1 if split_page(file.stem)[1] is not None else pictures.fields(file.stem)
    problems = Problems()
    sheets: dict[int, Sheet] = {1: Sheet(image, size)}
    for name, content in _regions(read_bytes(file), file).items():
        with problems.at(f"region {name}"):
            region = _parsed(content)
            field = 1 if fields == 1 else _field(region, Path(name).stem)
            if fields is not None and field > fields:
                raise InputError(f"lies on field {field}, and {image} has {fields}")
            if field not in sheets:
                sheets[field] = Sheet(*pictures.known(f"{file.stem}#{field}", None, file))
            with problems.at(f"region {name}", sheets[field].left_out):
                sheets[field].specimens.append(_specimen(region, content, sheets[field].size))
    problems.check(file)
    # An empty first field is not an image without specimens where the others have them all.
    return [sheet for field, sheet in sorted(sheets.items()) if field > 1 or len(sheets) == 1 or sheet.specimens]


def _field(region: ImagejRoi, name: str) -> int:
    """Return the number of the field that a region lies on, from 1.

    In a hyperstack that is its time: channels and planes of focus are the same place. The slices of a plain stack are
    counted by the one position, which older versions of ImageJ kept in the name.
    """
    if region.c_position > 0 or region.z_position > 0 or region.t_position > 0:
        return max(int(region.t_position), 1)
    if region.position > 0:
        return int(region.position)
    old = _SLICE.fullmatch(region.name.strip() or name)
    return max(int(old[1]), 1) if old else 1


def holds_regions(data: bytes) -> bool:
    """Tell whether a zip file is one of regions, by the names in it."""
    try:
        entries = _entries(data)
    except Exception:  # zipfile meets damaged files with errors of many kinds
        return False
    return not entries or any(entry.filename.lower().endswith(SINGLE) for entry in entries)


def _entries(data: bytes) -> list[zipfile.ZipInfo]:
    """Return what a zip file holds, without what systems add; raises anything where it is damaged."""
    end = data.rfind(b"PK\5\6", max(len(data) - _TAIL, 0))
    if end >= 0 and int.from_bytes(data[end + 12 : end + 16], "little") > LARGEST_DIRECTORY:
        raise zipfile.BadZipFile("its list of entries is far too long")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return [entry for entry in packed.infolist() if not _CLUTTER.fullmatch(entry.filename)]


def _regions(data: bytes, file: Path) -> dict[str, bytes]:
    """Return the regions of a file by their names.

    Raises
    ------
    InputError
        When it holds other files besides, or more than it could by its size.
    """
    if data.startswith(b"Iout"):
        return {file.stem: data}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            entries = _entries(data)
            if len({entry.filename for entry in entries}) < len(entries):
                raise InputError(f"{file} has several regions of one name.")
            others = [entry.filename for entry in entries if not entry.filename.lower().endswith(SINGLE)]
            if others:
                raise InputError(f"{file} is not {TITLE}: it holds files that are not regions ({some_of(others)}).")
            unpacked = sum(entry.file_size for entry in entries)
            if any(entry.file_size > MOST for entry in entries):
                raise InputError(f"{file} has a region that is absurdly large.")
            if unpacked > MOST_UNPACKED or unpacked > max(RATIO * len(data), MOST):
                raise InputError(f"{file} would grow to {unpacked / 2**20:,.0f} MB, which is absurdly large.")
            return {entry.filename: packed.read(entry) for entry in entries}
    except InputError:
        raise
    except Exception as error:  # zipfile and what it unpacks with meet damaged files with errors of many kinds
        raise InputError(f"{file} is not {TITLE}: {_short(error)}.") from None


def _short(error: Exception) -> str:
    """Return an error of a library as one line."""
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _parsed(content: bytes) -> ImagejRoi:
    """Return a region."""
    from roifile import ImagejRoi

    try:
        return ImagejRoi.frombytes(content)
    except Exception as error:  # roifile meets damaged regions with errors of many kinds
        raise InputError(f"is damaged: {_short(error)}") from None


def _specimen(region: ImagejRoi, content: bytes, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of a region, which was read from ``content``."""
    from roifile import ROI_SUBTYPE, ROI_TYPE

    try:
        path = np.asarray(region.multi_coordinates, dtype=np.float64).ravel().tolist() if region.composite else []
        coordinates = None if region.composite else region.coordinates()
    except Exception as error:  # as above
        raise InputError(f"is damaged: {_short(error)}") from None
    if region.subtype == ROI_SUBTYPE.TEXT:
        raise NoArea("text")
    known = _properties(region.props)
    named = re.sub(r"-\d+$", "", region.name.strip())
    name = known.get("class") or (named if named and not _AUTOMATIC.fullmatch(named) else DEFAULT_CLASS)
    facts = Facts.parsed(known)
    if region.composite:
        return ParsedSpecimen.outlined(name, _outline(path), size, facts)
    if region.subtype == ROI_SUBTYPE.ROTATED_RECT:
        (width,) = struct.unpack(">f", content[52:56])
        dx, dy = region.x2 - region.x1, region.y2 - region.y1
        box = [(region.x1 + region.x2) / 2, (region.y1 + region.y2) / 2, np.hypot(dx, dy), width, np.arctan2(dy, dx)]
        return ParsedSpecimen.rectangle(name, box, size, facts)
    edges: tuple[float, float, float, float] = (region.left, region.top, region.right, region.bottom)
    if region.subpixelrect:
        edges = (region.xd, region.yd, region.xd + region.widthd, region.yd + region.heightd)
    if region.roitype == ROI_TYPE.RECT:
        return ParsedSpecimen.rectangle(name, between(*edges), size, facts)
    if region.roitype == ROI_TYPE.OVAL:
        ring = ellipse(*between(*edges))
    elif region.roitype in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        ring = parse_ring(coordinates)
    else:
        raise NoArea(region.roitype.name.lower())
    return ParsedSpecimen.outlined(name, ((ring,),), size, facts)


def _properties(text: str) -> dict[str, str]:
    """Return a region's properties by name."""
    known: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        try:
            known[key.strip()] = str(json.loads(f'"{value.strip()}"'))
        except ValueError:
            known[key.strip()] = value.strip()
    return known


def _outline(steps: list[float]) -> Outline:
    """Return the polygons of a path: rings; those inside others are holes."""
    rings: list[list[tuple[float, float]]] = []
    at = 0
    while at < len(steps):
        if steps[at] == _CLOSE:
            at += 1
            continue
        if steps[at] not in (_MOVE, _LINE) or at + 2 >= len(steps) or (steps[at] == _LINE and not rings):
            raise InputError("has a path with curves, or a damaged one")
        if steps[at] == _MOVE:
            rings.append([])
        rings[-1].append((steps[at + 1], steps[at + 2]))
        at += 3
    if not rings:
        raise InputError("has an empty path")
    if len(steps) > 3 * MOST_POINTS:
        raise InputError(f"has a path of more than {MOST_POINTS:,} points, which is absurdly many")
    return nested([parse_ring(ring) for ring in rings])
