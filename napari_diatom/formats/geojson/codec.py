"""GeoJSON as QuPath reads and writes it: a FeatureCollection of closed polygons in pixel coordinates.

A rectangle is a ring of its four corners, starting with an edge along the apical axis; a mask is a polygon along the
edges of its pixels. Beside QuPath's own properties (``objectType``, ``classification``) a feature carries ``status``,
``score``, ``shape``, ``origin``, ``reviewed``, ``cut``, the numbers of its ``box`` and its ``measurements``, which
QuPath lists; all may be missing. Specimens of a project have an ``id``, and ``annotator`` and ``changed`` say who
changed them last, and when. Named ones have :data:`napari_diatom.core.taxa.COLUMNS`, and the taxon as ``name`` too,
which QuPath shows. A class such as ``Navicula: big``, and a status other than the usual one, are written as QuPath's
derived classes, ``"names": ["Navicula", "big", "broken"]``, and read from them. Where the box and the geometry
disagree, as after an edit in QuPath, the geometry is right; measurements are never read back.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations, Outline, repeated
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import PERSON, STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST, MOST_POINTS
from napari_diatom.core.taxa import Name
from napari_diatom.core.text import quoted, shortened
from napari_diatom.core.text_files import parse_json, read_bytes
from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM

SUFFIX: Final = ".geojson"

HEADER: Final = "napari_diatom"
"""Member of the collection with what is known of the image."""

_DEFAULT_CLASS: Final = "diatom"
_RECTANGLE_TOLERANCE: Final = 0.02
"""How far (px) the numbers of a box may be from its own corners, which are written to four decimals."""
_LINES: Final = {
    "Point": "point",
    "MultiPoint": "point",
    "LineString": "line",
    "MultiLineString": "line",
}
"""Geometries without an area, and what they are called."""
_BETWEEN: Final = ": "
"""What QuPath puts between the names of a derived class."""
_KINDS: Final = re.compile(r"Path\w*Object")
"""What QuPath wrote in place of an id up to version 0.2; it is the same for all of a kind."""
_POLYGON_TOLERANCE: Final = 2.0
"""How far (px) the box of a mask, found by a network, may be from the smallest box round the mask."""


def write(path: Path, annotations: Annotations, measurements: Sequence[Mapping[str, float]] | None = None) -> None:
    """Write annotations to ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    annotations : Annotations
        The specimens.
    measurements : sequence of Mapping, length N, optional
        What is known of each of them by name, as :func:`napari_diatom.counting.table_columns.measurements` gives it.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_atomically(path, dumps(annotations, measurements))


def dumps(annotations: Annotations, measurements: Sequence[Mapping[str, float]] | None = None) -> str:
    """Return annotations, with their measurements by name where given, as GeoJSON text, a feature a line."""
    header = {
        "classes": list(annotations.detections.classes),
        "image": annotations.image,
        "height": annotations.height,
        "width": annotations.width,
        "pixel_size_um": annotations.pixel_size_um,
        **({} if annotations.orientation is None else {"orientation": annotations.orientation}),
    }
    found = geojson_features(annotations)
    for feature, numbers in zip(found, measurements or (), strict=measurements is not None):
        feature["properties"]["measurements"] = dict(numbers)
    return collection(header, [json.dumps(feature, ensure_ascii=False) for feature in found])


def geojson_features(annotations: Annotations) -> list[dict[str, Any]]:
    """Return every specimen as a GeoJSON feature, plain data."""
    corners = np.round(geometry.corners(annotations.detections.boxes), 4)
    return [_feature(annotations, i, corners[i]) for i in range(len(annotations))]


def collection(header: Mapping[str, Any], lines: Sequence[str]) -> str:
    """Return the text of a FeatureCollection of features that are text already, one a line."""
    head, body = json.dumps(header, ensure_ascii=False), ",\n".join(lines)
    return f'{{"type": "FeatureCollection", "{HEADER}": {head}, "features": [\n{body}\n]}}\n'


def read(path: Path) -> Annotations:
    """Read annotations from a GeoJSON file of ours or of QuPath.

    Masks are given where at least one specimen is a polygon. Points and lines are left out, and counted.

    Raises
    ------
    InputError
        When the file cannot be read, is no GeoJSON, or holds bad features (the first few are named with their number).
    """
    return of_data(parsed(read_bytes(path), str(path)), str(path), only_specimens=False)


