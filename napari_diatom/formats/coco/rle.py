"""Masks as run lengths, as COCO has them: down the columns, background first, for the whole image.

The image itself is never unfolded: only the bounds of a mask are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import check_span

BITS: Final = 5
"""Of a number in each character of a packed text, least first, from COCO's ``maskApi``; a sixth says that it goes on,
and 48 is added to make all characters printable."""
LONGEST: Final = 60
"""Bits of a number."""
MOST: Final = 2**62
"""Pixels that a run may have, or an image."""


def encode(mask: CroppedMask, height: int, width: int) -> NDArray[np.int64]:
    """Return the lengths of the runs of pixels outside and inside by turns, which add up to the image.

    Parameters
    ----------
    mask : CroppedMask
        Within the image.
    height, width : int
        Of the image, in pixels.

    Raises
    ------
    InputError
        When the mask reaches beyond the image.
    """
    x0, y0, x1, y1 = mask.bounds
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        raise InputError(f"A mask from {x0}, {y0} to {x1}, {y1} reaches beyond an image of {width} x {height} pixels.")
    columns = np.pad(mask.trimmed().pixels.T.astype(np.int8), ((0, 0), (1, 1)))
    step = np.diff(columns, axis=1)
    column, row = np.nonzero(step == 1)
    starts = (column + x0) * height + row + y0
    column, row = np.nonzero(step == -1)
    ends = (column + x0) * height + row + y0
    # A run that reaches the foot of a column goes on at the head of the next one.
    apart = starts[1:] != ends[:-1]
    starts, ends = starts[np.r_[True, apart][: len(starts)]], ends[np.r_[apart, True][: len(ends)]]
    edges = np.concatenate([[0], np.column_stack([starts, ends]).ravel(), [height * width]])
    counts = np.diff(edges)
    return counts if counts[-1] or len(counts) == 1 else counts[:-1]


def decode(counts: ArrayLike, height: int, width: int) -> CroppedMask:
    """Return the mask of run lengths, cropped to its bounds; inverse of :func:`encode`.

    Raises
    ------
    InputError
        When a length is below 0, they do not add up to the image, or the mask would be absurdly large.
    """
    runs = np.asarray(counts, dtype=np.int64).reshape(-1)
    # Summed as floats first: whole numbers that wrap round might add up to anything.
    total = int(runs.sum()) if float(runs.sum(dtype=np.float64)) < MOST else MOST
    if (runs < 0).any() or total != height * width:
        raise InputError(
            f"has runs that add up to {total} pixels, but the image has {width} x {height}: the mask belongs "
            "to an image of another size"
        )
    edges = np.cumsum(runs)
    starts, ends = edges[0::2][: len(runs) // 2], edges[1::2]
    full = ends > starts
    starts, ends = starts[full], ends[full]
    if not len(starts):
        return CroppedMask(np.zeros((1, 1), dtype=bool), 0, 0)
    left, right = int(starts[0]) // height, (int(ends[-1]) - 1) // height + 1
    # Rows above and below the mask are left out, unless a run continues from the foot of a column.
    column, last = starts // height, (ends - 1) // height
    top, bottom = int((starts % height).min()), int(((ends - 1) % height).max()) + 1
    if (column != last).any():
        top, bottom = 0, height
    rows = bottom - top
    check_span(right - left, rows)
    flat = np.zeros((right - left) * rows + 1, dtype=np.int8)
    flat[(column - left) * rows + starts - column * height - top] = 1
    flat[(last - left) * rows + ends - last * height - top] -= 1
    pixels = np.cumsum(flat[:-1], dtype=np.int8).astype(bool).reshape(right - left, rows).T
    return CroppedMask(pixels, left, top).trimmed()


def compress_counts(counts: ArrayLike) -> str:
    """Return run lengths as COCO's compressed text.

    From the fourth on, a length is written as its difference to the one before last; numbers are cut into groups of
    :data:`BITS`, least first, until only the sign is left.
    """
    runs = np.asarray(counts, dtype=np.int64).reshape(-1)
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    text: list[str] = []
    for number in numbers.tolist():
        while True:
            group = number & 31
            number >>= BITS
            ends = number == (-1 if group & 16 else 0)
            text.append(chr(48 + group + (0 if ends else 32)))
            if ends:
                break
    return "".join(text)


def unpack(text: str) -> NDArray[np.int64]:
    """Return the run lengths of a compressed text; inverse of :func:`compress_counts`.

    Raises
    ------
    InputError
        When the text holds other characters or ends within a number.
    """
    runs: list[int] = []
    number = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64:
            raise InputError(f"has a compressed mask with the character {character!r}, which COCO does not use")
        if shift > LONGEST:
            raise InputError("has a compressed mask with a number that is absurdly large")
        number |= (code & 31) << shift
        shift += BITS
        if code & 32:
            continue
        if code & 16:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        if abs(runs[-1]) > MOST:
            raise InputError("has a compressed mask with a number that is absurdly large")
        number = shift = 0
    if shift:
        raise InputError("has a compressed mask that ends too early")
    return np.asarray(runs, dtype=np.int64)


def counts_of(value: str | bytes | Sequence[int]) -> NDArray[np.int64]:
    """Return run lengths, compressed or not, as an array.

    Raises
    ------
    InputError
        When the value is neither a text nor a list of whole numbers.
    """
    if isinstance(value, bytes):
        return unpack(value.decode("ascii", errors="replace"))
    if isinstance(value, str):
        return unpack(value)
    if not isinstance(value, list) or not all(isinstance(run, int) and not isinstance(run, bool) for run in value):
        raise InputError("has run lengths that are neither a text nor a list of whole numbers")
    if any(abs(run) > MOST for run in value):
        raise InputError("has run lengths that are absurdly large")
    return np.asarray(value, dtype=np.int64)
