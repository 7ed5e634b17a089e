"""LabelMe's JSON, a file per image, with the boxes at an angle of X-AnyLabeling.

An upright box is a ``rectangle``, one at an angle a ``rotation`` of four corners, a mask a ``polygon``; islands are
polygons of one ``group_id``, as LabelMe has it, and holes are reached by bridges without width. ``circle`` and
LabelMe's own ``mask`` are read, too. Points and lines are left out, and counted. Status, origin and similar stand in
``attributes``.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import Annotations, Outline
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST, check_near, check_span
from napari_diatom.core.text import shortened
from napari_diatom.core.text_files import read_json
from napari_diatom.formats.shared.field_values import DECIMALS, size_of
from napari_diatom.formats.shared.file_sets import read_each, write_each
from napari_diatom.formats.shared.image_index import Pictures
from napari_diatom.formats.shared.name_index import base_name
from napari_diatom.formats.shared.parsed_specimens import (
    DEFAULT_CLASS,
    Facts,
    NoArea,
    ParsedSpecimen,
    Problems,
    Sheet,
    Size,
    assembled,
)
from napari_diatom.formats.shared.polygon_repair import Ring, box_round, bridged, ellipse, parse_ring
from napari_diatom.formats.shared.specimen_shapes import between, bounds_of, corners_of, is_upright, specimen_polygons

TITLE: Final = "LabelMe"
SUFFIX: Final = ".json"
VERSION: Final = "5.5.0"
"""Of LabelMe, whose files these are like."""

_AT: Final = "position"
_WITHOUT_AREA: Final = {"point": "point", "points": "group of points", "line": "line", "linestrip": "line"}
"""Kinds of LabelMe that are not specimens, and what they are called."""


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write a file per image into the new folder ``path``, or the one image into the file ``path``.

    Raises
    ------
    InputError
        When images have no names of their own.
    OutputError
        When something cannot be written.
    """
    write_each(path, annotations, SUFFIX, TITLE, _text)


def _text(part: Annotations) -> str:
    """Return the file of one image."""
    shapes: list[dict[str, Any]] = []
    for i in range(len(part)):
        shapes += _shapes(part, i)
    data: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": part.image,
        "imageData": None,
        "imageHeight": part.height,
        "imageWidth": part.width,
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _shapes(part: Annotations, i: int) -> list[dict[str, Any]]:
    """Return the shapes of specimen ``i``, one for each of its islands."""
    found = part.detections
    facts = Facts.of(part, i)
    outline = specimen_polygons(part, i)
    shape: dict[str, Any] = {
        "label": found.classes[int(found.class_ids[i])],
        "score": facts.score,
        "group_id": None,
        "description": "",
        "difficult": False,
        "flags": {},
        "attributes": facts.texts(),
    }
    if outline is not None:
        group = i + 1 if len(outline) > 1 else None
        rings = [bridged((polygon,)) for polygon in outline]
        return [{**shape, "group_id": group, "shape_type": "polygon", "points": _plain(ring)} for ring in rings]
    if is_upright(found.boxes[i]):
        x0, y0, x1, y1 = bounds_of(part, i)
        return [{**shape, "shape_type": "rectangle", "points": _plain(np.array([[x0, y0], [x1, y1]]))}]
    direction = float(found.boxes[i, 4]) % (2 * math.pi)
    return [{**shape, "shape_type": "rotation", "direction": direction, "points": _plain(corners_of(part, i))}]


