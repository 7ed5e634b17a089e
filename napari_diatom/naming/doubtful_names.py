"""Names that may be wrong: neighbours bear another one, a specimen is far from its taxon, two taxa are mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.proportions import wilson
from napari_diatom.naming.held_out import HeldOut
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.vectors import unit_vectors

NEIGHBOURS: Final = 5
"""How many of the most similar specimens are asked for their names."""
_BLOCK: Final = 1024


class Doubt(StrEnum):
    """Why a name may be wrong."""

    NEIGHBOURS = "neighbours bear another name"
    UNTYPICAL = "far from its taxon"


@dataclass(frozen=True)
class DoubtfulName:
    """A name that a person should look at again.

    Attributes
    ----------
    key : str
        The specimen.
    taxon : str
        Its name.
    offered : str
        The name that it may have instead.
    doubt : float
        0 to 1: the share of neighbours with another name, or the share of all named specimens that are nearer to their
        own taxon than this one.
    reason : Doubt
        Why it is doubted.
    """

    key: str
    taxon: str
    offered: str
    doubt: float
    reason: Doubt


@dataclass(frozen=True)
class MixedPair:
    """Two taxa of which one is taken for the other.

    Attributes
    ----------
    first, second : str
        Their names, in their alphabet.
    mixed, of : int
        How many specimens of either are taken for the other, of how many.
    low, high : float
        Interval of their share (Wilson 1927), 95 %.
    """

    first: str
    second: str
    mixed: int
    of: int
    low: float
    high: float


def neighbours_disagree(
    named: NamedVectors, neighbours: int = NEIGHBOURS, monitor: ProgressMonitor = UNWATCHED
) -> tuple[DoubtfulName, ...]:
    """Return the specimens of one group some of whose neighbours bear another name, the most doubtful first.

    Of a taxon with few examples only as many neighbours are asked as there are others of it; the only example of a
    taxon is not doubted.

    Parameters
    ----------
    named : NamedVectors
        N specimens of one group.
    neighbours : int
        How many are asked at most.
    monitor : ProgressMonitor
        Gets a step for each block of specimens.
    """
    units, taxa = unit_vectors(named.vectors), named.taxon_ids
    asked = np.minimum(neighbours, np.bincount(taxa)[taxa] - 1) if len(named) else taxa
    most = int(asked.max(initial=0))
    doubtful = []
    for start in range(0, len(named), _BLOCK):
        monitor.check()
        monitor.report(Progress("neighbours", start, len(named)))
        if not most:
            break
        cosines = units[start : start + _BLOCK] @ units.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        nearest = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(cosines, nearest, axis=1), axis=1, kind="stable")
        for row, near in enumerate(np.take_along_axis(nearest, order, axis=1).tolist(), start):
            found = _disagreement(taxa, row, near[: asked[row]])
            if found is not None:
                name, doubt = found
                offered = named.known_taxa[name]
                doubtful.append(DoubtfulName(named.keys[row], named.taxa[row], offered, doubt, Doubt.NEIGHBOURS))
    return _sorted(doubtful)


def _disagreement(taxa: NDArray[np.intp], row: int, near: list[int]) -> tuple[int, float] | None:
    """Return the name that most neighbours with another one bear, and the share of these; None where there are none."""
    others = [int(taxa[one]) for one in near if taxa[one] != taxa[row]]
    if not others:
        return None
    # Of names that are equally frequent, the nearest neighbour's.
    return max(dict.fromkeys(others), key=others.count), len(others) / len(near)


def least_typical(named: NamedVectors, held: HeldOut, per_taxon: int = 3) -> tuple[DoubtfulName, ...]:
    """Return the specimens of each taxon that are farthest from its mean, themselves left out, the farthest first.

    Parameters
    ----------
    named : NamedVectors
        N specimens of one group.
    held : HeldOut
        What is said of them. Those of whose taxon no example was left are not doubted.
    per_taxon : int
        How many of each taxon to return at most.
    """
    own, rows = held.own, np.flatnonzero(held.answerable)
    ranked = rows[np.argsort(own[rows], kind="stable")]
    doubt = np.zeros(len(named))
    doubt[ranked] = np.searchsorted(own[ranked], own[ranked]) / max(len(ranked), 1)
    taken = np.zeros(len(held.taxa), dtype=int)
    doubtful = []
    for row in ranked[::-1].tolist():
        taxon = held.truth[row]
        taken[taxon] += 1
        if taken[taxon] <= per_taxon:
            others = np.where(np.arange(len(held.taxa)) == taxon, -np.inf, held.log_shares[row])
            offered = held.taxa[int(others.argmax())]
            doubtful.append(DoubtfulName(named.keys[row], named.taxa[row], offered, float(doubt[row]), Doubt.UNTYPICAL))
    return _sorted(doubtful)


def mixed_up_pairs(held: HeldOut) -> tuple[MixedPair, ...]:
    """Return the pairs of taxa of which a specimen is taken for the other, the surest first.

    Parameters
    ----------
    held : HeldOut
        What is said of the named specimens of one group.
    """
    return tuple(sorted(_pairs(held), key=lambda pair: (-pair.low, pair.first, pair.second)))


def _pairs(held: HeldOut) -> Iterator[MixedPair]:
    said, number = held.log_shares.argmax(axis=1), len(held.taxa)
    table = np.zeros((number, number), dtype=int)
    np.add.at(table, (held.truth[held.answerable], said[held.answerable]), 1)
    of = table.sum(axis=1)
    for first, second in np.argwhere(np.triu(table + table.T, 1)).tolist():
        mixed, both = int(table[first, second] + table[second, first]), int(of[first] + of[second])
        yield MixedPair(held.taxa[first], held.taxa[second], mixed, both, *wilson(mixed, both))


def _sorted(doubtful: list[DoubtfulName]) -> tuple[DoubtfulName, ...]:
    return tuple(sorted(doubtful, key=lambda one: (-one.doubt, one.taxon, one.key)))
