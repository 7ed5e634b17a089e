"""The threshold of a layer: it adds the candidates at or above the threshold and removes the others."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

if TYPE_CHECKING:
    from napari_diatom.widgets.detection.found_specimens import FoundSpecimens
    from napari_diatom.widgets.detection.layer_rows import LayerRows
    from napari_diatom.widgets.detection.specimen_labels import SpecimenLabels

_BATCH: Final = 700
"""Boxes added in one turn of the event loop, so that thousands of them do not block the window."""
_BREATH_MS: Final = 30
"""Time for the viewer to draw in between."""


class ThresholdFilter(QObject):
    """Shows the candidates at or above a score, the best first, some in each turn of the event loop.

    Parameters
    ----------
    parent : QObject
        The object that watches the layer.
    found : FoundSpecimens
        The candidates.
    rows : LayerRows
        The rows of the layer.
    labels : SpecimenLabels
        The labels, which are removed before thousands of specimens are added.

    Attributes
    ----------
    found : FoundSpecimens
        The candidates.
    threshold : float
        The lowest score shown.
    """

    added = Signal()
    """More specimens are in the layer, or all of them are."""

    def __init__(self, parent: QObject, found: FoundSpecimens, rows: LayerRows, labels: SpecimenLabels) -> None:
        super().__init__(parent)
        self.found = found
        self.threshold = 0.0
        self._rows = rows
        self._labels = labels
        self._pending: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._add)

    def apply(self, threshold: float, touched: Collection[int], at_once: bool) -> None:
        """Show only the candidates at or above a score.

        Parameters
        ----------
        threshold : float
            The score.
        touched : collection of int
            Numbers of the user's own specimens, which are neither added nor removed.
        at_once : bool
            Whether the best are in the layer when this returns.
        """
        self.threshold = threshold
        shown, kept = self._rows.numbers(), np.fromiter(touched, dtype=np.int64)
        wanted = np.setdiff1d(self.found.at_or_above(threshold), kept)
        own = (shown <= len(self.found)) & ~np.isin(shown, kept)
        leaving = np.flatnonzero(own & ~np.isin(shown, wanted))
        if len(leaving):
            self._rows.remove(leaving.tolist())
            self._rows.forget(shown[leaving])
        self._pending = self.found.best_first(np.setdiff1d(wanted, shown))
        if at_once:
            self._add()
        else:
            self._timer.start(_BREATH_MS)

    def waiting(self) -> NDArray[np.int64]:
        """Return the numbers of the candidates that the next turns of the event loop add."""
        return self._pending

    def flush(self) -> None:
        """Add now what waits for the next turns of the event loop."""
        while len(self._pending):
            self._add()

    def restart(self, found: FoundSpecimens) -> None:
        """Filter the candidates of another run, from the next threshold on."""
        self.stop()
        self._pending = np.empty(0, dtype=np.int64)
        self.found = found

    def stop(self) -> None:
        """Stop adding."""
        self._timer.stop()

    def _add(self) -> None:
        batch, self._pending = self._pending[:_BATCH], self._pending[_BATCH:]
        if len(batch):
            facts = self._rows.facts
            self._labels.make_room(len(self._rows.numbers()) + len(batch))
            self._rows.append(self.found.shapes(batch, facts), self.found.features(batch, facts))
            self._rows.remember_last(len(batch))
        if len(self._pending):
            self._timer.start(0)
        self.added.emit()
