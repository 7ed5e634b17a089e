"""What the curves of a training measure: levels, slopes, noise and gaps of its losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

CHANCE: Final = 3.0
"""Standard deviations by which a rise, a fall or a gap has to exceed the chance of single epochs."""
_TINY: Final = 1e-9


@dataclass(frozen=True, eq=False)
class LossCurve:
    """One loss over the epochs, every value a number.

    Attributes
    ----------
    values : ndarray of float64, shape (N,)
        One an epoch.
    """

    values: NDArray[np.float64]

    @cached_property
    def smooth(self) -> NDArray[np.float64]:
        """Means over three neighbours, over a tenth of the epochs in long trainings; the first and last ones repeat."""
        return self._mean(self._half)

    @cached_property
    def lowest(self) -> int:
        """Index of the lowest smoothed value; among its neighbours, of the lowest mean over three epochs."""
        coarse = int(self.smooth.argmin())
        first, last = max(coarse - self._half, 0), coarse + self._half + 1
        return first + int(self._mean(1)[first:last].argmin())

    @property
    def _half(self) -> int:
        """How many epochs on either side the smoothed losses take in."""
        return max(len(self.values) // 20, 1)

    def _mean(self, half: int) -> NDArray[np.float64]:
        """Return means over neighbours."""
        padded = np.pad(self.values, half, mode="edge")
        return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).mean(axis=1))

    @property
    def end(self) -> float:
        """Median of the last epochs: a fifth of all, three at least."""
        return float(np.median(self.values[-max(len(self.values) // 5, 3) :]))

    @property
    def begin(self) -> float:
        """Mean of the first two epochs."""
        return float(self.values[:2].mean())

    def noise(self, first: int = 0) -> float:
        """Return the standard deviation of single epochs about a smooth curve, from those after ``first``.

        From the median of absolute second differences, which straight lines do not have; a normal distribution's
        standard deviation is 1.4826 times its median absolute deviation, and that of a second difference is the root
        of 6 times as large.
        """
        bends = np.abs(np.diff(self.values[min(first, max(len(self.values) - 4, 0)) :], 2))
        return float(1.4826 * np.median(bends) / np.sqrt(6)) if len(bends) else 0.0

    def risen(self) -> float:
        """Return by which share of it the smoothed loss has risen from its lowest value to the end."""
        lowest = float(self.smooth.min())
        return (float(self.smooth[-1]) - lowest) / max(abs(lowest), _TINY)

    def rises(self, share: float) -> bool:
        """Tell whether it has risen by more than a share, and by more than chance."""
        apart = float(self.smooth[-1] - self.smooth.min())
        # The lowest of many values is low by chance, too: the last ones have to go up as well.
        rest = self.values[self.lowest :]
        places = np.arange(len(rest)) - (len(rest) - 1) / 2
        squares = max(float(places @ places), _TINY)
        noise = max(self.noise(self.lowest), self.noise())
        climbs = float(places @ rest) / squares > CHANCE * noise / np.sqrt(squares)
        return self.risen() > share and apart > CHANCE * noise and bool(climbs)

    def fall(self, epochs: int) -> tuple[float, float]:
        """Return the fall over the last epochs and its standard error, both as shares of the loss there.

        Of a straight line through them by least squares.
        """
        last = self.values[-epochs:]
        places = np.arange(len(last)) - (len(last) - 1) / 2
        slope = float(places @ last / (places @ places))
        error = self.noise(len(self.values) - max(epochs, 6)) / float(np.sqrt(places @ places))
        level = max(abs(float(last.mean())), _TINY)
        return -slope * (len(last) - 1) / level, error * (len(last) - 1) / level

    def jumps(self) -> NDArray[np.float64]:
        """Return by which factor each epoch is off the median of its neighbours, as an absolute logarithm.

        A straight line in the logarithm, such as a steady fall, has none.
        """
        logs = np.log(np.maximum(self.values, _TINY))
        padded = np.pad(logs, 2, mode="reflect", reflect_type="odd")
        medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
        return np.asarray(np.abs(logs - medians))


@dataclass(frozen=True, eq=False)
class LossPair:
    """The losses of a training.

    Attributes
    ----------
    validation, training : LossCurve
        Of the validation part, and of the training part: on fixed crops where the history has them.
    alike : bool
        Whether both were measured alike. Otherwise that of the training part is the mean of varied crops while the
        network learned.
    constant : float
        Of the best answer that is always the same, not a number where it is not known.
    """

    validation: LossCurve
    training: LossCurve
    alike: bool
    constant: float

    def __len__(self) -> int:
        return len(self.validation.values)

    def learns_from(self, share: float) -> int:
        """Return the index of the first epoch whose training loss is below a share of the constant answer's; else 0."""
        below = np.flatnonzero(self.training.values < share * self.constant)
        return int(below[0]) if len(below) and below[0] <= len(self) - 3 else 0

    def training_worsens(self, share: float) -> bool:
        """Tell whether the training loss is higher at the end than where the validation loss was lowest."""
        before, now = self.training.smooth[self.validation.lowest], self.training.smooth[-1]
        return bool(now > (1 + share) * before and now - before > CHANCE * self.training.noise())

    def gaps(self) -> NDArray[np.float64]:
        """Return by how much the validation loss exceeds that of the training, as a share of the larger one."""
        over, under = self.validation.values, self.training.values
        return np.asarray((over - under) / np.maximum(np.maximum(np.abs(over), np.abs(under)), _TINY))


def epoch_figures(history: Sequence[Mapping[str, float]], name: str) -> NDArray[np.float64]:
    """Return a figure over the epochs, not a number where an epoch does not have it."""
    return np.array([epoch.get(name, np.nan) for epoch in history], dtype=np.float64)


def losses_of(history: Sequence[Mapping[str, float]]) -> LossPair:
    """Return the losses of a history whose validation losses are all numbers."""
    validation = epoch_figures(history, "val_loss")
    sample, learned = epoch_figures(history, "sample_loss"), epoch_figures(history, "train_loss")
    alike = bool(np.isfinite(sample).all())
    training = sample if alike else learned
    if not np.isfinite(training).all():
        training = validation
    constants = epoch_figures(history, "constant_loss")
    known = constants[np.isfinite(constants)]
    return LossPair(LossCurve(validation), LossCurve(training), alike, float(known[0]) if len(known) else float("nan"))
