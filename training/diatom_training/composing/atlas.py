"""Cut valves out of the images of an atlas: one valve an image, with scale bars and lettering around it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops

from diatom_training.composing.background import (
    Area,
    Ground,
    Rgb,
    closed,
    emptied,
    filled,
    grown,
    light_of,
    salient,
    shrunk,
)
from diatom_training.composing.material import NO_SPECIMEN, CutOut, LeftOut, Material, Specimen
from diatom_training.composing.specimen_cutouts import MARGIN, cut, listed
from diatom_training.data.examples import outline_of
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.images.image_files import find_images
from napari_diatom.images.slide_image import SlideImage, open_images

_FRAME: Final = 0.06
"""Width of the image's margin that its light is taken from, as a share of the shorter side."""
_SMALLEST: Final = 32
"""Pixels of an image's shorter side below which no valve is looked for."""
_AREA: Final = (0.01, 0.9)
"""Smallest and largest share of an image that a valve covers."""
_RIVAL: Final = 0.35
"""Area of a second object, as a share of the valve's, from which the valve is ambiguous."""
_BRIDGE: Final = 0.2
"""Half the width of a bridge to something else, as a share of half the valve's width."""
_HANGING: Final = 0.12
"""Share of what stands out that may hang on the valve."""
_SOLID: Final = 0.6
"""Least share that a valve covers of its convex hull."""
_BAR_LENGTH: Final = 0.05
"""Least length of a scale bar, as a share of the longer side."""
_BAR_WIDTH: Final = 0.04
"""Largest width of a scale bar, as a share of the longer side."""
_CAPS: Final = 2.5
"""How much larger than the bar it is with the caps at its ends."""
_BAR_PLACE: Final = 0.3
"""How far from the nearest edge a scale bar lies at most, as a share of the side across."""
_BLACK: Final = 70
_WHITE: Final = 200
_UNIFORM: Final = 14.0
"""Standard deviation in grey levels within a scale bar."""
_STEP: Final = 50.0
"""Grey levels between a scale bar and what lies on either side of it."""
_LETTER: Final = 0.15
"""Largest extent of a letter, as a share of the longer side."""


def from_atlas(
    folder: Path,
    margin: float = MARGIN,
    pixel_size_um: float | None = None,
    *,
    monitor: ProgressMonitor = UNWATCHED,
) -> Material:
    """Cut the valves out of a folder of atlas images.

    A subfolder gives the class of the images in it and below it, the folder's own name that of the others. What cannot
    be separated from its surroundings with certainty is left out, with the reason.

    Parameters
    ----------
    folder : Path
    margin : float
        As in :func:`~diatom_training.composing.specimen_cutouts.from_examples`.
    pixel_size_um : float, optional
        Micrometres per pixel, where the files do not hold them.

    Raises
    ------
    InputError
        When the folder has no images, or none that a valve can be cut out of.
    """
    # A name that no folder can have is an error to pathlib.
    if not os.path.isdir(folder):
        raise InputError(f"{folder} is not a folder of atlas images.")
    specimens: list[CutOut] = []
    left_out: list[LeftOut] = []
    files = find_images([str(folder)])
    for number, path in enumerate(files):
        monitor.check()
        parts = path.relative_to(folder).parts
        try:
            image = open_images(path)[0]
            specimens.append(_cut(image, parts[0] if len(parts) > 1 else folder.resolve().name, margin, pixel_size_um))
        except InputError as error:
            left_out.append(LeftOut("/".join(parts), str(error)))
        monitor.report(Progress("atlas", number + 1, len(files), message="/".join(parts)))
    if not specimens:
        raise InputError(f"{NO_SPECIMEN} in {folder}: {listed(left_out)}.")
    return Material(
        classes=tuple(sorted({cut.specimens[0].class_name for cut in specimens})),
        specimens=tuple(specimens),
        left_out=tuple(left_out),
    )


