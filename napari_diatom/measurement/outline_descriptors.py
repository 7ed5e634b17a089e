"""Elliptic Fourier descriptors: the shape of outlines as numbers, whatever their size, place and direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError
from napari_diatom.measurement.contour import tips_kept, trace_contour
from napari_diatom.measurement.measurements import annotation_masks

HARMONICS: Final = 20
"""By default: enough for capitate ends."""
_MOST: Final = 100
_FEWEST_POINTS: Final = 8
_DECIMALS: Final = ".6f"

DescriptorRow = tuple[str, ...]


def checked_harmonics(harmonics: int) -> int:
    """Return how many ellipses describe an outline; raises InputError where it is not a whole number from 1 to 100."""
    if isinstance(harmonics, bool) or not isinstance(harmonics, int) or not 1 <= harmonics <= _MOST:
        raise InputError(f"harmonics is {harmonics!r}; give a whole number from 1 to {_MOST}.")
    return harmonics


def descriptor_columns(harmonics: int) -> tuple[str, ...]:
    """Return the columns of a table of descriptors."""
    return ("image", "specimen", "class", *(f"{part}{n}" for n in range(1, harmonics + 1) for part in "abcd"))


def outline_descriptors(mask: CroppedMask, harmonics: int = HARMONICS) -> NDArray[np.float64]:
    """Return the elliptic Fourier descriptors of a mask's outline (Kuhl and Giardina, 1982).

    They are normalised to the first ellipse: its half length is 1 and lies along the first axis, so that a1 is 1, b1
    and c1 are 0, and d1 is half its width.

    Parameters
    ----------
    mask : CroppedMask
        With at least one pixel; the largest part, without its holes.
    harmonics : int
        How many ellipses are added up, 1 to 100.

    Returns
    -------
    ndarray of float, shape (harmonics, 4)
        a, b, c and d of each; NaN where the mask is too small.

    Raises
    ------
    InputError
        When the mask is empty, or the number is out of range.
    """
    from pyefd import elliptic_fourier_descriptors

    points = tips_kept(trace_contour(mask))
    if checked_harmonics(harmonics) and len(points) < max(_FEWEST_POINTS, 2 * harmonics):
        return np.full((harmonics, 4), math.nan)
    closed = np.concatenate([points, points[:1]]) - points.mean(axis=0)
    found = np.asarray(elliptic_fourier_descriptors(closed, order=harmonics, normalize=True), dtype=np.float64)
    # The normalisation leaves open which way round the first ellipse lies.
    return found * math.copysign(1.0, float(found[0, 0]))


def descriptor_rows(annotations: Sequence[Annotations], harmonics: int = HARMONICS) -> list[DescriptorRow]:
    """Return a row of text for each specimen that has an outline; its number is that of ``specimens.csv``.

    Raises
    ------
    InputError
        When the number of harmonics is out of range.
    """
    checked_harmonics(harmonics)
    rows = []
    for part in annotations:
        found = part.detections
        for i, mask in enumerate(annotation_masks(part)):
            if mask is None or not mask.pixels.any():
                continue
            values = outline_descriptors(mask, harmonics).ravel().tolist()
            cells = ("" if math.isnan(value) else format(value + 0.0, _DECIMALS) for value in values)
            rows.append((part.image, str(i + 1), found.classes[found.class_ids[i]], *cells))
    return rows
