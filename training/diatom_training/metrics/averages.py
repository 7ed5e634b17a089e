"""Shares, means and quantiles, which are NaN where there is nothing to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NAN: Final = float("nan")


def share(part: float, whole: float) -> float:
    """Return a quotient, NaN where the divisor is 0."""
    return float(part) / float(whole) if whole else NAN


def mean(values: Sequence[float]) -> float:
    """Return the mean of the values that are no NaN, NaN of none."""
    finite = [value for value in values if value == value]
    return float(np.mean(finite)) if finite else NAN


def quantile(values: NDArray[np.float64], at: float) -> float:
    """Return a quantile, NaN of nothing."""
    return float(np.quantile(values, at)) if len(values) else NAN
