"""A Shapes layer of specimens, its threshold, and the user's changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.core.taxa import Name
from napari_diatom.measurement.measurements import Measurements
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.canvas.clicks import is_click
from napari_diatom.widgets.canvas.shape_edits import MAX_LABELS, is_drawing, is_under_hand
from napari_diatom.widgets.detection.found_specimens import FoundSpecimens
from napari_diatom.widgets.detection.layer_rows import LayerRows
from napari_diatom.widgets.detection.specimen_labels import SpecimenLabels
from napari_diatom.widgets.detection.specimen_layer import annotated_shapes, empty_layer, layer_metadata
from napari_diatom.widgets.detection.taxon_names import TaxonNames
from napari_diatom.widgets.detection.threshold_filter import ThresholdFilter

if TYPE_CHECKING:
    from napari.layers import Image


class ResultLayer(QObject):
    """Watches one layer of specimens.

    The layer holds exactly the specimens that count: the candidates of the model at or above the threshold, and all
    that the user drew or changed, without those that the user deleted. Each specimen has a number that never changes.
    Specimens with masks are polygons, with their masks in the metadata of the layer. The others are rotated rectangles.

    Parameters
    ----------
    layer : napari.layers.Shapes
        A layer whose metadata holds :class:`~napari_diatom.napari_layers.shapes_layer.ResultFacts`.
    candidates : Detections, optional
        All that the model found, down to the lowest score, numbered from 1 in this order. Without candidates the
        layer is as the user opened it, and a threshold changes nothing.
    measured : Measurements, optional
        Of the candidates, in their order. None if they are not measured.

    Attributes
    ----------
    names : TaxonNames
        The taxa of the specimens, and those that the user can choose from.
    """

    changed = Signal()
    selectionChanged = Signal(object)

    def __init__(
        self, layer: Shapes, candidates: Detections | None = None, measured: Measurements | None = None
    ) -> None:
        super().__init__()
        facts = ResultFacts.from_metadata(layer.metadata)
        assert facts is not None, "only layers with our metadata are watched"
        if candidates is None:
            candidates = Detections.empty(facts.classes)
        self.layer = layer
        self.names = TaxonNames(layer)
        self._rows = LayerRows(layer, facts, self.names)
        self._labels = SpecimenLabels(self, layer, many_classes=len(facts.classes) > 1, most=MAX_LABELS)
        found = FoundSpecimens(candidates, measured, self._rows.drawn)
        self._filter = ThresholdFilter(self, found, self._rows, self._labels)
        self._filter.added.connect(self._content_changed)
        self._sync_timer = QTimer(self)
        self._sync_timer.setSingleShot(True)
        self._sync_timer.timeout.connect(self._sync)
        self._rows.number_from(len(candidates) + 1)
        self._rows.number_all()
        numbers = self._rows.taken
        # All specimens of an opened layer are the user's own.
        self._touched = set(numbers.tolist())
        people = [origin == PERSON for origin in shapes_layer.origins_of(layer.features, len(numbers))]
        self.names.add_manual_classes(numbers[people].tolist())
        self._rows.remember()
        layer.events.data.connect(self._on_data)
        layer.selected_data.events.items_changed.connect(self._on_selection)

    @classmethod
    def create(
        cls, image: Image, facts: ResultFacts, candidates: Detections, measured: Measurements | None = None
    ) -> Self:
        """Make an empty, hidden layer for ``image`` and watch it. A threshold then fills it."""
        return cls(empty_layer(image, facts, candidates), candidates, measured)

    @property
    def facts(self) -> ResultFacts:
        """Image, model and classes of the layer."""
        return self._rows.facts

    @property
    def candidates(self) -> Detections:
        """All that the model found, numbered from 1; empty if the layer was opened from a file."""
        return self._filter.found.candidates

    @property
    def threshold(self) -> float:
        """The score at or above which candidates are shown."""
        return self._filter.threshold

    def renew(self, facts: ResultFacts, candidates: Detections, measured: Measurements | None = None) -> None:
        """Empty the layer for the results of another run. A threshold then fills it."""
        self.flush_edits()
        self._filter.stop()
        self._labels.remove()
        self._rows.clear()
        self.layer.metadata = layer_metadata(facts, candidates)
        with self._rows.own():
            self.names.restart()
        self._rows.facts = facts
        self._rows.number_from(len(candidates) + 1)
        self._labels.many_classes = len(facts.classes) > 1
        self._filter.restart(FoundSpecimens(candidates, measured, self._rows.drawn))
        self._touched.clear()
        self._content_changed()

    def close(self) -> None:
        """Stop watching."""
        self._sync_timer.stop()
        self._filter.stop()
        self._labels.stop()
        self.layer.events.data.disconnect(self._on_data)
        self.layer.selected_data.events.items_changed.disconnect(self._on_selection)

    def specimens(self) -> NDArray[np.int64]:
        """Return the specimens' numbers in the order of the layer's shapes."""
        return self._rows.numbers()

    def annotations(self) -> Annotations:
        """Return the specimens, in the order of their numbers."""
        self.flush()
        numbers = self.specimens()
        order = np.argsort(numbers, kind="stable")
        features = self.layer.features.iloc[order]
        found = self._rows.detections(order.tolist())
        annotations = Annotations.of(
            found,
            shapes=annotated_shapes(features, found),
            origins=shapes_layer.origins_of(features, len(found)),
            reviewed=[number in self._touched for number in numbers[order].tolist()],
            image=self.facts.image,
            height=self.facts.height,
            width=self.facts.width,
            pixel_size_um=self.facts.pixel_size_um,
        )
        names = shapes_layer.taxon_names(features, len(found))
        return replace(annotations, names=names, orientation=self.facts.orientation)

    def to_be_named(self) -> tuple[tuple[int, ...], Detections]:
        """Return the sorted numbers of all specimens, and the specimens, for a classifier to name.

        Specimens that have not moved have the model's exact boxes, because a layer rounds corners and names must not
        depend on that. The next :meth:`set_names` leaves out specimens that the user reshapes from now on.
        """
        specimens = self.annotations().detections
        self.names.begin_naming()
        numbers = np.sort(self.specimens())
        return tuple(numbers.tolist()), self._filter.found.exact(specimens, numbers)

    def set_names(self, names: Mapping[int, Name], taxa: Sequence[str]) -> None:
        """Set the names that a classifier gives, in place of those of an earlier classifier.

        Parameters
        ----------
        names : Mapping of int to Name
            The names by the numbers of the specimens. Names that people gave stay.
        taxa : sequence of str
            All taxa that the classifier knows.
        """
        self.flush_edits()
        self.names.set_names(names, taxa)
        self._rows.set_features(self.layer.features.copy())
        self._content_changed()

    def measurements(self, annotations: Annotations) -> Measurements | None:
        """Return the measurements of the specimens in :meth:`annotations`, and measure only what the user drew.

        None if nothing was measured before, or all are boxes.
        """
        return self._filter.found.measurements(annotations, np.sort(self.specimens()))

    def set_threshold(self, threshold: float, at_once: bool = True) -> None:
        """Show the untouched candidates at or above a score, and those only.

        The best are there when this returns, unless ``at_once`` is false. The others follow in the next turns of the
        event loop.
        """
        self.flush_edits()
        self._filter.apply(threshold, self._touched, at_once)

    def touched(self) -> bool:
        """Return whether the user has drawn, changed or deleted anything."""
        self.flush_edits()
        return bool(self._touched)

    def select(self, numbers: Collection[int]) -> None:
        """Select specimens by their numbers."""
        self.layer.selected_data = set(np.flatnonzero(np.isin(self.specimens(), list(numbers))).tolist())

    def selection(self) -> tuple[int, ...]:
        """Return the numbers of the selected specimens."""
        numbers = self.specimens()
        return tuple(int(numbers[i]) for i in sorted(self.layer.selected_data) if i < len(numbers))

    def shape(self, number: int) -> NDArray[np.float64] | None:
        """Return the corners of a specimen in the layer's data coordinates, None if it does not exist."""
        rows = np.flatnonzero(self.specimens() == number)
        return np.asarray(self.layer.data[rows[0]], dtype=np.float64) if len(rows) else None

    def set_feature(self, number: int, name: str, value: str) -> None:
        """Give a specimen another class, taxon or status. From then on it is the user's own."""
        table = self.layer.features.copy()
        self._touched.add(number)
        if name == shapes_layer.TAXON:
            self.names.set_taxon(number, value)
        else:
            table.loc[table[shapes_layer.SPECIMEN] == number, name] = value
        if name == shapes_layer.CLASS:
            self.names.set_class(number, value)
        self._rows.set_features(table)
        if name == shapes_layer.CLASS:
            self._rows.colour()
        self._content_changed()

    def set_pixel_size(self, pixel_size_um: float | None) -> None:
        """Convert all sizes to another pixel size."""
        self.flush()
        self._rows.facts = replace(self.facts, pixel_size_um=pixel_size_um)
        self.layer.metadata = {**self.layer.metadata, **self.facts.to_metadata()}
        table = self.layer.features.copy()
        for name, values in shapes_layer.features_in_um(table, pixel_size_um).items():
            table[name] = values
        self._rows.set_features(table)
        self._content_changed()

    def flush(self) -> None:
        """Do now what waits for the next turns of the event loop."""
        self.flush_edits()
        self._filter.flush()
        self._labels.flush()

    def flush_edits(self) -> None:
        """Apply now what the user has drawn, moved or deleted. This ends a drawing."""
        if is_drawing(self.layer):
            # napari continues with the index of the shape, and fails if shapes before it are removed.
            self.layer._finish_drawing()
        if self._sync_timer.isActive():
            self._sync_timer.stop()
            self._sync()

    def _on_data(self, event: Any) -> None:
        if not self._rows.changing:
            # napari is still handling the event; shapes are replaced when it is done.
            self._sync_timer.start(0)

    def _on_selection(self, *_: Any) -> None:
        if not self._rows.changing:
            self.selectionChanged.emit(self.selection())

    def _content_changed(self) -> None:
        self._rows.remember()
        self._labels.write_soon()
        self.changed.emit()

    def _sync(self) -> None:
        """Apply what the user has drawn, moved, reshaped, pasted or deleted since the last time."""
        if is_under_hand(self.layer):
            self._sync_timer.start(50)
            return
        if self._rows.drop_spare_features():
            self._labels.write_soon()
        changes = self._rows.take_changes()
        if not changes.changed and not changes.gone:
            return
        numbers, data = self._rows.taken, self.layer.data
        reshaped = {int(numbers[row]) for row in changes.changed}
        self._touched |= changes.gone | reshaped
        self.names.reshape(reshaped)
        clicked = [row for row in changes.changed if is_click(self.layer, data[row], new=row in changes.new)]
        self._touched -= {int(numbers[row]) for row in changes.new.intersection(clicked)}
        self._rows.refit((row for row in changes.changed if row not in clicked), drop=clicked)
        self._rows.measure(np.flatnonzero(np.isin(self._rows.taken, list(reshaped))).tolist(), by_person=True)
        self._content_changed()
