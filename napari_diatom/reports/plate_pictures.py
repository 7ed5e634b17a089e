"""Pictures of specimens for plates: upright, at one scale, in grey on a level background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.images.specimen_crops import upright_strip
from napari_diatom.reports.plate_layout import PlateCell, PlateLayout
from napari_diatom.reports.plate_specimens import PlateSpecimen
from napari_diatom.reports.specimen_images import Opener

MM_PER_INCH: Final = 25.4

_GROUND: Final = 196.0
"""Grey value of the background on a plate."""
_DARK_GROUND: Final = 40.0
"""The same of dark-field pictures, which stay dark."""
_DARKEST: Final = 64.0
"""Background that is brighter is not that of a dark field."""
_EXTREMES: Final = (0.2, 99.8)
"""Percentiles that are kept within black and white."""
_GAINS: Final = (0.4, 2.5)


def cut_pictures(
    specimens: Sequence[PlateSpecimen],
    layout: PlateLayout,
    dpi: float,
    images: Mapping[str, Opener],
    monitor: ProgressMonitor = UNWATCHED,
) -> dict[int, NDArray[np.uint8]]:
    """Return the pictures of a plate, each shape (height, width), by their places; images are read one at a time.

    Parameters
    ----------
    specimens : sequence of PlateSpecimen
        The specimens.
    layout : PlateLayout
        Where they stand, and at which scale.
    dpi : float
        Pixels per inch of paper.
    images : mapping of str to callable
        Opens each image.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When an image cannot be read, or is not the one in which the specimens were found.
    """
    by_image: dict[str, list[int]] = {}
    for k, specimen in enumerate(specimens):
        by_image.setdefault(specimen.image, []).append(k)
    found: dict[int, NDArray[np.uint8]] = {}
    for number, (name, places) in enumerate(by_image.items()):
        monitor.report(Progress("images", number, len(by_image), name))
        monitor.check()
        opened = images[name]()
        for k in places:
            found[k] = _cut(opened, specimens[k], layout.cells[k], layout.magnification, dpi)
        opened.release()
    monitor.report(Progress("images", len(by_image), len(by_image)))
    return found


def _cut(
    image: SlideImage, specimen: PlateSpecimen, cell: PlateCell, magnification: float, dpi: float
) -> NDArray[np.uint8]:
    """Return the picture of a specimen."""
    unit_um = MM_PER_INCH * 1000 / (dpi * magnification)
    shape = (max(round(cell.height / MM_PER_INCH * dpi), 1), max(round(cell.width / MM_PER_INCH * dpi), 1))
    try:
        pixels, inside = upright_strip(image, specimen.box, shape, unit_um / specimen.pixel_size_um)
    except InputError as error:
        raise InputError(f"{specimen.key} cannot be cut out of {image.name}: {error}") from error
    length, width = (side / unit_um for side in specimen.size_um)
    rows = np.abs(np.arange(shape[0]) + 0.5 - shape[0] / 2) <= length / 2
    columns = np.abs(np.arange(shape[1]) + 0.5 - shape[1] / 2) <= width / 2
    return level_ground(pixels, inside, rows[:, None] & columns)


def level_ground(
    pixels: NDArray[np.uint8], inside: NDArray[np.bool_], specimen: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Return a picture in grey, its brightness and contrast changed so that backgrounds are alike.

    The change is linear, the same for all pixels of the picture: what is darker stays darker.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        RGB.
    inside : ndarray of bool, shape (h, w)
        What lies inside the image; the rest becomes background.
    specimen : ndarray of bool, shape (h, w)
        The box of the specimen.

    Returns
    -------
    ndarray of uint8, shape (h, w)
    """
    # The weights of ITU-R BT.601.
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    around = inside & ~specimen
    shown = grey[inside]
    if not shown.size:
        return np.full(grey.shape, round(_GROUND), dtype=np.uint8)
    ground = float(np.median(grey[around] if around.any() else shown))
    wanted = _GROUND if ground > _DARKEST else _DARK_GROUND
    low, high = np.percentile(shown, _EXTREMES).tolist()
    gain = float(np.clip(min(wanted / max(ground - low, 1.0), (255 - wanted) / max(high - ground, 1.0)), *_GAINS))
    levelled = np.where(inside, wanted + gain * (grey - ground), wanted)
    return np.asarray(np.rint(np.clip(levelled, 0, 255)), dtype=np.uint8)
