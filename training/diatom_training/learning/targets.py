"""What the networks are to answer: boxes, maps and masks of a crop's specimens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.data.crops import Crop
from napari_diatom.core import geometry
from napari_diatom.core.mask_polygons import fill

TOUCHING = 0.02
"""Share of the smaller specimen up to which an overlap is a touch; above it the two lie upon each other."""


def rasterize_polygon(polygon: NDArray[np.float64], size: int, shift: float = 0.0) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie in a polygon moved by ``shift`` both ways, shape (size, size)."""
    # Clipping may leave a point a rounding error outside the crop.
    mask = fill(((np.clip(polygon + shift, 0, size),),))
    canvas = np.zeros((size, size), dtype=bool)
    part = mask.pixels[: size - mask.y0, : size - mask.x0]
    canvas[mask.y0 : mask.y0 + part.shape[0], mask.x0 : mask.x0 + part.shape[1]] = part
    return canvas


def semantic_target(crop: Crop) -> NDArray[np.uint8]:
    """Return the semantic map of a crop, shape (size, size): 0 where there is nothing, else 1 + class.

    Specimens upon each other are one region; the smaller one's class is on top. Where two specimens only touch, the
    pixels along their border are background, so that the network learns to keep them apart: 2 px where they share a
    border, none where a pixel or more lies between them.
    """
    size = len(crop.pixels)
    parts = [(polygon, int(class_id)) for polygon, class_id in zip(crop.polygons, crop.class_ids, strict=True)]
    parts += crop.remnants
    parts.sort(key=lambda part: -geometry.polygon_area(part[0]))
    masks = [rasterize_polygon(polygon, size) for polygon, _ in parts]
    found = np.zeros((size, size), dtype=np.uint8)
    for mask, (_, class_id) in zip(masks, parts, strict=True):
        found[mask] = 1 + class_id
    found[_borders([polygon for polygon, _ in parts], masks, size)] = 0
    return found


def _borders(
    polygons: Sequence[NDArray[np.float64]], masks: Sequence[NDArray[np.bool_]], size: int
) -> NDArray[np.bool_]:
    """Return the pixels of each specimen that lie next to another one that it touches."""
    borders = np.zeros((size, size), dtype=bool)
    lows = np.array([polygon.min(axis=0) for polygon in polygons]).reshape(-1, 2) - 1.5
    highs = np.array([polygon.max(axis=0) for polygon in polygons]).reshape(-1, 2) + 1.5
    meet = ((lows[:, None] < highs[None]) & (lows[None] < highs[:, None])).all(axis=2)
    kernel = np.ones((3, 3), np.uint8)
    grown: dict[int, NDArray[np.bool_]] = {}
    for i, j in np.argwhere(np.triu(meet, 1)).tolist():
        for k in (i, j):
            if k not in grown:
                grown[k] = cv2.dilate(masks[k].astype(np.uint8), kernel).astype(bool)
        shared = (masks[i] & masks[j]).sum()
        if shared <= TOUCHING * min(masks[i].sum(), masks[j].sum()):
            borders |= (grown[i] & masks[j]) | (grown[j] & masks[i])
    return borders


def instances(crop: Crop, drawn: bool = False) -> dict[str, torch.Tensor]:
    """Return torchvision's target of a crop: ``boxes`` (N, 4), ``labels`` (N,) from 1, ``masks`` (N, size, size).

    Each specimen has its whole mask, whatever lies upon it. torchvision samples masks as if the centre of pixel i were
    at i, half a pixel off the boxes' coordinates; the masks are drawn half a pixel further to make good for that, so
    that cell (u, v) of an M x M answer stands for the point ``x0 + (u + 0.5) / M * w``. With ``drawn``, the masks where
    they are in the crop are there too, under that name.
    """
    size = len(crop.pixels)
    sides = crop.upright[:, 2:] - crop.upright[:, :2]
    masks = [rasterize_polygon(polygon, size, shift=0.5) for polygon in crop.polygons]
    kept = [i for i, mask in enumerate(masks) if mask.any() and (sides[i] >= 1).all()]
    target = {
        "boxes": torch.from_numpy(crop.upright[kept]).float(),
        "labels": torch.from_numpy(crop.class_ids[kept] + 1),
        "masks": _stack([masks[i] for i in kept], size),
    }
    if drawn:
        target["drawn"] = _stack([rasterize_polygon(crop.polygons[i], size) for i in kept], size)
    return target


