"""Which of the boxes that a network gives is that of a specimen."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.explanation.specimen_views import ExplainedSpecimen
from napari_diatom.core import geometry
from napari_diatom.core.errors import InputError
from napari_diatom.models.card import ModelCard

FAINTEST: Final = 1e-4
"""Score down to which a box may be that of the specimen: what is missed can be looked at, too."""
_SAME: Final = 0.5
"""Intersection over union from which a box is the specimen's."""
_NEAR: Final = 0.1
"""The same for want of a better one."""


def matched_box(
    card: ModelCard, boxes: NDArray[np.float64], scores: NDArray[np.floating[Any]], specimen: ExplainedSpecimen
) -> int:
    """Return which box is a specimen's.

    Of the boxes that overlap the specimen's by half or more, the one with the highest score; else the nearest.

    Parameters
    ----------
    card : ModelCard
        Of the model that gives the boxes.
    boxes : ndarray, shape (N, 5)
        In pixels of the image.
    scores : ndarray, shape (N,)
        Of the boxes.
    specimen : ExplainedSpecimen
        The specimen.

    Raises
    ------
    InputError
        When no box overlaps it.
    """
    own = specimen.box[None] if card.task == "oriented-boxes" else _upright(specimen.box)
    ious = geometry.box_ious(np.repeat(own, len(boxes), axis=0), boxes) if len(boxes) else np.zeros(0)
    same = np.flatnonzero(ious >= _SAME)
    if len(same):
        return int(same[np.argmax(scores[same])])
    if len(ious) and ious.max() >= _NEAR:
        return int(np.argmax(ious))
    raise InputError(
        f"Model {card.name} gives no box where specimen {specimen.number} is, so there is no score to explain."
    )


def _upright(box: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the upright box round an oriented one, shape (1, 5)."""
    x0, y0, x1, y1 = geometry.bounds(box[None])[0]
    return geometry.canonical([[(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0]])
