"""Which method names best, how sure it may be, and what is unlike anything: settled in the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.proportions import FEWEST
from napari_diatom.naming.calibration import expected_calibration_error, temperature_of_examples
from napari_diatom.naming.discriminant import NEAREST_MEAN
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.held_out import apart_by_slide, hold_out
from napari_diatom.naming.logistic_rule import fit_logistic
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.novelty import unlike_beyond
from napari_diatom.naming.rule_pair import RulePair, spread, tempered_shares

Floats = NDArray[np.float64]

PARTS: Final = 5
"""Parts of a cross-validation at most."""
MOST_CELLS: Final = 1_000_000
"""Specimens times taxa up to which all parts of a cross-validation are asked."""


class Method(StrEnum):
    """How names are learnt; of two that are equally good, the first here is taken."""

    DISCRIMINANT = "discriminant"
    NEAREST_MEAN = "nearest mean"
    LOGISTIC = "logistic regression"

    @property
    def shrinkage(self) -> float | None:
        """Of the discriminant that it is; the nearest mean is one whose covariance is a sphere."""
        return NEAREST_MEAN if self is Method.NEAREST_MEAN else None


FITS: Final[Mapping[Method, Callable[[NamedVectors], RulePair]]] = {
    Method.DISCRIMINANT: lambda named: GroupSums.of(named).rules(),
    Method.NEAREST_MEAN: lambda named: GroupSums.of(named).rules(NEAREST_MEAN),
    Method.LOGISTIC: fit_logistic,
}


@dataclass(frozen=True, eq=False)
class GroupChoice:
    """How the specimens of one group are named.

    Attributes
    ----------
    method : Method
        The best by cross-validation; the discriminant while fewer than 20 specimens can be asked.
    right : Mapping of Method to float
        Share of the asked specimens that each method names rightly; empty while too few can be asked.
    asked : int
        How many were asked in the cross-validation: those of whose taxon an example was left.
    by_slide : bool
        Whether slides were kept apart.
    temperatures : Mapping of Method to float
        By which evidence is divided; missing for those that were not calibrated.
    calibration_error : float
        Expected calibration error of the method at its temperature; NaN while too few can be asked.
    unlike_beyond : float
        Mahalanobis distance to the nearest mean from which a specimen is unlike anything named so far.
    logistic : RulePair or None
        The logistic regression, where it is the method.
    """

    method: Method = Method.DISCRIMINANT
    right: Mapping[Method, float] = field(default_factory=dict)
    asked: int = 0
    by_slide: bool = False
    temperatures: Mapping[Method, float] = field(default_factory=dict)
    calibration_error: float = float("nan")
    unlike_beyond: float = float("inf")
    logistic: RulePair | None = None


UNTRIED: Final = GroupChoice()
"""Before anything was tried: the discriminant, not calibrated."""


def choose_methods(named: NamedVectors, monitor: ProgressMonitor = UNWATCHED) -> dict[str, GroupChoice]:
    """Return how to name the specimens of each group.

    Parameters
    ----------
    named : NamedVectors
        All named specimens, a snapshot that does not change meanwhile.
    monitor : ProgressMonitor
        Gets a step for each group and each part; asked for a stop at each of them.
    """
    groups = named.by_group()
    choices = {}
    for done, (group, part) in enumerate(groups.items()):
        monitor.report(Progress("groups", done, len(groups), group))
        choices[group] = choose_method(part, monitor)
    return choices


def choose_method(named: NamedVectors, monitor: ProgressMonitor = UNWATCHED) -> GroupChoice:
    """Return how to name the specimens of one group, see :func:`choose_methods`."""
    monitor.check()
    held = hold_out(named, None, monitor)
    if held.answerable.sum() < FEWEST:
        return UNTRIED
    said = {method: cross_validated(named, method, monitor) for method in Method}
    right, asked = _shares_right(said, named.taxon_ids)
    method = max(Method, key=lambda tried: right[tried]) if asked >= FEWEST else Method.DISCRIMINANT
    temperatures = {Method.DISCRIMINANT: temperature_of_examples(held.log_shares, held.truth)}
    evidence = held.log_shares
    if method is not Method.DISCRIMINANT:
        nearest = method is Method.NEAREST_MEAN
        evidence = hold_out(named, NEAREST_MEAN, monitor).log_shares if nearest else said[method]
        temperatures[method] = temperature_of_examples(evidence, held.truth)
    return GroupChoice(
        method,
        right if asked >= FEWEST else {},
        asked,
        held.by_slide,
        temperatures,
        _calibration_error(evidence, held.truth, temperatures[method]),
        unlike_beyond(held),
        fit_logistic(named) if method is Method.LOGISTIC else None,
    )


def cross_validated(named: NamedVectors, method: Method, monitor: ProgressMonitor = UNWATCHED) -> Floats:
    """Return what a method says of each specimen of one group, learnt from the other parts, as logarithms of shares.

    Parameters
    ----------
    named : NamedVectors
        N specimens of K taxa.
    method : Method
        How names are learnt.
    monitor : ProgressMonitor
        Gets a step for each part.

    Returns
    -------
    ndarray, shape (N, K)
        ``-inf`` for taxa of which the other parts have no example, and for specimens that were not asked: of many
        specimens (see :data:`MOST_CELLS`) one part is asked, because a logistic regression takes seconds then.
    """
    parts = cross_validation_parts(named)
    numbers = np.unique(parts).tolist()
    if len(named) * len(named.known_taxa) > MOST_CELLS:
        del numbers[1:]
    said = np.full((len(named), len(named.known_taxa)), -np.inf)
    for done, part in enumerate(numbers):
        monitor.check()
        monitor.report(Progress("parts", done, len(numbers), method.value))
        rows = np.flatnonzero(parts == part)
        if len(rows) == len(named):
            continue
        rules = FITS[method](named[parts != part])
        said[rows] = spread(rules.log_shares(named.vectors[rows], named.sizes[rows]), rules.taxa, named.known_taxa)
    return said


def cross_validation_parts(named: NamedVectors, parts: int = PARTS) -> NDArray[np.intp]:
    """Return the part of each specimen of one group, shape (N,).

    Where slides are kept apart (see :func:`~napari_diatom.naming.held_out.hold_out`), a slide is in one part: the
    largest slides are dealt out first, each to the part that has fewest of its taxa. Otherwise the specimens of each
    taxon are dealt out in the order of their keys, whatever the order they were named in.
    """
    if not apart_by_slide(named):
        order = sorted(range(len(named)), key=lambda row: (named.taxa[row], named.keys[row]))
        dealt = np.empty(len(named), dtype=np.intp)
        dealt[order] = np.arange(len(named)) % parts
        return dealt
    table = np.zeros((named.slide_ids.max() + 1, len(named.known_taxa)))
    np.add.at(table, (named.slide_ids, named.taxon_ids), 1)
    held, part_of = np.zeros((parts, table.shape[1])), np.zeros(len(table), dtype=np.intp)
    for slide in np.argsort(-table.sum(axis=1), kind="stable").tolist():
        crowded = held @ (table[slide] / table.sum(axis=0))
        part_of[slide] = np.lexsort((held.sum(axis=1), crowded))[0]
        held[part_of[slide]] += table[slide]
    return np.asarray(part_of[named.slide_ids])


def _shares_right(said: Mapping[Method, Floats], truth: NDArray[np.intp]) -> tuple[dict[Method, float], int]:
    """Return the share of names that are right by method, and of how many specimens."""
    rows = np.arange(len(truth))
    # Which taxa are left depends on the parts alone, so all methods are asked of the same specimens.
    asked = np.isfinite(said[Method.DISCRIMINANT][rows, truth])
    return {
        method: float((values.argmax(axis=1) == truth)[asked].mean()) if asked.any() else float("nan")
        for method, values in said.items()
    }, int(asked.sum())


def _calibration_error(log_shares: Floats, truth: NDArray[np.intp], temperature: float) -> float:
    known = np.isfinite(log_shares[np.arange(len(truth)), truth])
    shares = tempered_shares(log_shares[known], temperature)
    return expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == truth[known])
