"""The curves and the confusion matrix of a test, read from its report: nothing is computed anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.evaluation.confusion import TITLE, ConfusionMatrix, confusion_of_finds, confusion_of_names
from diatom_training.evaluation.curve_drawing import draw_curve_plot
from diatom_training.evaluation.curve_plots import Curve, CurvePlot
from diatom_training.evaluation.plots import draw_confusion
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.plots.style import ink_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KIND: Final = "the report of a test"


def read_plots(report: Path) -> tuple[CurvePlot | ConfusionMatrix, ...]:
    """Return the curves and the confusion matrix of a report; a test of outlines has none.

    Parameters
    ----------
    report : Path
        The report (JSON).

    Raises
    ------
    InputError
        When it cannot be read, or is not such a report.
    """
    data: Any = read_json(report, _KIND)
    try:
        plots = tuple(_plot(entry) for entry in data["curves"])
        found, naming = data["detection"], data["naming"]
        if found is not None:
            table, names = _table(found["confusion"]), found["names"]
            return *plots, confusion_of_finds(table, _names(names["known"]), _names(names["unknown"]))
        if naming is not None:
            classes = _names([part["name"] for part in naming["classes"]])
            return *plots, confusion_of_names(_table(naming["confusion"]), classes)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError):
        raise InputError(
            f"{report} does not have the curves of a test: another version wrote it, or it was changed. "
            "Test the model again with napari-diatom evaluate."
        ) from None
    return plots


def title_of(plot: CurvePlot | ConfusionMatrix) -> str:
    """Return what a plot shows, in words."""
    return plot.title if isinstance(plot, CurvePlot) else TITLE


def draw_plot(plot: CurvePlot | ConfusionMatrix, axes: Axes, ink: str) -> None:
    """Draw a plot into empty axes of a window, whose texts have the colour ``ink``."""
    if isinstance(plot, CurvePlot):
        axes.grid(True, alpha=0.3)
        draw_curve_plot(plot, axes, ink)
    else:
        draw_confusion(plot, axes, ink)
    ink_axes(axes, ink)


def _plot(entry: Mapping[str, Any]) -> CurvePlot:
    """Return curves as :func:`~diatom_training.evaluation.report.to_json` wrote them."""
    mark = entry["mark"]
    texts = {name: str(entry[name]) for name in ("name", "title", "x_label", "y_label", "caption", "reference")}
    at = None if mark is None else _numbers(mark)
    return CurvePlot(
        **texts,
        curves=tuple(_curve(curve) for curve in entry["curves"]),
        mark=None if at is None else (float(at[0]), float(at[1])),
    )


def _curve(entry: Mapping[str, Any]) -> Curve:
    """Return a line. Raises ValueError when it has not as many values as places."""
    x, y = _numbers(entry["x"]), _numbers(entry["y"])
    low, high = (None if entry[edge] is None else _numbers(entry[edge]) for edge in ("low", "high"))
    if any(values is not None and values.shape != x.shape for values in (y, low, high)):
        raise ValueError("places without values")
    return Curve(str(entry["name"]), x, y, low, high, int(entry["specimens"]))


def _numbers(entry: Any) -> NDArray[np.float64]:
    """Return a list of numbers; None is NaN."""
    values = np.array(entry, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError("not a list of numbers")
    return values


def _table(entry: Any) -> NDArray[np.int64]:
    """Return a square table of numbers of specimens."""
    table = np.array(entry, dtype=np.int64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.min(initial=0) < 0:
        raise ValueError("not a table of numbers")
    return table


def _names(entry: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in entry)
