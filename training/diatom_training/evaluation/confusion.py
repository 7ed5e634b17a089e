"""Confusion matrices of an evaluation as data: for the report and the window, which draw the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TITLE: Final = "Confusion matrix"


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """How often what there is was found as what.

    Attributes
    ----------
    table : ndarray of int64, shape (R, C)
        Numbers of specimens.
    rows, columns : tuple of str
        Names of what there is, and of what it was found as.
    caption : str
        How it is read.
    """

    table: NDArray[np.int64]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    caption: str


def confusion_of_finds(table: NDArray[np.int64], known: Sequence[str], unknown: Sequence[str]) -> ConfusionMatrix:
    """Return the confusion of specimens and detections, without the classes that play no part.

    Parameters
    ----------
    table : ndarray of int64, shape (1 + C, 1 + C)
        Specimens by true (rows) and found class, as the figures of detections have it: first nothing, then the known
        classes, then the unknown ones.
    known, unknown : sequence of str
        The classes that the model can find, and those that it cannot.
    """
    every = (*known, *unknown)
    rows = np.flatnonzero((table.sum(axis=0) + table.sum(axis=1) > 0) | (np.arange(len(table)) == 0))
    # What the model does not know it cannot find.
    columns = rows[rows <= len(known)]
    return ConfusionMatrix(
        table[np.ix_(rows, columns)],
        tuple(("nothing", *every)[k] for k in rows),
        tuple(("missed", *every)[k] for k in columns),
        "Rows: what there is; columns: what it was found as, at the threshold. The first column is what was missed, "
        "the first row what was found where there is nothing. The darker, the larger the share of the row.",
    )


def confusion_of_names(table: NDArray[np.int64], names: Sequence[str]) -> ConfusionMatrix:
    """Return the confusion of names, shape (C, C)."""
    return ConfusionMatrix(
        table,
        tuple(names),
        tuple(names),
        "Rows: what there is; columns: what it was named. The darker, the larger the share of the row.",
    )
