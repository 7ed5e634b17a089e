"""A map of all specimens, coloured by name: similar ones lie close together."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from napari_diatom.core.text import many
from napari_diatom.naming.embedding_map import EmbeddingMap, map_specimens
from napari_diatom.project.gallery_order import Entry
from napari_diatom.widgets.common.curve_canvas import CurvePlace, OnThemeChange, ink_of
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.wrapped_row import WrappedRow
from napari_diatom.widgets.naming.names_page import NamesPage
from napari_diatom.widgets.naming.naming_session import NamingSession

_NAMELESS: Final = "#808890"
_NEAR_PX: Final = 12.0
"""Pixels from a point at which a click means it."""
_PICTURES: Final = 260
"""Width of the pictures beside the map."""
_LOWEST: Final = 60
_LARGE, _SMALL = 26.0, 9.0
_LISTED: Final = 14
"""Taxa that the legend lists at most."""
_LEGEND_PT: Final = 8


class MapPage(NamesPage):
    """Shows where specimens lie; a click shows one, and a lasso selects several.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    """

    def __init__(self, session: NamingSession) -> None:
        super().__init__("map_page", session)
        self._keys: list[str] = []
        self._map: EmbeddingMap | None = None
        self._lasso: Any = None
        self._axes: Any = None
        self._again = named(QPushButton("Draw again"), "draw_map", "Work the map out again, with what is new")
        self._again.clicked.connect(lambda *_: self.make())
        self._text = text_label("map_text")
        self._plot = CurvePlace("map", "Map of all specimens", _LOWEST)
        self._plot.made.connect(self._draw)
        self.view = PictureView("map_view", "Specimens that were selected on the map")
        self.view.opened.connect(self.go_to)
        self.view.setMinimumSize(_PICTURES, _LOWEST)
        side = QVBoxLayout()
        side.addLayout(WrappedRow(self._again))
        side.addWidget(self._text)
        side.addWidget(self.view, 1)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.addWidget(self._plot, 3)
        layout.addLayout(side, 2)
        OnThemeChange(self, self._draw)

    def make(self) -> None:
        """Work the map out in the background."""
        names = self.session.names
        if names is None:
            return
        table = names.specimens.table
        rows = np.flatnonzero(table.searched())
        keys = table.keys_of(rows)
        if not keys:
            self._text.setText("No specimen has been looked at yet.")
            return
        self._text.setText(f"Drawing the map of {many(len(keys), 'specimen')}")

        def take(found: Any) -> None:
            self._keys, self._map = keys, found
            self._draw()

        self.in_background(lambda monitor: map_specimens(table.units[rows]), take)

    def refresh(self) -> None:
        """Draw the map the first time; later on, show new names in their colours."""
        if self._map is None:
            self.make()
        else:
            self._draw()

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self._keys, self._map = [], None
        self.view.specimens.set_entries(None, ())
        self._draw()

    def chosen(self) -> list[Entry]:
        """Return the specimens that are selected beside the map."""
        return self.view.selected()

    def select_near(self, x: float, y: float) -> None:
        """Show the specimen at a place of the canvas, in its pixels."""
        if self._map is None or self._axes is None or not self._keys:
            return
        apart = np.hypot(*(self._axes.transData.transform(self._map.places) - (x, y)).T)
        if apart.min() <= _NEAR_PX * self._plot.canvas.device_pixel_ratio:
            self._pick([int(apart.argmin())])

    def select_inside(self, corners: NDArray[np.float64]) -> None:
        """Show the specimens inside a lasso, of corners, shape (K, 2), on the map."""
        from matplotlib.path import Path

        if self._map is not None and len(corners) > 2:
            self._pick(np.flatnonzero(Path(corners).contains_points(self._map.places)).tolist())

    def _pick(self, rows: list[int]) -> None:
        entries = self.entries(self._keys[row] for row in rows)
        self.view.specimens.set_entries(self.session.project, entries)
        self.view.select(list(range(len(entries))))
        if len(entries) == 1:
            self.go_to(entries[0])

    def _draw(self) -> None:
        names, project = self.session.names, self.session.project
        if self._plot.canvas is None:
            if self._map is not None:
                self._plot.load()
            return
        figure = self._plot.canvas.figure
        figure.clear()
        self._axes = self._lasso = None
        if names is None or project is None or self._map is None:
            self._plot.canvas.draw_idle()
            return
        from matplotlib.colors import to_rgba_array
        from matplotlib.lines import Line2D
        from matplotlib.widgets import LassoSelector

        taxa = [names.taxon(key) for key in self._keys]
        counts = Counter(taxa)
        del counts[""]
        # The rarest are drawn last, so that they are seen. All at once: hundreds of taxa would take seconds.
        shown = [taxon for taxon, _ in counts.most_common()]
        place = {taxon: k for k, taxon in enumerate(shown)}
        ids = np.array([place.get(taxon, -1) for taxon in taxa])
        colours = {entry.name: entry.colour for entry in project.settings.classes}
        of_taxa = to_rgba_array([colours.get(taxon, _NAMELESS) for taxon in shown])
        axes = self._axes = figure.add_subplot()
        axes.set_axis_off()
        places, order = self._map.places, np.argsort(ids, kind="stable")
        rows = order[ids[order] >= 0]
        axes.scatter(*places[ids < 0].T, s=_SMALL, c=_NAMELESS, alpha=0.6, linewidths=0)
        if shown:
            axes.scatter(*places[rows].T, s=_LARGE, c=of_taxa[ids[rows]], linewidths=0)
            dots = [
                Line2D([], [], color=colour, label=taxon, linestyle="", marker="o", markersize=_LARGE**0.5)
                for taxon, colour in zip(shown[:_LISTED], of_taxa, strict=False)
            ]
            legend = figure.legend(handles=dots, loc="outside center right", frameon=False, fontsize=_LEGEND_PT)
            for text in legend.get_texts():
                text.set_color(ink_of(self))
        self._lasso = LassoSelector(axes, self._on_lasso, props={"color": ink_of(self), "linewidth": 1})
        self._plot.canvas.draw_idle()
        self._text.setText(
            f"{many(len(self._keys), 'specimen')} by {self._map.method}; grey ones have no name. "
            "Click a point to see the valve, or draw round several."
        )

    def _on_lasso(self, corners: list[tuple[float, float]]) -> None:
        """Take a lasso, or a click where the mouse did not move."""
        drawn = np.asarray(corners, dtype=np.float64)
        on_screen = self._axes.transData.transform(drawn)
        if np.ptp(on_screen, axis=0).max() < _NEAR_PX / 2:
            self.select_near(*on_screen[0])
        else:
            self.select_inside(drawn)
