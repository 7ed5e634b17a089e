"""How long and wide found specimens are, beside the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import NAN, quantile
from diatom_training.metrics.test_cases import Case
from napari_diatom.core.detections import CUT_BY_EDGE


@dataclass(frozen=True, eq=False)
class Sizes:
    """Lengths or widths of specimens that were found, beside the true ones; those cut by the image's edge are left out.

    Attributes
    ----------
    side : {"length", "width"}
        Of the oriented box.
    unit : {"µm", "px"}
        Pixels are those of images of unknown pixel size.
    truth, found : ndarray, shape (N,)
        In that unit.
    bias : float
        Mean of found less true; NaN of none, as all that follows.
    median_error, most_error : float
        Median and 95th percentile of how far they are off.
    relative_error : float
        Median of the same as a share of the true one.
    """

    side: Literal["length", "width"]
    unit: Literal["µm", "px"]
    truth: NDArray[np.float64]
    found: NDArray[np.float64]
    bias: float
    median_error: float
    most_error: float
    relative_error: float


def sizes_of(cases: Sequence[Case], pairs: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> tuple[Sizes, ...]:
    """Return the errors of lengths and widths, those in µm first."""
    units: tuple[Literal["µm", "px"], ...] = ("µm", "px")
    sides: tuple[tuple[Literal["length", "width"], int], ...] = (("length", 2), ("width", 3))
    rows: list[Sizes] = []
    for unit in units:
        those = [k for k, case in enumerate(cases) if (case.pixel_size_um is not None) == (unit == "µm")]
        if not those:
            continue
        for side, column in sides:
            truth, found = [np.empty(0)], [np.empty(0)]
            for k in those:
                case, (which, whose) = cases[k], pairs[k]
                whole = (case.truth.cut[whose] & CUT_BY_EDGE) == 0
                scale = case.pixel_size_um or 1.0
                truth.append(case.truth.boxes[whose[whole], column].astype(np.float64) * scale)
                found.append(case.found.boxes[which[whole], column].astype(np.float64) * scale)
            true, there = np.concatenate(truth), np.concatenate(found)
            off = there - true
            rows.append(
                Sizes(
                    side=side,
                    unit=unit,
                    truth=true,
                    found=there,
                    bias=float(off.mean()) if len(off) else NAN,
                    median_error=quantile(np.abs(off), 0.5),
                    most_error=quantile(np.abs(off), 0.95),
                    relative_error=quantile(np.abs(off) / true, 0.5),
                )
            )
    return tuple(rows)
