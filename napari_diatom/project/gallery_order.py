"""All specimens of a project in one list, to be looked through: which ones, and in what order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_diatom.project.edits import Contents
from napari_diatom.project.specimen import Box, Specimen

Order = Literal["unlikeness", "confidence", "score", "length", "length/width", "class", "image"]
"""What comes first: the least like their class, the least sure of it among all classes, the lowest score, the longest,
the slenderest, class by class, or image by image."""

ORDERS: Final[tuple[Order, ...]] = get_args(Order)

LEAST_OF_A_CLASS: Final = 5
"""Specimens that a class has to have before others are compared with it."""
_NORMAL: Final = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
_LEAST_SPREAD: Final = 0.03
"""Spread of a logarithm, about 3 %, that boxes drawn by hand have at least."""


@dataclass(frozen=True)
class Entry:
    """What the review needs to know of a specimen.

    Attributes
    ----------
    image_id, id : str
        Where it is.
    box : Box
        Its oriented box.
    name, status : str
        Its class and status.
    score : float
        0 to 1.
    proposed : bool
        Whether it is a proposal of a model.
    pixel_size_um : float or None
        Micrometres per pixel of its image.
    """

    image_id: str
    id: str
    box: Box
    name: str
    status: str
    score: float
    proposed: bool = False
    pixel_size_um: float | None = None


def entries(
    image_id: str, contents: Contents, proposals: bool = False, pixel_size_um: float | None = None
) -> list[Entry]:
    """Return the specimens of an image, and the proposals where they are asked for, in their order."""
    found = [_entry(image_id, item, False, pixel_size_um) for item in contents.specimens]
    if proposals:
        found += [_entry(image_id, item, True, pixel_size_um) for item in contents.proposals]
    return found


def ordered(some: Sequence[Entry], order: Order, name: str = "", status: str = "") -> list[Entry]:
    """Return the entries of one class and status, or of all, in an order; ties stay image by image.

    Parameters
    ----------
    some : sequence of Entry
        Of the whole project: a specimen is compared with all of its class, and with all other classes.
    order : str
        See :data:`Order`; what cannot be compared comes last.
    name, status : str
        Class and status; empty for all.
    """
    keys = np.zeros(len(some))
    if order == "unlikeness":
        keys = -unlikeness(some)
    elif order == "confidence":
        keys = confidence(some)
    elif order == "score":
        keys = np.array([entry.score for entry in some])
    elif order == "length":
        keys = -_sizes(some)[:, 0]
    elif order == "length/width":
        keys = -_sizes(some)[:, 1]
    elif order == "class":
        names = {name: number for number, name in enumerate(sorted({entry.name for entry in some}))}
        keys = np.array([float(names[entry.name]) for entry in some])
    return [
        entry
        for entry in (some[i] for i in np.argsort(keys, kind="stable").tolist())
        if (not name or entry.name == name) and (not status or entry.status == status)
    ]


def unlikeness(some: Sequence[Entry]) -> NDArray[np.float64]:
    """Return how far each specimen's length and shape lie from what its class has, shape (N,).

    The larger of two robust z-scores (Iglewicz & Hoaglin 1993): the distances of the logarithms of the length and of
    length/width from their medians in the class, over 1.4826 times their median absolute deviations. 0 in classes of
    fewer than :data:`LEAST_OF_A_CLASS`. Lengths are those in µm where the pixel size of every image is known.
    """
    out = np.zeros(len(some))
    logs = np.log(_sizes(some))
    for rows, middle, spread in _classes(some, logs):
        out[rows] = (np.abs(logs[rows] - middle) / spread).max(axis=1)
    return out


def confidence(some: Sequence[Entry]) -> NDArray[np.float64]:
    """Return how probable length and shape make each specimen's class among all classes, 0 to 1, shape (N,).

    Naive Bayes (Hand & Yu 2001) with every class as likely as any other beforehand: the logarithms of the length and
    of length/width are taken as independent and normally distributed within each class, with their median as the mean
    and 1.4826 times their median absolute deviation as the standard deviation. A specimen between two classes has
    0.5; one under the wrong name nearly 0. NaN in classes of fewer than :data:`LEAST_OF_A_CLASS`, which are not
    compared with either. Lengths as in :func:`unlikeness`.
    """
    logs = np.log(_sizes(some))
    own = np.full(len(some), np.nan)
    total = np.full(len(some), -np.inf)
    for rows, middle, spread in _classes(some, logs):
        likelihood = -(((logs - middle) / spread) ** 2).sum(axis=1) / 2 - np.log(spread).sum()
        own[rows] = likelihood[rows]
        total = np.logaddexp(total, likelihood)
    return np.asarray(np.exp(own - total))


def by_image(some: Iterable[Entry]) -> dict[str, list[str]]:
    """Return the ids of entries by their images."""
    found: dict[str, list[str]] = {}
    for entry in some:
        found.setdefault(entry.image_id, []).append(entry.id)
    return found


def _sizes(some: Sequence[Entry]) -> NDArray[np.float64]:
    """Return length and length/width, shape (N, 2); lengths in µm where all are known, else in pixels."""
    boxes = np.array([entry.box[2:4] for entry in some], dtype=np.float64).reshape(-1, 2)
    known = [entry.pixel_size_um for entry in some if entry.pixel_size_um is not None]
    units = np.array(known) if len(known) == len(some) else 1.0
    return np.column_stack([boxes[:, 0] * units, boxes[:, 0] / boxes[:, 1]])


def _classes(
    some: Sequence[Entry], logs: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]]:
    """Yield rows, median and spread, shape (2,), of each class that has enough specimens."""
    names, numbers = np.unique(np.array([entry.name for entry in some], dtype=np.str_), return_inverse=True)
    for number in range(len(names)):
        rows = np.flatnonzero(numbers == number)
        if len(rows) >= LEAST_OF_A_CLASS:
            middle = np.median(logs[rows], axis=0)
            yield rows, middle, np.maximum(_NORMAL * np.median(np.abs(logs[rows] - middle), axis=0), _LEAST_SPREAD)


def _entry(image_id: str, item: Specimen, proposed: bool, pixel_size_um: float | None) -> Entry:
    return Entry(image_id, item.id, item.box, item.name, item.status, item.score, proposed, pixel_size_um)
