"""Compose a field: draw cut-outs, find room for them, blend them in, and keep the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from diatom_training.composing.alpha_blending import (
    SOLVER_REACH,
    FieldCanvas,
    PlacedCutout,
    blend,
    tone_curve,
    with_tone,
)
from diatom_training.composing.background import Light, Rgb, as_pixels
from diatom_training.composing.material import NO_SPECIMEN, Background, CutOut, Material
from diatom_training.composing.options import ComposeOptions
from diatom_training.data.examples import Outline, box_along_axis
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError

_TRIES: Final = 60
"""Places that are tried for a cut-out before it is left out of a field."""
_LEAST_SEEN: Final = 0.25
"""Share of a specimen's area that lies in the field, if any does."""
_WHOLE: Final = 0.999
_REDUCED: Final = 0.75
"""Scale below which pixels are averaged before they are turned."""


@dataclass(frozen=True, eq=False)
class ComposedField:
    """A field and what is in it.

    Attributes
    ----------
    image : ndarray of uint8, shape (size, size, 3)
    outlines : tuple of ndarray of float32, each of shape (K, 2)
        x and y in pixels, cut at the field's edge.
    angles : tuple of float
        Directions of the apical axes, in -pi/2..pi/2; 0 for round specimens.
    class_ids : tuple of int
        Index into the material's classes.
    """

    image: Rgb
    outlines: tuple[Outline, ...]
    angles: tuple[float, ...]
    class_ids: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Placed:
    """A cut-out at its place.

    Attributes
    ----------
    matrix : ndarray of float64, shape (2, 3)
        From the cut-out's pixels to the field's.
    shape : BaseGeometry
        The whole object, cut at the field's edge.
    members : tuple of (Polygon, float, str)
        Each visible specimen: outline, angle and class.
    """

    cut: CutOut
    matrix: NDArray[np.float64]
    shape: BaseGeometry
    members: tuple[tuple[Polygon, float, str], ...]


def compose_field(material: Material, options: ComposeOptions, seed: int | tuple[int, ...]) -> ComposedField:
    """Compose a field; the same material, options and seed give the same bytes.

    Raises
    ------
    InputError
        When there is no cut-out of a specimen.
    """
    if not material.specimens:
        raise InputError(f"{NO_SPECIMEN}.")
    rng = np.random.default_rng(seed)
    scale = _log_uniform(rng, options.scale)
    background = material.backgrounds[rng.integers(len(material.backgrounds))] if material.backgrounds else None
    pixels = _plain(material, options.size, rng) if background is None else _spread(background, options, scale, rng)
    canvas = FieldCanvas.of(pixels)
    placed: list[_Placed] = []
    for cut in _drawn(material, options, rng):
        found = _room(cut, _scale(cut, background, options, scale, rng), placed, options, rng)
        if found is not None:
            placed.append(found)
            patch = _patch(found, _reference(material, cut, background, options, rng), canvas, options, rng)
            blend(canvas, patch, options.blending, rng)
    members = [member for one in placed for member in one.members]
    return ComposedField(
        image=canvas.pixels,
        outlines=tuple(np.asarray(polygon.exterior.coords[:-1], dtype=np.float32) for polygon, _, _ in members),
        angles=tuple(angle for _, angle, _ in members),
        class_ids=tuple(material.classes.index(name) for _, _, name in members),
    )


def _drawn(material: Material, options: ComposeOptions, rng: np.random.Generator) -> list[CutOut]:
    """Draw the cut-outs of a field, in the order in which they come to lie upon each other."""
    count = int(rng.integers(options.specimens[0], options.specimens[1] + 1))
    ratio = rng.uniform(*options.debris_ratio)
    empty = rng.random() < options.empty_share
    chosen: list[CutOut] = []
    if not empty:
        by_class: dict[str, list[CutOut]] = {}
        for cut in material.specimens:
            by_class.setdefault(cut.specimens[0].class_name if options.balanced else "", []).append(cut)
        names = sorted(by_class)
        for _ in range(count):
            among = by_class[names[rng.integers(len(names))]]
            chosen.append(among[rng.integers(len(among))])
    if material.debris:
        chosen += [material.debris[i] for i in rng.integers(len(material.debris), size=round(ratio * max(count, 1)))]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Draw a factor whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def _spread(background: Background, options: ComposeOptions, scale: float, rng: np.random.Generator) -> Rgb:
    """Return a part of a background at the field's scale; what is too small is continued by its mirror images."""
    size = options.size
    pixels = background.pixels
    needed = int(np.ceil(size / scale))
    height, width = pixels.shape[:2]
    y0 = int(rng.integers(max(height - needed, 0) + 1))
    x0 = int(rng.integers(max(width - needed, 0) + 1))
    part = np.rot90(pixels[y0 : y0 + needed, x0 : x0 + needed], int(rng.integers(4)))
    part = np.pad(part, [(0, needed - part.shape[0]), (0, needed - part.shape[1]), (0, 0)], mode="symmetric")
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=method), dtype=np.uint8)


