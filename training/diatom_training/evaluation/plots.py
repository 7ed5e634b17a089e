"""The plots and matrices of a report, as PNG files in memory; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.confusion import ConfusionMatrix
from diatom_training.metrics.detection_figures import ImageCount
from diatom_training.metrics.detection_sizes import Sizes
from diatom_training.metrics.reliability import Calibration
from napari_diatom.plots.style import BLUE, FAINT, INK, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_WRITTEN: Final = 20
"""Classes of a confusion matrix up to which its numbers are written."""


def draw_confusion(matrix: ConfusionMatrix, axes: Axes, ink: str = INK) -> None:
    """Draw what there is (rows) against what it was found as; the colour is the share of the row.

    Parameters
    ----------
    matrix : ConfusionMatrix
        What to draw.
    axes : matplotlib.axes.Axes
        Empty axes.
    ink : str
        Colour of the names.
    """
    table, number = matrix.table, max(matrix.table.shape)
    sums = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, sums, out=np.zeros(table.shape), where=sums > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.grid(False)
    size = float(np.clip(180 / number, 4, 9))
    axes.set_xticks(
        range(len(matrix.columns)), matrix.columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=size
    )
    axes.set_yticks(range(len(matrix.rows)), matrix.rows, fontsize=size)
    axes.set_xlabel("found as", color=ink)
    axes.set_ylabel("is", color=ink)
    if number <= MOST_WRITTEN:
        for i, j in np.argwhere(table > 0).tolist():
            colour = "white" if shares[i, j] > 0.55 else INK
            axes.text(j, i, str(table[i, j]), ha="center", va="center", color=colour, fontsize=size)


def drawn_confusion(matrix: ConfusionMatrix) -> bytes:
    """Return a confusion matrix as a PNG file; the same numbers give the same bytes."""
    wide, high = (float(np.clip(0.5 * len(names) + 1.4, 2.6, 11)) for names in (matrix.columns, matrix.rows))
    with _axes(wide + 0.8, high) as (axes, finish):
        draw_confusion(matrix, axes)
        return finish()


def reliability(calibration: Calibration) -> bytes:
    """Draw how often scores are right against the scores, above how many there are."""
    with _axes(4.2, 4.0) as (axes, finish):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="perfectly calibrated")
        full = calibration.number > 0
        total = calibration.number.sum()
        axes.bar(
            calibration.edges[:-1],
            calibration.number / max(total, 1),
            np.diff(calibration.edges),
            align="edge",
            color="#dfe6e9",
            label="share of all scores",
        )
        axes.plot(calibration.score[full], calibration.right[full], "o-", color=BLUE, markersize=5, label="this model")
        _unit_square(axes, "score", "share that is right")
        axes.legend(loc="upper left", fontsize=8)
        return finish()


def plot_counts(counts: Sequence[ImageCount], unit: str) -> bytes:
    """Draw the counts found against the true ones."""
    truth, found = [count.truth for count in counts], [count.found for count in counts]
    with _axes(4.2, 4.0) as (axes, finish):
        _against(axes, np.array(truth), np.array(found), 6)
        axes.set_xlabel(f"annotated specimens per {unit}")
        axes.set_ylabel("specimens found")
        return finish()


def plot_sizes(sizes: Sizes) -> bytes:
    """Draw the sizes found against the true ones."""
    with _axes(4.2, 4.0) as (axes, finish):
        _against(axes, sizes.truth, sizes.found, 3)
        axes.set_xlabel(f"true {sizes.side} ({sizes.unit})")
        axes.set_ylabel(f"{sizes.side} found ({sizes.unit})")
        return finish()


def plot_fold_figures(figures: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the values of each figure, 0 to 1, as points with a line at their mean."""
    with _axes(5.2, 0.4 * len(figures) + 0.8) as (axes, finish):
        for row, values in enumerate(figures.values()):
            finite = [value for value in values if value == value]
            axes.plot(finite, [row] * len(finite), "o", color=BLUE, alpha=0.6, markersize=6, markeredgewidth=0)
            if finite:
                axes.plot([float(np.mean(finite))] * 2, [row - 0.3, row + 0.3], color=INK, linewidth=1.5)
        axes.set_yticks(range(len(figures)), list(figures))
        axes.invert_yaxis()
        axes.set_xlim(-0.01, 1.02)
        return finish()


@contextmanager
def _axes(width: float, height: float) -> Iterator[tuple[Axes, Callable[[], bytes]]]:
    """Give axes of a figure of that size in inches, and the function that makes it a PNG."""
    with styled(width, height) as figure:
        axes = figure.add_subplot()
        axes.grid(True)
        axes.tick_params(length=0)
        yield axes, lambda: png(figure)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    """Label axes that both go from 0 to 1."""
    axes.set_xlim(-0.01, 1.02)
    axes.set_ylim(-0.01, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _against(axes: Axes, truth: NDArray[Any], found: NDArray[Any], size: float) -> None:
    """Draw values found against true ones, with the line on which they are equal."""
    most = float(max(truth.max(initial=0), found.max(initial=0), 1)) * 1.05
    axes.plot([0, most], [0, most], color=FAINT, linewidth=1, linestyle="--")
    axes.plot(truth, found, "o", color=BLUE, alpha=0.6, markersize=size, markeredgewidth=0)
    axes.set_xlim(0, most)
    axes.set_ylim(0, most)
    axes.set_aspect("equal")
