"""Two rules that name specimens, one by vectors and one by vectors with sizes, and what they say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

Floats = NDArray[np.float64]


class NamingRule(Protocol):
    """What names specimens by their vectors."""

    @property
    def taxa(self) -> tuple[str, ...]:
        """The K names that it knows."""

    def decisions(self, vectors: ArrayLike) -> Floats:
        """Return decision values, shape (N, K), of vectors of shape (N, D).

        They are the logarithms of probabilities but for a constant in each row, all taxa being equally common.
        """


@dataclass(frozen=True, eq=False)
class RulePair:
    """A rule for all specimens, and one for those whose sizes are known.

    Attributes
    ----------
    plain : NamingRule
        By vectors of D columns. It knows every taxon.
    with_sizes : NamingRule or None
        By vectors and sizes, D + Q columns, of the taxa of which a named specimen has sizes.
    """

    plain: NamingRule
    with_sizes: NamingRule | None = None

    @property
    def taxa(self) -> tuple[str, ...]:
        """The K names that they know."""
        return self.plain.taxa

    def log_shares(self, vectors: Floats, sizes: Floats) -> Floats:
        """Return the logarithm of what each taxon is given, shape (N, K), all taxa being equally common.

        Parameters
        ----------
        vectors : ndarray, shape (N, D)
            Of the specimens.
        sizes : ndarray, shape (N, Q)
            Of the specimens; rows with NaN are named by their vectors alone.
        """
        decisions = self.plain.decisions(vectors)
        rows = np.flatnonzero(np.isfinite(sizes).all(axis=1))
        if self.with_sizes is not None and len(rows):
            sized = self.with_sizes.decisions(np.hstack([vectors[rows], sizes[rows]]))
            if self.with_sizes.taxa != self.taxa:
                plain = log_shares_of(decisions[rows])
                sized = with_known_sizes(plain, spread(sized, self.with_sizes.taxa, self.taxa))
            decisions[rows] = sized
        return log_shares_of(decisions)


def log_shares_of(decisions: Floats) -> Floats:
    """Return decision values, shape (N, K), less the constant of each row: the exponentials of a row add up to 1.

    A taxon of ``-inf`` has no share; in a row of nothing else, none has.
    """
    most = decisions.max(axis=1, initial=-np.inf, keepdims=True)
    shares = decisions - np.where(np.isfinite(most), most, 0)
    sums = np.exp(shares).sum(axis=1, keepdims=True)
    shares -= np.log(np.where(sums > 0, sums, 1))
    return np.asarray(shares)


def with_known_sizes(plain: Floats, sized: Floats) -> Floats:
    """Return the logarithm of shares that use sizes where both the specimen and the taxon have them.

    Sizes say nothing for or against a taxon of unknown size: it keeps the share that it has without sizes, and what is
    left is divided among the others by the rule with sizes.

    Parameters
    ----------
    plain : ndarray, shape (N, K)
        Logarithm of the shares without sizes; ``-inf`` for a taxon that is not known.
    sized : ndarray, shape (N, K)
        Decision values with sizes; ``-inf`` for a taxon of unknown size.
    """
    both = np.isfinite(sized) & np.isfinite(plain)
    left = np.asarray(logsumexp(np.where(both, plain, -np.inf), axis=1))
    divided = log_shares_of(np.where(both, sized, -np.inf))
    return np.asarray(np.where(both, divided + left[:, None], plain))


def spread(values: Floats, taxa: Sequence[str], among: Sequence[str], fill: float = -np.inf) -> Floats:
    """Return values of some taxa, shape (N, k), as those of all K, shape (N, K); ``fill`` for the others."""
    place = {name: k for k, name in enumerate(among)}
    wide = np.full((len(values), len(among)), fill)
    wide[:, [place[name] for name in taxa]] = values
    return wide


def tempered_shares(log_shares: Floats, temperature: float = 1.0, log_prior: ArrayLike = 0.0) -> Floats:
    """Return shares, shape (N, K), that add up to 1: evidence at a temperature, times how common a taxon is.

    Parameters
    ----------
    log_shares : ndarray, shape (N, K)
        Evidence alone; a row of ``-inf`` gives a row of zeros.
    temperature : float
        By which the evidence is divided.
    log_prior : array-like, shape (K,)
        Logarithm of how common each taxon is. It is added after that: a count is not overconfident.
    """
    return np.asarray(np.exp(log_shares_of(log_shares / temperature + np.asarray(log_prior))))