def _plain(material: Material, size: int, rng: np.random.Generator) -> Rgb:
    """Return a background made of the light around one cut-out, falling off a little to one side, and grain."""
    cut = material.specimens[rng.integers(len(material.specimens))]
    way = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:size, :size] / size - 0.5
    fall = 1 + rng.uniform(0, 0.08) * (x * np.cos(way) + y * np.sin(way))
    light = np.clip(np.array(cut.light), 20, 235) * fall[..., None]
    grain = cv2.GaussianBlur(rng.normal(0, 1, (size, size, 3)).astype(np.float32), (0, 0), 0.7)
    return as_pixels(light + grain * (rng.uniform(0.8, 2.5) / grain.std()))


def _scale(
    cut: CutOut, background: Background | None, options: ComposeOptions, scale: float, rng: np.random.Generator
) -> float:
    """Return the scale that a cut-out is to have in a field."""
    own = scale * float(np.exp(rng.normal(0, options.scale_spread)))
    if background is not None and background.pixel_size_um and cut.pixel_size_um:
        own *= cut.pixel_size_um / background.pixel_size_um
    if options.length_px is not None and cut.specimens:
        own = float(np.clip(own * cut.length, *options.length_px)) / cut.length
    return own


def _room(
    cut: CutOut, scale: float, placed: list[_Placed], options: ComposeOptions, rng: np.random.Generator
) -> _Placed | None:
    """Find a place where a cut-out shares no more area with others than the options allow."""
    size = options.size
    is_cut = rng.random() < options.cut_share
    for _ in range(_TRIES):
        angle = np.deg2rad(rng.uniform(*options.rotation_deg))
        cos, sin = np.cos(angle), np.sin(angle)
        linear = scale * np.array([[cos, -sin], [sin, cos]])
        if options.mirror and rng.random() < 0.5:
            linear[:, 0] *= -1
        points = cut.outline.astype(np.float64) @ linear.T
        low, high = points.min(axis=0), points.max(axis=0)
        # Where the object's bounds may begin: within the field, or across its edge.
        first, last = -low, size - high
        if is_cut or not cut.specimens or (last < first).any():
            first, last = -high, size - low
        shift = rng.uniform(first, np.maximum(last, first + 1e-6))
        found = _at(cut, np.column_stack([linear, shift]), size, may_be_cut=is_cut or bool((high - low > size).any()))
        if found is not None and _fits(found, placed, options.overlap):
            return found
    return None


def _at(cut: CutOut, matrix: NDArray[np.float64], size: int, may_be_cut: bool) -> _Placed | None:
    """Return a cut-out at a place, or None where the field's edge leaves too little of it, or cuts it unasked."""
    field = shapely.box(0, 0, size, size)
    members = []
    for one in cut.specimens:
        whole = _polygon(one.outline, matrix)
        seen = _largest(whole.intersection(field))
        share = seen.area / max(whole.area, geometry.TINY)
        if share < _WHOLE and not may_be_cut:
            return None
        if share == 0:
            continue
        if share < _LEAST_SEEN:
            return None
        members.append((seen, _angle(one.outline, one.angle, matrix), one.class_name))
    parts = [member[0] for member in members] if cut.specimens else [_polygon(cut.outline, matrix)]
    shape: BaseGeometry = shapely.union_all(parts).intersection(field)
    if shape.is_empty:
        return None
    return _Placed(cut, matrix, shape, tuple(members))


def _polygon(outline: Outline, matrix: NDArray[np.float64]) -> Polygon:
    """Return an outline after a transformation, as a valid polygon."""
    return _largest(shapely.make_valid(Polygon(outline.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2])))


