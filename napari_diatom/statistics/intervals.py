"""How uncertain counts and shares are; :func:`napari_diatom.core.proportions.wilson` is the interval of a share."""

from __future__ import annotations

import math
from typing import Final

from scipy.special import stdtrit

from napari_diatom.core.errors import InputError

LEAST_TOTAL: Final = 30
"""Individuals in all fields up to which EN 15204 has no normal interval."""


def lund_error(count: float) -> float:
    """Return by which share of itself a count is uncertain, at 95 %: about 2 / sqrt(n), so that 400 give 10 %.

    References
    ----------
    Lund, Kipling and Le Cren 1958, Hydrobiologia 11:143.
    """
    return 2 / math.sqrt(count) if count > 0 else math.nan


def relative_error(share: float, count: float) -> float:
    """Return the standard error of a share as a share of itself: sqrt((1 - p) / (n p)).

    Parameters
    ----------
    share : float
        p, 0 to 1.
    count : float
        n, of all taxa.
    """
    if not 0 <= share <= 1:
        raise InputError(f"A share lies within 0 and 1; {share:g} does not.")
    return math.sqrt((1 - share) / (count * share)) if count > 0 and share > 0 else math.nan


def effective_number(weights_sum: float, squares_sum: float) -> float:
    """Return how many independent specimens a weighted count is worth: (sum w)^2 / sum w^2.

    It is the number of specimens where all count the same. Two valves of a frustule are not seen independently.

    References
    ----------
    Kish 1965, Survey Sampling, section 11.7.
    """
    return weights_sum**2 / squares_sum if squares_sum > 0 else 0.0


def per_field_bounds(count: float, fields: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean count of a field: mean -+ t sqrt(mean / fields).

    Individuals are taken as strewn at random (Poisson); t is Student's, with fields - 1 degrees of freedom.

    Parameters
    ----------
    count : float
        Individuals in all fields.
    fields : int
        Number of fields.
    level : float
        Share of counts whose interval holds the true mean.

    Returns
    -------
    tuple of float
        NaN for one field, and for :data:`LEAST_TOTAL` individuals or fewer.

    References
    ----------
    EN 15204:2006, Water quality: enumeration of phytoplankton using inverted microscopy (Utermoehl technique).
    """
    if fields < 2 or count <= LEAST_TOTAL:
        return math.nan, math.nan
    mean = count / fields
    half = float(stdtrit(fields - 1, (1 + level) / 2)) * math.sqrt(mean / fields)
    return mean - half, mean + half
