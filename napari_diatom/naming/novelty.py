"""Which specimens are unlike anything named so far."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from napari_diatom.core.proportions import FEWEST
from napari_diatom.naming.held_out import HeldOut

TYPICAL: Final = 0.95
"""Share of the named specimens that are not unlike the others, each left out."""


def unlike_beyond(held: HeldOut, typical: float = TYPICAL) -> float:
    """Return the Mahalanobis distance from which a specimen is unlike anything named so far.

    It is a quantile of the distances of named specimens to the nearest mean, each left out: of specimens like these,
    one in twenty lies beyond.

    Parameters
    ----------
    held : HeldOut
        What is said of the named specimens of one group. Those of whose taxon no example was left are passed over.
    typical : float
        The quantile, 0 to 1.

    Returns
    -------
    float
        Infinite while fewer than 20 specimens can be asked.
    """
    nearest = held.nearest[held.answerable]
    return math.sqrt(float(np.quantile(nearest, typical))) if len(nearest) >= FEWEST else math.inf
