"""Size and shape of specimens as columns that stand beside their vectors when names are learnt from examples."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.measurement.measurements import Measurements

SIZE_COLUMNS: Final = ("log_length_um",)
"""Columns that need the pixel size; they are of use only between images that have one."""
SHAPE_COLUMNS: Final = (
    *SIZE_COLUMNS,
    "log_length_width_ratio",
    "area_ratio",
    "curvature",
    "asymmetry_apical",
    "asymmetry_transapical",
)
"""What the columns of :func:`shape_columns` hold, in their order."""
NAMING_COLUMNS: Final = SHAPE_COLUMNS[:2]
"""Those that the box alone tells, which stand beside the vectors of specimens when names are learnt."""


def shape_columns(measured: Measurements) -> NDArray[np.float64]:
    """Return size and shape of specimens as numbers whose differences mean much the same for all taxa.

    Parameters
    ----------
    measured : Measurements
        Of N specimens.

    Returns
    -------
    ndarray of float, shape (N, 6)
        The columns are :data:`SHAPE_COLUMNS`: the natural logarithm of the length in µm; that of length over width;
        the area over that of the oriented box; the natural logarithm of the length along the midline over the length,
        0 for straight valves; and what the symmetries at the apical and at the transapical axis lack of 1. NaN is what
        is unknown: the length without a pixel size, all but the first two without an outline, and everything of a
        specimen that the edge of the image cuts.
    """
    outlined = np.where(np.isnan(measured.midline_length_px), np.nan, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = np.column_stack(
            [
                np.log(measured.length_um),
                np.log(measured.length_width_ratio),
                outlined * measured.area_px / (measured.length_px * measured.width_px),
                np.log(measured.midline_length_px / measured.length_px),
                1 - measured.symmetry_apical,
                1 - measured.symmetry_transapical,
            ]
        )
    columns[measured.cut_by_edge] = np.nan
    columns[~np.isfinite(columns)] = np.nan
    return columns


def box_columns(boxes: ArrayLike, pixel_size_um: float | None, cut: ArrayLike) -> NDArray[np.float64]:
    """Return the columns :data:`NAMING_COLUMNS` of :func:`shape_columns`, which need no outline.

    Parameters
    ----------
    boxes : array-like, shape (N, 5)
        As in :class:`~napari_diatom.core.detections.Detections`.
    pixel_size_um : float or None
        Micrometres per pixel; None where it is not known.
    cut : array-like, shape (N,)
        Flags of the specimens that the edge of the image cuts; 0 for the others.

    Returns
    -------
    ndarray of float, shape (N, 2)
        NaN is what is unknown.
    """
    length, width = np.asarray(boxes, dtype=np.float64).reshape(-1, 5)[:, 2:4].T
    scale = np.nan if pixel_size_um is None else pixel_size_um
    columns = np.column_stack([np.log(length * scale), np.log(length / width)])
    columns[np.asarray(cut) != 0] = np.nan
    return columns
