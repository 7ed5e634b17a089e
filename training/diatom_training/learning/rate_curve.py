"""The loss over a climbing learning rate, and the rate that it suggests (Smith 2017, "Cyclical learning rates")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.plots.style import BLUE, FAINT, INK, ORANGE, ink_axes, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTHING: Final = 0.85
"""Share of the running mean of the losses that each step keeps."""
FIRST_STEPS: Final = 5
"""Steps of which no rate is suggested: their running mean is of a few batches."""
LEAST_FALL: Final = 0.05
"""Share of its value by which the loss has to fall, or the fall may be chance."""
_DIGITS: Final = 2
"""Digits of a suggested rate: the curve does not say more."""


@dataclass(frozen=True)
class RateCurve:
    """The losses of a range test.

    Attributes
    ----------
    rates : tuple of float
        Learning rate of each step, climbing.
    losses : tuple of float
        Loss of each step; the last one is NaN where it was no number any more.
    used : float
        The rate of the settings.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    used: float

    @property
    def smooth(self) -> NDArray[np.float64]:
        """Running mean of the losses, shape (N,), each as if the first ones had been preceded by nothing."""
        mean, found = 0.0, []
        for step, loss in enumerate(self.losses, start=1):
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            found.append(mean / (1 - SMOOTHING**step))
        return np.array(found)

    @property
    def suggestion(self) -> float | None:
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate; None where it never falls.

        Only rates below that of the lowest loss count: above it, the loss has begun to climb.
        """
        smooth = self.smooth
        smooth = smooth[: int(np.isfinite(smooth).sum())]
        if len(smooth) < FIRST_STEPS + 2:
            return None
        lowest = FIRST_STEPS + int(smooth[FIRST_STEPS:].argmin())
        begin = float(smooth[:FIRST_STEPS].mean())
        if lowest < FIRST_STEPS + 1 or begin - smooth[lowest] < LEAST_FALL * abs(begin):
            return None
        slopes = np.gradient(smooth, np.log10(self.rates[: len(smooth)]))
        steepest = FIRST_STEPS + int(slopes[FIRST_STEPS : lowest + 1].argmin())
        return _rounded(self.rates[steepest])

    def sentence(self) -> str:
        """Return what the curve says."""
        if self.suggestion is None:
            return (
                "The loss does not fall at any rate, so none can be suggested: check the outlines and the start, or "
                f"keep the rate of {self.used:g}."
            )
        return (
            f"Suggested learning rate: {self.suggestion:g}, where the loss falls fastest; the settings have "
            f"{self.used:g}."
        )


def plot_rates(curve: RateCurve, axes: Axes, ink: str = INK) -> None:
    """Draw a range test into empty axes, with the suggested rate and that of the settings; ``ink`` is for texts."""
    axes.plot(curve.rates, curve.losses, color=FAINT, lw=1, label="loss of each step")
    axes.plot(curve.rates, curve.smooth, color=BLUE, lw=2, label="smoothed")
    axes.set_xscale("log")
    axes.axvline(curve.used, color="0.5", lw=1, ls=":", label=f"settings: {curve.used:g}")
    if curve.suggestion is not None:
        at = float(np.interp(math.log(curve.suggestion), np.log(curve.rates), curve.smooth))
        axes.plot([curve.suggestion], [at], "o", color=ORANGE, ms=8, label=f"suggested: {curve.suggestion:g}")
    axes.set_ylim(*_shown(curve.smooth))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    ink_axes(axes, ink)
    axes.legend(loc="upper left", frameon=False, fontsize="small", labelcolor=ink)


def drawn_rates(curve: RateCurve) -> bytes:
    """Return a range test as a PNG file; the same curve gives the same bytes."""
    with styled(5.6, 3.6) as figure:
        plot_rates(curve, figure.add_subplot())
        return png(figure)


def _shown(smooth: Sequence[float] | NDArray[Any]) -> tuple[float, float]:
    """Return the range of losses that is drawn: where the loss explodes, nothing is left to see of the rest."""
    finite = np.asarray(smooth)[np.isfinite(smooth)]
    least, first = float(finite.min()), float(finite[0])
    room = max(first - least, 0.05 * abs(first), 1e-9)
    return least - 0.15 * room, first + 0.8 * room


def _rounded(rate: float) -> float:
    """Return a rate with the digits that are told."""
    return float(f"{rate:.{_DIGITS}g}")