def _plain(points: Ring) -> list[list[float]]:
    return [[float(value) for value in point] for point in np.round(points, DECIMALS)]


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read a file, or all files in a folder.

    Raises
    ------
    InputError
        When they cannot be read or hold damaged shapes; the first few are named by their numbers.
    """
    return assembled(read_each(path, (SUFFIX,), TITLE, lambda file: _sheet(file, pictures)))


def _sheet(file: Path, pictures: Pictures) -> Sheet:
    """Read the file of one image."""
    data = read_json(file, TITLE)
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise InputError(f'{file} is not {TITLE}: it lacks the list "shapes".')
    stated = size_of(data.get("imageHeight"), data.get("imageWidth"))
    named = data.get("imagePath")
    image, size = pictures.known(base_name(named) if isinstance(named, str) and named else file.stem, stated, file)
    problems = Problems()
    sheet = Sheet(image, size)
    islands: dict[object, tuple[str, list[Mapping[str, Any]]]] = {}
    for position, item in enumerate(data["shapes"], start=1):
        if not isinstance(item, dict):
            problems.add(f"shape {position} is not a shape")
            continue
        name, group = str(item.get("label") or DEFAULT_CLASS), item.get("group_id")
        is_island = item.get("shape_type", "polygon") == "polygon" and group is not None
        islands.setdefault((name, str(group)) if is_island else position, (name, []))[1].append({**item, _AT: position})
    for name, items in islands.values():
        with problems.at(f"shape {items[0][_AT]}", sheet.left_out):
            sheet.specimens.append(_specimen(items[0], name, size) if len(items) == 1 else _joined(items, name, size))
    problems.check(file)
    return sheet


def _joined(items: Sequence[Mapping[str, Any]], name: str, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of several islands."""
    return ParsedSpecimen.outlined(
        name, tuple((parse_ring(item.get("points")),) for item in items), size, _facts(items[0])
    )


def _facts(item: Mapping[str, Any]) -> Facts:
    """Return what is known of a shape."""
    attributes = item.get("attributes")
    known = attributes if isinstance(attributes, dict) else {}
    return Facts.parsed({**known, "score": item.get("score")})


def _specimen(item: Mapping[str, Any], name: str, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of a shape."""
    kind = item.get("shape_type", "polygon")
    if isinstance(kind, str) and kind in _WITHOUT_AREA:
        raise NoArea(_WITHOUT_AREA[kind])
    facts = _facts(item)
    if kind == "rectangle":
        low, high = _ends(item.get("points"))
        return ParsedSpecimen.rectangle(name, between(*low, *high), size, facts)
    if kind == "rotation":
        return ParsedSpecimen.rectangle(name, box_round(parse_ring(item.get("points"))), size, facts)
    if kind in ("polygon", "quadrilateral"):
        return ParsedSpecimen.outlined(name, ((parse_ring(item.get("points")),),), size, facts)
    if kind == "circle":
        (x, y), edge = _points(item.get("points"))[:2]
        across = 2 * math.dist((x, y), edge)
        return ParsedSpecimen.outlined(name, _circle(x, y, across), size, facts)
    if kind == "mask":
        return ParsedSpecimen.masked(name, _mask(item), size, facts)
    raise InputError(f"is a {shortened(str(kind))}, which is not a known LabelMe shape")


def _circle(x: float, y: float, across: float) -> Outline:
    return ((ellipse(x, y, across, across, 0.0),),)


def _points(values: Any) -> NDArray[np.float64]:
    """Return at least two points."""
    try:
        points = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise InputError("has points that are not a list of x and y")
    check_near(points)
    return points


def _ends(values: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and greatest x, y of points."""
    points = _points(values)
    return points.min(axis=0), points.max(axis=0)


def _mask(item: Mapping[str, Any]) -> CroppedMask:
    """Return LabelMe's mask: a PNG in base 64, and the first of its corners."""
    import io

    from PIL import Image

    low, _ = _ends(item.get("points"))
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(item.get("mask") or "", validate=True)), formats=["PNG"]
        ) as picture:
            check_span(*picture.size)
            pixels = np.asarray(picture.convert("L")) > 0
    except (OSError, ValueError, TypeError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        raise InputError("has a mask that is not PNG") from None
    return CroppedMask(pixels, *(int(value) for value in np.clip(np.round(low), -FARTHEST, FARTHEST)))
