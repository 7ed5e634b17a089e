"""A GeoJSON feature as one specimen, its properties checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import Outline
from napari_diatom.core.detections import PERSON, STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import Name
from napari_diatom.core.text import quoted
from napari_diatom.formats.geojson.feature_geometry import is_finite_number, shape_box_and_outline
from napari_diatom.formats.geojson.qupath_classes import class_and_status

_LINES: Final = {
    "Point": "point",
    "MultiPoint": "point",
    "LineString": "line",
    "MultiLineString": "line",
}
"""Geometries without an area, and what they are called."""
_KINDS: Final = re.compile(r"Path\w*Object")
"""What QuPath wrote in place of an id up to version 0.2; it is the same for all of a kind."""


@dataclass(frozen=True, eq=False)
class Feature:
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


def parse_feature(feature: Any) -> Feature:
    """Check one feature; the message of an error continues after "feature 3"."""
    if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
        raise InputError("has no geometry")
    properties = feature.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    shape, box, outline = shape_box_and_outline(properties, feature["geometry"])
    name, status = class_and_status(properties)
    score = properties.get("score", 1.0)
    cut = properties.get("cut", 0)
    if status not in STATUSES:
        raise InputError(f"has the unknown status {quoted(status)} (known: {', '.join(STATUSES)})")
    if not is_finite_number(score) or not 0 <= score <= 1:
        raise InputError(f"has the score {quoted(score)}, which is not within 0 and 1")
    if cut not in (0, 1, 2, 3):
        raise InputError(f"has the cut flags {quoted(cut)}, which are not within 0 and 3")
    return Feature(
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


def kind_without_area(feature: Any) -> str | None:
    """Return what a feature is that has no area, None for any other."""
    geometry_ = feature.get("geometry") if isinstance(feature, dict) else None
    kind = geometry_.get("type") if isinstance(geometry_, dict) else None
    return _LINES.get(kind) if isinstance(kind, str) else None


def _id(value: Any) -> str:
    """Return the id of a feature as text, empty where it has none of its own."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return "" if _KINDS.fullmatch(_text(value)) else _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
