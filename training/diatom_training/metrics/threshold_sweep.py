"""Which of the thresholds that are tried is the best one."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

TRIED: Final = np.arange(1, 100) / 100
"""Thresholds from 0.01 to 0.99 in hundredths, as a model's card has them."""


def middle_of_best(scores: NDArray[np.float64]) -> int:
    """Return the index in the middle of the longest run of best scores, shape (T,): neither end of it should decide.

    Where that run has no one middle, it is the later of the two.
    """
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    pieces = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    piece = max(pieces, key=len)
    return int(piece[len(piece) // 2])
