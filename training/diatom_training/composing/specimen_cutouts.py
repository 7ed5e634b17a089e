"""Cut specimens and debris out of annotated slides, and empty the slides for backgrounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from diatom_training.composing.background import Area, Ground, Rgb, as_pixels, close_holes, ground_of, grown
from diatom_training.composing.material import (
    NO_SPECIMEN,
    Background,
    CutOut,
    CutoutSpecimen,
    LeftOut,
    Material,
    example_group,
)
from diatom_training.data.examples import Example, Outline, pixel_edge_outline
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import shared_pixels, united
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import first_few, many
from napari_diatom.images.slide_image import open_images

MARGIN: Final = 0.35
"""Width of the halo that is cut out around an object, as a share of the object's width."""

_NARROW: Final = 5.0
"""Least width of a halo in pixels, ..."""
_BROAD: Final = 40.0
"""... and its largest."""
_RING: Final = 6
"""Pixels of empty slide around the halo."""
_APART: Final = 12
"""Pixels between debris and the nearest annotation."""
_AT_EDGE: Final = 1.5
"""Pixels from the image's edge within which a specimen may continue outside."""
_CROSSED: Final = 0.03
"""Share of a specimen that others may lie on when it is cut out without them."""
_DEBRIS_PX: Final = (8.0, 400.0)
"""Smallest and largest extent of debris in pixels."""
_DEBRIS_PER_SLIDE: Final = 60
_BACKGROUNDS: Final = 24
_BACKGROUND_SIDE: Final = 1600
"""Pixels of a background's longer side that are kept."""
_MOSTLY_COVERED: Final = 0.6
"""Share of an image beyond which too little empty slide is left to make a background of."""


@dataclass(frozen=True, eq=False)
class _Slide:
    """An annotated image and what is seen in it."""

    example: Example
    pixels: Rgb
    pixel_size_um: float | None
    outlines: tuple[NDArray[np.float64], ...]
    ground: Ground


def from_examples(
    examples: Sequence[Example],
    classes: Sequence[str],
    margin: float = MARGIN,
    *,
    chains: bool = True,
    pixel_size_um: float | Sequence[float | None] | None = None,
    debris_px: tuple[float, float] = _DEBRIS_PX,
    monitor: ProgressMonitor = UNWATCHED,
) -> Material:
    """Cut up annotated slides.

    Debris is whatever stands out from the slide away from all annotations. Where slides are annotated in part, that
    may be a diatom which nobody outlined.

    Parameters
    ----------
    examples : sequence of Example
        Annotated images. Those of test slides must not be among them.
    classes : sequence of str
        Names of the classes that ``class_ids`` of the examples count.
    margin : float
        Width of the halo that is cut out around an object, as a share of its width.
    chains : bool
        Keep specimens that touch each other together in one cut-out; otherwise each is cut out of its chain.
    pixel_size_um : float or sequence of float, optional
        Micrometres per pixel, where the files do not hold them: of all images, or of each.
    debris_px : tuple of float
        Smallest and largest extent of debris in pixels.

    Raises
    ------
    InputError
        With everything that is wrong with the examples; when no specimen can be used.
    """
    _check(examples, classes)
    specimens: list[CutOut] = []
    debris: list[CutOut] = []
    backgrounds: list[tuple[float, Background]] = []
    left_out: list[LeftOut] = []
    sizes = pixel_size_um if isinstance(pixel_size_um, Sequence) else [pixel_size_um] * len(examples)
    for number, (example, size) in enumerate(zip(examples, sizes, strict=True)):
        monitor.check()
        slide = _opened(example, size)
        cuts, reasons = _specimens(slide, classes, margin, chains)
        specimens += cuts
        left_out += reasons
        debris += _debris(slide, margin, debris_px)
        covered = slide.ground.covered
        if covered < _MOSTLY_COVERED:
            backgrounds.append((covered, _background(slide)))
        else:
            left_out.append(LeftOut(example.image.name, "not used as a background: objects cover most of it"))
        monitor.report(Progress("slides", number + 1, len(examples), message=example.image.name))
    if not specimens:
        raise InputError(f"{NO_SPECIMEN}: {listed(left_out) or 'nothing is annotated'}.")
    backgrounds.sort(key=lambda entry: entry[0])
    return Material(
        classes=tuple(classes),
        specimens=tuple(specimens),
        debris=tuple(debris),
        backgrounds=tuple(ground for _, ground in backgrounds[:_BACKGROUNDS]),
        left_out=tuple(left_out),
    )


