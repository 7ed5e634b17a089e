"""How exactly the specimens that were found are outlined: the mean IoU of the matched pairs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import share
from diatom_training.metrics.bootstrap import Figures
from diatom_training.metrics.matching import Matched

MATCHED_IOU: Final = "matched_iou"
"""Name of the figure."""


def matched_overlaps(matched: Matched, threshold: float) -> tuple[NDArray[np.float64], ...]:
    """Return, for each image, the IoU of its detections at a threshold with the specimens that they are, shape (M,).

    Only pairs of at least IoU 0.5 are matched, whatever their classes.
    """
    return tuple(
        overlaps[case.found.scores[which] >= np.float32(threshold)]
        for case, (which, _), overlaps in zip(matched.cases, matched.pairs, matched.overlaps, strict=True)
    )


def figures_of_overlaps(matched: Matched, threshold: float) -> Figures:
    """Return ``matched_iou``, the mean IoU of the matched, as a function of how often each unit is taken.

    NaN where nothing is matched.
    """
    of, number = matched.units.of, len(matched.units)
    by_image = matched_overlaps(matched, threshold)
    pairs = np.bincount(of, [len(part) for part in by_image], number)
    total = np.bincount(of, [part.sum() for part in by_image], number)
    return lambda taken: {MATCHED_IOU: share(float(taken @ total), float(taken @ pairs))}
