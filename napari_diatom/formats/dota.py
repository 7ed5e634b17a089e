"""DOTA's label files: four corners, class and difficulty in a row, a file per image in ``labelTxt/``.

A class is one word there: blanks and line breaks become underscores. Quadrilaterals that are not rectangles are read as
the smallest box round them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_text
from napari_diatom.formats.shared.field_values import format_coordinate
from napari_diatom.formats.shared.file_sets import read_each, write_each
from napari_diatom.formats.shared.image_index import Pictures
from napari_diatom.formats.shared.parsed_specimens import ParsedSpecimen, Problems, Sheet, Size, assembled
from napari_diatom.formats.shared.polygon_repair import box_round, parse_ring

TITLE: Final = "DOTA"
SUFFIX: Final = ".txt"
FOLDER: Final = "labelTxt"
"""Folder of the files in a dataset."""
HEADERS: Final = ("imagesource:", "gsd:")
"""How lines begin that are not rows."""


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write a file per image into the new folder ``path``, or the one image into the file ``path``.

    Raises
    ------
    InputError
        When two classes become one without their spaces; see also
        :func:`napari_diatom.formats.shared.file_sets.write_each`.
    OutputError
        When something cannot be written.
    """
    classes = {name for part in annotations for name in part.detections.classes}
    if len({word(name) for name in classes}) < len(classes):
        raise InputError("DOTA has no spaces in the names of classes, and without them two of these classes are one.")
    write_each(path, annotations, SUFFIX, TITLE, _text)


def recognises(text: str) -> bool:
    """Return whether each line of a text has eight coordinates and a class that is not a number."""
    lines = [line for line in text.splitlines() if line.strip()]
    rows = [line.replace(",", " ").split() for line in lines if not line.startswith(HEADERS)]
    if not rows:
        return bool(lines)
    return all(len(row) >= 9 and not _is_number(row[8]) for row in rows) and text.lstrip()[0] not in "{[<"


def _is_number(text: str) -> bool:
    """Return whether a cell holds a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def word(name: str) -> str:
    """Return a class as one word."""
    return "_".join(name.split()) or "_"


def _text(part: Annotations) -> str:
    """Return the file of one image."""
    found = part.detections
    lines = ["imagesource:napari-diatom\n", "gsd:null\n"]
    for corners, class_id in zip(geometry.corners(found.boxes), found.class_ids.tolist(), strict=True):
        lines.append(
            f"{' '.join(format_coordinate(value) for value in corners.ravel())} {word(found.classes[class_id])} 0\n"
        )
    return "".join(lines)


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read a file, or all files in a folder or in its ``labelTxt``.

    Raises
    ------
    InputError
        When they cannot be read or hold damaged rows; the first few are named by their lines.
    """
    inner = path / FOLDER
    return assembled(
        read_each(inner if inner.is_dir() else path, (SUFFIX,), TITLE, lambda file: _sheet(file, pictures))
    )


def _sheet(file: Path, pictures: Pictures) -> Sheet:
    """Read the file of one image."""
    text = read_text(file, "a label file of DOTA")
    image, size = pictures.known(file.stem, None, file)
    sheet = Sheet(image, size)
    problems = Problems()
    for position, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith(HEADERS):
            with problems.at(f"line {position}"):
                sheet.specimens.append(_specimen(line, size))
    problems.check(file)
    return sheet


def _specimen(line: str, size: Size | None) -> ParsedSpecimen:
    """Return the specimen of a row."""
    cells = line.split()
    if len(cells) < 9 or cells[0].endswith(","):
        # Some programs put commas between the cells; where they do not, a comma belongs to the class.
        cells = line.replace(",", " ").split()
    if len(cells) < 9:
        raise InputError(f"has {len(cells)} cells; eight coordinates, a class and a difficulty are needed")
    # Difficulty is the last cell, but some programs leave it out.
    name = " ".join(cells[8:-1] if len(cells) > 9 and cells[-1].isdigit() else cells[8:])
    return ParsedSpecimen.rectangle(name, box_round(parse_ring(np.array(cells[:8], dtype=object))), size)
