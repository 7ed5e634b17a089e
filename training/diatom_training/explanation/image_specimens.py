"""The specimens of an image that are to be explained: found by a model, the ones that the user names or the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from diatom_training.data.drawing import specimen_outline
from diatom_training.explanation.specimen_views import ExplainedSpecimen
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.core.text import many
from napari_diatom.models import library
from napari_diatom.models.card import ModelCard
from napari_diatom.models.library import ModelFolder

USUAL_NUMBER: Final = 6
"""Specimens that are explained where none are named."""


def finder_of(model: ModelFolder, finder: str | None) -> ModelFolder:
    """Return the model that finds the specimens: the model itself, unless it only outlines or names them.

    Raises
    ------
    InputError
        When a finder is named for a model that finds specimens itself.
    ModelError
        When there is no such model, or it finds no specimens.
    """
    if model.card.finds_specimens:
        if finder is not None:
            raise InputError(f"Model {model.card.name} finds specimens itself: leave the finder out.")
        return model
    chosen = library.resolve_model(finder or library.DEFAULT)
    if not chosen.card.finds_specimens:
        raise ModelError(f"Model {chosen.card.name} finds no specimens: choose another finder.")
    return chosen


def chosen_specimens(
    found: Detections, card: ModelCard, numbers: Sequence[int] | None, most: int
) -> list[ExplainedSpecimen]:
    """Return the specimens to explain, in the order of their numbers.

    Parameters
    ----------
    found : Detections
        All that were found, numbered from 1 as in ``specimens.csv``.
    card : ModelCard
        Of the model whose network is looked into.
    numbers : sequence of int, or None
        Which ones; None takes those with the highest scores.
    most : int
        How many these are.

    Raises
    ------
    InputError
        When nothing was found, or there is no specimen of a number.
    """
    if not len(found):
        raise InputError("No specimens were found in the image, so there is nothing to explain.")
    if numbers is None:
        rows = sorted(np.argsort(-found.scores, kind="stable")[:most].tolist())
    else:
        strange = [number for number in numbers if not 1 <= number <= len(found)]
        if strange:
            raise InputError(
                f"There is no specimen {', '.join(map(str, strange))}: {many(len(found), 'specimen')} "
                f"{'was' if len(found) == 1 else 'were'} found."
            )
        rows = sorted({number - 1 for number in numbers})
    return [
        ExplainedSpecimen(
            row + 1,
            found.boxes[row].astype(np.float64),
            None if found.masks is None else specimen_outline(found, row),
            found.classes[int(found.class_ids[row])] if card.finds_specimens else "",
        )
        for row in rows
    ]
