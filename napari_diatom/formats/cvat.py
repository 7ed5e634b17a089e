"""CVAT's XML for images 1.1: many images in a file.

A box is a ``box`` with its ``rotation`` in degrees, clockwise on the screen; a mask is a ``mask`` of run lengths along
the rows of its bounds, background first; a drawn outline of one ring is a ``polygon``. An ``ellipse`` is read as an
outline, turned as boxes are. What has no area (tags of the image, points, lines, cuboids, skeletons, tracks of a video)
is left out, and counted. Status, score, origin and similar are attributes of the label.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from napari_diatom.core.annotations import Annotations, class_names
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.detections import STATUSES, CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST, LARGEST
from napari_diatom.core.text import quoted, shortened
from napari_diatom.core.text_files import read_xml
from napari_diatom.formats.coco import rle
from napari_diatom.formats.shared.field_values import format_coordinate, parse_number, size_of, xml_text
from napari_diatom.formats.shared.image_index import Pictures, size_needed
from napari_diatom.formats.shared.parsed_specimens import (
    DEFAULT_CLASS,
    NO_FACTS,
    Facts,
    NoArea,
    ParsedSpecimen,
    Problems,
    Sheet,
    Size,
    assembled,
)
from napari_diatom.formats.shared.polygon_repair import ellipse, parse_ring
from napari_diatom.formats.shared.specimen_shapes import between, mask_of

TITLE: Final = "CVAT XML"
SUFFIX: Final = ".xml"

_EDGES: Final = ("xtl", "ytl", "xbr", "ybr")
_PLACE: Final = ("left", "top", "width", "height")
_ROUND: Final = ("cx", "cy", "rx", "ry")
_WITHOUT_AREA: Final = {
    "tag": "tag",
    "points": "group of points",
    "polyline": "polyline",
    "cuboid": "cuboid",
    "skeleton": "skeleton",
}
"""Kinds of CVAT that are not specimens, and what they are called."""


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write all images to ``path``, whole or not at all.

    Raises
    ------
    InputError
        When the size of an image is unknown.
    OutputError
        When the file cannot be written.
    """
    size_needed(annotations, TITLE)
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    labels = SubElement(SubElement(SubElement(root, "meta"), "task"), "labels")
    for name in class_names(annotations):
        _add_label(labels, name)
    for position, part in enumerate(annotations):
        image = {"id": str(position), "name": part.image, "width": str(part.width), "height": str(part.height)}
        element = SubElement(root, "image", image)
        for i in range(len(part)):
            _add(element, part, i)
    write_atomically(path, xml_text(root))


def _add_label(labels: Element, name: str) -> None:
    """Add a class and the attributes that its specimens have."""
    label = SubElement(labels, "label")
    SubElement(label, "name").text = name
    SubElement(label, "type").text = "any"
    attributes = SubElement(label, "attributes")
    for key, default in NO_FACTS.texts().items():
        attribute = SubElement(attributes, "attribute")
        SubElement(attribute, "name").text = key
        SubElement(attribute, "mutable").text = "False"
        SubElement(attribute, "input_type").text = "select" if key == "status" else "text"
        SubElement(attribute, "default_value").text = default
        SubElement(attribute, "values").text = "\n".join(STATUSES) if key == "status" else default


