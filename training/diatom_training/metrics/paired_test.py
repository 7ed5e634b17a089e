"""Two models on the same slides: how far apart their figures are, and whether chance does as much.

Where neither model is the better one, it is chance alone which of the two did what it did on a slide. So the models are
swapped slide by slide, in every way there is, and a difference counts for something when hardly any of these ways gives
as large a one (Fisher 1935, The Design of Experiments, section 21; Good 2005, Permutation, Parametric, and Bootstrap
Tests of Hypotheses). With n slides there are 2 ** n ways and no p is below 2 / 2 ** n: few slides can tell nothing. The
bootstrap's resamples would say of two slides that agree that they always will.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.bootstrap import Bootstrap, Figures, Interval, bootstrap_figures, interval_of
from diatom_training.metrics.test_cases import Units
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many

EXACT: Final = 12
"""Most units whose swaps are all gone through; of more, as many swaps are drawn as there are resamples."""
_ROUNDING: Final = 1e-12


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
        Share of the swaps that give as large a difference, either way round; NaN with fewer than two units.
    p_corrected : float
        The same, corrected by :func:`holm` for the number of figures.
    real : bool
        Whether ``p_corrected`` is at most what the level of the intervals leaves out.
    words : str
        The same in a sentence.
    """

    figure: str
    first: float
    second: float
    difference: Interval
    p: float
    p_corrected: float
    real: bool
    words: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """What there is to say of two models on a test set.

    Attributes
    ----------
    names : tuple of str
        Of the models.
    differences : tuple of Difference
        Figure by figure.
    units : Units
        What was drawn and swapped.
    bootstrap : Bootstrap
        How.
    remarks : tuple of str
        What to bear in mind; a sentence each.
    """

    names: tuple[str, str]
    differences: tuple[Difference, ...]
    units: Units
    bootstrap: Bootstrap
    remarks: tuple[str, ...] = ()