def loads(text: str, source: str = "The text") -> Annotations:
    """Read annotations from GeoJSON text; ``source`` names it in errors.

    Raises
    ------
    InputError
        When the text is no GeoJSON, or holds bad features.
    """
    return of_data(parsed(text, source), source)


def parsed(text: str | bytes, source: str) -> Any:
    """Return what JSON text, or the bytes of a file of it, says.

    Raises
    ------
    InputError
        When it is no JSON, or no text in UTF-8.
    """
    return parse_json(text, source, "GeoJSON")


def of_data(data: Any, source: str, masks: bool = True, only_specimens: bool = True) -> Annotations:
    """Read annotations from parsed GeoJSON.

    Parameters
    ----------
    data : object
        As :func:`parsed` gives it.
    source : str
        Names the file in errors.
    masks : bool
        Whether to fill the masks of polygons; without, they are known by their outlines alone.
    only_specimens : bool
        Whether points and lines are refused, as in a file of ours; otherwise they are left out, and counted.

    Raises
    ------
    InputError
        When it is no FeatureCollection, or holds bad features.
    """
    listed, header = _collection(data, source)
    read: list[_Feature] = []
    problems: list[str] = []
    without_area: Counter[str] = Counter()
    for number, feature in enumerate(listed, start=1):
        kind = None if only_specimens else _line(feature)
        if kind is not None:
            without_area[kind] += 1
            continue
        try:
            read.append(_parse(feature))
        except InputError as error:
            problems.append(f"feature {number} {error}")
    problems += [f"{n} features have the id {quoted(name)}" for name, n in repeated([item.id for item in read]).items()]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise InputError(f"{source} has damaged annotations: {'; '.join(problems[:3])}{more}.")
    return replace(_assemble(read, header, source, masks), left_out=without_area)


