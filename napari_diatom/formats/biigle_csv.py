"""BIIGLE's CSV report of image annotations: a row per annotation and label, many images in a file.

``points`` are the coordinates as JSON, ``attributes`` the image's, with its width and height. A polygon of four corners
at right angles is a box. Circles and ellipses become outlines. A specimen that several people gave the same label is
one specimen.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.errors import InputError
from napari_diatom.files import write_atomically
from napari_diatom.formats import Annotations, class_names
from napari_diatom.formats.documents import DECIMALS, size_of
from napari_diatom.formats.pictures import Pictures, size_needed
from napari_diatom.formats.polygons import bridged, ellipse, rectangle_of, ring_of
from napari_diatom.formats.shapes import corners_of, outline_of
from napari_diatom.formats.specimens import DEFAULT_CLASS, Problems, Sheet, Size, Specimen, assembled
from napari_diatom.text_files import read_text

TITLE: Final = "BIIGLE CSV"
SUFFIX: Final = ".csv"
COLUMNS: Final = (
    "annotation_label_id",
    "label_id",
    "label_name",
    "label_hierarchy",
    "user_id",
    "firstname",
    "lastname",
    "image_id",
    "filename",
    "image_longitude",
    "image_latitude",
    "shape_id",
    "shape_name",
    "points",
    "attributes",
    "annotation_id",
    "created_at",
)
"""Of BIIGLE's report, in its order."""
NEEDED: Final = ("label_name", "filename", "shape_name", "points")
"""Columns without which nothing can be read."""
SHAPE_IDS: Final = {"Polygon": 3, "Rectangle": 5}
"""BIIGLE's numbers of the shapes that are written."""


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write all images to ``path``, whole or not at all; images without specimens have no row.

    Raises
    ------
    InputError
        When the size of an image is unknown.
    OutputError
        When the file cannot be written.
    """
    size_needed(annotations, TITLE)
    classes = class_names(annotations)
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    number = 0
    for image_id, part in enumerate(annotations, start=1):
        attributes = json.dumps({"width": part.width, "height": part.height})
        for i, class_id in enumerate(part.detections.class_ids.tolist()):
            number += 1
            outline = outline_of(part, i)
            name = part.detections.classes[class_id]
            shape = "Rectangle" if outline is None else "Polygon"
            ring = corners_of(part, i) if outline is None else bridged(outline)
            table.writerow(
                {
                    "annotation_label_id": number,
                    "label_id": classes.index(name) + 1,
                    "label_name": name,
                    "label_hierarchy": name,
                    "image_id": image_id,
                    "filename": part.image,
                    "shape_id": SHAPE_IDS[shape],
                    "shape_name": shape,
                    "points": json.dumps(np.round(ring, DECIMALS).ravel().tolist()),
                    "attributes": attributes,
                    "annotation_id": number,
                }
            )
    write_atomically(path, text.getvalue())


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read all images of a report, in the order of their first rows.

    Raises
    ------
    InputError
        When it cannot be read, is no report, or holds damaged rows; the first few are named by their lines.
    """
    text = read_text(path, TITLE)
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    problems = Problems()
    sheets: dict[str, Sheet] = {}
    seen: dict[str, str] = {}
    try:
        missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
        if missing:
            raise InputError(f"{path} is not {TITLE}: it lacks the columns {', '.join(missing)}.")
        for row in table:
            with problems.at(f"line {table.line_num}"):
                _add(row, sheets, seen, pictures)
    except csv.Error as error:
        raise InputError(f"{path} is not {TITLE}: line {table.line_num}: {error}.") from None
    problems.check(path)
    return assembled(list(sheets.values()))


def _add(row: Mapping[str, str | None], sheets: dict[str, Sheet], seen: dict[str, str], pictures: Pictures) -> None:
    """Add the specimen of a row to its image; ``seen`` has the labels of the annotations before it."""
    filename, name = row.get("filename"), row.get("label_name") or DEFAULT_CLASS
    if not filename:
        raise InputError("names no image")
    number = row.get("annotation_id")
    if number:
        known = seen.setdefault(number, "")
        if known == name:
            return
        if known:
            raise InputError(f"gives annotation {number} the label {name!r}, but it is {known!r} already")
        seen[number] = name
    sheet = sheets.get(filename)
    if sheet is None:
        image, size = pictures.known(filename, _size(row.get("attributes")))
        sheet = sheets[filename] = Sheet(image, size)
    sheet.specimens.append(_specimen(row, name, sheet.size))


def _size(attributes: str | None) -> Size | None:
    """Return the size of an image as its attributes state it."""
    try:
        known = json.loads(attributes or "null")
    except (ValueError, RecursionError):
        raise InputError("has attributes that are no JSON") from None
    return size_of(known.get("height"), known.get("width")) if isinstance(known, dict) else None


def _specimen(row: Mapping[str, str | None], name: str, size: Size | None) -> Specimen:
    """Return the specimen of a row."""
    try:
        points: Any = json.loads(row.get("points") or "null")
    except (ValueError, RecursionError):
        raise InputError("has points that are no JSON") from None
    kind = row.get("shape_name")
    if kind in ("Polygon", "Rectangle"):
        ring = ring_of(points)
        box = rectangle_of(ring)
        if box is not None:
            return Specimen.rectangle(name, box, size)
    elif kind == "Circle":
        x, y, radius = _numbers(points, 3)
        ring = ring_of(ellipse(x, y, 2 * radius, 2 * radius, 0.0))
    elif kind == "Ellipse":
        ax, ay, bx, by, cx, cy, dx, dy = _numbers(points, 8)
        angle = math.atan2(cy - ay, cx - ax)
        axes = math.dist((ax, ay), (cx, cy)), math.dist((bx, by), (dx, dy))
        ring = ring_of(ellipse((ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4, *axes, angle))
    else:
        raise InputError(f"is a {kind}, which has no area")
    return Specimen.outlined(name, ((ring,),), size)


def _numbers(values: Any, count: int) -> list[float]:
    """Return so many finite numbers."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InputError(f"has points that are not {count} numbers")
    return [float(value) for value in numbers]
