"""What a search has come to, drawn for its folder and for the window: parallel coordinates, and what matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from diatom_training.tuning.ranges import Choices, SearchRange, Span, Value, text_of
from diatom_training.tuning.search_results import FINISHED, SearchResults
from napari_diatom.plots.style import BLUE, FAINT, INK, ORANGE, ink_axes, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from diatom_training.tuning.search_settings import SearchSettings

_COLOURS: Final = "viridis"
_ON_LIGHT: Final = (0.0, 0.6)
_ON_DARK: Final = (0.45, 1.0)
"""The part of the colours that has contrast to the ground: a dark line cannot be seen on a dark one."""
_HALF: Final = 0.5
"""Brightness of a text from which its ground is dark."""
_LONGEST: Final = 16
"""Letters of a name under an axis; a longer one is broken at its dot."""


def plot_importances(results: SearchResults, axes: Axes, ink: str = INK) -> None:
    """Draw how much each setting matters, the most important one on top; ``ink`` is for texts."""
    names = list(results.importances)
    axes.barh(range(len(names)), list(results.importances.values()), color=BLUE, height=0.6)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("share of the differences", color=ink)
    _dress(axes, ink)


def plot_parallel(results: SearchResults, settings: SearchSettings, axes: Axes, ink: str = INK) -> None:
    """Draw each trial as a line over its settings and its figure; light is good, and the best one is orange.

    Parameters
    ----------
    results : SearchResults
        The trials.
    settings : SearchSettings
        With the ranges of the settings.
    axes : Axes
        To draw on.
    ink : str
        Colour of texts; light on a dark ground.
    """
    trials = sorted((trial for trial in results.trials if trial.state == FINISHED), key=lambda trial: trial.value)
    names = [name for name in results.names if name in settings.ranges]
    values = [trial.value for trial in trials]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    from matplotlib import colormaps
    from matplotlib.colors import rgb_to_hsv, to_rgb

    darkest, lightest = _ON_DARK if rgb_to_hsv(to_rgb(ink))[2] > _HALF else _ON_LIGHT
    for trial in trials:
        share = (trial.value - low) / (high - low) if high > low else 0.5
        heights = [_height(trial.values.get(name), settings.ranges[name]) for name in names]
        best = trial is trials[-1]
        shade = colormaps[_COLOURS](darkest + share * (lightest - darkest))
        look: dict[str, Any] = {"color": ORANGE, "lw": 2.2} if best else {"color": shade, "lw": 1.2}
        # A setting without effect has no point, and the line goes on behind it.
        shown = [(place, height) for place, height in enumerate([*heights, share]) if height == height]
        axes.plot(*zip(*shown, strict=True), "o-", ms=3, **look)
    for place in range(len(names) + 1):
        axes.axvline(place, color=FAINT, lw=0.8, zorder=0)
    for place, name in enumerate(names):
        _scale(axes, place, settings.ranges[name], ink)
    figure = trials[-1].figure.removeprefix("val_") if trials else "figure"
    if values:
        for height, value in ((0.0, low), (1.0, high)) if high > low else ((0.5, low),):
            axes.text(len(names), height, f" {value:.3f}", color=ink, fontsize="x-small", va="center")
    axes.set_xticks(range(len(names) + 1), [*map(_broken, names), figure], fontsize="small")
    axes.set_yticks([])
    axes.set_xlim(-0.3, len(names) + 0.4)
    axes.set_ylim(-0.08, 1.08)
    _dress(axes, ink)
    axes.spines[["left", "bottom"]].set_visible(False)


def drawn_importances(results: SearchResults) -> bytes:
    """Return what matters as a PNG file; the same results give the same bytes."""
    with styled(5.2, 0.36 * max(len(results.importances), 1) + 0.9) as figure:
        plot_importances(results, figure.add_subplot())
        return png(figure)


def drawn_parallel(results: SearchResults, settings: SearchSettings) -> bytes:
    """Return the trials as parallel coordinates as a PNG file; the same results give the same bytes."""
    with styled(1.3 * (len(results.names) + 1) + 1.4, 3.6) as figure:
        plot_parallel(results, settings, figure.add_subplot())
        return png(figure)


def _height(value: Value | None, values: SearchRange) -> float:
    """Return where a value lies between the ends of its range, 0 to 1; NaN without one."""
    if value is None:
        return float("nan")
    if isinstance(values, Choices):
        return _places(values)[[str(choice) for choice in values.values].index(str(value))]
    low, high, here = values.low, values.high, float(value)
    if values.log:
        low, high, here = np.log([low, high, here]).tolist()
    return (here - low) / (high - low)


def _places(values: Choices) -> Sequence[float]:
    """Return where choices lie."""
    places: list[float] = np.linspace(0, 1, len(values.values)).tolist()
    return places


def _scale(axes: Axes, place: int, values: SearchRange, ink: str) -> None:
    """Write the ends of a range, or its choices, beside their axis."""
    if isinstance(values, Span):
        marks = [(0.0, f"{values.low:.3g}"), (1.0, f"{values.high:.3g}")]
    else:
        marks = [(height, text_of(choice)) for height, choice in zip(_places(values), values.values, strict=True)]
    for height, text in marks:
        axes.text(place, height, f" {text}", color=ink, fontsize="x-small", va="center")


def _broken(name: str) -> str:
    """Return a name in two lines where it is long."""
    return name.replace(".", ".\n", 1) if len(name) > _LONGEST else name


def _dress(axes: Axes, ink: str) -> None:
    ink_axes(axes, ink)
    axes.tick_params(length=0)
