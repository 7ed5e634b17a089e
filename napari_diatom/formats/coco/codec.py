"""COCO's JSON of boxes, polygons and run lengths, as detectors and annotation programs read it.

A specimen is an annotation with an upright ``bbox``, an ``area`` and a ``segmentation``: compressed run lengths, plain
ones, or polygons. What COCO has no place for stands beside it in ``attributes``: the oriented box, status, origin,
whether a person has looked at it, cut flags; and ``score`` as in COCO's results. All of that may be missing. Overlaps
and holes are kept. CVAT turns a ``bbox`` by ``attributes.rotation``, in degrees and clockwise on the screen. A region
with ``iscrowd`` is not a specimen: it marks a place that is not to be evaluated, is left out, and counted. Categories
of one name are distinguished by their ``supercategory``.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.annotations import SHAPES, Annotations, Outline, class_names, disambiguated
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.cropped_masks import united
from napari_diatom.core.detections import PERSON, STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST, MOST_POINTS, check_span, fill, trace
from napari_diatom.core.text import quoted
from napari_diatom.core.text_files import parse_json, read_json
from napari_diatom.formats.coco import rle
from napari_diatom.formats.label_image.painting import check_within
from napari_diatom.formats.shared.parsed_specimens import some_of
from napari_diatom.formats.shared.polygon_repair import check_angle, check_box, filled_box
from napari_diatom.measurement.morphometry import oriented_box

SUFFIX: Final = ".json"

Segmentation = Literal["compressed", "uncompressed", "polygons"]
"""How masks are written. Polygons cannot have holes: masks with holes are run lengths even then."""

MOST_PARTS: Final = 20_000
"""Polygons that one specimen may have."""


def write(
    path: Path,
    annotations: Annotations | Sequence[Annotations],
    numbers: ArrayLike | None = None,
    segmentation: Segmentation = "compressed",
) -> None:
    """Write the specimens of one image, or of several, to ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    annotations : Annotations, or a sequence of them
        Each with the image's height and width.
    numbers : array-like of int, shape (N,), optional
        Of all specimens in their order, as the ``id`` of their annotations; from 1 by default.
    segmentation : str
        See :data:`Segmentation`.

    Raises
    ------
    InputError
        When an image's size is unknown, or a mask reaches beyond its image.
    OutputError
        When the file cannot be written.
    """
    write_atomically(path, dumps(annotations, numbers, segmentation))


def dumps(
    annotations: Annotations | Sequence[Annotations],
    numbers: ArrayLike | None = None,
    segmentation: Segmentation = "compressed",
) -> str:
    """Return COCO's JSON as text, an annotation a line; see :func:`write`."""
    parts = [annotations] if isinstance(annotations, Annotations) else list(annotations)
    total = sum(len(part) for part in parts)
    ids = (np.arange(1, total + 1) if numbers is None else np.asarray(numbers)).tolist()
    if len(ids) != total or len(set(ids)) != total:
        raise InputError(f"COCO needs {total} different numbers for {total} specimens.")
    classes = class_names(parts)
    images: list[dict[str, Any]] = []
    lines: list[str] = []
    for image_id, part in enumerate(parts, start=1):
        if part.height is None or part.width is None:
            raise InputError(f"COCO needs the size of the image {part.image or image_id}, which is unknown.")
        own = [ids.pop(0) for _ in range(len(part))]
        if part.detections.masks is not None:
            check_within(part.detections.masks, own, part.height, part.width)
        entry = {"id": image_id, "file_name": part.image, "height": part.height, "width": part.width}
        images.append(entry if part.pixel_size_um is None else {**entry, "pixel_size_um": part.pixel_size_um})
        lines += [
            json.dumps({"id": number, "image_id": image_id, **_annotation(part, i, classes, segmentation)})
            for i, number in enumerate(own)
        ]
    categories = [{"id": k, "name": name, "supercategory": "diatom"} for k, name in enumerate(classes, start=1)]
    head = f'"images": {json.dumps(images, ensure_ascii=False)},\n"categories": ' + json.dumps(
        categories, ensure_ascii=False
    )
    return "{" + head + ',\n"annotations": [\n' + ",\n".join(lines) + "\n]}\n"


