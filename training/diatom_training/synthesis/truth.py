"""Exact truth of a rendered field: boxes, masks, states, and who is too faint to count."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from diatom_training.synthesis.eyepiece import FieldStop
from diatom_training.synthesis.noise_maps import BoolMap, FloatMap, Points
from diatom_training.synthesis.specimens import LaidSpecimen
from napari_diatom.core import geometry
from napari_diatom.core.detections import CUT_BY_EDGE, STATUSES, CroppedMask, Detections
from napari_diatom.core.mask_polygons import fill

_SHORTEST_PX = 16.0
_LEAST_VISIBLE = 0.2
# Deviation from the surroundings, as a share of their level and in units of their scatter,
# under which a specimen would escape a careful observer.
_LEAST_CONTRAST = 0.012
_LEAST_SIGNAL = 0.5
# On black: how much brighter the brightest tenth must be than the surroundings, as a share of full scale.
_LEAST_ON_BLACK = 0.02


@dataclass(frozen=True)
class _Entry:
    box: tuple[float, float, float, float, float]
    mask: CroppedMask
    specimen: LaidSpecimen
    cut: bool


def gather_truth(
    scene: list[LaidSpecimen],
    luminance: FloatMap,
    noise: float,
    classes: tuple[str, ...],
    stop: FieldStop | None = None,
    dark: bool = False,
) -> Detections:
    """Describe every specimen that can be seen.

    Parameters
    ----------
    scene
        What was laid on the slide.
    luminance
        (height, width) image without sensor noise, 0..1.
    noise
        Standard deviation of the sensor noise on the same scale.
    classes
        Names of all families that may be among them.
    stop
        Round edge of the visible field, if it has one.
    dark
        Whether the background is black, on which bright edges alone make a specimen stand out.

    Returns
    -------
    Detections
        With masks; scores are 1.
    """
    entries = [e for e in (_entry(s, luminance.shape, stop) for s in scene) if e is not None]
    entries = [e for e in entries if _noticeable(e, luminance, noise, dark)]
    boxes = np.array([e.box for e in entries], np.float64).reshape(-1, 5)
    boxes[:, :2] += 0.5
    return Detections.of(
        boxes,
        class_ids=[classes.index(e.specimen.family) for e in entries],
        classes=classes,
        masks=[e.mask for e in entries],
        cut=[CUT_BY_EDGE if e.cut else 0 for e in entries],
        status=[STATUSES.index(e.specimen.status) for e in entries],
    )


def _entry(specimen: LaidSpecimen, shape: tuple[int, ...], stop: FieldStop | None) -> _Entry | None:
    """Box and mask of the part inside the frame and the round field, or None when too little of it is."""
    height, width = shape[:2]
    whole = specimen.polygon()
    inside = geometry.clip_polygon(whole, -0.5, -0.5, width - 0.5, height - 0.5)
    if stop is not None and len(inside) > 2:
        inside = stop.clipped(inside)
    if len(inside) < 3:
        return None
    seen = geometry.polygon_area(inside)
    if seen < _LEAST_VISIBLE * geometry.polygon_area(whole) or seen < 1:
        return None
    # The renderer counts from the first pixel's centre, masks from its outer edge.
    mask = fill(((inside + 0.5,),))
    if not mask.pixels.any():
        return None
    low, high = whole.min(axis=0), whole.max(axis=0)
    cut = bool(low[0] < -0.5 or low[1] < -0.5 or high[0] > width - 0.5 or high[1] > height - 0.5)
    cut = cut or (stop is not None and seen < 0.999 * geometry.polygon_area(whole))
    box = _tight_box(inside, _direction(specimen, inside, cut))
    if box[2] < _SHORTEST_PX:
        return None
    # Trim empty rows and columns, so that the mask's bounds are the specimen's.
    rows, columns = np.flatnonzero(mask.pixels.any(axis=1)), np.flatnonzero(mask.pixels.any(axis=0))
    pixels = mask.pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    mask = CroppedMask(pixels, mask.x0 + int(columns[0]), mask.y0 + int(rows[0]))
    return _Entry(box, mask, specimen, cut)


def _direction(specimen: LaidSpecimen, inside: Points, cut: bool) -> float:
    """Direction of the apical axis of what is seen of a specimen."""
    if specimen.family == "centric" and specimen.status != "girdle":
        return 0.0
    if cut and specimen.outline.length > 6 * specimen.outline.width:
        # What the frame leaves of a bent needle has a direction of its own.
        along = inside - inside.mean(axis=0)
        _, size, degrees = cv2.minAreaRect(along.astype(np.float32))
        own = math.radians(degrees) + (math.pi / 2 if size[1] > size[0] else 0.0)
        if max(size) > 3 * min(size) and abs(math.sin(own - specimen.angle)) < 0.2:
            return own
    return specimen.angle


def _tight_box(points: Points, angle: float) -> tuple[float, float, float, float, float]:
    """Return the box along ``angle`` around ``points``; upright for round ones."""
    for direction in (angle, 0.0):
        cos, sin = math.cos(direction), math.sin(direction)
        along = points @ (cos, sin)
        across = points @ (-sin, cos)
        middle = 0.5 * np.array([along.max() + along.min(), across.max() + across.min()])
        size = (float(np.ptp(along)), float(np.ptp(across)))
        if max(size) >= 1.05 * min(size):
            break
    x = cos * middle[0] - sin * middle[1]
    y = sin * middle[0] + cos * middle[1]
    if size[0] >= size[1]:
        return float(x), float(y), size[0], size[1], direction
    return float(x), float(y), size[1], size[0], direction + math.pi / 2


def _noticeable(entry: _Entry, luminance: FloatMap, noise: float, dark: bool) -> bool:
    """Whether the specimen stands out from its surroundings."""
    margin = 8
    mask = entry.mask
    h, w = mask.pixels.shape
    y0, x0 = max(0, mask.y0 - margin), max(0, mask.x0 - margin)
    y1 = min(luminance.shape[0], mask.y0 + h + margin)
    x1 = min(luminance.shape[1], mask.x0 + w + margin)
    inner = np.zeros((y1 - y0, x1 - x0), np.uint8)
    inner[mask.y0 - y0 : mask.y0 - y0 + h, mask.x0 - x0 : mask.x0 - x0 + w] = mask.pixels
    # The margins carry much of the contrast, hence one pixel more than the mask.
    grown = cv2.dilate(inner, np.ones((3, 3), np.uint8)).astype(bool)
    ring: BoolMap = cv2.dilate(inner, np.ones((15, 15), np.uint8)).astype(bool) & ~grown
    if not ring.any():
        return True
    window = luminance[y0:y1, x0:x1]
    level = float(np.median(window[ring]))
    if dark:
        brightest = float(np.quantile(window[grown], 0.9)) - level
        return brightest > _LEAST_ON_BLACK + noise * math.sqrt(0.15 + level)
    signal = float(np.mean(np.abs(window[grown] - level)))
    return signal > _LEAST_CONTRAST * level and signal > _LEAST_SIGNAL * noise * math.sqrt(level)
