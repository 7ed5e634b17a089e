"""Draws the curves of an evaluation: into a report's picture, or into the window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from diatom_training.evaluation.curve_plots import Curve, CurvePlot
from napari_diatom.core.colours import PALETTE
from napari_diatom.plots.style import BLUE, FAINT, INK, ORANGE, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED: Final = 8
"""Classes with a colour and a name of their own; of more, the commonest."""
_WIDTH: Final = 5.2
_HEIGHT: Final = 4.0
_DASHES: Final = ("-", "--", "-.")
"""Of lines that are about all: the colour is not the only sign."""


def draw_curve_plot(plot: CurvePlot, axes: Axes, ink: str = INK) -> None:
    """Draw curves.

    Parameters
    ----------
    plot : CurvePlot
        What to draw.
    axes : matplotlib.axes.Axes
        Empty axes.
    ink : str
        Colour of axes, texts, and of the line that is about all.
    """
    if plot.reference:
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label=plot.reference)
    for curve, colour in coloured([curve for curve in plot.curves if curve.specimens]):
        label = curve.name if colour != FAINT else None
        axes.plot(curve.x, curve.y, color=colour, linewidth=1.3, label=label)
    every = [curve for curve in plot.curves if not curve.specimens]
    bands = [curve for curve in every if curve.low is not None and curve.high is not None]
    for curve in bands:
        assert curve.low is not None
        assert curve.high is not None
        axes.fill_between(curve.x, curve.low, curve.high, color=BLUE, alpha=0.2, linewidth=0, label=curve.name)
    lines = [curve for curve in every if curve not in bands]
    colours = (ink,) if len(lines) == 1 else (BLUE, ORANGE, ink)
    for number, curve in enumerate(lines):
        shape = _DASHES[number % len(_DASHES)] + ("o" if plot.name == "calibration" else "")
        axes.plot(
            curve.x, curve.y, shape, color=colours[number % len(colours)], linewidth=2, markersize=4, label=curve.name
        )
    if plot.mark is not None:
        axes.plot(*([value] for value in plot.mark), "o", color=ORANGE, markersize=7, label="at the threshold")
    if plot.name == "froc":
        axes.set_xlim(left=-0.01 * max(axes.get_xlim()[1], 1e-6))
    else:
        axes.set_xlim(-0.01, 1.02)
    axes.set_ylim(-0.01, 1.02)
    axes.set_xlabel(plot.x_label, color=ink)
    axes.set_ylabel(plot.y_label, color=ink)
    # The best place takes long to find, and most curves leave a corner free.
    axes.legend(loc=_corner(plot), fontsize=8, frameon=False, labelcolor=ink)


def drawn_curve_plot(plot: CurvePlot) -> bytes:
    """Return curves as a PNG file; the same curves give the same bytes."""
    with styled(_WIDTH, _HEIGHT) as figure:
        axes = figure.add_subplot()
        axes.grid(True)
        axes.tick_params(length=0)
        draw_curve_plot(plot, axes)
        return png(figure)


def coloured(parts: Sequence[Curve]) -> list[tuple[Any, str]]:
    """Return curves with their colours: those of the commonest classes, and grey, drawn first, for the rest."""
    commonest = sorted(range(len(parts)), key=lambda k: -parts[k].specimens)[:MOST_NAMED]
    colours = {k: "#{:02x}{:02x}{:02x}".format(*PALETTE[n % len(PALETTE)]) for n, k in enumerate(sorted(commonest))}
    pairs = [(part, colours.get(k, FAINT)) for k, part in enumerate(parts)]
    return sorted(pairs, key=lambda pair: pair[1] != FAINT)


def _corner(plot: CurvePlot) -> Literal["lower right", "upper left", "lower left"]:
    """Return where the legend is least in the way."""
    if plot.name in ("roc", "froc"):
        return "lower right"
    return "upper left" if plot.name == "calibration" else "lower left"
