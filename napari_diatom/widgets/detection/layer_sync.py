"""A layer and its document kept the same: edits are shown, and what a person does to the layer becomes edits."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.errors import InputError
from napari_diatom.project.edits import Edit
from napari_diatom.widgets.canvas.clicks import is_click
from napari_diatom.widgets.canvas.shape_edits import is_drawing, is_under_hand
from napari_diatom.widgets.detection.layer_specimens import drawn_specimen
from napari_diatom.widgets.detection.result_document import NAMING, ResultDocument, ThresholdEdit
from napari_diatom.widgets.detection.result_specimens import ResultSpecimen

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_diatom.widgets.detection.layer_rows import LayerRows
    from napari_diatom.widgets.detection.specimen_labels import SpecimenLabels
    from napari_diatom.widgets.detection.threshold_filter import ThresholdFilter


class LayerSync(QObject):
    """Shows the edits of a document in its layer, and makes edits of what a person does to the layer.

    Parameters
    ----------
    parent : QObject
        The object that watches the layer.
    layer : napari.layers.Shapes
        The layer.
    rows : LayerRows
        Its rows.
    shown : ThresholdFilter
        Which candidates the layer has.
    labels : SpecimenLabels
        The labels of the specimens.

    Attributes
    ----------
    new_class : str
        The class of the next specimen that is drawn. If it is empty, it is that of the last selected specimen.
    """

    changed = Signal()
    """Layer and document are the same again, after a change of either."""
    thresholdChanged = Signal(float)
    refused = Signal(str)
    """Why an edit by hand was not made."""

    def __init__(
        self, parent: QObject, layer: Shapes, rows: LayerRows, shown: ThresholdFilter, labels: SpecimenLabels
    ) -> None:
        super().__init__(parent)
        self.new_class = ""
        self._layer, self._rows, self._filter, self._labels = layer, rows, shown, labels
        self._at_once = True
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._sync)
        self._document: ResultDocument

    def watch(self, document: ResultDocument) -> None:
        """Show the edits of this document from now on."""
        self._document = document
        document.edited.connect(self._on_edited)

    def start(self) -> None:
        """Watch what a person does to the layer."""
        self._layer.events.data.connect(self._on_data)
        # napari pastes shapes without an event of the data.
        self._layer.events.features.connect(self._on_data)

    def stop(self) -> None:
        """Stop watching the layer."""
        self._timer.stop()
        self._layer.events.data.disconnect(self._on_data)
        self._layer.events.features.disconnect(self._on_data)

    def flush(self) -> None:
        """Make edits now of what was drawn, moved or deleted. This ends a drawing."""
        if is_drawing(self._layer):
            # napari continues with the index of the shape, and fails if shapes before it are removed.
            self._layer._finish_drawing()
        if self._timer.isActive():
            self._timer.stop()
            self._sync()

    def new_number(self) -> int:
        """Return a number that no specimen has."""
        return self._rows.new_number()

    def set_threshold(self, threshold: float, at_once: bool, joined: bool) -> None:
        """Move the threshold, as :meth:`ResultLayer.set_threshold` describes it."""
        self._at_once = at_once
        self._document.set_threshold(threshold, joined)

    def _on_data(self, event: Any) -> None:
        if not self._rows.changing:
            # napari is still handling the event; shapes are replaced when it is done.
            self._timer.start(0)

    def _on_edited(self, edit: Edit) -> None:
        """Show an edit."""
        if isinstance(edit, ThresholdEdit):
            at_once, self._at_once = self._at_once, True
            self._filter.apply(edit.thresholds[1], self._document.all.kept(), at_once)
            self.thresholdChanged.emit(edit.thresholds[1])
            return
        known = self._document.all
        # What is still to be added is read again then.
        waiting = set(self._filter.waiting().tolist())
        shown = {int(id_): known.is_shown(item) for id_, item in edit.after.items() if int(id_) not in waiting}
        numbers = np.array([number for number, is_shown in shown.items() if is_shown], dtype=np.int64)
        gone = [number for number, is_shown in shown.items() if not is_shown]
        if edit.label == NAMING:
            self._rows.set_features(self._layer.features.copy())
        else:
            self._show(numbers, gone)
        self.changed.emit()

    def _sync(self) -> None:
        """Make edits of what the user has drawn, moved, reshaped, pasted or deleted since the last time."""
        if is_under_hand(self._layer):
            self._timer.start(50)
            return
        if self._rows.drop_spare_features():
            self._labels.write_soon()
        changes = self._rows.take_changes()
        if not changes:
            return
        data, numbers = self._layer.data, self._rows.taken.tolist()
        new = (*changes.drawn, *changes.pasted)
        nothing = [
            row for row in (*changes.reshaped, *new) if is_click(self._layer, data[row], new=row in changes.drawn)
        ]
        gone = changes.gone | {numbers[row] for row in nothing if row in changes.reshaped}
        reshaped = {row: self._read(row, self._document.all[numbers[row]].name) for row in changes.reshaped}
        added = {
            row: self._read(row, self._rows.class_of(row, "" if row in changes.pasted else self.new_class))
            for row in new
        }
        self._rows.write_numbers()
        nothing += [row for row, item in added.items() if item is None and row not in nothing]
        added_items = [item for row, item in added.items() if row not in nothing and item is not None]
        reshaped_items = [item for row, item in reshaped.items() if row not in nothing and item is not None]
        spoilt = [numbers[row] for row, item in reshaped.items() if row not in nothing and item is None]
        if nothing:
            self._rows.remove(nothing)
        if gone:
            self._document.remove(map(str, sorted(gone)))
        if reshaped_items:
            self._document.reshape({item.id: item for item in reshaped_items})
        if added_items:
            self._document.add(added_items, "draw")
        for number, feature, value in changes.labelled:
            try:
                self._document.set_feature(number, feature, value)
            except InputError as error:
                self.refused.emit(str(error))
                spoilt.append(number)
        if spoilt:
            self._show(np.array(spoilt, dtype=np.int64), ())
        self.changed.emit()

    def _read(self, row: int, name: str) -> ResultSpecimen | None:
        """Return what a row shows as a specimen of a person, None if its shape cannot be one."""
        try:
            number, has_masks = int(self._rows.taken[row]), self._rows.drawn is not None
            return drawn_specimen(number, self._rows.shape(row), name, has_masks)
        except InputError as error:
            self.refused.emit(str(error))
            return None

    def _show(self, numbers: NDArray[np.int64], gone: Collection[int]) -> None:
        """Show specimens as they are, and no longer those that are gone."""
        known = self._document.all
        shapes = dict(zip(numbers.tolist(), known.shapes(numbers, self._rows.facts), strict=True))
        features = known.features(numbers, self._rows.facts) if len(numbers) else pd.DataFrame()
        self._rows.show(gone, shapes, features)
