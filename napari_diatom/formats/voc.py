"""Pascal VOC's XML of upright boxes, a file per image.

Coordinates are the edges of boxes counted from 0, with decimals, as LabelImg and CVAT write them; those of the original
data set count pixels from 1. Boxes at an angle, ``robndbox`` of roLabelImg, are read, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CUT_BY_EDGE
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.core.text_files import read_xml
from napari_diatom.formats.shared.field_values import format_coordinate, parse_number, size_of, xml_text
from napari_diatom.formats.shared.file_sets import read_each, write_each
from napari_diatom.formats.shared.image_index import Pictures, size_needed
from napari_diatom.formats.shared.parsed_specimens import (
    DEFAULT_CLASS,
    ParsedSpecimen,
    Problems,
    Sheet,
    Size,
    assembled,
)
from napari_diatom.formats.shared.specimen_shapes import between, bounds_of

TITLE: Final = "Pascal VOC"
SUFFIX: Final = ".xml"

_EDGES: Final = ("xmin", "ymin", "xmax", "ymax")
_ROTATED: Final = ("cx", "cy", "w", "h", "angle")


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write a file per image into the new folder ``path``, or the one image into the file ``path``.

    Raises
    ------
    InputError
        When sizes or names of images are missing.
    OutputError
        When something cannot be written.
    """
    size_needed(annotations, TITLE)
    write_each(path, annotations, SUFFIX, TITLE, _text)


def _text(part: Annotations) -> str:
    """Return the file of one image."""
    found = part.detections
    root = Element("annotation")
    SubElement(root, "filename").text = part.image
    size = SubElement(root, "size")
    for name, value in (("width", part.width), ("height", part.height), ("depth", 3)):
        SubElement(size, name).text = str(value)
    SubElement(root, "segmented").text = "0"
    for i, class_id in enumerate(found.class_ids.tolist()):
        item = SubElement(root, "object")
        SubElement(item, "name").text = found.classes[class_id]
        SubElement(item, "pose").text = "Unspecified"
        SubElement(item, "truncated").text = str(int(bool(found.cut[i] & CUT_BY_EDGE)))
        SubElement(item, "difficult").text = "0"
        box = SubElement(item, "bndbox")
        for name, edge in zip(_EDGES, bounds_of(part, i), strict=True):
            SubElement(box, name).text = format_coordinate(edge)
    return xml_text(root)


def spelling(name: str) -> str:
    """Return a class as it is read back: blanks around it are taken for indentation."""
    return name.strip() or DEFAULT_CLASS


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read a file, or all files in a folder.

    Raises
    ------
    InputError
        When they cannot be read or hold damaged objects; the first few are named by their numbers.
    """
    return assembled(read_each(path, (SUFFIX,), TITLE, lambda file: _sheet(file, pictures)))


def _sheet(file: Path, pictures: Pictures) -> Sheet:
    """Read the file of one image."""
    root = read_xml(file, TITLE)
    if root.tag != "annotation":
        raise InputError(f"{file} is not {TITLE}: its root is {quoted(root.tag)}, not 'annotation'.")
    stated = size_of(root.findtext("size/height"), root.findtext("size/width"))
    image, size = pictures.known((root.findtext("filename") or "").strip() or file.stem, stated, file)
    sheet = Sheet(image, size)
    problems = Problems()
    for position, item in enumerate(root.findall("object"), start=1):
        with problems.at(f"object {position}"):
            sheet.specimens.append(_specimen(item, size))
    problems.check(file)
    return sheet


def _specimen(item: Element, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of an object."""
    name = spelling(item.findtext("name") or "")
    rotated = item.find("robndbox")
    if rotated is not None:
        return ParsedSpecimen.rectangle(name, [parse_number(rotated.findtext(key), key) for key in _ROTATED], size)
    box = item.find("bndbox")
    if box is None:
        raise InputError("has no bndbox")
    return ParsedSpecimen.rectangle(name, between(*(parse_number(box.findtext(key), key) for key in _EDGES)), size)
