"""Size and shape of specimens as columns that stand beside their vectors when names are learnt from examples."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

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
