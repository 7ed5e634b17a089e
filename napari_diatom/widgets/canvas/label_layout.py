"""Which labels are shown where they would overlap, as on a map."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray


def apart(low: NDArray[np.floating], size: NDArray[np.floating], always: Collection[int] = ()) -> NDArray[np.bool_]:
    """Return which labels to show, shape (N,): none of them covers another one, apart from those in ``always``.

    Labels of ``always`` come first, and then each label in its order that covers none of those before it. The choice
    therefore depends on nothing but the arguments.

    Parameters
    ----------
    low : ndarray, shape (N, 2)
        Smallest x and y of the labels.
    size : ndarray, shape (N, 2)
        Their widths and heights, in the same unit.
    always : collection of int
        Rows of labels that are shown in any case.
    """
    shown = np.zeros(len(low), dtype=bool)
    high = low + size
    always = [row for row in sorted(always) if 0 <= row < len(low)]
    shown[always] = True
    for row in range(len(low)):
        if not shown[row]:
            covers = (low[shown] < high[row]) & (high[shown] > low[row])
            shown[row] = not covers.all(axis=1).any()
    return shown
