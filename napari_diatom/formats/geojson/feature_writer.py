"""Specimens as GeoJSON features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations, Outline
from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import STATUSES, Detections
from napari_diatom.core.taxa import Name
from napari_diatom.formats.geojson.qupath_classes import classification


def geojson_features(annotations: Annotations) -> list[dict[str, Any]]:
    """Return every specimen as a GeoJSON feature, plain data."""
    corners = np.round(geometry.corners(annotations.detections.boxes), 4)
    return [_feature(annotations, i, corners[i]) for i in range(len(annotations))]


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
                **classification(found.classes[class_id], status),
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
    values = np.asarray(ring, dtype=np.float64)
    is_whole = values == np.floor(values)
    points: list[list[float]]
    if is_whole.all():
        points = values.astype(np.int64).tolist()
    elif is_whole.any():
        points = [[int(value) if value.is_integer() else value for value in point] for point in values.tolist()]
    else:
        points = values.tolist()
    return [*points, points[0]]


def _shortest(value: np.float32) -> float:
    """Return the shortest decimal number that reads back as the same float32."""
    return float(str(value))
