"""A map of all specimens, coloured by name: similar ones lie close together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.naming.embedding_map import EmbeddingMap, map_specimens
from napari_diatom.project.gallery_order import Entry
from napari_diatom.review.project_names import ProjectNames
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
_CROWDED: Final = 20_000
"""Specimens without a name above which each is one pixel: larger points would take long, and hide each other."""
_LISTED: Final = 10
"""Taxa that the legend lists at most."""


@dataclass(frozen=True, eq=False)
class MapColours:
    """What the N specimens of a map are called, and the colours of their taxa.

    Attributes
    ----------
    ids : ndarray of intp, shape (N,)
        Places in ``taxa``, -1 where there is no name.
    taxa : tuple of str, length T
        The commonest first.
    colours : tuple of str, length T
        As ``#rrggbb``.
    """

    ids: NDArray[np.intp]
    taxa: tuple[str, ...]
    colours: tuple[str, ...]

    @classmethod
    def of(cls, names: ProjectNames, keys: Sequence[str], colours: Mapping[str, str]) -> Self:
        """Return those of specimens by their keys; ``colours`` are those of classes."""
        called = [names.taxon(key) for key in keys]
        counts = Counter(called)
        del counts[""]
        taxa = tuple(taxon for taxon, _ in counts.most_common())
        place = {taxon: k for k, taxon in enumerate(taxa)}
        ids = np.array([place.get(taxon, -1) for taxon in called], dtype=np.intp)
        return cls(ids, taxa, tuple(colours.get(taxon, _NAMELESS) for taxon in taxa))

    def legend(self) -> str:
        """Return the commonest taxa with their colours, as rich text."""
        shown = list(zip(self.taxa, self.colours, strict=True))[:_LISTED]
        lines = [f'<span style="color:{colour}">&#9679;</span>&nbsp;{escape(taxon)}' for taxon, colour in shown]
        more = len(self.taxa) - len(lines)
        return "<br>".join([*lines, *([f"and {many(more, 'more taxon', 'more taxa')}"] if more > 0 else [])])


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
        self._colours: MapColours | None = None
        self._lasso: Any = None
        self._axes: Any = None
        self._again = named(QPushButton("Draw again"), "draw_map", "Work the map out again, with what is new")
        self._again.clicked.connect(lambda *_: self.make())
        self._text = text_label("map_text")
        self._legend = text_label("map_legend")
        self._legend.setTextFormat(Qt.TextFormat.RichText)
        self._plot = CurvePlace("map", "Map of all specimens", _LOWEST, None)
        self._plot.made.connect(self._draw)
        self.view = PictureView("map_view", "Specimens that were selected on the map")
        self.view.opened.connect(self.go_to)
        self.view.setMinimumSize(_PICTURES, _LOWEST)
        side = QVBoxLayout()
        side.addLayout(WrappedRow(self._again))
        side.addWidget(self._text)
        side.addWidget(self._legend)
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
        now, colours = names.copy(), self._class_colours()

        def work(monitor: ProgressMonitor) -> tuple[EmbeddingMap, MapColours]:
            return map_specimens(table.units[rows]), MapColours.of(now, keys, colours)

        def take(found: tuple[EmbeddingMap, MapColours]) -> None:
            self._keys = keys
            self._map, self._colours = found
            self._draw()

        self.in_background(work, take)

    def refresh(self) -> None:
        """Draw the map the first time; later on, show new names in their colours."""
        names = self.session.names
        if self._map is None or names is None:
            self.make()
            return
        now, keys, colours = names.copy(), self._keys, self._class_colours()

        def take(found: MapColours) -> None:
            if self._keys is keys:
                self._colours = found
                self._draw()

        self.in_background(lambda monitor: MapColours.of(now, keys, colours), take)

    def clear(self) -> None:
        """Show nothing: another project was opened."""
        self._keys, self._map, self._colours = [], None, None
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

    def _class_colours(self) -> dict[str, str]:
        project = self.session.project
        return {} if project is None else {entry.name: entry.colour for entry in project.settings.classes}

    def _draw(self) -> None:
        if self._plot.canvas is None:
            if self._map is not None:
                self._plot.load()
            return
        figure = self._plot.canvas.figure
        figure.clear()
        self._axes = self._lasso = None
        self._legend.setText("" if self._colours is None else self._colours.legend())
        if self._map is None or self._colours is None:
            self._plot.canvas.draw_idle()
            return
        from matplotlib.colors import to_rgba_array
        from matplotlib.widgets import LassoSelector

        ids, places = self._colours.ids, self._map.places
        axes = self._axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        nameless = places[ids < 0].T
        if nameless.shape[1] > _CROWDED:
            axes.plot(*nameless, ",", color=_NAMELESS, alpha=0.6, zorder=0)
        else:
            axes.scatter(*nameless, s=_SMALL, c=_NAMELESS, alpha=0.6, linewidths=0)
        # The rarest are drawn last, so that they are seen. All at once: hundreds of taxa would take seconds.
        order = np.argsort(ids, kind="stable")
        rows = order[ids[order] >= 0]
        if len(rows):
            axes.scatter(*places[rows].T, s=_LARGE, c=to_rgba_array(self._colours.colours)[ids[rows]], linewidths=0)
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