def _add(image: Element, part: Annotations, i: int) -> None:
    """Add specimen ``i``."""
    found = part.detections
    common = {"label": found.classes[int(found.class_ids[i])], "source": "manual", "occluded": "0", "z_order": "0"}
    mask, outline = mask_of(part, i), part.outlines[i]
    if mask is None:
        cx, cy, length, width, angle = found.boxes[i].astype(np.float64).tolist()
        edges = cx - length / 2, cy - width / 2, cx + length / 2, cy + width / 2
        places = dict(zip(_EDGES, map(format_coordinate, edges), strict=True))
        shape = SubElement(image, "box", {**common, **places, "rotation": format_coordinate(math.degrees(angle) % 360)})
    elif outline is not None and len(outline) == 1 and len(outline[0]) == 1:
        points = ";".join(f"{format_coordinate(x)},{format_coordinate(y)}" for x, y in outline[0][0])
        shape = SubElement(image, "polygon", {**common, "points": points})
    else:
        tight = mask.trimmed()
        height, width = tight.pixels.shape
        # Rows of the mask are columns of its transpose, along which COCO's run lengths go.
        runs = rle.encode(CroppedMask(tight.pixels.T, 0, 0), width, height)
        places = dict(zip(_PLACE, map(str, (tight.x0, tight.y0, width, height)), strict=True))
        shape = SubElement(image, "mask", {**common, "rle": ", ".join(map(str, runs.tolist())), **places})
    for key, text in Facts.of(part, i).texts().items():
        SubElement(shape, "attribute", {"name": key}).text = text


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read all images of a file, in their order.

    Raises
    ------
    InputError
        When it cannot be read, is no file for images, or holds damaged shapes; the first few are named.
    """
    root = read_xml(path, TITLE)
    if root.tag != "annotations":
        raise InputError(f"{path} is not {TITLE}: its root is {quoted(root.tag)}, not 'annotations'.")
    tracks = len(root.findall("track"))
    if tracks and root.find("image") is None:
        raise InputError(f"{path} is for a video: export it from CVAT as 'CVAT for images'.")
    problems = Problems()
    sheets: dict[str, Sheet] = {}
    for position, image in enumerate(root.findall("image"), start=1):
        name = image.get("name") or ""
        with problems.at(f"image {position}"):
            if not name:
                raise InputError("has no name")
            if name in sheets:
                raise InputError(f"is named {quoted(name)}, like an earlier one")
            sheets[name] = Sheet(*pictures.known(name, size_of(image.get("height"), image.get("width"))))
            for number_, shape in enumerate(image, start=1):
                with problems.at(f"{shortened(name)} shape {number_}", sheets[name].left_out):
                    sheets[name].specimens.append(_specimen(shape, sheets[name].size))
    problems.check(path)
    if tracks:
        next(iter(sheets.values())).left_out["track of a video"] = tracks
    classes = [label.findtext("name") or "" for label in root.iterfind("meta//labels/label")]
    return assembled(list(sheets.values()), list(dict.fromkeys(name for name in classes if name)))


def _specimen(shape: Element, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of a shape."""
    if shape.tag in _WITHOUT_AREA:
        raise NoArea(_WITHOUT_AREA[shape.tag])
    name = shape.get("label") or DEFAULT_CLASS
    facts = Facts.parsed({item.get("name", ""): (item.text or "").strip() for item in shape.findall("attribute")})
    if shape.tag == "box":
        x0, y0, x1, y1 = (parse_number(shape.get(key), key) for key in _EDGES)
        angle = math.radians(parse_number(shape.get("rotation", 0), "rotation"))
        return ParsedSpecimen.rectangle(name, between(x0, y0, x1, y1, angle), size, facts)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (parse_number(shape.get(key), key) for key in _ROUND)
        angle = math.radians(parse_number(shape.get("rotation", 0), "rotation"))
        return ParsedSpecimen.outlined(name, ((ellipse(cx, cy, 2 * rx, 2 * ry, angle),),), size, facts)
    if shape.tag == "polygon":
        points = [pair.split(",") for pair in (shape.get("points") or "").split(";")]
        return ParsedSpecimen.outlined(name, ((parse_ring(points),),), size, facts)
    if shape.tag == "mask":
        return ParsedSpecimen.masked(name, _mask(shape), size, facts)
    raise InputError(f"is a {shortened(shape.tag)}, which is not a known CVAT shape")


def _mask(shape: Element) -> CroppedMask:
    """Return the mask of run lengths along its rows."""
    left, top, width, height = (parse_number(shape.get(key), key) for key in _PLACE)
    if not (0 < width * height <= LARGEST and min(width, height) >= 1 and max(abs(left), abs(top)) <= FARTHEST):
        raise InputError(f"has a mask of {width:g} x {height:g} pixels")
    runs = (shape.get("rle") or "").split(",")
    counts = [int(run) for run in runs if run.strip().isascii() and run.strip().isdigit() and len(run) < 10]
    if len(counts) < len(runs) or sum(counts) not in (int(width) * int(height), int(width * height)):
        raise InputError("has run lengths that do not add up to its width and height")
    across = rle.decode(counts, int(width), int(height))
    return CroppedMask(across.pixels.T, across.y0 + int(left), across.x0 + int(top))
