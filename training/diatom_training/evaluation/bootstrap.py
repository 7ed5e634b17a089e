"""How far chance may have moved a figure: the bootstrap over whole slides, and the paired one of two models.

Images of a slide share its mount, focus and light, so they are no independent witnesses: slides are drawn with
replacement, each with all its images (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 16:
percentile intervals and achieved significance levels). Where there is one slide only, its images are drawn, and the
interval then says nothing of other slides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.cases import Case, Units
from napari_diatom.errors import InputError
from napari_diatom.progress import ShouldStop, check, never

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
        Percentiles over the resamples; NaN with fewer than two units.
    """

    value: float
    low: float
    high: float


def draws(units: int, options: Bootstrap) -> Iterator[NDArray[np.int64]]:
    """Yield how often each unit is taken, shape (U,), for each resample."""
    rng = np.random.default_rng(options.seed)
    for _ in range(options.resamples):
        yield rng.multinomial(units, np.full(units, 1 / units))


def intervals(
    figures: Figures, units: Units, options: Bootstrap | None = None, should_stop: ShouldStop = never
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
    should_stop : callable
        Asked at every resample; see :mod:`napari_diatom.progress`.

    Raises
    ------
    Stopped
        When a stop was asked for.
    """
    options = options or Bootstrap()
    values = figures(np.ones(len(units), dtype=np.int64))
    sampled = _sampled(figures, units, options, should_stop)
    return {name: _interval(value, sampled[name], options.level) for name, value in values.items()}


def of_cases(metrics: Callable[[Sequence[Case]], Mapping[str, float]], cases: Sequence[Case], units: Units) -> Figures:
    """Return metrics of a list of cases as :data:`Figures`: a unit that is taken twice gives its cases twice.

    Anything can be resampled this way; what is slow to compute is computed anew for every resample.
    """

    def figures(taken: NDArray[np.int64]) -> Mapping[str, float]:
        times = taken[units.of]
        return metrics([case for case, number in zip(cases, times, strict=True) for _ in range(number)])

    return figures


@dataclass(frozen=True)
class Difference:
    """A figure of two models on the same slides.

    Attributes
    ----------
    figure : str
        Its name.
    first, second : float
        Of each model.
    difference : Interval
        Second less first.
    p : float
        Share of the resamples, twice that of the rarer sign, in which the difference is nothing or the other way
        round: how often chance alone does as much. Not below 2 / (resamples + 1).
    real : bool
        Whether the interval leaves out 0.
    words : str
        The same in a sentence.
    """

    figure: str
    first: float
    second: float
    difference: Interval
    p: float
    real: bool
    words: str


def differences(
    first: Figures,
    second: Figures,
    units: Units,
    names: tuple[str, str],
    titles: Mapping[str, str] | None = None,
    less_is_better: Sequence[str] = (),
    options: Bootstrap | None = None,
    should_stop: ShouldStop = never,
) -> tuple[Difference, ...]:
    """Compare two models' figures, each resample drawing the same units for both.

    Parameters
    ----------
    first, second : callable
        See :data:`Figures`; figures that only one of them has are left out.
    units : Units
        What is resampled.
    names : tuple of str
        Of the models.
    titles : mapping of str to str, optional
        What figures are called in sentences.
    less_is_better : sequence of str
        Figures, such as errors, of which the lower one is the better.
    options : Bootstrap, optional
        How often, and at which level.
    should_stop : callable
        Asked at every resample; see :mod:`napari_diatom.progress`.

    Raises
    ------
    Stopped
        When a stop was asked for.
    """
    options = options or Bootstrap()

    def both(taken: NDArray[np.int64]) -> dict[str, float]:
        one, other = first(taken), second(taken)
        return {name: other[name] - one[name] for name in one if name in other}

    once = np.ones(len(units), dtype=np.int64)
    one, other, whole = first(once), second(once), both(once)
    sampled = _sampled(both, units, options, should_stop)
    rows = []
    for name, value in whole.items():
        interval = _interval(value, sampled[name], options.level)
        told = sampled[name][np.isfinite(sampled[name])]
        rarer = min(np.count_nonzero(told <= 0), np.count_nonzero(told >= 0))
        p = min(2 * (rarer + 1) / (len(told) + 1), 1.0) if len(units) > 1 and len(told) else float("nan")
        real = bool(interval.low > 0 or interval.high < 0)
        better = names[1] if (value > 0) != (name in less_is_better) else names[0]
        title = (titles or {}).get(name, name)
        rows.append(
            Difference(name, one[name], other[name], interval, p, real, _sentence(title, interval, p, real, better))
        )
    return tuple(rows)


def _sentence(title: str, difference: Interval, p: float, real: bool, better: str) -> str:
    """Say what a difference amounts to."""
    if difference.value != difference.value:
        return f"{title}: there is nothing to compare."
    if difference.value == 0 == difference.low == difference.high:
        return f"{title}: no difference at all."
    if difference.low != difference.low:
        return f"{title}: one image cannot say whether the difference of {difference.value:+.3f} is chance."
    span = f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f}, p = {p:.3f})"
    if real:
        return f"{title}: {better} is better, {span}; that is more than what chance does."
    return f"{title}: {span}; the difference is within what chance does."


def _sampled(
    figures: Figures, units: Units, options: Bootstrap, should_stop: ShouldStop
) -> dict[str, NDArray[np.float64]]:
    """Return each figure over all resamples, none with fewer than two units."""
    if len(units) < 2:
        return {name: np.empty(0) for name in figures(np.ones(len(units), dtype=np.int64))}
    rows = []
    for taken in draws(len(units), options):
        check(should_stop)
        rows.append(figures(taken))
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}


def _interval(value: float, sampled: NDArray[np.float64], level: float) -> Interval:
    """Return a figure with the percentiles of its resamples."""
    told = sampled[np.isfinite(sampled)]
    if not len(told) or value != value:
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
