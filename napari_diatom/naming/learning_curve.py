"""How good names are so far, how they get better with more examples, and of which taxon more would help most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.proportions import wilson
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.held_out import HeldOut
from napari_diatom.naming.method_choice import cross_validation_parts
from napari_diatom.naming.named_vectors import NamedVectors

EXAMPLES: Final = (1, 2, 3, 5, 10, 20, 50)
"""Examples of each taxon that a learning curve is tried at."""
USUAL_EXPONENT: Final = 0.5
"""Of the power law by which errors fall with examples, where the curve does not tell it: that of a mean."""
_STEEPEST: Final = 2.0
_WEIGHT: Final = 2.0
"""Specimens that the error of a taxon expected from its number of examples counts as, beside those that were asked."""


@dataclass(frozen=True)
class TaxonAccuracy:
    """How often a taxon is named rightly.

    Attributes
    ----------
    taxon : str
        Its name.
    named : int
        Examples of it.
    right, asked : int
        How many of those that could be asked get this name, themselves or their slide left out.
    low, high : float
        Interval of the share (Wilson 1927), 95 %; NaN where none was asked.
    """

    taxon: str
    named: int
    right: int
    asked: int
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Names learnt from M numbers of examples of each of K taxa.

    Attributes
    ----------
    taxa : tuple of str
        The K names.
    examples : tuple of int
        The M numbers: at most so many examples of each taxon.
    available : ndarray of int, shape (K,)
        Examples of each taxon in all.
    right, first_three, asked : ndarray of int, shape (M, K)
        Specimens of each taxon whose name is the first, is among the first three, and all.
    """

    taxa: tuple[str, ...]
    examples: tuple[int, ...]
    available: NDArray[np.intp]
    right: NDArray[np.intp]
    first_three: NDArray[np.intp]
    asked: NDArray[np.intp]

    def shares(self) -> list[tuple[int, float, float, float]]:
        """Return numbers of examples with the share of all names that is right, and its interval (Wilson 1927)."""
        rows = zip(self.examples, self.right.sum(axis=1).tolist(), self.asked.sum(axis=1).tolist(), strict=True)
        return [(number, right / of, *wilson(right, of)) for number, right, of in rows if of]

    def exponent(self) -> float:
        """Return how fast errors fall: as the number of examples to the power of minus this (Hestness et al. 2017).

        Errors are compared from one number of examples to the next, over the taxa that have as many.
        """
        slopes, weights = [], []
        for less, more in zip(range(len(self.examples)), range(1, len(self.examples)), strict=False):
            known = self.available > self.examples[more]
            wrong = [int((self.asked[m] - self.right[m])[known].sum()) for m in (less, more)]
            if wrong[0]:
                slopes.append(math.log((wrong[0] + 0.5) / (wrong[1] + 0.5)))
                slopes[-1] /= math.log(self.examples[more] / self.examples[less])
                weights.append(wrong[0])
        return float(np.clip(np.average(slopes, weights=weights), 0, _STEEPEST)) if slopes else USUAL_EXPONENT

    def error_with(self, examples: int) -> float:
        """Return the share of wrong names that is usual with so many examples; 0.5 where it was not tried."""
        tried = [(number, 1 - share) for number, share, _, _ in self.shares() if number <= max(examples, 1)]
        return tried[-1][1] if tried else 0.5


@dataclass(frozen=True)
class ExpectedGain:
    """What more examples of a taxon are expected to mend.

    Attributes
    ----------
    taxon : str
        Its name.
    named : int
        Examples of it now.
    error : float
        Share of its specimens that get a wrong name now.
    gain : float
        Wrong names that are mended: of each of its specimens, or of all of them where their number is known.
    """

    taxon: str
    named: int
    error: float
    gain: float


def right_so_far(held: HeldOut) -> tuple[TaxonAccuracy, ...]:
    """Return how often each taxon of one group is named rightly, in their alphabet.

    Parameters
    ----------
    held : HeldOut
        What is said of the named specimens, their slides left out where taxa are on several.
    """
    number = len(held.taxa)
    named = np.bincount(held.truth, minlength=number).tolist()
    asked = np.bincount(held.truth[held.answerable], minlength=number).tolist()
    right = np.bincount(held.truth[held.right], minlength=number).tolist()
    return tuple(
        TaxonAccuracy(taxon, named[k], right[k], asked[k], *wilson(right[k], asked[k]))
        for k, taxon in enumerate(held.taxa)
    )


