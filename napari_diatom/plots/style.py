"""Figures in one style, and as PNG files whose bytes depend on what is drawn alone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK: Final = "#1d2b33"
FAINT: Final = "#b8c2c7"
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"

_DPI: Final = 144
_STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "grid.color": "#e6eaec",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
}


def ink_axes(axes: Axes, ink: str) -> None:
    """Give axes in the window the colour of the window's texts, on no ground of their own."""
    axes.set_facecolor("none")
    axes.tick_params(colors=ink, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(ink)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(ink)


@contextmanager
def styled(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of that size in inches, to be drawn into in this style and made a PNG within the block.

    Neither the window's plots nor a user's own style have a say in it, nor it in them.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.style import context

    with context(_STYLE, after_reset=True):
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file that does not name the version of matplotlib."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
