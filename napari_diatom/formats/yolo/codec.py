"""Rows of YOLO's label files: class and coordinates as shares of the image's width and height, a specimen a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, many, quoted
from napari_diatom.formats.shared.field_values import parse_number
from napari_diatom.formats.shared.parsed_specimens import Facts, ParsedSpecimen, Size
from napari_diatom.formats.shared.polygon_repair import (
    Ring,
    box_round,
    bridged,
    clipped,
    parse_ring,
    rectangle_of,
    repaired,
)
from napari_diatom.formats.shared.specimen_shapes import bounds_of, corners_of, specimen_polygons

BEYOND: Final = 0.009
"""Share of the image by which a label may lie outside of it: Ultralytics skips all labels of an image where one lies
0.01 outside."""

_DECIMALS: Final = 10


@dataclass(frozen=True)
class Kind:
    """How YOLO writes a specimen.

    Attributes
    ----------
    title : str
        Name for people.
    points : callable
        Returns what is written of specimen ``i``, a ring in pixels.
    row : callable
        Returns the numbers of a ring in pixels.
    specimen : callable
        Returns the specimen of numbers, in pixels.
    counts : callable
        Tells whether a row may have so many coordinates.
    """

    title: str
    points: Callable[[Annotations, int], Ring]
    row: Callable[[Ring], Ring]
    specimen: Callable[[str, NDArray[np.float64], Size, Facts], ParsedSpecimen]
    counts: Callable[[int], bool]


def _bounds(part: Annotations, i: int) -> Ring:
    """Return the corners of a specimen's upright bounds."""
    x0, y0, x1, y1 = bounds_of(part, i)
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _outline(part: Annotations, i: int) -> Ring:
    """Return a specimen's outline as one ring."""
    outline = specimen_polygons(part, i)
    return corners_of(part, i) if outline is None else bridged(outline)


def _centre_and_size(ring: Ring) -> Ring:
    """Return centre and size of a ring's bounds."""
    low, high = ring.min(axis=0), ring.max(axis=0)
    return np.stack([(low + high) / 2, high - low])


def _same(ring: Ring) -> Ring:
    return ring


def _box(name: str, numbers: NDArray[np.float64], size: Size, facts: Facts) -> ParsedSpecimen:
    """Return an upright box of its centre and size."""
    if (numbers[2:] <= 0).any():
        raise InputError("has a box without an area")
    return ParsedSpecimen.rectangle(name, [*numbers, 0.0], size, facts)


def _oriented(name: str, numbers: NDArray[np.float64], size: Size, facts: Facts) -> ParsedSpecimen:
    """Return the box of its corners, or the smallest one round more or other points, as Ultralytics takes it."""
    return ParsedSpecimen.rectangle(name, box_round(parse_ring(numbers)), size, facts)


def _polygon(name: str, numbers: NDArray[np.float64], size: Size, facts: Facts) -> ParsedSpecimen:
    """Return a polygon; four corners at right angles are a box."""
    ring = parse_ring(numbers)
    box = rectangle_of(ring)
    if box is not None:
        return ParsedSpecimen.rectangle(name, box, size, facts)
    return ParsedSpecimen.outlined(name, ((ring,),), size, facts)


UPRIGHT: Final = Kind("YOLO", _bounds, _centre_and_size, _box, lambda n: n == 4)
ORIENTED: Final = Kind("YOLO-OBB", corners_of, _same, _oriented, lambda n: n >= 6 and n % 2 == 0)
POLYGONS: Final = Kind("YOLO-seg", _outline, _same, _polygon, lambda n: n >= 6 and n % 2 == 0)


def reaches_too_far(ring: Ring, size: Size) -> bool:
    """Tell whether a label reaches so far beyond its image that Ultralytics would skip the image's labels."""
    centre, span = _centre_and_size(ring) / (size[1], size[0])
    return bool((centre < -BEYOND).any() or (centre > 1 + BEYOND).any() or (span > 1 + BEYOND).any())


def rows(part: Annotations, kind: Kind, classes: tuple[str, ...], size: Size) -> str:
    """Return the label file of one image; a label that reaches too far beyond the image is clipped to it.

    Raises
    ------
    InputError
        When nothing of a specimen lies in the image.
    """
    lines = []
    for i, class_id in enumerate(part.detections.class_ids.tolist()):
        ring = kind.points(part, i)
        if reaches_too_far(ring, size):
            inside = clipped(repaired(((ring,),)), *size)
            if not inside:
                raise InputError(
                    f"{part.image}: specimen {i + 1} lies outside its image, where {kind.title} has nothing."
                )
            ring = bridged(inside)
        shares = kind.row(ring) / (size[1], size[0])
        numbers = " ".join(f"{value:.{_DECIMALS}f}".rstrip("0").rstrip(".") for value in shares.ravel() + 0.0)
        lines.append(f"{classes.index(part.detections.classes[class_id])} {numbers}\n")
    return "".join(lines)


def parsed(line: str, kind: Kind, classes: tuple[str, ...], size: Size) -> ParsedSpecimen:
    """Return the specimen of a row; a number more than there have to be is its score.

    Raises
    ------
    InputError
        When the row is damaged; the message continues after its place.
    """
    cells = line.split()
    index = cells[0]
    if not (index.isascii() and index.isdigit() and len(index) < 10 and int(index) < len(classes)):
        known = f"there {either(len(classes), 'is', 'are')} {many(len(classes), 'class', 'classes')} from 0"
        raise InputError(f"has the class {quoted(index)}, and {known}")
    values = np.array([parse_number(cell, "coordinate") for cell in cells[1:]])
    facts = Facts()
    if kind.counts(len(values) - 1):
        facts = Facts.parsed({"score": values[-1]})
        values = values[:-1]
    if not kind.counts(len(values)):
        raise InputError(f"has {len(values)} coordinates, which is not a row of {kind.title}")
    pixels = (values.reshape(-1, 2) * (size[1], size[0])).ravel()
    return kind.specimen(classes[int(index)], pixels, size, facts)