def learning_curve(
    named: NamedVectors,
    examples: Sequence[int] = EXAMPLES,
    seed: int = 0,
    monitor: ProgressMonitor = UNWATCHED,
) -> LearningCurve:
    """Return how names of one group get better with the number of examples.

    In each part of a cross-validation, slides kept apart where taxa are on several, the discriminant learns from at
    most so many examples of each taxon, drawn at random from the other parts.

    Parameters
    ----------
    named : NamedVectors
        N specimens of one group.
    examples : sequence of int
        Numbers of examples, ascending. Those that no taxon has are left out.
    seed : int
        Of what is drawn.
    monitor : ProgressMonitor
        Gets a step for each fit.
    """
    available = np.bincount(named.taxon_ids, minlength=len(named.known_taxa))
    tried = tuple(number for number in examples if number <= available.max(initial=0))
    parts = cross_validation_parts(named)
    shape = (len(tried), len(available))
    right, first_three, asked = (np.zeros(shape, dtype=np.intp) for _ in range(3))
    numbers = np.unique(parts).tolist()
    for done, part in enumerate(numbers):
        rest, rows = named[parts != part], np.flatnonzero(parts == part)
        if not len(rest):
            continue
        order = _drawn_order(rest.taxon_ids, np.random.default_rng([seed, done]))
        for m, number in enumerate(tried):
            monitor.check()
            monitor.report(Progress("examples", done * len(tried) + m, len(numbers) * len(tried)))
            rules = GroupSums.of(rest[order < number]).rules()
            said = rules.log_shares(named.vectors[rows], named.sizes[rows])
            place = np.searchsorted(rules.taxa, named.known_taxa)
            own = place[named.taxon_ids[rows]]
            known = [name in set(rules.taxa) for name in np.array(named.taxa, dtype=object)[rows]]
            own, said, ids = own[known], said[known], named.taxon_ids[rows][known]
            better = (said > said[np.arange(len(own)), own][:, None]).sum(axis=1)
            np.add.at(asked[m], ids, 1)
            np.add.at(right[m], ids[better < 1], 1)
            np.add.at(first_three[m], ids[better < 3], 1)
    return LearningCurve(named.known_taxa, tried, available, right, first_three, asked)


def _drawn_order(taxa: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random place for each specimen among those of its taxon, from 0."""
    shuffled = np.lexsort((rng.random(len(taxa)), taxa))
    starts = np.concatenate([[0], np.cumsum(np.bincount(taxa))[:-1]])
    place = np.empty(len(taxa), dtype=np.intp)
    place[shuffled] = np.arange(len(taxa)) - starts[taxa[shuffled]]
    return place


def most_helped(
    accuracies: Sequence[TaxonAccuracy],
    curve: LearningCurve,
    more: int = 10,
    expected: Mapping[str, float] | None = None,
) -> tuple[ExpectedGain, ...]:
    """Return what more examples of each taxon would mend, the most helped first.

    A taxon of n examples with the error e is expected to have e (1 + more/n)^-a with more of them, where a is the
    exponent of the learning curve.

    Parameters
    ----------
    accuracies : sequence of TaxonAccuracy
        How often each taxon is named rightly. Of few that were asked, the error that is usual with as many examples
        weighs in.
    curve : LearningCurve
        Of the same taxa.
    more : int
        Further examples of one taxon.
    expected : mapping of str to float, optional
        How many specimens without a name are of each taxon, such as the sums of their shares; all taxa count alike
        otherwise.
    """
    exponent = curve.exponent()
    gains = []
    for one in accuracies:
        error = one.asked - one.right + _WEIGHT * curve.error_with(one.named)
        error /= one.asked + _WEIGHT
        mended = error * (1 - (1 + more / max(one.named, 1)) ** -exponent)
        weight = 1.0 if expected is None else expected.get(one.taxon, 0.0)
        gains.append(ExpectedGain(one.taxon, one.named, error, mended * weight))
    return tuple(sorted(gains, key=lambda one: (-one.gain, one.taxon)))
