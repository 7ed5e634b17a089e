"""From an example to what the network sees: a random, scaled and turned crop with its boxes.

Outlines are clipped as polygons before their boxes are taken, so a needle that leaves the crop keeps its direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.data.crop_geometry import USUAL_GEOMETRY, CropGeometry, crop_matrix
from diatom_training.data.examples import Example, box_along_axis
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import open_images

FILL: Final = 114
"""Grey value outside the image, the same as an engine pads small tiles with."""

ROUNDISH: Final = 1.1
"""Length/width under which a specimen's box lies along the crop's sides, whatever way the crop is turned."""

LARGE: Final = 1_000_000
"""Bytes of an image file above which the decoded image is kept in memory."""

SMALLEST: Final = 10.0
"""Length in pixels below which what a crop leaves of a specimen is not asked for."""


@dataclass(frozen=True, eq=False)
class Crop:
    """A training input.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (size, size, 3)
    oriented : ndarray of float64, shape (N, 5)
        Boxes along the apical axes.
    upright : ndarray of float64, shape (N, 4)
        Bounds ``x0, y0, x1, y1`` of the outlines.
    class_ids : ndarray of int64, shape (N,)
    polygons : tuple of N ndarrays of float64, each of shape (K, 2)
        The outlines, clipped to the crop.
    remnants : tuple of (ndarray of shape (K, 2), int)
        What the crop's edge leaves of specimens that are not asked for, and their classes.
    """

    pixels: NDArray[np.uint8]
    oriented: NDArray[np.float64]
    upright: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    polygons: tuple[NDArray[np.float64], ...] = ()
    remnants: tuple[tuple[NDArray[np.float64], int], ...] = ()


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an image file as RGB, shape (H, W, 3); values of more than 8 bits are brought to 8 as for counting.

    Raises
    ------
    InputError
        When the file is not an image.
    """
    try:
        # OpenCV's own reading fails on Windows where a path has letters beyond ASCII.
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise InputError(f"{path} cannot be read as an image.")
    if image.dtype != np.uint8:
        deep = open_images(path)[0]
        return deep.read(0, 0, deep.width, deep.height)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


@lru_cache(maxsize=40)
def _read_large(path: Path) -> NDArray[np.uint8]:
    """Read a camera's image once: decoding 5 megapixels takes longer than the rest of a crop."""
    return read_rgb(path)


def read_pixels(example: Example) -> NDArray[np.uint8]:
    """Return the pixels of an example, shape (H, W, 3). Raises InputError as :func:`read_rgb`."""
    return _read_large(example.image) if example.image.stat().st_size > LARGE else read_rgb(example.image)


def warp_to_crop(image: NDArray[np.uint8], example: Example, matrix: NDArray[np.float64], size: int) -> Crop:
    """Warp an image by an affine ``matrix``, shape (2, 3), into a crop and take the boxes of what it shows."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    source = image
    if scale < 0.75:
        # A warp samples; it does not average. Shrinking by area first keeps thin needles whole.
        source = np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        shrink = np.array([source.shape[1] / image.shape[1], source.shape[0] / image.shape[0]])
        warp = matrix.copy()
        warp[:, :2] /= shrink
    else:
        warp = matrix
    # Pixel centres sit at half-integers in the outlines' coordinates and at integers in OpenCV's.
    warp = warp.copy()
    warp[:, 2] += warp[:, :2] @ np.array([0.5, 0.5]) - 0.5
    pixels = cv2.warpAffine(
        source, warp, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(FILL,) * 3
    )
    oriented, upright, ids, polygons, remnants = [], [], [], [], []
    height, width = image.shape[:2]
    for outline, angle, class_id in zip(example.outlines, example.angles, example.class_ids, strict=True):
        inside = geometry.clip_polygon(outline.astype(np.float64), 0, 0, width, height)
        if len(inside) < 3:
            continue
        whole = inside @ matrix[:, :2].T + matrix[:, 2]
        seen = geometry.clip_polygon(whole, 0, 0, size, size)
        if len(seen) < 3:
            continue
        axis = matrix[:, :2] @ np.array([np.cos(angle), np.sin(angle)])
        turned = float(np.arctan2(axis[1], axis[0]))
        full = box_along_axis(whole, turned)
        if max(full[2:4]) < ROUNDISH * min(full[2:4]):
            turned = 0.0
        box = box_along_axis(seen, turned)
        share = geometry.polygon_area(seen) / max(geometry.polygon_area(whole), 1e-6)
        if max(box[2:4]) < SMALLEST or min(box[2:4]) < 2 or (share < 0.15 and max(box[2:4]) < 3 * min(full[2:4])):
            remnants.append((seen, class_id))
            continue
        oriented.append(box)
        polygons.append(seen)
        upright.append(np.concatenate([seen.min(axis=0), seen.max(axis=0)]))
        ids.append(class_id)
    return Crop(
        pixels=np.asarray(pixels, dtype=np.uint8),
        oriented=np.array(oriented, dtype=np.float64).reshape(-1, 5),
        upright=np.array(upright, dtype=np.float64).reshape(-1, 4),
        class_ids=np.array(ids, dtype=np.int64),
        polygons=tuple(polygons),
        remnants=tuple(remnants),
    )


def random_crop(
    example: Example,
    size: int,
    rng: np.random.Generator,
    geometry: CropGeometry = USUAL_GEOMETRY,
    target: int | None = None,
    middle: NDArray[np.float64] | None = None,
) -> Crop:
    """Return a random crop of ``size`` pixels.

    Parameters
    ----------
    example : Example
        Where to crop from, and at which scales.
    size : int
        Side of the crop in pixels.
    rng : numpy.random.Generator
        The only source of chance.
    geometry : CropGeometry
        What is varied.
    target : int, optional
        Index of a specimen that the crop is placed at, in place of chance.
    middle : ndarray, shape (2,), optional
        Point of the image that the crop is placed at, in place of chance and specimens.
    """
    image = read_pixels(example)
    height, width = image.shape[:2]
    matrix = crop_matrix(example, (width, height), size, rng, geometry, target, middle)
    return warp_to_crop(image, example, matrix, size)
