"""What a network has seen of specimens in tiles of several scales becomes one set of specimens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.tiling.scale_consensus import supported
from napari_diatom.tiling.stitching import stitch
from napari_diatom.tiling.valve_parts import without_parts

LEAST_SPAN: Final = 10.0
"""Tile pixels that a specimen has to span to be found at a coarse scale; a finer one sees shorter ones better."""


def fits_scale(spans: NDArray[np.floating], scale: float, scales: Sequence[float], longest: float) -> NDArray[np.bool_]:
    """Return which specimens a scale is to find, rather than a finer or a coarser one.

    Parameters
    ----------
    spans : ndarray, shape (N,)
        Lengths of the specimens in tile pixels.
    scale : float
        The scale.
    scales : sequence of float
        All scales that the network sees the image at.
    longest : float
        Tile pixels that a specimen may span at any but the coarsest scale.
    """
    return ((spans <= longest) | (scale == min(scales))) & ((spans >= LEAST_SPAN) | (scale == max(scales)))


def merge_copies(
    copies: Detections,
    seen_at: Sequence[float],
    scales: Sequence[float],
    longest: float,
    least_score: float,
    counts_from: float,
    upright: bool,
) -> Detections:
    """Return the specimens that copies of them show, stitched, with scores of all scales and without parts of others.

    Parameters
    ----------
    copies : Detections
        Of all tiles and scales, in image pixels.
    seen_at : sequence of float
        The scale of each copy.
    scales : sequence of float
        All scales that the network has seen the image at.
    longest : float
        As of :func:`fits_scale`.
    least_score : float
        Score from which a specimen is returned.
    counts_from : float
        As of :func:`~napari_diatom.tiling.valve_parts.without_parts`.
    upright : bool
        Whether the boxes are upright. That of a slanted valve holds its neighbours too, so all parts stay.
    """
    at = np.array(seen_at)
    specimens = supported(stitch(copies, scales=at), copies, at, scales, longest).above(least_score)
    return specimens if upright else without_parts(specimens, counts_from)