def class_and_status(properties: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the class and the status of a feature by its properties.

    QuPath has no status. There the last name of a derived class may be one: ``["Navicula", "broken"]``.

    Raises
    ------
    InputError
        When the class is not text; the message continues after the feature's name.
    """
    classification = properties.get("classification")
    names = [classification]
    if isinstance(classification, dict):
        names = classification.get("names") or [classification.get("name")]
    if not isinstance(names, list) or any(isinstance(name, list | dict) for name in names):
        raise InputError(f"has the class {quoted(classification)}, which is not a name or a list of names")
    parts = [str(name) for name in names if name]
    if "status" in properties:
        status = properties["status"]
        is_added = len(parts) > 1 and parts[-1] == status != STATUSES[0]
        # A single name is the class as it is: it may end in what is a status, too.
        return _BETWEEN.join(parts[:-1] if is_added else parts) or _DEFAULT_CLASS, status
    parts = [part.strip() for part in parts[0].split(_BETWEEN)] if len(parts) == 1 else parts
    if len(parts) > 1 and parts[-1] in STATUSES:
        return _BETWEEN.join(parts[:-1]), parts[-1]
    return _BETWEEN.join(parts) or _DEFAULT_CLASS, STATUSES[0]


def _classification(name: str, status: str) -> dict[str, Any]:
    """Return a class and a status as QuPath has them."""
    parts = name.split(_BETWEEN)
    if any(part != part.strip() or not part for part in parts):
        parts = [name]
    parts += [status] * (status != STATUSES[0])
    # QuPath writes either of them; of both it takes "name", and takes it apart where it has its own separator.
    return {"name": _BETWEEN.join(parts), **({"names": parts} if len(parts) > 1 else {})}


@dataclass(frozen=True, eq=False)
class _Feature:
    """One specimen as read."""

    box: NDArray[np.float64]
    name: str
    score: float
    status: str
    cut: int
    origin: str
    reviewed: bool
    shape: str
    outline: Outline | None
    geometry: Mapping[str, Any]
    id: str
    annotator: str
    changed: str
    called: Name | None


def _feature(annotations: Annotations, i: int, corners: NDArray[np.float64]) -> dict[str, Any]:
    """Return specimen ``i``, whose box has these corners, as a GeoJSON feature."""
    found = annotations.detections
    box = found.boxes[i]
    class_id, status = int(found.class_ids[i]), STATUSES[int(found.status[i])]
    outline = annotations.outlines[i]
    if annotations.shapes[i] == "rectangle":
        outline = ((corners,),)
    elif outline is None:
        outline = _traced(found, i) or ((corners,),)
    polygons = [[_closed(ring) for ring in polygon] for polygon in outline]
    shape: dict[str, Any] = (
        {"type": "Polygon", "coordinates": polygons[0]}
        if len(polygons) == 1
        else {"type": "MultiPolygon", "coordinates": polygons}
    )
    stamps = {"annotator": annotations.annotators[i], "changed": annotations.changed[i]}
    return {
        "type": "Feature",
        **({"id": annotations.ids[i]} if annotations.ids[i] else {}),
        "geometry": shape,
        "properties": {
            "objectType": "annotation",
            "classification": {
                **_classification(found.classes[class_id], status),
                "color": list(class_colour(class_id)),
            },
            "status": status,
            "score": _shortest(found.scores[i]),
            "shape": annotations.shapes[i],
            "origin": annotations.origins[i],
            "reviewed": bool(annotations.reviewed[i]),
            "cut": int(found.cut[i]),
            "box": [_shortest(value) for value in box],
            **{name: value for name, value in stamps.items() if value},
            **_named(annotations.names[i]),
        },
    }


def _named(name: Name | None) -> dict[str, Any]:
    """Return the properties that tell the taxon of a specimen."""
    if name is None:
        return {}
    return {"name": name.taxon, **{column: value for column, value in name.cells().items() if value != ""}}


def _traced(found: Detections, i: int) -> Outline:
    """Return the outline of a mask; one without pixels has none."""
    from napari_diatom.core.mask_polygons import trace

    return () if found.masks is None else trace(found.masks[i])


def _closed(ring: NDArray[np.float64]) -> list[list[float]]:
    """Return a ring as plain numbers, its first point repeated at the end; whole numbers without decimals."""
    points = [[int(v) if float(v).is_integer() else float(v) for v in point] for point in ring]
    return [*points, points[0]]


def _shortest(value: np.float32) -> float:
    """Return the shortest decimal number that reads back as the same float32."""
    return float(str(value))


def _collection(data: Any, source: str) -> tuple[list[Any], Mapping[str, Any]]:
    """Return the features and our own header of a parsed file."""
    if isinstance(data, list):
        return data, {}
    if isinstance(data, dict) and data.get("type") == "Feature":
        return [data], {}
    if (
        not isinstance(data, dict)
        or data.get("type") != "FeatureCollection"
        or not isinstance(data.get("features"), list)
    ):
        raise InputError(f"{source} is not a GeoJSON FeatureCollection.")
    header = data.get(HEADER)
    return data["features"], header if isinstance(header, dict) else {}


def _parse(feature: Any) -> _Feature:
    """Check one feature; the message of an error continues after "feature 3"."""
    if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
        raise InputError("has no geometry")
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    shape, box, outline = _figure(properties, feature["geometry"])
    name, status = class_and_status(properties)
    score = properties.get("score", 1.0)
    cut = properties.get("cut", 0)
    if status not in STATUSES:
        raise InputError(f"has the unknown status {quoted(status)} (known: {', '.join(STATUSES)})")
    if not _is_number(score) or not 0 <= score <= 1:
        raise InputError(f"has the score {quoted(score)}, which is not within 0 and 1")
    if cut not in (0, 1, 2, 3):
        raise InputError(f"has the cut flags {quoted(cut)}, which are not within 0 and 3")
    return _Feature(
        box=box,
        name=name,
        score=float(score),
        status=str(status),
        cut=int(cut),
        origin=str(properties.get("origin", PERSON)),
        reviewed=bool(properties.get("reviewed", False)),
        shape=shape,
        outline=outline,
        geometry=feature["geometry"],
        id=_id(feature.get("id")),
        annotator=_text(properties.get("annotator")),
        changed=_text(properties.get("changed")),
        called=Name.of(properties),
    )


def _figure(
    properties: Mapping[str, Any], geometry_: Mapping[str, Any]
) -> tuple[str, NDArray[np.float64], Outline | None]:
    """Return shape, box and outline of a feature; no outline where the geometry is the ring of the stored box."""
    shape, numbers = properties.get("shape"), properties.get("box")
    own = None if shape == "polygon" else _own_box(numbers, geometry_)
    if own is not None:
        return "rectangle", own, None
    outline = _outline(geometry_)
    rectangle = None if shape == "polygon" else _rectangle(outline)
    if rectangle is not None:
        return "rectangle", _trusted(numbers, rectangle, outline, True), outline
    return "polygon", _trusted(numbers, _smallest_box(outline), outline, False), outline


def _id(value: Any) -> str:
    """Return the id of a feature as text, empty where it has none of its own."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return "" if _KINDS.fullmatch(_text(value)) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _line(feature: Any) -> str | None:
    """Return what a feature is that has no area, None for any other."""
    geometry_ = feature.get("geometry") if isinstance(feature, dict) else None
    kind = geometry_.get("type") if isinstance(geometry_, dict) else None
    return _LINES.get(kind) if isinstance(kind, str) else None


def _outline(geometry_: Mapping[str, Any]) -> Outline:
    """Return the polygons of a GeoJSON geometry."""
    kind, coordinates = geometry_.get("type"), geometry_.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise InputError(f"is a {shortened(str(kind))}, not a Polygon")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(polygons, list) or not polygons:
        raise InputError("has no coordinates")
    outline: list[tuple[NDArray[np.float64], ...]] = []
    for polygon in polygons:
        if not isinstance(polygon, list) or not polygon:
            raise InputError("has no coordinates")
        outline.append(tuple(_ring(ring) for ring in polygon))
    return tuple(outline)


def _ring(coordinates: Any) -> NDArray[np.float64]:
    """Return a ring without its repeated end point."""
    try:
        ring = np.asarray(coordinates, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError("has coordinates that are not numbers") from None
    if ring.ndim != 2 or ring.shape[1] < 2:
        raise InputError("has coordinates that are not pairs of x and y")
    if len(ring) > MOST_POINTS:
        raise InputError(f"has an outline of {len(ring):,} points; up to {MOST_POINTS:,} are read")
    ring = ring[:, :2]
    (left, top), (right, bottom) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
    if not (left >= -FARTHEST and top >= -FARTHEST and right <= FARTHEST and bottom <= FARTHEST):
        raise InputError("has NaN, infinite or absurdly large coordinates")
    if len(ring) > 1 and ring[0].tolist() == ring[-1].tolist():
        ring = ring[:-1]
    if len(ring) < 3 or left == right or top == bottom:
        raise InputError("has an outline without an area")
    return ring


def _own_box(numbers: Any, geometry_: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Return the stored numbers of a box where the geometry is still the ring of this box as we wrote it, else None.

    That is so for nearly all of thousands of boxes, and answered without an array for each of their rings.
    """
    if not isinstance(numbers, list) or len(numbers) != 5 or not all(map(_is_number, numbers)):
        return None
    cx, cy, length, width, angle = numbers
    if min(length, width) <= _RECTANGLE_TOLERANCE or max(map(abs, numbers)) > FARTHEST:
        return None
    coordinates = geometry_.get("coordinates")
    if geometry_.get("type") != "Polygon" or not isinstance(coordinates, list) or len(coordinates) != 1:
        return None
    ring = coordinates[0]
    if not isinstance(ring, list) or len(ring) != 5 or ring[0] != ring[4]:
        return None
    along = math.cos(angle) * length / 2, math.sin(angle) * length / 2
    across = -math.sin(angle) * width / 2, math.cos(angle) * width / 2
    try:
        for (x, y, *_), (u, v) in zip(ring, ((-1, -1), (1, -1), (1, 1), (-1, 1)), strict=False):
            dx, dy = cx + u * along[0] + v * across[0] - x, cy + u * along[1] + v * across[1] - y
            # NaN is not within anything.
            if not math.hypot(dx, dy) <= _RECTANGLE_TOLERANCE:
                return None
    except (TypeError, ValueError, OverflowError):
        return None
    return np.asarray(numbers, dtype=np.float64)


def _rectangle(outline: Outline) -> NDArray[np.float64] | None:
    """Return the box of an outline that is one rectangle of any direction, else None."""
    if len(outline) != 1 or len(outline[0]) != 1 or len(outline[0][0]) != 4:
        return None
    box = geometry.from_corners(outline[0][0][None])[0]
    ring = outline[0][0]
    # Each corner lies where a rectangle of this centre has it when both diagonals halve each other and are equal.
    first, second = ring[2] - ring[0], ring[3] - ring[1]
    slack = 0.5 + 0.01 * float(box[2])
    same_centre = np.abs(ring[0] + ring[2] - ring[1] - ring[3]).max() / 2 <= slack
    same_length = abs(math.hypot(*first) - math.hypot(*second)) <= slack
    return box if same_centre and same_length and box[3] > 0 else None


def _smallest_box(outline: Outline) -> NDArray[np.float64]:
    """Return the smallest box of any direction round the polygons, canonical."""
    import cv2

    points = np.concatenate([polygon[0] for polygon in outline])
    origin = points.mean(axis=0)
    (cx, cy), (width, height), degrees = cv2.minAreaRect((points - origin).astype(np.float32))
    box = [cx + origin[0], cy + origin[1], max(width, 1e-3), max(height, 1e-3), math.radians(degrees)]
    return np.asarray(geometry.canonical([box])[0])


def _trusted(numbers: Any, fitted: NDArray[np.float64], outline: Outline, is_rectangle: bool) -> NDArray[np.float64]:
    """Return the stored numbers of a box where they agree with the geometry, else the fitted box."""
    if not isinstance(numbers, list) or len(numbers) != 5 or not all(_is_number(v) for v in numbers):
        return fitted
    stored = np.asarray(numbers, dtype=np.float64)
    if (stored[2:4] <= 0).any() or np.abs(stored).max() > FARTHEST:
        return fitted
    if is_rectangle:
        # Bounds alone would not tell a box from its mirror image, so the corners are compared, whichever comes first.
        ours, theirs = geometry.corners(stored)[0], geometry.corners(fitted)[0]
        distance = np.linalg.norm(ours[:, None] - theirs[None], axis=2).min(axis=1).max()
        return stored if distance <= _RECTANGLE_TOLERANCE else fitted
    # A box lies along the apical axis, which need not be the smallest one's, and islands may lie outside of it: it is
    # to be tight around the whole or the largest part.
    axes = np.array([[np.cos(stored[4]), -np.sin(stored[4])], [np.sin(stored[4]), np.cos(stored[4])]])
    parts = [polygon[0] for polygon in outline]
    for points in (np.concatenate(parts), max(parts, key=lambda part: float(np.ptp(part, axis=0).prod()))):
        along = (points - stored[:2]) @ axes
        ends = np.stack([along.min(axis=0) + stored[2:4] / 2, along.max(axis=0) - stored[2:4] / 2])
        if np.abs(ends).max() <= _POLYGON_TOLERANCE:
            return stored
    return fitted


def _is_number(value: Any) -> bool:
    """Tell whether a value is a finite number; an integer beyond all floats is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _assemble(read: list[_Feature], header: Mapping[str, Any], source: str, with_masks: bool) -> Annotations:
    """Join features of one file."""
    height, width = _whole(header.get("height")), _whole(header.get("width"))
    size = None if height is None or width is None else (height, width)
    listed = header.get("classes")
    known = [str(name) for name in listed] if isinstance(listed, list) else []
    classes = tuple(dict.fromkeys([*known, *sorted({item.name for item in read})])) or (_DEFAULT_CLASS,)
    masks: list[CroppedMask] | None = None
    if with_masks and any(item.shape == "polygon" for item in read):
        masks = [
            _filled(item, size, f"{source} has damaged annotations: feature {n}") for n, item in enumerate(read, 1)
        ]
    try:
        found = Detections.of(
            np.stack([item.box for item in read]) if read else np.empty((0, 5)),
            [classes.index(item.name) for item in read],
            [item.score for item in read],
            classes,
            masks,
            [item.cut for item in read],
            [STATUSES.index(item.status) for item in read],
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return Annotations.of(
        found,
        origins=[item.origin for item in read],
        reviewed=np.array([item.reviewed for item in read], dtype=bool),
        shapes=[item.shape for item in read],
        outlines=[item.outline if item.shape == "polygon" else None for item in read],
        image=str(header.get("image") or ""),
        height=height,
        width=width,
        pixel_size_um=_pixel_size(header.get("pixel_size_um")),
        ids=[item.id for item in read],
        annotators=[item.annotator for item in read],
        changed=[item.changed for item in read],
        names=[item.called for item in read],
        orientation=_orientation(header.get("orientation")),
    )


def _filled(item: _Feature, size: tuple[int, int] | None, source: str) -> CroppedMask:
    """Return the mask of a specimen; ``source`` begins an error."""
    from napari_diatom.core.mask_polygons import fill
    from napari_diatom.formats.shared.polygon_repair import filled_box

    try:
        if item.shape == "rectangle":
            return filled_box(item.box, size)
        return fill(item.outline or _outline(item.geometry))
    except InputError as error:
        raise InputError(f"{source} {error}.") from None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _orientation(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 8 else None


def _pixel_size(value: Any) -> float | None:
    return float(value) if _is_number(value) and SMALLEST_UM <= value <= LARGEST_UM else None