def _annotation(part: Annotations, i: int, classes: tuple[str, ...], segmentation: Segmentation) -> dict[str, Any]:
    """Return specimen ``i`` as an annotation without its numbers."""
    found = part.detections
    box = found.boxes[i]
    mask = None if found.masks is None or part.shapes[i] == SHAPES[0] else found.masks[i]
    if mask is not None and mask.area:
        assert part.height is not None
        assert part.width is not None
        x0, y0, x1, y1 = map(float, mask.bounds)
        area = float(mask.area)
        shown = _segmentation(mask, part.outlines[i], part.height, part.width, segmentation)
    else:
        x0, y0, x1, y1 = np.round(geometry.bounds(box)[0], 3).tolist()
        area = round(float(geometry.box_areas(box)[0]), 3)
        shown = [np.round(geometry.corners(box)[0], 3).ravel().tolist()]
    return {
        "category_id": classes.index(found.classes[int(found.class_ids[i])]) + 1,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": area,
        "segmentation": shown,
        "iscrowd": 0,
        "score": float(str(found.scores[i])),
        "attributes": {
            "oriented_box": [float(str(value)) for value in box],
            "status": STATUSES[int(found.status[i])],
            "shape": part.shapes[i],
            "origin": part.origins[i],
            "reviewed": bool(part.reviewed[i]),
            "cut": int(found.cut[i]),
        },
    }


def _segmentation(mask: CroppedMask, outline: Outline | None, height: int, width: int, kind: Segmentation) -> Any:
    """Return a mask as COCO's polygons or run lengths."""
    if kind == "polygons":
        polygons = trace(mask) if outline is None else outline
        if all(len(polygon) == 1 for polygon in polygons):
            return [np.asarray(polygon[0]).ravel().tolist() for polygon in polygons]
    counts = rle.encode(mask, height, width)
    return {
        "size": [height, width],
        "counts": rle.compress_counts(counts) if kind != "uncompressed" else counts.tolist(),
    }


def read(path: Path) -> list[Annotations]:
    """Read the specimens of all images in a COCO file, in the order of the images.

    Masks are given for images with at least one segmentation that is not a rectangle.

    Raises
    ------
    InputError
        When the file cannot be read, is no COCO, or holds bad annotations (the first few are named by their numbers).
    """
    return of_data(read_json(path, "COCO"), str(path))


def loads(text: str, source: str = "The text") -> list[Annotations]:
    """Read COCO's JSON; ``source`` names it in errors. See :func:`read`."""
    return of_data(parse_json(text, source, "COCO"), source)


def of_data(data: Any, source: str) -> list[Annotations]:
    """Read what COCO's JSON says; ``source`` names it in errors. See :func:`read`."""
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in ("images", "annotations")):
        raise InputError(f'{source} is not COCO: it lacks the lists "images" and "annotations".')
    categories = _categories(data.get("categories"), source)
    images: dict[Any, Any] = {}
    for image in data["images"]:
        if (
            not isinstance(image, dict)
            or not isinstance(image.get("id"), int | str | None)
            or not _is_count(image.get("height"))
            or not _is_count(image.get("width"))
        ):
            raise InputError(f"{source} has an image without an id, a height and a width.")
        images[image.get("id")] = image
    problems: list[str] = []
    rows: dict[Any, list[_Row]] = {number: [] for number in images}
    crowds: Counter[Any] = Counter()
    for position, item in enumerate(data["annotations"], start=1):
        name = item.get("id", position) if isinstance(item, dict) else position
        try:
            if (
                not isinstance(item, dict)
                or not isinstance(item.get("image_id"), int | str | None)
                or item.get("image_id") not in images
            ):
                raise InputError("names no image of the file")
            if is_crowd(item):
                crowds[item["image_id"]] += 1
                continue
            rows[item["image_id"]].append(_Row(item, images[item["image_id"]], categories))
        except InputError as error:
            problems.append(f"annotation {quoted(name)} {error}")
    if problems:
        raise InputError(f"{source} has damaged annotations: {some_of(problems, '; ')}.")
    classes = tuple(categories.values()) or ("diatom",)
    return [_assemble(image, rows[number], classes, crowds[number]) for number, image in images.items()]


