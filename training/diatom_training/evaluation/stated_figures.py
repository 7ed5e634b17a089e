"""The figure of merit at the end of a training, and what it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from napari_diatom.core.proportions import FEWEST
from napari_diatom.core.text import many

POOR: Final = 0.5
"""AP50, IoU or Dice on the validation part under which a training that stands still underfits, where nothing else is
stated."""
POOR_SKILL: Final = 0.6
"""The same of names, as the share of the way from chance to all right: below it, agreement is moderate at best (Landis
& Koch 1977, "The measurement of observer agreement for categorical data")."""
WORSE: Final = 0.02
"""By how much a figure has to be below that of the start to be poor for it: less is chance."""
USUAL: Final = 0.75
"""Share of the way from a constant answer to what is usual below which a figure is poor."""

_FIGURES: Final = (
    ("val_ap50", "AP50", False),
    ("val_dice", "Dice", False),
    ("val_accuracy", "accuracy", True),
    ("val_f1", "mean F1 of the classes", True),
)
"""Figures of merit, what they are called, and whether chance alone is right now and then."""


@dataclass(frozen=True)
class StatedFigures:
    """What a figure of merit is compared with; None where it is not known.

    Attributes
    ----------
    constant : float or None
        Of an answer that is the same for every picture.
    start : float or None
        Of the network that the training started from.
    usual : float or None
        Of trainings of this kind.
    """

    constant: float | None = None
    start: float | None = None
    usual: float | None = None


@dataclass(frozen=True)
class Merit:
    """A figure of merit of the last epoch, what it is called, and why it is poor; empty where it is not."""

    name: str
    value: float
    poor: str


def merits_of(epoch: Mapping[str, float], classes: int, stated: StatedFigures) -> list[Merit]:
    """Return the figures of merit of an epoch, of a map or boxes one, of names two.

    Parameters
    ----------
    epoch : mapping of str to float
        Its figures: ``val_NAME``, and ``start_NAME`` of the network before its first step.
    classes : int
        Number of classes, 0 if not known.
    stated : StatedFigures
        What is known besides.
    """
    chance = 1 / classes if classes > 1 else 0.0
    found = []
    for key, name, guessed in _FIGURES:
        value = epoch.get(key, np.nan)
        if np.isfinite(value):
            start = epoch.get(f"start{key.removeprefix('val')}", np.nan) if stated.start is None else stated.start
            constant = (chance if guessed else 0.0) if stated.constant is None else stated.constant
            found.append(Merit(name, float(value), _why_poor(float(value), constant, start, stated.usual, guessed)))
    return found


def _why_poor(value: float, constant: float, start: float, usual: float | None, guessed: bool) -> str:
    """Return what a figure falls short of, empty where it does not."""
    if value < start - WORSE:
        return f"below the {start:.2f} of the start"
    if usual is not None:
        least = constant + USUAL * (usual - constant)
        return f"where {usual:.2f} is usual and a constant answer has {constant:.2f}" if value < least else ""
    least = constant + POOR_SKILL * (1 - constant) if guessed else max(POOR, constant)
    if value >= least:
        return ""
    return f"below {least:.2f}" + (f", where a constant answer has {constant:.2f}" if constant else "")


def merits_text(merits: Sequence[Merit], specimens: int) -> str:
    """Return the figures of merit as a sentence, with the number of specimens they are based on."""
    if not merits:
        return ""
    named = " and ".join(f"{merit.name} {merit.value:.2f}" for merit in merits)
    if not specimens:
        return f" On the validation images: {named}."
    few = f", which are too few to tell: at least {FEWEST} are needed" if specimens < FEWEST else ""
    return f" On the validation images: {named}, of {many(specimens, 'specimen')}{few}."
