"""Shares of few things, and how far chance may have moved them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist
from typing import Final

FEWEST: Final = 20
"""Specimens below which a share is called too few to tell: of 19 that are all right, one in six may still be wrong."""


def few_note(numbers: Iterable[int | None]) -> str:
    """Return a sentence for a table with figures of too few specimens or detections, empty for one without.

    Parameters
    ----------
    numbers : iterable of (int or None)
        How many specimens or detections each figure is of; 0 or None where that is not known.
    """
    few = any(number and number < FEWEST for number in numbers)
    return f"Fewer than {FEWEST} specimens or detections are too few to tell." if few else ""


def wilson(right: float, of: float, level: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a share (Wilson 1927); NaN of nothing.

    Other than the usual interval, and than one that is resampled, it is never of no width where all are right, or none.

    Parameters
    ----------
    right, of : float
        How many are right, of how many; of a weighted count, of the effective number.
    level : float
        Share of the cases in which the interval holds what is true, 0 to 1.
    """
    if of < 1:
        return math.nan, math.nan
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, slack = right / of, z * z / of
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / of + slack / (4 * of))
    return (middle - half if right else 0.0), (middle + half if right < of else 1.0)