def cut(
    pixels: Rgb,
    ground: Ground,
    whole: CroppedMask,
    specimens: Sequence[CutoutSpecimen],
    margin: float,
    *,
    pixel_size_um: float | None,
    source: str,
    group: str,
) -> CutOut:
    """Cut an object out of an image.

    What reaches no further than the object's halo belongs to it, as a grain at the rim of a valve does; everything
    else around it is replaced by empty slide.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    ground : Ground
        Of the image.
    whole : CroppedMask
        The object.
    specimens : sequence of CutoutSpecimen
        What it is, in coordinates of the image.
    margin : float
        Width of the halo as a share of the object's width.
    pixel_size_um, source, group
        As in :class:`~diatom_training.composing.material.CutOut`.
    """
    halo = halo_of(whole.pixels, margin)
    pad = int(np.ceil(halo)) + _RING
    own = np.pad(whole.pixels, pad)
    x0, y0 = whole.x0 - pad, whole.y0 - pad
    outside = np.asarray(cv2.distanceTransform((~own).astype(np.uint8), cv2.DIST_L2, 5), dtype=np.float32)
    others = _part(ground.objects.astype(np.uint8), x0, y0, own.shape, 0).astype(bool) & ~own
    strange = _foreign(others, outside, halo)
    core = own | (others & ~strange & (outside <= halo))
    around = np.asarray(cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 5))
    foreign = grown(strange, 2) & ~own
    opacity = np.clip(1 - (around - 1) / halo, 0, 1)
    light = _part(ground.light, x0, y0, own.shape, None)
    level = light.mean(axis=(0, 1))
    hidden = cv2.GaussianBlur(foreign.astype(np.float32), (0, 0), 1.5)[..., None]
    seen, empty = (_part(one, x0, y0, own.shape, None).astype(np.float32) for one in (pixels, ground.empty))
    # Light is taken away in proportion, so that what it falls on unevenly is made even by a factor.
    flat = (seen + hidden * (empty - seen)) * (level / np.maximum(light, 1))
    beyond = _part(np.zeros(ground.objects.shape, np.uint8), x0, y0, own.shape, 1).astype(bool)
    return CutOut(
        pixels=as_pixels(np.where(beyond[..., None], level, flat)),
        opacity=as_pixels(255 * opacity * opacity * (3 - 2 * opacity)),
        light=(float(level[0]), float(level[1]), float(level[2])),
        outline=pixel_edge_outline(CroppedMask(close_holes(own), 0, 0)),
        specimens=tuple(
            CutoutSpecimen((one.outline - (x0, y0)).astype(np.float32), one.angle, one.class_name) for one in specimens
        ),
        pixel_size_um=pixel_size_um,
        source=source,
        group=group,
    )


def halo_of(area: Area, margin: float) -> float:
    """Return the width in pixels of the halo around an object: a share of its largest inscribed circle's diameter."""
    inside = cv2.distanceTransform(np.pad(area, 1).astype(np.uint8), cv2.DIST_L2, 5)
    return float(np.clip(2 * margin * inside.max(), _NARROW, _BROAD))


def _part(image: NDArray[Any], x0: int, y0: int, shape: tuple[int, ...], beyond: int | None) -> NDArray[Any]:
    """Return a part of an image, ``shape`` (h, w), that may reach beyond it; there it is ``beyond``, or mirrored."""
    height, width = image.shape[:2]
    top, left, bottom, right = max(-y0, 0), max(-x0, 0), max(y0 + shape[0] - height, 0), max(x0 + shape[1] - width, 0)
    inside = image[max(y0, 0) : y0 + shape[0], max(x0, 0) : x0 + shape[1]]
    pads = [(top, bottom), (left, right), (0, 0)][: image.ndim]
    return np.pad(inside, pads, mode="edge") if beyond is None else np.pad(inside, pads, constant_values=beyond)


