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
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.core.annotations import Annotations, repeated
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.detections import STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few, quoted
from napari_diatom.core.text_files import parse_json, read_bytes
from napari_diatom.formats.geojson.feature_geometry import is_finite_number, outline_of_geometry
from napari_diatom.formats.geojson.feature_reader import Feature, kind_without_area, parse_feature
from napari_diatom.formats.geojson.feature_writer import geojson_features
from napari_diatom.formats.geojson.qupath_classes import DEFAULT_CLASS
from napari_diatom.images.pixel_size import LARGEST_UM, SMALLEST_UM

SUFFIX: Final = ".geojson"

HEADER: Final = "napari_diatom"
"""Member of the collection with what is known of the image."""


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
    read: list[Feature] = []
    problems: list[str] = []
    without_area: Counter[str] = Counter()
    for number, feature in enumerate(listed, start=1):
        kind = None if only_specimens else kind_without_area(feature)
        if kind is not None:
            without_area[kind] += 1
            continue
        try:
            read.append(parse_feature(feature))
        except InputError as error:
            problems.append(f"feature {number} {error}")
    problems += [f"{n} features have the id {quoted(name)}" for name, n in repeated([item.id for item in read]).items()]
    if problems:
        raise InputError(f"{source} has damaged annotations: {first_few(problems, 3, '; ')}.")
    return replace(_assemble(read, header, source, masks), left_out=without_area)


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


def _assemble(read: list[Feature], header: Mapping[str, Any], source: str, with_masks: bool) -> Annotations:
    """Join features of one file."""
    height, width = _whole(header.get("height")), _whole(header.get("width"))
    size = None if height is None or width is None else (height, width)
    listed = header.get("classes")
    known = [str(name) for name in listed] if isinstance(listed, list) else []
    classes = tuple(dict.fromkeys([*known, *sorted({item.name for item in read})])) or (DEFAULT_CLASS,)
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
    annotations = Annotations.of(
        found,
        origins=[item.origin for item in read],
        reviewed=np.array([item.reviewed for item in read], dtype=bool),
        shapes=[item.shape for item in read],
        outlines=[item.outline if item.shape == "polygon" else None for item in read],
        image=str(header.get("image") or ""),
        height=height,
        width=width,
        pixel_size_um=_pixel_size(header.get("pixel_size_um")),
    )
    return replace(
        annotations,
        ids=tuple(item.id for item in read),
        annotators=tuple(item.annotator for item in read),
        changed=tuple(item.changed for item in read),
        names=tuple(item.called for item in read),
        orientation=_orientation(header.get("orientation")),
    )


def _filled(item: Feature, size: tuple[int, int] | None, source: str) -> CroppedMask:
    """Return the mask of a specimen; ``source`` begins an error."""
    from napari_diatom.core.mask_polygons import fill
    from napari_diatom.formats.shared.polygon_repair import filled_box

    try:
        if item.shape == "rectangle":
            return filled_box(item.box, size)
        return fill(item.outline or outline_of_geometry(item.geometry))
    except InputError as error:
        raise InputError(f"{source} {error}.") from None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _orientation(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 8 else None


def _pixel_size(value: Any) -> float | None:
    return float(value) if is_finite_number(value) and SMALLEST_UM <= value <= LARGEST_UM else None
