"""A plate drawn to its physical size: as PNG, SVG or PDF."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.plots.style import styled
from napari_diatom.reports.plate_layout import PlateLayout
from napari_diatom.reports.plate_pictures import MM_PER_INCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLATE_SUFFIXES: Final = (".png", ".svg", ".pdf")
"""Endings of the files that a plate is written to."""

_NUMBER_PT: Final = 8.0
_BAR_PT: Final = 9.0
_LABEL_OFF_MM: Final = 0.7


def draw_plate(layout: PlateLayout, pictures: Mapping[int, NDArray[np.uint8]], dpi: float, suffix: str) -> bytes:
    """Return a plate as a file: numbered pictures, and a scale bar below them on the right.

    Parameters
    ----------
    layout : PlateLayout
        Where the pictures stand.
    pictures : mapping of int to ndarray of uint8, shape (h, w)
        The pictures by their places, in pixels of the plate.
    dpi : float
        Pixels per inch of paper.
    suffix : {".png", ".svg", ".pdf"}
        Which file.
    """
    from matplotlib import rc_context

    width, height = (side / MM_PER_INCH * dpi for side in (layout.width, layout.height))
    if suffix == ".png":
        width, height = round(width), round(height)
    kept: dict[Any, Any] = {"pdf.fonttype": 42, "svg.hashsalt": "napari-diatom", "image.composite_image": False}
    with styled(width / dpi, height / dpi) as figure, rc_context(kept):
        figure.set_layout_engine("none")
        figure.set_dpi(dpi)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        _draw(axes, layout, pictures, dpi)
        axes.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
        return _file(figure, dpi, suffix)


def _draw(axes: Axes, layout: PlateLayout, pictures: Mapping[int, NDArray[np.uint8]], dpi: float) -> None:
    """Draw into axes whose unit is a pixel of the plate."""
    from matplotlib.patches import Rectangle

    unit = dpi / MM_PER_INCH
    for k, cell in enumerate(layout.cells):
        if k not in pictures:
            continue
        rows, columns = pictures[k].shape
        # On whole pixels: the picture is shown as it was cut.
        left, top = round(cell.left * unit), round(cell.top * unit)
        extent = (left, left + columns, top + rows, top)
        axes.imshow(pictures[k], "gray", vmin=0, vmax=255, interpolation="none", extent=extent, aspect="auto")
        middle, below = left + columns / 2, top + rows + _LABEL_OFF_MM * unit
        axes.text(middle, below, str(k + 1), ha="center", va="top", fontsize=_NUMBER_PT, color="black")
    bar = layout.bar
    corner = bar.left * unit, bar.top * unit
    axes.add_patch(Rectangle(corner, bar.width * unit, bar.height * unit, color="black", lw=0, gid="scale-bar"))
    middle = (bar.left + bar.width / 2) * unit
    above = (bar.top - _LABEL_OFF_MM) * unit
    axes.text(middle, above, f"{layout.bar_um:g} µm", ha="center", va="bottom", fontsize=_BAR_PT, color="black")


def _file(figure: Figure, dpi: float, suffix: str) -> bytes:
    """Return the figure as a file that names neither a date nor the version of matplotlib."""
    from PIL import Image

    stream = io.BytesIO()
    if suffix != ".png":
        facts = ("Date", "Creator") if suffix == ".svg" else ("CreationDate", "Creator", "Producer")
        figure.savefig(stream, format=suffix[1:], dpi=dpi, metadata=dict.fromkeys(facts))
        return stream.getvalue()
    figure.savefig(stream, format="raw", dpi=dpi)
    width, height = (round(side * dpi) for side in figure.get_size_inches())
    pixels = np.frombuffer(stream.getvalue(), dtype=np.uint8).reshape(height, width, 4)
    # What is grey needs one value a pixel; all of a plate is.
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., 0])).save(stream, "PNG", dpi=(dpi, dpi))
    return stream.getvalue()
