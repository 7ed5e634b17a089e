"""ImageJ's regions of interest, as its ROI Manager saves them: a zip file per image, a region per specimen.

A box is a rotated rectangle, which ImageJ keeps as the line through its middle and its width; an outline of one ring is
a polygon, one with holes or islands a composite. Class, status, score and the like are properties of the region. A
region without them is of the class that its name says, unless ImageJ gave it that name.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from napari_diatom.errors import InputError
from napari_diatom.formats import Annotations, Outline
from napari_diatom.formats.folders import read_each, write_each
from napari_diatom.formats.pictures import Pictures
from napari_diatom.formats.polygons import ellipse, nested, ring_of
from napari_diatom.formats.shapes import between, corners_of, outline_of
from napari_diatom.formats.specimens import DEFAULT_CLASS, Facts, Problems, Sheet, Size, Specimen, assembled
from napari_diatom.text_files import read_bytes

if TYPE_CHECKING:
    from roifile import ImagejRoi

TITLE: Final = "ImageJ ROI"
SUFFIX: Final = ".zip"
SINGLE: Final = ".roi"
"""Suffix of a file with one region."""
MOST: Final = 2**24
"""Bytes that one region may have."""

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0
_AUTOMATIC: Final = re.compile(r"[\dF][\dC-]*")
_ERRORS: Final = (
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    AssertionError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    MemoryError,
)
"""What damaged files lead the zip and ROI readers to."""


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
    outline = outline_of(part, i)
    region = ImagejRoi.frompoints(np.concatenate([ring for polygon in outline for ring in polygon])
                                  if outline is not None else corners_of(part, i))  # fmt: skip
    region.name = f"{i + 1:05d}"
    region.props = "".join(f"{key}: {json.dumps(text)[1:-1]}\n" for key, text in _texts(part, i, name).items())
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
    return assembled(read_each(path, (SUFFIX, SINGLE), TITLE, lambda file: _sheet(file, pictures)))


def _sheet(file: Path, pictures: Pictures) -> Sheet:
    """Read the file of one image."""
    data = read_bytes(file)
    image, size = pictures.known(file.stem, None, file)
    sheet = Sheet(image, size)
    problems = Problems()
    for name, content in _regions(data, file).items():
        with problems.at(f"region {name}"):
            sheet.specimens.append(_specimen(content, size))
    problems.check(file)
    return sheet


def _regions(data: bytes, file: Path) -> dict[str, bytes]:
    """Return the regions of a file by their names."""
    if data.startswith(b"Iout"):
        return {file.stem: data}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            entries = [entry for entry in packed.infolist() if entry.filename.endswith(SINGLE)]
            if len({entry.filename for entry in entries}) < len(entries):
                raise InputError(f"{file} has several regions of one name.")
            if len(entries) < len(packed.infolist()):
                raise InputError(f"{file} is not {TITLE}: it holds files that are no regions.")
            if any(entry.file_size > MOST for entry in entries):
                raise InputError(f"{file} has a region that is absurdly large.")
            return {entry.filename: packed.read(entry) for entry in entries}
    except _ERRORS as error:
        raise InputError(f"{file} is not {TITLE}: {' '.join(str(error).split())}.") from None


def _specimen(content: bytes, size: Size | None) -> Specimen:
    """Return the specimen of a region."""
    from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

    try:
        region = ImagejRoi.frombytes(content)
        coordinates = None if region.composite else region.coordinates()
    except _ERRORS as error:
        raise InputError(f"is damaged: {' '.join(str(error).split())}") from None
    known = _properties(region.props)
    named = re.sub(r"-\d+$", "", region.name.strip())
    name = known.get("class") or (named if named and not _AUTOMATIC.fullmatch(named) else DEFAULT_CLASS)
    facts = Facts.parsed(known)
    if region.composite:
        return Specimen.outlined(name, _outline(np.asarray(region.multi_coordinates).tolist()), size, facts)
    if region.subtype == ROI_SUBTYPE.ROTATED_RECT:
        (width,) = struct.unpack(">f", content[52:56])
        dx, dy = region.x2 - region.x1, region.y2 - region.y1
        box = [(region.x1 + region.x2) / 2, (region.y1 + region.y2) / 2, np.hypot(dx, dy), width, np.arctan2(dy, dx)]
        return Specimen.rectangle(name, box, size, facts)
    edges: tuple[float, float, float, float] = (region.left, region.top, region.right, region.bottom)
    if region.subpixelrect:
        edges = (region.xd, region.yd, region.xd + region.widthd, region.yd + region.heightd)
    if region.roitype == ROI_TYPE.RECT:
        return Specimen.rectangle(name, between(*edges), size, facts)
    if region.roitype == ROI_TYPE.OVAL:
        ring = ring_of(ellipse(*between(*edges)))
    elif region.roitype in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        ring = ring_of(coordinates)
    else:
        raise InputError(f"is a {region.roitype.name.lower()}, which has no area")
    return Specimen.outlined(name, ((ring,),), size, facts)


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
    """Return the polygons of a path: rings, of which those inside others are holes."""
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
    return nested([ring_of(ring) for ring in rings])
