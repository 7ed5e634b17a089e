"""BIIGLE's CSV report of image annotations: a row per annotation and label, many images in a file.

``points`` are the coordinates as JSON, ``attributes`` the image's, with its width and height. A polygon of four corners
at right angles is a box. Circles and ellipses become outlines. A specimen that several people gave the same label is
one specimen; it is known by its annotation's number and its points. Labels of one name differ in their parents.
What has no area (points, lines, whole frames) is left out, and counted.
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

from napari_diatom.core.annotations import Annotations, class_names, disambiguated
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted, shortened
from napari_diatom.core.text_files import parse_json, parse_lines, parse_table, read_text
from napari_diatom.formats.shared.field_values import DECIMALS, size_of
from napari_diatom.formats.shared.image_index import Pictures, size_needed
from napari_diatom.formats.shared.parsed_specimens import (
    DEFAULT_CLASS,
    NoArea,
    ParsedSpecimen,
    Problems,
    Sheet,
    Size,
    assembled,
)
from napari_diatom.formats.shared.polygon_repair import bridged, ellipse, parse_ring, rectangle_of
from napari_diatom.formats.shared.specimen_shapes import corners_of, specimen_polygons

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
LONGEST_CELL: Final = 2**26
"""Characters in a cell: the outline of a large specimen is one."""
SHAPE_IDS: Final = {"Polygon": 3, "Rectangle": 5}
"""BIIGLE's numbers of the shapes that are written."""
_WITHOUT_AREA: Final = {"Point": "point", "LineString": "line", "WholeFrame": "label of a whole frame"}
"""Kinds of BIIGLE that are not specimens, and what they are called."""


def recognises(text: str) -> bool:
    """Return whether the first line of a text names the columns without which nothing can be read."""
    try:
        (columns, *_) = parse_table(text.lstrip().partition("\n")[0], "The first line", "a table")
    except (InputError, ValueError):
        return False
    return set(NEEDED) <= set(columns)


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
    # Left to itself, the writer does not put a bare carriage return in quotes, which ends a row as a line feed does.
    returns = any("\r" in name for name in (*classes, *(part.image for part in annotations)))
    quoting: Any = csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n", quoting=quoting)
    table.writeheader()
    number = 0
    for image_id, part in enumerate(annotations, start=1):
        attributes = json.dumps({"width": part.width, "height": part.height})
        for i, class_id in enumerate(part.detections.class_ids.tolist()):
            number += 1
            outline = specimen_polygons(part, i)
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
    (_, head), *lines = parse_lines(read_text(path, TITLE), path, TITLE, longest=LONGEST_CELL) or [(0, [])]
    missing = [name for name in NEEDED if name not in head]
    if missing:
        raise InputError(f"{path} is not {TITLE}: it lacks the columns {', '.join(missing)}.")
    rows = [(line, dict(zip(head, cells, strict=False))) for line, cells in lines]
    labels = [row.get("label_name") or DEFAULT_CLASS for _, row in rows]
    names = disambiguated(
        [(label, row.get("label_hierarchy") or label) for label, (_, row) in zip(labels, rows, strict=True)]
    )
    problems = Problems()
    sheets: dict[str, Sheet] = {}
    seen: dict[tuple[str | None, ...], str] = {}
    for name, (line, row) in zip(names, rows, strict=True):
        with problems.at(f"line {line}"):
            _add(row, name, sheets, seen, pictures)
    problems.check(path)
    return assembled(list(sheets.values()))


def _add(
    row: Mapping[str, str],
    name: str,
    sheets: dict[str, Sheet],
    seen: dict[tuple[str | None, ...], str],
    pictures: Pictures,
) -> None:
    """Add the specimen of a row to its image; ``seen`` has the labels of the annotations before it."""
    filename = row.get("filename")
    if not filename:
        raise InputError("names no image")
    number = row.get("annotation_id")
    if number:
        # In reports of several volumes, or of one at several times, a number may stand for more than one annotation.
        key = number, filename, row.get("shape_name"), row.get("points")
        known = seen.get(key)
        if known == name:
            return
        if known is not None:
            raise InputError(
                f"gives annotation {shortened(number)} the label {quoted(name)}, but it is {quoted(known)} already"
            )
        seen[key] = name
    sheet = sheets.get(filename)
    if sheet is None:
        image, size = pictures.known(filename, _size(row.get("attributes")))
        sheet = sheets[filename] = Sheet(image, size)
    try:
        sheet.specimens.append(_specimen(row, name, sheet.size))
    except NoArea as error:
        sheet.left_out[error.kind] += 1


def _size(attributes: str | None) -> Size | None:
    """Return the size of an image as its attributes state it."""
    known = _json(attributes, "attributes")
    return size_of(known.get("height"), known.get("width")) if isinstance(known, dict) else None


def _json(text: str | None, column: str) -> Any:
    """Return what the JSON in a cell says."""
    try:
        return parse_json(text or "null", "The cell", "JSON")
    except InputError:
        raise InputError(f"has {column} that are not JSON") from None


def _specimen(row: Mapping[str, str], name: str, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of a row."""
    kind = row.get("shape_name")
    if kind in _WITHOUT_AREA:
        raise NoArea(_WITHOUT_AREA[kind])
    points = _json(row.get("points"), "points")
    if kind in ("Polygon", "Rectangle"):
        ring = parse_ring(points)
        box = rectangle_of(ring)
        if box is not None:
            return ParsedSpecimen.rectangle(name, box, size)
    elif kind == "Circle":
        x, y, radius = _numbers(points, 3)
        ring = ellipse(x, y, 2 * radius, 2 * radius, 0.0)
    elif kind == "Ellipse":
        ax, ay, bx, by, cx, cy, dx, dy = _numbers(points, 8)
        angle = math.atan2(cy - ay, cx - ax)
        axes = math.dist((ax, ay), (cx, cy)), math.dist((bx, by), (dx, dy))
        ring = ellipse((ax + bx + cx + dx) / 4, (ay + by + cy + dy) / 4, *axes, angle)
    else:
        raise InputError(f"is a {shortened(str(kind))}, which is not a known BIIGLE shape")
    return ParsedSpecimen.outlined(name, ((ring,),), size)


def _numbers(values: Any, count: int) -> list[float]:
    """Return so many finite numbers."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InputError(f"has points that are not {count} numbers")
    return [float(value) for value in numbers]