def _cut(image: SlideImage, class_name: str, margin: float, pixel_size_um: float | None) -> CutOut:
    """Cut out the valve of an atlas image."""
    pixels = image.read(0, 0, image.width, image.height)
    marks = marks_of(pixels)
    light = _light(pixels, marks)
    valve = valve_of(pixels, light, marks)
    area = np.zeros(marks.shape, dtype=bool)
    height, width = valve.pixels.shape
    area[valve.y0 : valve.y0 + height, valve.x0 : valve.x0 + width] = valve.pixels
    objects = area | marks | salient(pixels, light, area | marks)
    outline = outline_of(valve)
    return cut(
        pixels,
        Ground(light, objects, emptied(pixels, light, objects)),
        valve,
        [Specimen(outline, float(geometry.min_area_box(outline)[4]), class_name)],
        margin,
        pixel_size_um=image.pixel_size_um or pixel_size_um,
        source=image.name,
        group=image.name,
    )


def valve_of(pixels: Rgb, light: NDArray[np.float32], marks: Area) -> CroppedMask:
    """Return the valve of an atlas image.

    What departs from the light, by Otsu's threshold and down to what departs by more than the image's margin does; its
    gaps closed and its holes filled, and of all parts the largest.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
    light : ndarray of float32, shape (h, w, 3)
    marks : ndarray of bool, shape (h, w)
        Scale bars and lettering.

    Raises
    ------
    InputError
        When the valve is ambiguous; the message says why.
    """
    side = max(marks.shape)
    rest = np.abs(pixels.astype(np.float32) - light).max(axis=2)
    rest[grown(marks, 2)] = 0
    signal = np.asarray(cv2.GaussianBlur(rest, (0, 0), 0.8), dtype=np.float32)
    rim = signal[_frame(marks)]
    quiet = float(np.median(rim)) + 6 * 1.4826 * float(np.median(np.abs(rim - np.median(rim)))) + 1.0
    strong = _otsu(np.minimum(signal, np.quantile(signal, 0.99)))
    if strong < quiet:
        raise InputError("no valve stands out from the background")
    # Halos are weaker than the edge that they surround: what counts is half of the strongest signal nearby.
    reach = 2 * max(round(side / 60), 3) + 1
    nearby = cv2.dilate(signal, np.ones((reach, reach), dtype=np.uint8))
    edges = (signal > max(quiet, 0.35 * strong)) & (signal > 0.5 * nearby)
    solid = filled(closed(edges, reach // 2))
    parts = sorted(_parts(solid), key=lambda part: -part.area)
    share = parts[0].area / solid.size if parts else 0.0
    if share < _AREA[0]:
        raise InputError("no valve stands out from the background")
    y0, x0, y1, x1 = parts[0].bbox
    if y0 == 0 or x0 == 0 or y1 == solid.shape[0] or x1 == solid.shape[1]:
        raise InputError("the object in front of the background reaches the image's edge")
    if share > _AREA[1] or parts[0].solidity < _SOLID:
        raise InputError("the object in front of the background does not have the outline of a valve")
    if len(parts) > 1 and parts[1].area > _RIVAL * parts[0].area:
        raise InputError("there is more than one object of a valve's size")
    valve = _alone(np.pad(np.asarray(parts[0].image, dtype=bool), 1))
    if valve.sum() < (1 - _HANGING) * parts[0].area:
        raise InputError("something else touches the valve")
    return CroppedMask(valve, int(x0) - 1, int(y0) - 1).trimmed()


def _alone(area: Area) -> Area:
    """Return an area without what hangs on its largest part by a narrow bridge: opened, and grown again within."""
    inside = cv2.distanceTransform(area.astype(np.uint8), cv2.DIST_L2, 5)
    radius = max(_BRIDGE * float(inside.max()), 1.0)
    opened = grown(shrunk(area, radius), radius) & area
    _, labels, stats, _ = cv2.connectedComponentsWithStats(opened.astype(np.uint8), connectivity=4)
    stats[0, cv2.CC_STAT_AREA] = 0
    largest = labels == int(stats[:, cv2.CC_STAT_AREA].argmax())
    return area & grown(largest, 2 * radius) & ~grown(opened & ~largest, radius + 1)


def marks_of(pixels: Rgb) -> Area:
    """Return the scale bars of an image and the lettering beside them, shape (h, w).

    A scale bar is level or upright, straight, of one black or white, and lies near an edge of the image.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    marks = np.zeros(grey.shape, dtype=bool)
    for extreme in (grey <= _BLACK, grey >= _WHITE):
        for bar in _bars(extreme, grey):
            marks |= _lettered(extreme, bar)
        turned = np.ascontiguousarray(extreme.T)
        for bar in _bars(turned, np.ascontiguousarray(grey.T)):
            marks |= _lettered(turned, bar).T
    return marks


def _bars(extreme: Area, grey: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Return the level scale bars among black or white pixels, as x, y, width and height."""
    side, (height, _) = max(grey.shape), grey.shape
    # An even length would move what is opened by a pixel.
    run = np.ones((1, max(round(_BAR_LENGTH * side), 12) | 1), dtype=np.uint8)
    runs = cv2.morphologyEx(extreme.astype(np.uint8), cv2.MORPH_OPEN, run)
    _, _, stats, _ = cv2.connectedComponentsWithStats(runs, connectivity=4)
    _, labels, whole, _ = cv2.connectedComponentsWithStats(extreme.astype(np.uint8), connectivity=8)
    bars = []
    for x, y, w, h, area in stats[1:].tolist():
        if h > max(_BAR_WIDTH * side, 3) or w < 4 * h or area < 0.85 * w * h:
            continue
        # A bar stands alone, whereas a straight margin of a valve continues.
        if whole[labels[y + h // 2, x + w // 2], cv2.CC_STAT_AREA] > _CAPS * w * h:
            continue
        if min(y, height - y - h) > _BAR_PLACE * height:
            continue
        # Its edges are as blurred as the image; its core is not.
        rim = min((h - 1) // 2, 2)
        inside = grey[y + rim : y + h - rim, x + 2 : x + w - 2].astype(np.float64)
        above, below = grey[max(y - 4, 0) : max(y - 2, 0), x : x + w], grey[y + h + 2 : y + h + 4, x : x + w]
        steps = [abs(float(np.median(beside)) - inside.mean()) for beside in (above, below) if beside.size]
        if inside.std() <= _UNIFORM and min(steps, default=0.0) >= _STEP:
            bars.append((x, y, w, h))
    return bars


def _lettered(extreme: Area, bar: tuple[int, int, int, int]) -> Area:
    """Return a level scale bar with its caps and with the letters of its own colour around it."""
    side = max(extreme.shape)
    x, y, w, h = bar
    reach = round(_LETTER * side)
    y0, x0 = max(y - reach, 0), max(x - max(reach, w // 2), 0)
    window = np.s_[y0 : y + h + reach, x0 : x + w + max(reach, w // 2)]
    _, labels, stats, _ = cv2.connectedComponentsWithStats(extreme[window].astype(np.uint8), connectivity=8)
    small = (stats[:, cv2.CC_STAT_HEIGHT] <= reach) & (stats[:, cv2.CC_STAT_WIDTH] <= reach)
    own = labels[y - y0 : y - y0 + h, x - x0 : x - x0 + w]
    if extreme[window].mean() > 0.5:
        # The slide itself is as white as the bar, or as black; letters would not stand out from its grain.
        small[:] = False
    small[own[own > 0]] = True
    small[0] = False
    marks = np.zeros(extreme.shape, dtype=bool)
    marks[window] = small[labels]
    return grown(marks, 1)


def _otsu(values: NDArray[np.float32]) -> float:
    """Return Otsu's threshold."""
    return float(threshold_otsu(values))  # type: ignore[no-untyped-call]


def _parts(area: Area) -> list[Any]:
    """Return the properties of the parts of an area."""
    return list(regionprops(label(area)))  # type: ignore[no-untyped-call]


def _frame(marks: Area) -> Area:
    """Return the margin of an image, without what is written there."""
    width = max(round(_FRAME * min(marks.shape)), 2)
    frame = np.ones(marks.shape, dtype=bool)
    frame[width:-width, width:-width] = False
    free = frame & ~grown(marks, 3)
    return free if free.any() else frame


def _light(pixels: Rgb, marks: Area) -> NDArray[np.float32]:
    """Return the light of an atlas image, by its margin."""
    if min(marks.shape) < _SMALLEST:
        raise InputError(f"it is only {marks.shape[1]} x {marks.shape[0]} px")
    return light_of(pixels, ~_frame(marks))
