"""How far chance may have moved a figure: the bootstrap over whole slides.

Images of a slide share its mount, focus and light, so they are not independent witnesses: slides are drawn with
replacement, each with all its images (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13:
percentile intervals). Where there is one slide only, its images are drawn, and the interval then says nothing of other
slides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.test_cases import Case, Units
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.proportions import wilson

FEW: Final = 10
"""Slides below which an interval is a rough one: there are few ways to draw them."""

Figures = Callable[[NDArray[np.int64]], Mapping[str, float]]
"""Figures by their names, given how often each unit is taken, shape (U,)."""


@dataclass(frozen=True)
class Bootstrap:
    """How to resample.

    Attributes
    ----------
    resamples : int
        How many.
    level : float
        Share of the resamples within an interval.
    seed : int
        Of what is drawn; the same one gives the same intervals.
    """

    resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 1 or not 0 < self.level < 1:
            raise InputError(
                f"{self.resamples} resamples and a level of {self.level:g} give no interval: take at least 1 and a "
                "level between 0 and 1."
            )


@dataclass(frozen=True)
class Interval:
    """A figure and how far chance may have moved it; NaN where there is nothing to tell.

    Attributes
    ----------
    value : float
        On all units, each once.
    low, high : float
        Percentiles over the resamples; NaN with fewer than two units. Those of a share of specimens or finds are never
        nearer than Wilson's.
    of : int or None
        Specimens, or finds, that it is based on, None where that is not counted.
    """

    value: float
    low: float
    high: float
    of: int | None = None


def of_specimens(
    found: Mapping[str, Interval], shares: Mapping[str, tuple[int, int]], specimens: int, level: float
) -> dict[str, Interval]:
    """Return figures with their number of specimens, and intervals of shares at least as wide as Wilson's.

    Slides on which all is right, however few specimens they have, are all right however they are drawn: the bootstrap
    would call that certain.

    Parameters
    ----------
    found : mapping of str to Interval
        Figures by their names.
    shares : mapping of str to tuple of int
        Of those that are shares, how many are right of how many.
    specimens : int
        What the others are based on.
    level : float
        Of the intervals.
    """
    by_name = {}
    for name, interval in found.items():
        of = specimens
        low, high = interval.low, interval.high
        if name in shares:
            right, of = shares[name]
            least = wilson(right, of, level)
            low, high = float(np.fmin(low, least[0])), float(np.fmax(high, least[1]))
        by_name[name] = Interval(interval.value, low, high, of)
    return by_name


def draws(units: int, options: Bootstrap) -> Iterator[NDArray[np.int64]]:
    """Yield how often each unit is taken, shape (U,), for each resample."""
    rng = np.random.default_rng(options.seed)
    for _ in range(options.resamples):
        yield rng.multinomial(units, np.full(units, 1 / units))


def intervals(
    figures: Figures, units: Units, options: Bootstrap | None = None, monitor: ProgressMonitor = UNWATCHED
) -> dict[str, Interval]:
    """Return figures with their percentile intervals.

    Parameters
    ----------
    figures : callable
        See :data:`Figures`; a resample without any meaning for a figure gives NaN and is left out.
    units : Units
        What is resampled.
    options : Bootstrap, optional
        How often, and at which level.
    monitor : ProgressMonitor
        Asked at every resample; see :mod:`napari_diatom.core.progress`.

    Raises
    ------
    Stopped
        When a stop was asked for.
    """
    options = options or Bootstrap()
    values = figures(np.ones(len(units), dtype=np.int64))
    sampled = bootstrap_figures(figures, units, options, monitor)
    return {name: interval_of(value, sampled[name], options.level) for name, value in values.items()}


def of_cases(metrics: Callable[[Sequence[Case]], Mapping[str, float]], cases: Sequence[Case], units: Units) -> Figures:
    """Return metrics of a list of cases as :data:`Figures`: a unit that is taken twice gives its cases twice.

    Anything can be resampled this way; what is slow to compute is computed again for every resample.
    """

    def figures(taken: NDArray[np.int64]) -> Mapping[str, float]:
        times = taken[units.of]
        return metrics([case for case, number in zip(cases, times, strict=True) for _ in range(number)])

    return figures


def bootstrap_figures(
    figures: Figures, units: Units, options: Bootstrap, monitor: ProgressMonitor
) -> dict[str, NDArray[np.float64]]:
    """Return each figure over all resamples, none with fewer than two units. Raises Stopped."""
    if len(units) < 2:
        return {name: np.empty(0) for name in figures(np.ones(len(units), dtype=np.int64))}
    rows = []
    for taken in draws(len(units), options):
        monitor.check()
        rows.append(figures(taken))
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}


def interval_of(value: float, sampled: NDArray[np.float64], level: float) -> Interval:
    """Return a figure with the percentiles of its resamples, those that are NaN left out."""
    finite = sampled[np.isfinite(sampled)]
    if not len(finite) or value != value:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