def _largest(shape: BaseGeometry) -> Polygon:
    """Return the largest polygon of a shape, an empty one where there is none."""
    parts = [part for part in shapely.get_parts(shape) if isinstance(part, Polygon)]
    return max(parts, key=lambda part: part.area, default=Polygon())


def _angle(outline: Outline, angle: float, matrix: NDArray[np.float64]) -> float:
    """Return the direction of an apical axis after a transformation."""
    axis = matrix[:, :2] @ np.array([np.cos(angle), np.sin(angle)])
    turned = float(np.arctan2(axis[1], axis[0]))
    length, width = box_along_axis(outline.astype(np.float64) @ matrix[:, :2].T, turned)[2:4]
    wrapped = (turned + np.pi / 2) % np.pi - np.pi / 2
    return 0.0 if max(length, width) < geometry.ROUND * min(length, width) else float(wrapped)


def _fits(new: _Placed, placed: list[_Placed], limit: float) -> bool:
    """Whether no specimen, old or new, shares more of its visible area with other objects than the limit."""
    near = [one for one in placed if one.shape.intersects(new.shape)]
    for one in [new, *near]:
        others = [other.shape for other in [*placed, new] if other is not one and other.shape.intersects(one.shape)]
        shared = shapely.union_all(others)
        if any(polygon.intersection(shared).area > limit * polygon.area for polygon, _, _ in one.members):
            return False
    return True


def _reference(
    material: Material, cut: CutOut, background: Background | None, options: ComposeOptions, rng: np.random.Generator
) -> CutOut | None:
    """Draw the cut-out whose contrast another one is to have; None where it is left as it is."""
    if options.matching != "histogram" or (background is not None and cut.group == background.group):
        return None
    among = material.specimens if cut.specimens else material.debris
    if background is not None:
        among = tuple(one for one in among if one.group == background.group)
    return among[rng.integers(len(among))] if among else None


def _patch(
    placed: _Placed, reference: CutOut | None, canvas: FieldCanvas, options: ComposeOptions, rng: np.random.Generator
) -> PlacedCutout:
    """Turn and scale the pixels of a cut-out, and give them the tone of the field."""
    cut, matrix = placed.cut, placed.matrix
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    pixels, opacity, warp = cut.pixels, cut.opacity, matrix.copy()
    if scale < _REDUCED:
        size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
        shrink = np.array([size[0] / pixels.shape[1], size[1] / pixels.shape[0]])
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        opacity = np.asarray(cv2.resize(opacity, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        warp[:, :2] /= shrink
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ warp[:, :2].T + warp[:, 2]
    x0, y0 = (np.floor(corners.min(axis=0)).astype(int) - SOLVER_REACH).tolist()
    x1, y1 = (np.ceil(corners.max(axis=0)).astype(int) + SOLVER_REACH).tolist()
    warp[:, 2] -= (x0, y0)
    # Pixel centres sit at half-integers in the outlines' coordinates and at integers in OpenCV's.
    warp[:, 2] += warp[:, :2] @ np.array([0.5, 0.5]) - 0.5
    turned = np.asarray(
        cv2.warpAffine(pixels, warp, (x1 - x0, y1 - y0), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.float32,
    )
    covering = cv2.warpAffine(opacity, warp, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
    blur = abs(float(rng.normal(0, options.defocus_px)))
    if blur > 0.2:
        turned = np.asarray(cv2.GaussianBlur(turned, (0, 0), blur), dtype=np.float32)
    light: Light = np.asarray(cut.light, dtype=np.float32)
    if options.matching == "none":
        mean = canvas.light.mean(axis=(0, 1))
        shares = turned / np.maximum(mean, 1)
    else:
        shares = turned / np.maximum(light, 1)
    if reference is not None:
        shares = _matched(shares, np.asarray(covering), reference)
    return PlacedCutout(shares.astype(np.float32), np.asarray(covering, dtype=np.uint8), x0, y0)


def _matched(shares: Light, opacity: NDArray[np.uint8], reference: CutOut) -> Light:
    """Give a patch the contrast of a reference, channel by channel."""
    ours = shares[opacity > 127]
    theirs = reference.pixels[reference.opacity > 127] / np.maximum(np.array(reference.light), 1)
    if not len(ours) or not len(theirs):
        return shares
    return np.stack([with_tone(shares[..., i], tone_curve(ours[:, i], theirs[:, i])) for i in range(3)], axis=-1)
