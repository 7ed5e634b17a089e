"""Plots of a sample's count: its composition, its rarefaction curve, and the lengths of its taxa."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.proportions import wilson
from napari_diatom.core.text import many, shortened
from napari_diatom.plots.style import BLUE, FAINT, INK, png, styled
from napari_diatom.statistics.rarefaction import rarefaction_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SHARE: Final = 0.02
"""Taxa of smaller shares are drawn together."""

_LONGEST_NAME: Final = 40
_LONGEST_TITLE: Final = 26
_COLUMNS: Final = 5
_BINS: Final = 10
_LEAST_SPAN_UM: Final = 10.0
_BAR_INCHES: Final = 0.21
_ROW_INCHES: Final = 1.25


@dataclass(frozen=True)
class TaxonShare:
    """The part of a taxon in a sample.

    Attributes
    ----------
    taxon : str
        Its name.
    share : float
        Of what was counted, 0 to 1.
    """

    taxon: str
    share: float


def composition_plot(shares: Sequence[TaxonShare], effective: float) -> bytes:
    """Return a level bar for each taxon of 2 % or more, with its 95 % interval, and one for the rest, as PNG.

    Parameters
    ----------
    shares : sequence of TaxonShare
        The commonest first.
    effective : float
        Specimens that the shares are of.
    """
    large = [item for item in shares if item.share >= LEAST_SHARE]
    rest = [item for item in shares if item.share < LEAST_SHARE]
    names = [_math_free(shortened(item.taxon, _LONGEST_NAME)) for item in large]
    values = [item.share for item in large]
    bounds = [wilson(value * effective, effective) for value in values]
    if rest:
        names.append(many(len(rest), "other taxon", "other taxa"))
        values.append(sum(item.share for item in rest))
    with styled(5.2, 0.55 + _BAR_INCHES * len(names)) as figure:
        axes = figure.add_subplot()
        places = np.arange(len(names))
        colours = [BLUE] * len(large) + [FAINT] * (len(names) - len(large))
        axes.barh(places, np.array(values) * 100, color=colours, height=0.7)
        for place, (low, high) in enumerate(bounds):
            axes.plot([low * 100, high * 100], [place, place], color=INK, lw=1)
        ends = [max(value, *bound) for value, bound in zip(values, bounds, strict=False)] + values[len(large) :]
        for place, (value, end) in enumerate(zip(values, ends, strict=True)):
            axes.text(end * 100 + 0.8, place, f"{value:.1%}", va="center", fontsize=8)
        axes.set_yticks(places, names)
        for label in axes.get_yticklabels()[: len(large)]:
            label.set_fontstyle("italic")
        axes.tick_params(axis="y", length=0)
        axes.set(xlabel="share of the count (%)", xlim=(0, max(ends) * 112), ylim=(len(names) - 0.4, -0.6))
        return png(figure)


def rarefaction_plot(counts: NDArray[np.int64], coverage: float) -> bytes:
    """Return the taxa expected in smaller counts of a sample as PNG.

    Parameters
    ----------
    counts : ndarray of int64, shape (T,)
        Specimens of each taxon.
    coverage : float
        Of the sample by the taxa seen.
    """
    sizes, taxa = rarefaction_curve(counts)
    from matplotlib.ticker import MaxNLocator

    with styled(3.9, 2.4) as figure:
        axes = figure.add_subplot()
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(True)
        axes.plot(sizes, taxa, color=BLUE, lw=1.8)
        axes.plot(sizes[-1:], taxa[-1:], "o", color=BLUE, ms=5)
        known = "" if math.isnan(coverage) else f"\ncoverage {coverage:.1%}"
        text = f"{many(int(sizes[-1]), 'specimen')}\n{many(round(float(taxa[-1])), 'taxon', 'taxa')}{known}"
        axes.text(0.97, 0.06, text, transform=axes.transAxes, ha="right", va="bottom", fontsize=8)
        axes.set(xlabel="specimens", ylabel="taxa expected", xlim=(0, None), ylim=(0, None))
        return png(figure)


def lengths_plot(lengths_um: Sequence[tuple[str, NDArray[np.float64]]]) -> bytes:
    """Return a histogram of the lengths of each taxon as PNG.

    Parameters
    ----------
    lengths_um : sequence of (str, ndarray of float64, shape (N,))
        Names, and lengths of whole specimens in micrometres; none is empty.
    """
    rows = math.ceil(len(lengths_um) / _COLUMNS)
    columns = math.ceil(len(lengths_um) / rows)
    with styled(1.86 * columns + 0.2, _ROW_INCHES * rows + 0.35) as figure:
        for k, (taxon, lengths) in enumerate(lengths_um):
            _histogram(figure.add_subplot(rows, columns, k + 1), taxon, lengths)
        figure.supxlabel("length (µm)", fontsize=9)
        figure.supylabel("specimens", fontsize=9)
        return png(figure)


def _histogram(axes: Axes, taxon: str, lengths: NDArray[np.float64]) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = np.floor(lengths.min()), np.ceil(lengths.max())
    spare = max(_LEAST_SPAN_UM - (high - low), 0) / 2
    edges = np.linspace(max(low - spare, 0), high + spare, _BINS + 1).tolist()
    axes.hist(lengths, edges, color=BLUE, edgecolor="white", linewidth=0.5)
    axes.set_title(_math_free(_short_name(taxon)), fontsize=7.5, style="italic")
    axes.text(0.98, 0.96, f"n = {len(lengths)}", transform=axes.transAxes, ha="right", va="top", fontsize=7)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(labelsize=7)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)


def _short_name(taxon: str) -> str:
    """Return a name for a narrow title: of a long one, the genus is its first letter."""
    genus, space, rest = taxon.partition(" ")
    long = len(taxon) > _LONGEST_TITLE and space
    return shortened(f"{genus[:1]}. {rest}" if long else taxon, _LONGEST_TITLE)


def _math_free(name: str) -> str:
    """Return a name with the dollar signs that matplotlib would take for formulae."""
    return name.replace("$", r"\$")
