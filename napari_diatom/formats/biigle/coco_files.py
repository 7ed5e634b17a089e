"""BIIGLE's COCO report: closed polygons only, many images in a file.

Four corners at right angles are a box at its angle; BIIGLE's rectangles come back as they were drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.core.annotations import SHAPES, Annotations, class_names
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.formats.coco.files import parse_coco
from napari_diatom.formats.shared.field_values import DECIMALS
from napari_diatom.formats.shared.image_index import Pictures, size_needed
from napari_diatom.formats.shared.polygon_repair import bridged, parse_ring, rectangle_of
from napari_diatom.formats.shared.specimen_shapes import corners_of, specimen_polygons

TITLE: Final = "BIIGLE COCO"
SUFFIX: Final = ".json"


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
    classes = class_names(annotations)
    images, items = [], []
    for image_id, part in enumerate(annotations, start=1):
        image = {"height": part.height, "width": part.width, "id": image_id, "file_name": part.image}
        images.append({**image, "longitude": None, "latitude": None})
        items += [{**_item(part, i, classes), "image_id": image_id} for i in range(len(part))]
    data = {
        "images": images,
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes, start=1)],
        "annotations": [{**item, "id": number} for number, item in enumerate(items, start=1)],
    }
    write_atomically(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")


def _item(part: Annotations, i: int, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return specimen ``i`` as an annotation without its numbers; the area is that of its bounds, as BIIGLE has it."""
    outline = specimen_polygons(part, i)
    ring = np.round(corners_of(part, i) if outline is None else bridged(outline), DECIMALS)
    (x0, y0), (width, height) = ring.min(axis=0).tolist(), np.ptp(ring, axis=0).tolist()
    return {
        "segmentation": [np.concatenate([ring, ring[:1]]).ravel().tolist()],
        "iscrowd": 0,
        "area": width * height,
        "bbox": [x0, y0, width, height],
        "category_id": classes.index(part.detections.classes[int(part.detections.class_ids[i])]) + 1,
    }


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read all images of a report, in their order.

    Raises
    ------
    InputError
        When it cannot be read, is no COCO, or holds damaged annotations; the first few are named.
    """
    return parse_coco(read_json(path, TITLE), path, pictures, _with_box)


def _with_box(item: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation with its box where its one polygon is a rectangle."""
    segmentation = item.get("segmentation")
    if not isinstance(segmentation, list) or len(segmentation) != 1:
        raise InputError("has no polygon")
    ring = parse_ring(segmentation[0])
    box = rectangle_of(ring)
    item = {**item, "segmentation": [ring.ravel().tolist()]}
    return item if box is None else {**item, "attributes": {"oriented_box": box.tolist(), "shape": SHAPES[0]}}