def _foreign(others: Area, outside: NDArray[np.float32], halo: float) -> Area:
    """Return what of other things reaches beyond the halo of an object, with what of them lies in it.

    Along its outline an object's own rim stands out, too: what touches it is estimated from what lies further away.

    Parameters
    ----------
    others : ndarray of bool, shape (h, w)
    outside : ndarray of float32, shape (h, w)
        Distance to the object in pixels.
    halo : float
        Its width in pixels.
    """
    count, labels = cv2.connectedComponents((others & (outside > halo / 2)).astype(np.uint8), connectivity=8)
    reaching = np.zeros(count, dtype=bool)
    reaching[labels[outside > halo]] = True
    reaching[0] = False
    far = np.asarray(reaching[labels], dtype=bool)
    return far | (others & grown(far, halo / 2 + 2)) if far.any() else far


def _check(examples: Sequence[Example], classes: Sequence[str]) -> None:
    """Refuse examples without any specimen or with unknown classes."""
    problems = []
    if not any(example.outlines for example in examples):
        problems.append(f"no annotated specimen in {many(len(examples), 'image')}")
    for example in examples:
        unknown = sorted({number for number in example.class_ids if not 0 <= number < len(classes)})
        if unknown:
            known = many(len(classes), "class", "classes")
            problems.append(f"{example.image.name} has specimens of class {unknown[0]}, of {known}")
    if problems:
        raise InputError(f"{NO_SPECIMEN}: {'; '.join(problems)}.")


def _opened(example: Example, pixel_size_um: float | None) -> _Slide:
    """Read an annotated image, and refuse annotations that cannot belong to it."""
    image = open_images(example.image)[0]
    pixels = image.read(0, 0, image.width, image.height)
    outlines = tuple(
        geometry.clip_polygon(one.astype(np.float64), 0, 0, image.width, image.height) for one in example.outlines
    )
    outside = [
        number
        for number, (whole, inside) in enumerate(zip(example.outlines, outlines, strict=True), start=1)
        if len(inside) < 3 or geometry.polygon_area(inside) < 0.5 * geometry.polygon_area(whole)
    ]
    if outside:
        raise InputError(
            f"{example.image}: of {len(outlines)} annotations number {', '.join(map(str, outside))} "
            f"lie{'s' if len(outside) == 1 else ''} outside the image, which is {image.width} x {image.height} px; "
            "do they belong to another image, or to one of another size?"
        )
    return _Slide(
        example,
        pixels,
        image.pixel_size_um or pixel_size_um,
        outlines,
        ground_of(pixels, _known(outlines, pixels.shape)),
    )


def _known(outlines: Sequence[NDArray[np.float64]], shape: tuple[int, ...]) -> Area:
    """Return the pixels of an image, ``shape`` (h, w, ...), that outlines enclose."""
    known = np.zeros(shape[:2], dtype=bool)
    for outline in outlines:
        mask = fill(((outline,),)).within(0, 0, shape[1], shape[0])
        height, width = mask.pixels.shape
        known[mask.y0 : mask.y0 + height, mask.x0 : mask.x0 + width] |= mask.pixels
    return known


def _specimens(
    slide: _Slide, classes: Sequence[str], margin: float, chains: bool
) -> tuple[list[CutOut], list[LeftOut]]:
    """Cut out the specimens that lie in the image as a whole; of a chain that its edge cuts, cell by cell."""
    example = slide.example
    height, width = slide.ground.objects.shape
    whole = [
        bool((one.min() > _AT_EDGE) and (one[:, 0].max() < width - _AT_EDGE) and (one[:, 1].max() < height - _AT_EDGE))
        for one in slide.outlines
    ]
    left_out = [
        LeftOut(example.image.name, f"specimen {number} is cut by the image's edge")
        for number, is_whole in enumerate(whole, start=1)
        if not is_whole
    ]
    masks = [fill(((outline,),)) for outline in slide.outlines]
    cuts = []
    for members in _chains(slide.outlines):
        together = chains and all(whole[i] for i in members)
        for part in [members] if together else [[i] for i in members if whole[i]]:
            area = united([masks[i] for i in part])
            hidden = sum(shared_pixels(area, masks[i]) for i in members if i not in part)
            if not area.area or hidden > _CROSSED * area.area:
                reason = "lies on top of another one" if hidden else "is smaller than a pixel"
                left_out.append(LeftOut(example.image.name, f"specimen {part[0] + 1} {reason}"))
                continue
            specimens = [
                CutoutSpecimen(slide.outlines[i].astype(np.float32), example.angles[i], classes[example.class_ids[i]])
                for i in part
            ]
            cuts.append(_cut(slide, area, specimens, margin))
    return cuts, left_out


