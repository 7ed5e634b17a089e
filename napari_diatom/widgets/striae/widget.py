"""The dock widget *Striae*: the striae of the selected specimen, and the profile that they are read from."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.mask_polygons import fill
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement.striae import Striae, StriaeProfile, striae_profile
from napari_diatom.widgets.common.closing import attach_while_docked, delete_when_closed
from napari_diatom.widgets.common.dock_keys import MOUSE, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.common.worker import QuietWorker
from napari_diatom.widgets.detection.selected_specimen import SelectedSpecimen, is_of_specimens, selected_specimen
from napari_diatom.widgets.striae.profile_plot import ProfilePlot

if TYPE_CHECKING:
    from napari.viewer import Viewer

_WAIT_MS: Final = 120
"""After a change of the selection: a specimen that is dragged changes all the time."""
_NOTHING: Final = np.empty(0)


class StriaeWidget(QWidget):
    """Shows striae in 10 µm of the specimen that is selected in the viewer, with its profile and spectrum.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._watched: Any = None
        self._worker: QuietWorker | None = None
        self._waiting = QTimer(self)
        self._waiting.setSingleShot(True)
        self._waiting.setInterval(_WAIT_MS)
        self._waiting.timeout.connect(self._measure)
        self._selected = text_label("selected")
        self._striae = text_label("striae")
        self._profile = ProfilePlot("profile", "Brightness along the midline", "µm")
        self._spectrum = ProfilePlot("spectrum", "Spectrum", "striae in 10 µm")
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(8, 8, 8, 8)
        for part in (self._selected, self._striae, self._profile, self._spectrum):
            layout.addWidget(part)
        layout.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(Scrolled(content))
        DockKeys(self, napari_viewer, [], lambda: MOUSE)
        share_area(self, "Striae")
        delete_when_closed(self)
        attach_while_docked(self, self._attach, self._detach)

    @property
    def running(self) -> bool:
        """Whether a specimen is being measured, or will be."""
        return self._worker is not None or self._waiting.isActive()

    def _attach(self) -> None:
        """Follow the selection of the viewer."""
        self._viewer.layers.selection.events.active.connect(self._on_active)
        self._on_active()

    def _detach(self) -> None:
        """Stop following the viewer."""
        self._waiting.stop()
        self._viewer.layers.selection.events.active.disconnect(self._on_active)
        self._watch(None)

    def _watch(self, layer: Any) -> None:
        """Follow the selected shapes of a layer, and of no other."""
        if self._watched is not None:
            self._watched.selected_data.events.items_changed.disconnect(self._on_selection)
            self._watched.events.data.disconnect(self._on_selection)
        self._watched = layer
        if layer is not None:
            layer.selected_data.events.items_changed.connect(self._on_selection)
            layer.events.data.connect(self._on_selection)

    def _on_active(self, *_: object) -> None:
        layer = self._viewer.layers.selection.active
        self._watch(layer if is_of_specimens(layer) else None)
        self._on_selection()

    def _on_selection(self, *_: object) -> None:
        self._waiting.start()

    def _measure(self) -> None:
        """Measure the selected specimen in a thread; the last one that was selected is shown."""
        if self._worker is not None:
            self._waiting.start()
            return
        selected = selected_specimen(self._viewer)
        if isinstance(selected, str):
            self._selected.setText(selected)
            self._show(None)
            return
        self._selected.setText(f"Selected: {selected.title}")
        self._worker = QuietWorker(partial(_profile_of, selected))
        self._worker.returned.connect(self._show)
        self._worker.errored.connect(self._on_error)
        self._worker.finished.connect(self._on_finished)
        self._worker.start()

    def _on_finished(self) -> None:
        self._worker = None

    def _on_error(self, error: Exception) -> None:
        self._show(None)
        if not isinstance(error, DiatomError):
            raise error
        self._striae.setText(str(error))

    def _show(self, found: StriaeProfile | Striae | None) -> None:
        """Show what was read; nothing for None."""
        if not isinstance(found, StriaeProfile):
            self._striae.setText("" if found is None else striae_text(found))
            self._profile.setCurve(_NOTHING, _NOTHING)
            self._spectrum.setCurve(_NOTHING, _NOTHING)
            return
        self._striae.setText(striae_text(found.striae))
        self._profile.setCurve(found.along_um, found.brightness)
        mark = None if math.isnan(found.striae.whole) else found.striae.whole
        self._spectrum.setCurve(found.per_10um, found.power, mark)


def striae_text(striae: Striae) -> str:
    """Return what was read in a sentence."""
    quality = "" if math.isnan(striae.quality) else f"quality {striae.quality:.2f}"
    if striae.reason:
        return f"No value: {striae.reason}{f' ({quality})' if quality else ''}."
    parts = (("left", striae.left), ("middle", striae.middle), ("right", striae.right))
    read = ", ".join(f"{name} {'none' if math.isnan(value) else format(value, '.1f')}" for name, value in parts)
    return f"{striae.whole:.1f} striae in 10 µm ({read}; {quality})."


def _profile_of(selected: SelectedSpecimen) -> StriaeProfile | Striae:
    """Return the profile of a specimen; raises DiatomError when the image cannot be read."""
    image = from_array(selected.pixels(), selected.image_name, selected.pixel_size_um, selected.image.rgb)
    mask = None if selected.outline is None else fill(((selected.outline,),))
    return striae_profile(image, selected.box, mask, selected.pixel_size_um)
