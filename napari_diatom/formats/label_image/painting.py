"""Specimens as one label image, in which every pixel has one number: what that hides, and back to specimens.

Large specimens are painted first, so that small ones that lie on them stay to be seen. A label image cannot hold
overlaps; the masks in :class:`~napari_diatom.core.detections.Detections` can, and :func:`overlap` says what is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import united
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, first_few, many
from napari_diatom.measurement.morphometry import oriented_box

SPARE: Final = 1000
"""Numbers that may be left out before a label image is renumbered for the search."""
BAND: Final = 512
"""Rows that are searched at a time."""

Labels = NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True)
class Overlap:
    """What a label image does not show.

    Attributes
    ----------
    pixels : int
        Pixels of specimens that others are painted over.
    specimens : int
        Specimens with such pixels.
    hidden : tuple of int
        Numbers of the specimens that are hidden completely.
    """

    pixels: int
    specimens: int
    hidden: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.pixels:
            return "No specimens overlap: the label image shows every pixel of every specimen."
        gone = f"; these are hidden completely: number {', '.join(map(str, self.hidden))}" if self.hidden else ""
        return (
            f"{many(self.specimens, 'specimen')} {either(self.specimens, 'is', 'are')} partly covered by others: the "
            f"label image leaves out {many(self.pixels, 'pixel')}{gone}. COCO and GeoJSON keep overlaps whole."
        )


def masks_or_filled_boxes(detections: Detections, size: tuple[int, int] | None = None) -> tuple[CroppedMask, ...]:
    """Return the masks of specimens, those of their boxes where they have none.

    Parameters
    ----------
    detections : Detections
        The specimens.
    size : (int, int), optional
        Height and width of their image, to which absurdly large boxes are cut.

    Raises
    ------
    InputError
        When a box is absurdly large.
    """
    if detections.masks is not None:
        return detections.masks
    from napari_diatom.formats.shared.polygon_repair import filled_box

    masks: list[CroppedMask] = []
    for number, box in enumerate(detections.boxes, start=1):
        try:
            masks.append(filled_box(box, size))
        except InputError as error:
            raise InputError(f"Specimen {number} {error}.") from None
    return tuple(masks)


def check_within(masks: Sequence[CroppedMask], numbers: ArrayLike, height: int, width: int) -> None:
    """Check that masks lie in their image.

    Raises
    ------
    InputError
        When some do not; the first few are named by their numbers.
    """
    bounds = [mask.bounds for mask in masks]
    outside = [
        int(number)
        for number, (x0, y0, x1, y1) in zip(np.asarray(numbers).tolist(), bounds, strict=True)
        if x0 < 0 or y0 < 0 or x1 > width or y1 > height
    ]
    if outside:
        some = first_few([*map(str, outside)], 3)
        raise InputError(
            f"The masks of specimen {some} reach beyond the image of {width} x {height} pixels: they belong to an "
            "image of another size."
        )


@dataclass(frozen=True, eq=False)
class LabelPainter:
    """Paints a label image in parts, each as large as the caller likes.

    Attributes
    ----------
    masks : tuple of CroppedMask
        In the order of painting, the largest first.
    numbers : ndarray of int64, shape (N,)
        The value of each.
    height, width : int
        Of the image, in pixels.
    """

    masks: tuple[CroppedMask, ...]
    numbers: NDArray[np.int64]
    height: int
    width: int

    @classmethod
    def of(cls, detections: Detections, numbers: ArrayLike | None, height: int, width: int) -> LabelPainter:
        """Prepare the painting of specimens; they are numbered from 1 unless ``numbers`` says otherwise.

        Raises
        ------
        InputError
            When the numbers are not different and above 0, or a mask reaches beyond the image.
        """
        count = len(detections)
        values = np.arange(1, count + 1) if numbers is None else np.asarray(numbers, dtype=np.int64).reshape(-1)
        if len(values) != count or len(np.unique(values)) != count or (count and values.min() < 1):
            raise InputError(f"A label image needs {count} different numbers from 1 up for {count} specimens.")
        if count and values.max() > np.iinfo(np.uint32).max:
            raise InputError("A label image cannot hold numbers above 4294967295.")
        masks = masks_or_filled_boxes(detections)
        check_within(masks, values, height, width)
        areas = np.array([mask.area for mask in masks], dtype=np.int64)
        order = np.lexsort([values, -areas])
        return cls(tuple(masks[i] for i in order), values[order].astype(np.int64), height, width)

    @property
    def dtype(self) -> np.dtype[np.uint16] | np.dtype[np.uint32]:
        """The smaller of 16 and 32 bits that holds all numbers."""
        largest = int(self.numbers.max(initial=0))
        return np.dtype(np.uint16) if largest <= np.iinfo(np.uint16).max else np.dtype(np.uint32)

    def rows(self, begin: int, end: int) -> Labels:
        """Return the rows from ``begin`` to below ``end``, shape (end - begin, width)."""
        chosen = [i for i, mask in enumerate(self.masks) if mask.y0 < end and mask.y0 + mask.pixels.shape[0] > begin]
        return self.part(0, begin, self.width, end, chosen)

    def part(self, x0: int, y0: int, x1: int, y1: int, chosen: Sequence[int]) -> Labels:
        """Return columns ``x0`` to below ``x1`` of rows ``y0`` to below ``y1``, shape (y1 - y0, x1 - x0).

        ``chosen`` are the positions of the masks that may lie there, ascending.
        """
        canvas: Labels = np.zeros((y1 - y0, x1 - x0), dtype=self.dtype)
        for i in chosen:
            part = self.masks[i].within(x0, y0, x1, y1)
            height, width = part.pixels.shape
            left, top = part.x0 - x0, part.y0 - y0
            canvas[top : top + height, left : left + width][part.pixels] = self.numbers[i]
        return canvas

    def overlap(self) -> Overlap:
        """Return what painting hides, without painting."""
        bounds = np.array([mask.bounds for mask in self.masks], dtype=np.float64).reshape(-1, 4)
        later: dict[int, list[int]] = {}
        for below, above in geometry.pairs(bounds):
            for i, j in zip(below.tolist(), above.tolist(), strict=True):
                later.setdefault(i, []).append(j)
        pixels, specimens = 0, 0
        hidden: list[int] = []
        for i, others in later.items():
            mask = self.masks[i]
            parts = [self.masks[j].within(*mask.bounds) for j in others]
            over = united([mask, *parts])
            cover = np.zeros_like(over.pixels)
            for part in parts:
                top, left = part.y0 - over.y0, part.x0 - over.x0
                cover[top : top + part.pixels.shape[0], left : left + part.pixels.shape[1]] |= part.pixels
            top, left = mask.y0 - over.y0, mask.x0 - over.x0
            own = cover[top : top + mask.pixels.shape[0], left : left + mask.pixels.shape[1]] & mask.pixels
            lost = int(np.count_nonzero(own))
            pixels += lost
            specimens += lost > 0
            if lost == mask.area:
                hidden.append(int(self.numbers[i]))
        return Overlap(pixels, specimens, tuple(sorted(hidden)))


def detections_from_label_image(
    labels: ArrayLike, source: str = "The label image"
) -> tuple[NDArray[np.int64], Detections]:
    """Return the specimens of a label image, by their numbers.

    All pixels of one number are one specimen: holes stay holes, and islands belong to it. Class, score and status are
    not in a label image; they take the defaults.

    Parameters
    ----------
    labels : array-like of integers, shape (H, W)
        0 where there is nothing.
    source : str
        What it is called in errors.

    Returns
    -------
    numbers : ndarray of int64, shape (N,)
        In ascending order.
    detections : Detections
        With masks, in the same order.

    Raises
    ------
    InputError
        When it is not a plane of whole numbers from 0 up.
    """
    array = np.asarray(labels)
    if array.ndim != 2 or not (np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_):
        raise InputError(
            f"{source} must be a plane of whole numbers, one per specimen; it has {array.ndim} dimensions of type "
            f"{array.dtype}."
        )
    if array.size and array.min() < 0:
        raise InputError(f"{source} holds negative numbers; specimens are numbered from 1, 0 is the background.")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    numbers = _numbers(array)
    values = numbers
    # A person may number specimens as they like: a table of a billion slices for a few of them would be folly.
    if len(numbers) and numbers[-1] > 4 * len(numbers) + SPARE:
        array = np.where(array > 0, np.searchsorted(numbers, array) + 1, 0).astype(np.int32)
        values = np.arange(1, len(numbers) + 1)
    masks = [
        CroppedMask(array[y0:y1, x0:x1] == value, x0, y0)
        for value, (x0, y0, x1, y1) in zip(values.tolist(), _bounds(array, values), strict=True)
    ]
    boxes = [oriented_box(mask) for mask in masks]
    return numbers, Detections.of(np.reshape(boxes, (-1, 5)), masks=masks)


def _bounds(array: NDArray[Any], values: NDArray[np.int64]) -> list[list[int]]:
    """Return x0, y0, x1, y1 of the pixels of each value, band by band: the search makes wide copies of its input."""
    from scipy import ndimage

    far = np.iinfo(np.int64).max
    table = np.tile(np.array([far, far, 0, 0]), (int(values[-1]) + 1 if len(values) else 1, 1))
    for begin in range(0, len(array), BAND):
        for value, place in enumerate(ndimage.find_objects(array[begin : begin + BAND]), start=1):
            if place is not None:
                rows, columns = place
                table[value, :2] = np.minimum(table[value, :2], (columns.start, begin + rows.start))
                table[value, 2:] = np.maximum(table[value, 2:], (columns.stop, begin + rows.stop))
    return [list(map(int, row)) for row in table[values]]


def _numbers(array: NDArray[Any]) -> NDArray[np.int64]:
    """Return the different numbers above 0, ascending."""
    largest = int(array.max(initial=0))
    if largest > SPARE**2:
        return np.asarray(np.setdiff1d(array, [0]), dtype=np.int64)
    seen = np.zeros(largest + 1, dtype=bool)
    for row in array:
        seen[row] = True
    return np.flatnonzero(seen[1:]) + 1