def _cut(slide: _Slide, whole: CroppedMask, specimens: Sequence[CutoutSpecimen], margin: float) -> CutOut:
    """Cut an object out of a slide."""
    return cut(
        slide.pixels,
        slide.ground,
        whole,
        specimens,
        margin,
        pixel_size_um=slide.pixel_size_um,
        source=slide.example.image.name,
        group=example_group(slide.example),
    )


def _chains(outlines: Sequence[Outline | NDArray[np.float64]]) -> list[list[int]]:
    """Return the specimens in groups of those that touch each other, in their order."""
    shapes = [shapely.make_valid(shapely.Polygon(outline)).buffer(1.0) for outline in outlines]
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects") if shapes else ([], [])
    group = list(range(len(shapes)))
    for i, j in zip(first, second, strict=True):
        low, high = sorted((group[i], group[j]))
        group = [low if one == high else one for one in group]
    return [[i for i, one in enumerate(group) if one == key] for key in dict.fromkeys(group)]


def _debris(slide: _Slide, margin: float, extent: tuple[float, float]) -> list[CutOut]:
    """Cut out what stands out away from all annotations; by chance where there is much of it."""
    shape = slide.ground.objects.shape
    known = _known(slide.outlines, shape)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(slide.ground.objects.astype(np.uint8), connectivity=8)
    taken = np.zeros(count, dtype=bool)
    taken[labels[grown(known, _APART)]] = True
    x0, y0 = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    whole = (x0 > 1) & (y0 > 1) & (x0 + width < shape[1] - 1) & (y0 + height < shape[0] - 1)
    size = np.maximum(width, height)
    usable = whole & ~taken & (size >= extent[0]) & (size <= extent[1])
    usable[0] = False
    found = np.flatnonzero(usable)
    # Specks are many: drawn by their extent, what is large is not lost among them.
    chances = size[found] / max(int(size[found].sum()), 1)
    rng = np.random.default_rng(0)
    chosen = rng.choice(found, min(len(found), _DEBRIS_PER_SLIDE), replace=False, p=chances) if len(found) else found
    return [
        _cut(slide, CroppedMask(labels[y : y + h, x : x + w] == number, x, y), (), margin)
        for number in sorted(chosen.tolist())
        for x, y, w, h in [stats[number, :4].tolist()]
    ]


def _background(slide: _Slide) -> Background:
    """Return the emptiest part of a slide, emptied."""
    height, width = slide.ground.objects.shape
    side = (min(height, _BACKGROUND_SIDE), min(width, _BACKGROUND_SIDE))
    sums = cv2.integral(slide.ground.objects.astype(np.uint8))
    rows, columns = np.arange(0, height - side[0] + 1, 32), np.arange(0, width - side[1] + 1, 32)
    inside = (
        sums[np.ix_(rows + side[0], columns + side[1])]
        - sums[np.ix_(rows, columns + side[1])]
        - sums[np.ix_(rows + side[0], columns)]
        + sums[np.ix_(rows, columns)]
    )
    row, column = np.unravel_index(int(inside.argmin()), inside.shape)
    y0, x0 = int(rows[row]), int(columns[column])
    return Background(
        np.ascontiguousarray(slide.ground.empty[y0 : y0 + side[0], x0 : x0 + side[1]]),
        slide.pixel_size_um,
        slide.example.image.name,
        example_group(slide.example),
    )


def listed(entries: Sequence[LeftOut], most: int = 5) -> str:
    """Return why things were left out, in one line."""
    return first_few([f"{entry.source}: {entry.reason}" for entry in entries], most, "; ")
