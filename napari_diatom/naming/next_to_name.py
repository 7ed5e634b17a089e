"""Which specimens to name next, so that few names teach much."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.naming.ranking import Ranking

Floats = NDArray[np.float64]

POOL: Final = 10
"""Times as many specimens as are asked for, among which those that differ from each other are picked."""


class Reason(StrEnum):
    """Why a specimen is worth a name."""

    UNSURE = "unsure"
    UNLIKE = "unlike"
    TELLING = "telling"


def worth_naming(ranking: Ranking, reason: Reason, counts: Mapping[str, int]) -> Floats:
    """Return how much a name for each specimen is worth, shape (N,); larger is more.

    Parameters
    ----------
    ranking : Ranking
        What the specimens may be called.
    reason : Reason
        ``UNSURE``: a small margin between the two largest shares (Scheffer et al. 2001). ``UNLIKE``: far from
        everything named. ``TELLING``: undecided on taxa with few examples, that is the sum of p (1 - p) / n over taxa
        of the share p and n examples, because a mean of n examples gains 1/n by one more.
    counts : mapping of str to int
        Examples of each taxon.
    """
    if reason is Reason.UNLIKE:
        return ranking.distances
    shares = ranking.shares
    if reason is Reason.TELLING:
        examples = np.array([max(counts.get(name, 0), 1) for name in ranking.taxa], dtype=np.float64)
        return np.asarray((shares * (1 - shares) / examples).sum(axis=1))
    two = np.sort(np.hstack([np.zeros((len(shares), 2)), shares]), axis=1)[:, -2:]
    return np.asarray(1 - (two[:, 1] - two[:, 0]))


def next_to_name(worth: Floats, units: NDArray[np.float32], number: int = 20) -> NDArray[np.intp]:
    """Return which specimens to name next, the best first, and few that are alike.

    They are picked one by one, by their place among the worthiest and by how they differ from those already picked,
    with equal weights (maximal marginal relevance, Carbonell and Goldstein 1998).

    Parameters
    ----------
    worth : ndarray, shape (N,)
        What a name for each is worth.
    units : ndarray of float32, shape (N, D)
        Their vectors, of length 1.
    number : int
        How many to return at most.
    """
    pool = np.argsort(-worth, kind="stable")[: POOL * number]
    place = 1 - np.arange(len(pool)) / max(len(pool), 1)
    closest = np.zeros(len(pool))
    picked: list[int] = []
    free = np.ones(len(pool), dtype=bool)
    while len(picked) < min(number, len(pool)):
        best = int(np.where(free, place - closest, -np.inf).argmax())
        picked.append(best)
        free[best] = False
        closest = np.maximum(closest, units[pool] @ units[pool[best]])
    return np.asarray(pool[picked])