def is_crowd(item: Mapping[str, Any]) -> bool:
    """Tell whether an annotation is a region that is not to be evaluated, rather than a specimen."""
    return item.get("iscrowd") in (1, "1")


class _Row:
    """One annotation as read; the message of an error continues after "annotation 3"."""

    def __init__(self, item: Mapping[str, Any], image: Mapping[str, Any], categories: Mapping[Any, str]) -> None:
        if not isinstance(item.get("category_id"), int | str) or item.get("category_id") not in categories:
            raise InputError(f"has the category {quoted(item.get('category_id'))}, which the file does not list")
        self.name = categories[item["category_id"]]
        height, width = int(image["height"]), int(image["width"])
        attributes = item.get("attributes")
        known: Mapping[str, Any] = attributes if isinstance(attributes, dict) else {}
        self.score = _number(item.get("score", 1.0), "score")
        if not 0 <= self.score <= 1:
            raise InputError(f"has the score {self.score:g}, which is not within 0 and 1")
        self.status = known.get("status", STATUSES[0])
        if self.status not in STATUSES:
            raise InputError(f"has the unknown status {quoted(self.status)} (known: {', '.join(STATUSES)})")
        self.cut = known.get("cut", 0)
        if self.cut not in (0, 1, 2, 3):
            raise InputError(f"has the cut flags {quoted(self.cut)}, which are not within 0 and 3")
        self.origin = str(known.get("origin", PERSON))
        self.reviewed = bool(known.get("reviewed", False))
        stored = _box(known.get("oriented_box"))
        self.outline = _outline(item.get("segmentation"))
        bare = self.outline is None or _is_bbox(self.outline, item.get("bbox"))
        if stored is None and bare and known.get("rotation"):
            # CVAT writes the box before it is turned, in some versions as a polygon too.
            stored = _upright(item.get("bbox"), _number(known["rotation"], "rotation"))
            known = {**known, "shape": SHAPES[0]}
        if stored is not None:
            check_box(stored)
        mask = _mask(item.get("segmentation"), self.outline, height, width)
        self.shape = SHAPES[0] if mask is None or known.get("shape") == SHAPES[0] else SHAPES[1]
        if mask is not None and not mask.area:
            raise InputError("has a mask without pixels")
        if stored is None and self.shape == SHAPES[0]:
            stored = _upright(item.get("bbox")) if self.outline is None else _rectangle(self.outline)
        if mask is None:
            assert stored is not None
            mask = filled_box(stored, (height, width))
        self.box = oriented_box(mask) if stored is None else stored
        self.mask = mask


def _rectangle(outline: Outline) -> NDArray[np.float64]:
    """Return the box of an outline that was written as one."""
    points = np.concatenate([polygon[0] for polygon in outline])
    return geometry.from_corners(points[None])[0] if len(points) == 4 else geometry.min_area_box(points)


def _categories(listed: Any, source: str) -> dict[Any, str]:
    """Return the names of categories by their numbers."""
    items = listed if isinstance(listed, list) else []
    if not all(isinstance(item, dict) and item.get("name") and "id" in item for item in items):
        raise InputError(f"{source} has a category without an id and a name.")
    if not all(isinstance(item["id"], int | str) for item in items):
        raise InputError(f"{source} has a category whose id is neither a number nor a text.")
    names = disambiguated(
        [(str(item["name"]), f"{item.get('supercategory') or ''} > {item['name']}") for item in items]
    )
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise InputError(f"{source} has several categories named {some_of(twice)}; give each a name of its own.")
    return {item["id"]: name for item, name in zip(items, names, strict=True)}


def _mask(segmentation: Any, outline: Outline | None, height: int, width: int) -> CroppedMask | None:
    """Return the mask of a segmentation, None where there is none."""
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        if size != [height, width]:
            raise InputError(f"has a mask of the size {quoted(size)}, but its image has [{height}, {width}]")
        return rle.decode(rle.counts_of(segmentation.get("counts", [])), height, width)
    if outline is None:
        return None
    # Polygons of one specimen may overlap each other in COCO: all of them are inside.
    parts = [fill((polygon,)).within(0, 0, width, height) for polygon in outline]
    ends = np.array([part.bounds for part in parts if part.area] or [(0, 0, 1, 1)])
    check_span(*(ends[:, 2:].max(axis=0) - ends[:, :2].min(axis=0)).tolist())
    return united([part for part in parts if part.area] or parts[:1])