def _stack(masks: Sequence[NDArray[np.bool_]], size: int) -> torch.Tensor:
    """Return masks as bytes, shape (N, size, size)."""
    return torch.from_numpy(np.stack(masks).astype(np.uint8) if masks else np.zeros((0, size, size), dtype=np.uint8))


def stack_pixels(crops: Sequence[Crop]) -> torch.Tensor:
    """Return the pixels of crops as one tensor of bytes, shape (B, 3, size, size)."""
    stack = np.stack([crop.pixels for crop in crops]).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(stack))


def semantic_batch(crops: Sequence[Crop]) -> dict[str, Any]:
    """Collate crops for networks of maps: ``images`` of bytes (B, 3, H, W) and ``maps`` (B, H, W)."""
    maps = np.stack([semantic_target(crop) for crop in crops]).astype(np.int64)
    return {"images": stack_pixels(crops), "maps": torch.from_numpy(maps)}


def box_batch(crops: Sequence[Crop], oriented: bool) -> dict[str, torch.Tensor]:
    """Collate crops into the batch that Ultralytics' losses read, with ``images`` of bytes (B, 3, H, W).

    Oriented boxes are ``cx, cy, length, width`` as shares of the crop's side and the apical axis' angle in
    [-pi/4, 3 pi/4), the range of the network's angle output; upright ones are ``cx, cy, w, h``.
    """
    boxes: list[NDArray[np.float64]] = []
    for crop in crops:
        if oriented:
            box = crop.oriented.copy()
            box[:, :4] /= len(crop.pixels)
            box[:, 4] = np.mod(box[:, 4] + np.pi / 4, np.pi) - np.pi / 4
        else:
            x0, y0, x1, y1 = crop.upright.T / len(crop.pixels)
            box = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)
        boxes.append(box)
    counts = [len(crop.class_ids) for crop in crops]
    return {
        "images": stack_pixels(crops),
        "batch_idx": torch.from_numpy(np.repeat(np.arange(len(crops)), counts)).float(),
        "cls": torch.from_numpy(np.concatenate([crop.class_ids for crop in crops])).float()[:, None],
        "bboxes": torch.from_numpy(np.concatenate(boxes)).float(),
    }


def upright_batch(crops: Sequence[Crop]) -> dict[str, Any]:
    """Collate crops for torchvision's networks of boxes: ``images`` of bytes (B, 3, H, W) and ``targets``, one a crop.

    A target has ``boxes`` (N, 4) as x0, y0, x1, y1 in pixels, and ``labels`` (N,) from 1.
    """
    targets = []
    for crop in crops:
        kept = ((crop.upright[:, 2:] - crop.upright[:, :2]) >= 1).all(axis=1)
        boxes, labels = crop.upright[kept].reshape(-1, 4), crop.class_ids[kept] + 1
        targets.append({"boxes": torch.from_numpy(boxes).float(), "labels": torch.from_numpy(labels)})
    return {"images": stack_pixels(crops), "targets": targets}


def instance_batch(crops: Sequence[Crop]) -> dict[str, Any]:
    """Collate crops for training Mask R-CNN: ``images`` of bytes (B, 3, H, W) and ``targets``, one a crop."""
    return {"images": stack_pixels(crops), "targets": [instances(crop) for crop in crops]}


def validation_batch(crops: Sequence[Crop]) -> dict[str, Any]:
    """Collate crops for validating Mask R-CNN: as for training, with the masks as they are drawn, too."""
    return {"images": stack_pixels(crops), "targets": [instances(crop, drawn=True) for crop in crops]}
