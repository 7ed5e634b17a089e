"""The figures of class maps, pixel by pixel, from tables of true and found classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import mean, share
from diatom_training.metrics.bootstrap import Figures
from diatom_training.metrics.mask_metrics import map_metrics
from diatom_training.metrics.test_cases import Case, Units
from napari_diatom.core.errors import InputError


@dataclass(frozen=True)
class MapClass:
    """How well the pixels of a class are found; NaN where it neither occurs nor is found.

    Attributes
    ----------
    name : str
        Of the class, ``background`` for the first.
    pixels : int
        Of the class, in the truth.
    iou, dice : float
        Intersection over union, and Dice's coefficient.
    accuracy : float
        Pixel accuracy: share of its pixels in the truth that are found as this class; NaN where there are none.
    """

    name: str
    pixels: int
    iou: float
    dice: float
    accuracy: float


@dataclass(frozen=True)
class MapFigures:
    """Figures of class maps; NaN where there is nothing to tell.

    Attributes
    ----------
    miou, mean_dice : float
        Means over all classes that occur or are found, the background among them.
    iou, dice : float
        Of diatom against background, whatever the classes.
    pixel_accuracy : float
        Share of the pixels with the right class.
    mean_accuracy : float
        Mean pixel accuracy of the classes that occur.
    classes : tuple of MapClass
        The background first.
    """

    miou: float
    mean_dice: float
    iou: float
    dice: float
    pixel_accuracy: float
    mean_accuracy: float
    classes: tuple[MapClass, ...]


def map_figures(table: NDArray[np.int64], names: Sequence[str]) -> MapFigures:
    """Return the figures of a table of pixels by true (rows) and found class, which adds up over images.

    Parameters
    ----------
    table : ndarray of int64, shape (1 + C, 1 + C)
        See :func:`~diatom_training.metrics.mask_metrics.confusion`.
    names : sequence of str
        Of the C classes.

    Raises
    ------
    InputError
        When the table is of another number of classes.
    """
    if table.shape != (1 + len(names),) * 2:
        raise InputError(f"A table of shape {table.shape} does not go with {len(names)} classes and the background.")
    figures = map_metrics(table)
    truth, found, right = table.sum(axis=1), table.sum(axis=0), np.diag(table)
    classes = tuple(
        MapClass(
            name=name,
            pixels=int(truth[k]),
            iou=figures.class_iou[k],
            dice=share(2 * int(right[k]), int(truth[k] + found[k])),
            accuracy=share(int(right[k]), int(truth[k])),
        )
        for k, name in enumerate(("background", *names))
    )
    return MapFigures(
        miou=figures.miou,
        mean_dice=mean([part.dice for part in classes]),
        iou=figures.iou,
        dice=figures.dice,
        pixel_accuracy=figures.pixel_accuracy,
        mean_accuracy=mean([part.accuracy for part in classes]),
        classes=classes,
    )


def figures_of_maps(cases: Sequence[Case], units: Units) -> Figures:
    """Return ``iou, dice, miou, pixel_accuracy`` as a function of how often each unit is taken.

    Raises
    ------
    InputError
        When a case has no table.
    """
    tables = tables_of(cases)
    by_unit = np.zeros((len(units), *tables.shape[1:]), dtype=np.int64)
    np.add.at(by_unit, units.of, tables)

    def figures(taken: NDArray[np.int64]) -> dict[str, float]:
        metrics = map_metrics(np.tensordot(taken, by_unit, axes=1))
        return {
            "iou": metrics.iou,
            "dice": metrics.dice,
            "miou": metrics.miou,
            "pixel_accuracy": metrics.pixel_accuracy,
        }

    return figures


def tables_of(cases: Sequence[Case]) -> NDArray[np.int64]:
    """Return the tables of cases, shape (I, 1 + C, 1 + C).

    Raises
    ------
    InputError
        When a case has none.
    """
    tables = [case.table for case in cases if case.table is not None]
    if not tables or len(tables) < len(cases):
        raise InputError("Class maps can only be evaluated if every image has its table of pixels.")
    return np.stack(tables)
