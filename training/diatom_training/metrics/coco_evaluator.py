"""COCO's evaluator, given detections: which of them match which specimens at ten overlaps."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any, Final, Literal

from diatom_training.metrics.mask_metrics import encode_run_lengths, require_masks
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError

Shape = Literal["boxes", "oriented-boxes", "masks"]
"""What is compared: upright boxes by their coordinates, oriented ones and masks by the pixels that they cover."""

OVERLAPS: Final = tuple(0.5 + 0.05 * k for k in range(10))
"""Intersections over union at which COCO matches; the first is that of precision, recall and counts."""


def evaluator(
    truths: Sequence[Detections],
    found: Sequence[Detections],
    sizes: Sequence[tuple[int, int]],
    shape: Shape,
    by_class: bool,
    most: int,
) -> Any:
    """Return a ``COCOeval`` that has matched, image by image, detections with the truth; nothing is accumulated yet.

    The ids of truth and detections count from 1 through all images in their order. There are no limits of area.

    Parameters
    ----------
    truths, found : sequence of Detections
        One each per image.
    sizes : sequence of tuple of int
        Height and width of each image in pixels; boxes drawn as masks, and masks, are compared within the image.
    shape : Shape
        What is compared.
    by_class : bool
        Match within a class only; else whatever the classes.
    most : int
        Detections per image that are looked at, best first.

    Raises
    ------
    InputError
        When masks are to be compared where there are none, or pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise InputError("Average precision needs pycocotools: pip install pycocotools") from error
    images = [{"id": k, "height": height, "width": width} for k, (height, width) in enumerate(sizes)]
    names = max((len(item.classes) for item in (*truths, *found)), default=1)
    tables = COCO(), COCO()
    for table, items in zip(tables, (truths, found), strict=True):
        notes = [
            note
            for k, (item, size) in enumerate(zip(items, sizes, strict=True))
            for note in _notes(k, item, size, shape)
        ]
        table.dataset = {
            "images": images,
            "categories": [{"id": 1 + k, "name": str(k)} for k in range(names)],
            "annotations": [note | {"id": number} for number, note in enumerate(notes, start=1)],
        }
    # The evaluator reports to the terminal.
    with contextlib.redirect_stdout(io.StringIO()):
        for table in tables:
            table.createIndex()
        compared = COCOeval(*tables, "bbox" if shape == "boxes" else "segm")
        compared.params.areaRng, compared.params.areaRngLbl = [[0, 1e10]], ["all"]
        compared.params.maxDets = [most]
        compared.params.useCats = int(by_class)
        compared.evaluate()
    return compared


def _notes(image: int, detections: Detections, size: tuple[int, int], shape: Shape) -> list[dict[str, Any]]:
    """Return detections as COCO annotations."""
    from pycocotools import mask as coco_mask

    if shape == "boxes":
        bounds = geometry.bounds(detections.boxes)
        bounds[:, 2:] -= bounds[:, :2]
        shapes = [{"bbox": box, "area": box[2] * box[3]} for box in bounds.tolist()]
    else:
        if shape == "masks":
            codes = encode_run_lengths(require_masks(detections), *size)
        else:
            polygons = geometry.corners(detections.boxes).reshape(-1, 8)
            codes = coco_mask.frPyObjects(polygons.tolist(), *size) if len(polygons) else []
        shapes = [
            {"segmentation": code, "area": float(coco_mask.area(code)), "bbox": coco_mask.toBbox(code).tolist()}
            for code in codes
        ]
    return [
        shape | {"image_id": image, "category_id": 1 + int(class_id), "iscrowd": 0, "score": float(score)}
        for shape, class_id, score in zip(shapes, detections.class_ids, detections.scores, strict=True)
    ]
