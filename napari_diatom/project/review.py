"""All specimens of a project in one list, to be looked through: which ones, and in what order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_diatom.project.document import Contents
from napari_diatom.project.specimen import Box, Specimen

Order = Literal["unlikeness", "score", "length", "length/width", "image"]
"""What comes first: the least like their class, the least sure, the longest, the slenderest, or image by image."""

ORDERS: Final[tuple[Order, ...]] = get_args(Order)

LEAST_OF_A_CLASS: Final = 5
"""Specimens that a class has to have before one of them can be unlike it."""
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
    """

    image_id: str
    id: str
    box: Box
    name: str
    status: str
    score: float
    proposed: bool = False


def entries(image_id: str, contents: Contents, proposals: bool = False) -> list[Entry]:
    """Return the specimens of an image, and the proposals where they are asked for, in their order."""
    found = [_entry(image_id, item, False) for item in contents.specimens]
    if proposals:
        found += [_entry(image_id, item, True) for item in contents.proposals]
    return found


def ordered(some: Sequence[Entry], order: Order, name: str = "", status: str = "") -> list[Entry]:
    """Return the entries of one class and status, or of all, in an order; ties stay image by image.

    Parameters
    ----------
    some : sequence of Entry
        Of the whole project: unlikeness is measured against all of a class.
    order : str
        See :data:`Order`.
    name, status : str
        Class and status; empty for all.
    """
    keys = np.zeros(len(some))
    if order == "unlikeness":
        keys = -unlikeness(some)
    elif order == "score":
        keys = np.array([entry.score for entry in some])
    elif order == "length":
        keys = np.array([-entry.box[2] for entry in some])
    elif order == "length/width":
        keys = np.array([-entry.box[2] / entry.box[3] for entry in some])
    chosen = [
        i for i, entry in enumerate(some) if (not name or entry.name == name) and (not status or entry.status == status)
    ]
    return [some[i] for i in sorted(chosen, key=lambda i: keys[i])]


def unlikeness(some: Sequence[Entry]) -> NDArray[np.float64]:
    """Return how far each specimen's length and shape lie from what its class has, shape (N,).

    The larger of two robust z-scores (Iglewicz & Hoaglin 1993): the distances of the logarithms of the length and of
    length/width from their medians in the class, over 1.4826 times their median absolute deviations. 0 in classes of
    fewer than :data:`LEAST_OF_A_CLASS`.
    """
    out = np.zeros(len(some))
    names = np.array([entry.name for entry in some])
    sizes = np.array([entry.box[2:4] for entry in some], dtype=np.float64).reshape(-1, 2)
    columns = np.log(np.column_stack([sizes[:, 0], sizes[:, 0] / np.maximum(sizes[:, 1], 1e-6)]))
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        if len(rows) < LEAST_OF_A_CLASS:
            continue
        apart = np.abs(columns[rows] - np.median(columns[rows], axis=0))
        spread = np.maximum(_NORMAL * np.median(apart, axis=0), _LEAST_SPREAD)
        out[rows] = (apart / spread).max(axis=1)
    return out


def by_image(some: Iterable[Entry]) -> dict[str, list[str]]:
    """Return the ids of entries by their images."""
    found: dict[str, list[str]] = {}
    for entry in some:
        found.setdefault(entry.image_id, []).append(entry.id)
    return found


def _entry(image_id: str, item: Specimen, proposed: bool) -> Entry:
    return Entry(image_id, item.id, item.box, item.name, item.status, item.score, proposed)
