"""The ROC curve of detection: the share of the specimens found against the false finds a field.

There are no "negatives" among detections, so a false positive rate, and with it a ROC curve, does not exist. The
free-response ROC curve (FROC; Bunch et al. 1978) counts false finds by the field. One number sums it up: the mean share
found at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false finds a field (Setio et al. 2017, LUNA16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.bootstrap import Bootstrap, Interval, draws, interval_of, of_specimens
from diatom_training.metrics.matching import Matches
from diatom_training.metrics.test_cases import Units
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor

RATES: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""False finds a field at which the share found is read."""
_READ: Final = 101
"""Places at which the band is read."""


@dataclass(frozen=True, eq=False)
class Froc:
    """The FROC curve at IoU 0.5, whatever the classes, with its bootstrap band; NaN where there is nothing to tell.

    Attributes
    ----------
    fields : int
        Images that it is of.
    false_finds, found : ndarray, shape (K,)
        Mean false finds a field, and share of the specimens found, from no detections to all, at each score.
    scores : ndarray, shape (K,)
        The lowest score that counts at each point; infinite at the first, where nothing counts.
    places, low, high : ndarray, shape (P,)
        The band of the share found, at these numbers of false finds a field. NaN with fewer than two units.
    at : tuple of Interval
        The share found at each of :data:`RATES`.
    score : Interval
        Mean of these.
    """

    fields: int
    false_finds: NDArray[np.float64]
    found: NDArray[np.float64]
    scores: NDArray[np.float64]
    places: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    at: tuple[Interval, ...]
    score: Interval


def froc(
    matches: Matches, units: Units, options: Bootstrap | None = None, monitor: ProgressMonitor = UNWATCHED
) -> Froc:
    """Return the FROC curve of matched detections.

    Parameters
    ----------
    matches : Matches
        Of all images, in the order of ``units.of``.
    units : Units
        What is resampled for the band: whole slides, or fields where there is one slide.
    options : Bootstrap, optional
        How to resample.
    monitor : ProgressMonitor
        Asked at every resample; see :mod:`napari_diatom.core.progress`.

    Raises
    ------
    Stopped
        When a stop was asked for.
    """
    options = options or Bootstrap()
    once = np.ones(len(units), dtype=np.int64)
    false_finds, found, scores = _points(matches, once[units.of])
    places = np.linspace(0, float(false_finds[-1]), _READ)
    rates = np.array(RATES)
    sampled: list[NDArray[np.float64]] = []
    for taken in draws(len(units), options) if len(units) > 1 else ():
        monitor.check()
        false, share, _ = _points(matches, taken[units.of])
        read = read_froc(false, share, rates)
        sampled.append(np.concatenate([read_froc(false, share, places), read, [read.mean()]]))
    columns = np.array(sampled).reshape(len(sampled), _READ + len(rates) + 1).T
    values = read_froc(false_finds, found, rates)
    specimens = int(matches.truths.sum())
    named = {
        str(rate): interval_of(float(value), column, options.level)
        for rate, value, column in zip(RATES, values, columns[_READ:-1], strict=True)
    }
    shares = {str(rate): (_whole(value, specimens), specimens) for rate, value in zip(RATES, values, strict=True)}
    band = [interval_of(1.0, column, options.level) for column in columns[:_READ]]
    mean = interval_of(float(values.mean()), columns[-1], options.level)
    return Froc(
        fields=len(matches.truths),
        false_finds=false_finds,
        found=found,
        scores=scores,
        places=places,
        low=np.array([interval.low for interval in band]),
        high=np.array([interval.high for interval in band]),
        at=tuple(of_specimens(named, shares, specimens, options.level).values()),
        score=Interval(mean.value, mean.low, mean.high, specimens),
    )


def read_froc(
    false_finds: NDArray[np.float64], found: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest share found with at most ``at`` false finds a field, shape as ``at``.

    Beyond the last point of the curve, where all detections count, the share stays as it is.
    """
    # Sums of whole numbers over one number of fields: what should be equal may differ in the last digit.
    place = np.searchsorted(false_finds, at + 1e-12, side="right") - 1
    return np.asarray(found[place], dtype=np.float64)


def _points(
    matches: Matches, times: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return false finds a field, share found, and score of each point, where each image is taken some times."""
    weights = times[matches.images]
    hits = np.cumsum(weights * matches.hits[0])
    false = np.cumsum(weights) - hits
    # Detections of one score count together.
    ends = np.flatnonzero(np.diff(matches.scores, append=-np.inf))
    specimens = int(times @ matches.truths)
    found = np.concatenate([[0], hits[ends]]) / specimens if specimens else np.full(1 + len(ends), np.nan)
    false_finds = np.concatenate([[0], false[ends]]) / times.sum()
    return false_finds, found, np.concatenate([[np.inf], matches.scores[ends]])


def _whole(value: float, of: int) -> int:
    """Return of how many a share is."""
    return round(float(value) * of) if of else 0