def _outline(segmentation: Any) -> Outline | None:
    """Return COCO's polygons, None where the segmentation is something else or empty."""
    if isinstance(segmentation, list) and len(segmentation) > MOST_PARTS:
        raise InputError(f"has {len(segmentation):,} polygons; up to {MOST_PARTS:,} are read")
    if not isinstance(segmentation, list):
        if segmentation is None or isinstance(segmentation, dict):
            return None
        raise InputError("has a segmentation that is neither polygons nor run lengths")
    polygons = []
    for ring in segmentation:
        if isinstance(ring, list) and len(ring) > 2 * MOST_POINTS:
            raise InputError(f"has an outline of {len(ring) // 2:,} points; up to {MOST_POINTS:,} are read")
        try:
            points = np.asarray(ring, dtype=np.float64).reshape(-1, 2)
        except (TypeError, ValueError, OverflowError):
            raise InputError("has a polygon that is not a list of x and y") from None
        if len(points) < 3 or not np.isfinite(points).all() or np.abs(points).max() > FARTHEST:
            raise InputError("has a polygon with fewer than three points, or with NaN or infinite coordinates")
        polygons.append((points,))
    return tuple(polygons) or None


def _box(numbers: Any) -> NDArray[np.float64] | None:
    """Return the numbers of an oriented box, None where they are not a box."""
    if not isinstance(numbers, list) or len(numbers) != 5:
        return None
    box = np.array([_number(value, "oriented box") for value in numbers])
    return box if (box[2:4] > 0).all() else None


def _is_bbox(outline: Outline, bbox: Any) -> bool:
    """Tell whether polygons are no more than the four corners of a bbox."""
    if sum(len(polygon[0]) for polygon in outline) not in (4, 5):
        return False
    points = np.concatenate([polygon[0] for polygon in outline])
    points = points[:-1] if len(points) == 5 and (points[0] == points[-1]).all() else points
    if len(points) != 4:
        return False
    corners = geometry.corners(_upright(bbox))[0]
    return bool(np.linalg.norm(corners[:, None] - points[None], axis=2).min(axis=1).max() < 0.05)


def _upright(bbox: Any, degrees: float = 0.0) -> NDArray[np.float64]:
    """Return an upright box of COCO as an oriented one, turned clockwise on the screen about its middle."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise InputError("has neither a segmentation nor a bbox")
    x, y, width, height = (_number(value, "bbox") for value in bbox)
    if width <= 0 or height <= 0:
        raise InputError("has a bbox without an area")
    angle = math.radians(degrees)
    check_angle(angle)
    turned = [x + width / 2, y + height / 2, width, height, angle]
    return np.asarray(geometry.canonical([turned])[0])


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise InputError(f"has the {name} {quoted(value)}, which is not a number")
    if abs(value) > FARTHEST:
        raise InputError(f"has the {name} {quoted(value)}, which is absurdly large")
    return float(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _assemble(image: Mapping[str, Any], rows: list[_Row], classes: tuple[str, ...], crowds: int) -> Annotations:
    """Join the annotations of one image, which has so many crowd regions besides."""
    masked = any(row.shape == SHAPES[1] for row in rows)
    found = Detections.of(
        np.reshape([row.box for row in rows], (-1, 5)),
        [classes.index(row.name) for row in rows],
        [row.score for row in rows],
        classes,
        [row.mask for row in rows] if masked else None,
        [row.cut for row in rows],
        [STATUSES.index(row.status) for row in rows],
    )
    size: Any = image.get("pixel_size_um")
    known = isinstance(size, int | float) and not isinstance(size, bool) and 0 < size <= sys.float_info.max
    annotations = Annotations.of(
        found,
        origins=[row.origin for row in rows],
        reviewed=np.array([row.reviewed for row in rows], dtype=bool),
        shapes=[row.shape for row in rows],
        outlines=[row.outline if row.shape == SHAPES[1] else None for row in rows],
        image=str(image.get("file_name") or ""),
        height=int(image["height"]),
        width=int(image["width"]),
        pixel_size_um=float(size) if known else None,
    )
    return replace(annotations, left_out={"crowd region": crowds} if crowds else {})