def differences(
    both: Figures,
    units: Units,
    names: tuple[str, str],
    titles: Mapping[str, str] | None = None,
    less_is_better: Sequence[str] = (),
    options: Bootstrap | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[Difference, ...]:
    """Compare two models' figures.

    Parameters
    ----------
    both : callable
        See :data:`Figures`; of 2 U units, those of the first model before those of the second. It gives the figures of
        the model that is put together of the units that are taken.
    units : Units
        The U units of either.
    names : tuple of str
        Of the models.
    titles : mapping of str to str, optional
        What figures are called in sentences.
    less_is_better : sequence of str
        Figures, such as errors, that are better when they are lower.
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

    def apart(first: NDArray[np.int64], second: NDArray[np.int64]) -> dict[str, float]:
        one, other = both(np.concatenate([first, second])), both(np.concatenate([second, first]))
        return {name: other[name] - value for name, value in one.items()}

    once, none = np.ones(len(units), dtype=np.int64), np.zeros(len(units), dtype=np.int64)
    one, other = both(np.concatenate([once, none])), both(np.concatenate([none, once]))
    whole = {name: other[name] - value for name, value in one.items()}
    sampled = bootstrap_figures(lambda taken: apart(taken, none), units, options, monitor)
    chances = dict.fromkeys(whole, float("nan"))
    if len(units) > 1:
        swapped = []
        for swap in swaps(len(units), options):
            monitor.check()
            swapped.append(apart(once - swap, swap))
        chances = {name: _chance(value, [row[name] for row in swapped]) for name, value in whole.items()}
    corrected = dict(zip(chances, holm(list(chances.values())), strict=True))
    rows = []
    for name, value in whole.items():
        row = Difference(
            figure=name,
            first=one[name],
            second=other[name],
            difference=interval_of(value, sampled[name], options.level),
            p=chances[name],
            p_corrected=corrected[name],
            real=corrected[name] <= 1 - options.level,
            words="",
        )
        rows.append(row)
    least = least_units(rows, options)
    described = []
    for row in rows:
        better = names[1] if (row.difference.value > 0) != (row.figure in less_is_better) else names[0]
        title = (titles or {}).get(row.figure, row.figure)
        described.append(replace(row, words=f"{title}: {_words(row, better, units, least)}"))
    return tuple(described)


def swaps(units: int, options: Bootstrap) -> Iterator[NDArray[np.int64]]:
    """Yield which units are swapped, shape (U,) of 0 and 1, other than none of them.

    Of up to :data:`EXACT` units these are all ways that leave the last unit as it is: the others are the same ones with
    the models' names exchanged, and give the same differences with the other sign.
    """
    if units <= EXACT:
        for code in range(1, 2 ** (units - 1)):
            yield code >> np.arange(units) & 1
        return
    rng = np.random.default_rng(options.seed)
    for _ in range(options.resamples):
        yield rng.integers(0, 2, units)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p values corrected for their number, so that all that is called real is so at once; NaN stays NaN.

    The step-down procedure of Holm (1979, A simple sequentially rejective multiple test procedure): the least of m is
    taken m times, the next one m - 1 times, and none becomes less than the one before. It holds however the figures
    depend on each other.
    """
    defined = sorted((p, k) for k, p in enumerate(chances) if p == p)
    corrected = [float("nan")] * len(chances)
    most = 0.0
    for rank, (p, k) in enumerate(defined):
        most = max(most, min((len(defined) - rank) * p, 1.0))
        corrected[k] = most
    return corrected


def chance_text(p: float) -> str:
    """Return a p value as text, which is never 0; a dash where there is none."""
    return "-" if p != p else "< 0.001" if p < 0.0005 else f"{p:.3f}"


def least_units(rows: Sequence[Difference], options: Bootstrap) -> int:
    """Return how many units it takes before any of so many differences can be called real: 2 / 2 ** n, m times."""
    number = sum(row.difference.value == row.difference.value for row in rows)
    return ceil(log2(2 * max(number, 1) / (1 - options.level)))


def remarks_of_few(rows: Sequence[Difference], units: Units, options: Bootstrap) -> list[str]:
    """Say where there are too few units for any difference to be real."""
    least, comparisons = least_units(rows, options), sum(row.difference.value == row.difference.value for row in rows)
    if not comparisons or not 2 <= len(units) < least:
        return []
    return [
        f"With {units.description} no difference can be called real, however large: it may be chance. To "
        f"compare {many(comparisons, 'figure')}, at least {least} {units.kind} are needed."
    ]


def _chance(value: float, swapped: Sequence[float]) -> float:
    """Return the share of the swaps, no swap among them, with as large a difference; one without any counts as such.

    Of swaps that were drawn this is never 0 (Phipson and Smyth 2010, Permutation p-values should never be zero).
    """
    if value != value:
        return float("nan")
    smaller = sum(abs(other) < abs(value) - _ROUNDING for other in swapped)
    return (1 + len(swapped) - smaller) / (1 + len(swapped))


def _words(row: Difference, better: str, units: Units, least: int) -> str:
    """Say what a difference amounts to."""
    difference = row.difference
    if difference.value != difference.value:
        return "there is nothing to compare."
    if difference.value == 0 == difference.low == difference.high:
        return "no difference."
    if len(units) < 2:
        return f"with only {units.description}, the difference of {difference.value:+.3f} may be chance."
    p, corrected = (f"= {text}" if text[0] != "<" else text for text in map(chance_text, (row.p, row.p_corrected)))
    between = f"{difference.low:+.3f} to {difference.high:+.3f}, p {p}, corrected p {corrected}"
    span = f"{difference.value:+.3f} ({between})"
    if row.real:
        return f"{better} is better, {span}; that is more than chance."
    if len(units) < least:
        return f"{span}; {units.description} are too few to rule out chance."
    return f"{span}; the difference may be chance."
