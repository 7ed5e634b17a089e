"""The curves and matrices of a report, as PNG files in memory; the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.detection_figures import Found, ImageCount
from diatom_training.metrics.detection_sizes import Sizes
from diatom_training.metrics.matching import RECALLS
from diatom_training.metrics.naming_figures import ClassFigures
from diatom_training.metrics.reliability import Calibration
from napari_diatom.core.colours import PALETTE
from napari_diatom.plots.style import BLUE, FAINT, INK, ORANGE, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMED: Final = 8
"""Classes with a colour and a name of their own; of more, the commonest."""
MOST_WRITTEN: Final = 20
"""Classes of a confusion matrix up to which its numbers are written."""


def precision_recall(overall: Found, classes: Sequence[Found]) -> bytes:
    """Draw precision against recall, of all and of each class, with the point of the threshold."""
    with _axes(5.2, 4.0) as (axes, finish):
        for part, colour in _coloured([part for part in classes if part.specimens and part.name != overall.name]):
            label = f"{part.name} (AP {part.ap50:.2f})" if colour != FAINT else None
            axes.plot(RECALLS, part.curve, color=colour, linewidth=1.3, label=label)
        axes.plot(RECALLS, overall.curve, color=INK, linewidth=2.2, label=f"any class (AP {overall.ap50:.2f})")
        if overall.found:
            axes.plot(overall.recall, overall.precision, "o", color=ORANGE, markersize=7, label="at the threshold")
        _unit_square(axes, "recall: share of the specimens found", "precision: share of the detections that are right")
        axes.legend(loc="lower left", fontsize=8)
        return finish()


def roc(classes: Sequence[ClassFigures]) -> bytes:
    """Draw the ROC curve of each class against all others."""
    with _axes(5.2, 4.0) as (axes, finish):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="by chance")
        for part, colour in _coloured([part for part in classes if len(part.hits)]):
            label = f"{part.name} (AUC {part.auc:.3f})" if colour != FAINT else None
            axes.plot(part.false_alarms, part.hits, color=colour, linewidth=1.5, label=label)
        _unit_square(
            axes, "share of the other specimens that would get the name", "share of the class that gets the name"
        )
        axes.legend(loc="lower right", fontsize=8)
        return finish()


def confusion_matrix(table: NDArray[np.int64], rows: Sequence[str], columns: Sequence[str]) -> bytes:
    """Draw true (rows) against found names; the colour is the share of the row."""
    number = max(len(rows), len(columns))
    wide, high = (float(np.clip(0.5 * count + 1.4, 2.6, 11)) for count in (len(columns), len(rows)))
    with _axes(wide + 0.8, high) as (axes, finish):
        sums = table.sum(axis=1, keepdims=True)
        shares = np.divide(table, sums, out=np.zeros(table.shape), where=sums > 0)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        axes.grid(False)
        size = float(np.clip(180 / number, 4, 9))
        axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
        axes.set_yticks(range(len(rows)), rows, fontsize=size)
        axes.set_xlabel("found as")
        axes.set_ylabel("is")
        if number <= MOST_WRITTEN:
            for i, j in np.argwhere(table > 0).tolist():
                colour = "white" if shares[i, j] > 0.55 else INK
                axes.text(j, i, str(table[i, j]), ha="center", va="center", color=colour, fontsize=size)
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


def _coloured(parts: Sequence[Any]) -> list[tuple[Any, str]]:
    """Return parts with their colours: those of the commonest classes, and grey, which is drawn first, for the rest."""
    commonest = sorted(range(len(parts)), key=lambda k: -parts[k].specimens)[:MOST_NAMED]
    colours = {k: "#{:02x}{:02x}{:02x}".format(*PALETTE[n % len(PALETTE)]) for n, k in enumerate(sorted(commonest))}
    pairs = [(part, colours.get(k, FAINT)) for k, part in enumerate(parts)]
    return sorted(pairs, key=lambda pair: pair[1] != FAINT)
