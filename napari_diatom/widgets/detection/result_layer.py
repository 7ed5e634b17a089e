"""A Shapes layer of specimens, what the threshold does to it, and what the user does to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.core.taxa import Name
from napari_diatom.measurement.measurements import Measurements
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.canvas.clicks import is_click
from napari_diatom.widgets.canvas.shape_edits import MOST_LABELS, is_drawing
from napari_diatom.widgets.detection.found_specimens import FoundSpecimens
from napari_diatom.widgets.detection.layer_rows import LayerRows
from napari_diatom.widgets.detection.specimen_labels import SpecimenLabels
from napari_diatom.widgets.detection.specimen_layer import empty_layer, remembered
from napari_diatom.widgets.detection.taxon_names import TaxonNames
from napari_diatom.widgets.detection.threshold_filter import ThresholdFilter

if TYPE_CHECKING:
    from napari.layers import Image


class ResultLayer(QObject):
    """Watches over one layer of specimens.

    The layer holds exactly the specimens that count: candidates of the model at or above the threshold, plus all that
    the user drew or changed, less those the user deleted. Specimens are known by their number, which never changes.
    Specimens with masks are polygons, whose masks the layer's metadata holds; the others are rotated rectangles.

    What specimens are called is kept by :class:`~napari_diatom.widgets.detection.taxon_names.TaxonNames`.

    Parameters
    ----------
    layer : napari.layers.Shapes
        A layer whose metadata holds :class:`~napari_diatom.napari_layers.shapes_layer.ResultFacts`.
    candidates : Detections, optional
        All that the model found down to its lowest score, numbered from 1 in this order. Without them the layer is
        as the user opened it, and a threshold changes nothing.
    measured : Measurements, optional
        Of the candidates, in their order, where they are known already.
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
        self._names = TaxonNames(layer)
        self._rows = LayerRows(layer, facts, self._names)
        self._labels = SpecimenLabels(self, layer, many_classes=len(facts.classes) > 1, most=MOST_LABELS)
        found = FoundSpecimens(candidates, measured, self._rows.drawn)
        self._filter = ThresholdFilter(self, found, self._rows, self._labels)
        self._filter.added.connect(self._content_changed)
        self._sync_timer = QTimer(self)
        self._sync_timer.setSingleShot(True)
        self._sync_timer.timeout.connect(self._sync)
        self._rows.number_from(len(candidates) + 1)
        self._rows.number_all()
        numbers = self._rows.taken
        # What was there when the layer was opened is the user's.
        self._touched = set(numbers.tolist())
        people = [origin == PERSON for origin in shapes_layer.origins_of(layer.features, len(numbers))]
        self._names.classed_by_people(numbers[people].tolist())
        self._rows.remember()
        layer.events.data.connect(self._on_data)
        layer.selected_data.events.items_changed.connect(self._on_selection)

    @classmethod
    def create(
        cls, image: Image, facts: ResultFacts, candidates: Detections, measured: Measurements | None = None
    ) -> Self:
        """Make an empty, hidden layer that fits over ``image`` and watch over it; a threshold then fills it."""
        return cls(empty_layer(image, facts, candidates), candidates, measured)

    @property
    def facts(self) -> ResultFacts:
        """What the layer is of."""
        return self._rows.facts

    @property
    def candidates(self) -> Detections:
        """All that the model found, numbered from 1; none where the layer was opened from a file."""
        return self._filter.found.candidates

    @property
    def threshold(self) -> float:
        """The score at or above which candidates are shown."""
        return self._filter.threshold

    def renew(self, facts: ResultFacts, candidates: Detections, measured: Measurements | None = None) -> None:
        """Empty the layer for what another run has found; a threshold then fills it."""
        self.flush_edits()
        self._filter.stop()
        self._labels.remove()
        self._rows.clear()
        self.layer.metadata = remembered(facts, candidates)
        with self._rows.own():
            self._names.restart()
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
        """Return what the layer holds, in the order of the specimens' numbers."""
        self.flush()
        numbers = self.specimens()
        order = np.argsort(numbers, kind="stable")
        features = self.layer.features.iloc[order]
        found = self._rows.detections(order.tolist())
        return Annotations.of(
            found,
            origins=shapes_layer.origins_of(features, len(found)),
            reviewed=[number in self._touched for number in numbers[order].tolist()],
            image=self.facts.image,
            height=self.facts.height,
            width=self.facts.width,
            pixel_size_um=self.facts.pixel_size_um,
            names=shapes_layer.taxon_names(features, len(found)),
            orientation=self.facts.orientation,
        )

    def to_be_named(self) -> tuple[tuple[int, ...], Detections]:
        """Return the numbers of all specimens, in their order, and the specimens, for a classifier to name.

        Those that lie where the model found them have its very boxes, so that names do not depend on how a layer rounds
        corners. What is changed from now on keeps out of the next :meth:`set_names`.
        """
        specimens = self.annotations().detections
        self._names.ask()
        numbers = np.sort(self.specimens())
        return tuple(numbers.tolist()), self._filter.found.exact(specimens, numbers)

    def set_names(self, names: Mapping[int, Name], taxa: Sequence[str]) -> None:
        """Take over what a classifier calls specimens, by their numbers, in place of what another one called them.

        Parameters
        ----------
        names : Mapping of int to Name
            What it calls them; what people call them stays.
        taxa : sequence of str
            All that it may call them.
        """
        self.flush_edits()
        self._names.take(names, taxa)
        self._rows.set_features(self.layer.features.copy())
        self._content_changed()

    def taxa(self) -> tuple[str, ...]:
        """Return what a specimen may be called; nothing where taxa were not named."""
        return self._names.offered()

    def measurements(self, annotations: Annotations) -> Measurements | None:
        """Return what is known of the specimens in :meth:`annotations`, measuring only what the user drew.

        None where nothing was measured before, or boxes are all there is.
        """
        return self._filter.found.measurements(annotations, np.sort(self.specimens()))

    def set_threshold(self, threshold: float, at_once: bool = True) -> None:
        """Show the untouched candidates at or above a score, and those only.

        The best are there when this returns, unless ``at_once`` is false, the others in the next turns of the event
        loop.
        """
        self.flush_edits()
        self._filter.apply(threshold, self._touched, at_once)

    def touched(self) -> bool:
        """Return whether the user has drawn, changed or deleted anything."""
        self.flush_edits()
        return bool(self._touched)

    def drawing(self) -> bool:
        """Return whether the user is in the middle of drawing or moving something."""
        return is_drawing(self.layer) or QApplication.mouseButtons() != Qt.MouseButton.NoButton

    def select(self, numbers: Collection[int]) -> None:
        """Select specimens by their numbers."""
        self.layer.selected_data = set(np.flatnonzero(np.isin(self.specimens(), list(numbers))).tolist())

    def selection(self) -> tuple[int, ...]:
        """Return the numbers of the selected specimens."""
        numbers = self.specimens()
        return tuple(int(numbers[i]) for i in sorted(self.layer.selected_data) if i < len(numbers))

    def shape(self, number: int) -> NDArray[np.float64] | None:
        """Return the corners of a specimen in the layer's data coordinates, None where it is gone."""
        rows = np.flatnonzero(self.specimens() == number)
        return np.asarray(self.layer.data[rows[0]], dtype=np.float64) if len(rows) else None

    def set_feature(self, number: int, name: str, value: str) -> None:
        """Give a specimen another class, taxon or status; from then on it is the user's."""
        table = self.layer.features.copy()
        self._touched.add(number)
        if name == shapes_layer.TAXON:
            self._names.call(number, value)
        else:
            table.loc[table[shapes_layer.SPECIMEN] == number, name] = value
        if name == shapes_layer.CLASS:
            self._names.give_class(number, value)
        self._rows.set_features(table)
        if name == shapes_layer.CLASS:
            self._rows.colour()
        self._content_changed()

    def set_pixel_size(self, pixel_size_um: float | None) -> None:
        """Measure in another pixel size."""
        self.flush()
        self._rows.facts = replace(self.facts, pixel_size_um=pixel_size_um)
        self.layer.metadata = {**self.layer.metadata, **self.facts.to_metadata()}
        table = self.layer.features.copy()
        for name, values in shapes_layer.features_in_um(table, pixel_size_um).items():
            table[name] = values
        self._rows.set_features(table)
        self._content_changed()

    def flush(self) -> None:
        """Do at once what waits for the next turns of the event loop."""
        self.flush_edits()
        self._filter.flush()
        self._labels.flush()

    def flush_edits(self) -> None:
        """Take in at once what the user has drawn, moved or deleted; what is half drawn ends here."""
        if is_drawing(self.layer):
            # napari goes on by the shape's index, and fails when shapes before it are taken away.
            self.layer._finish_drawing()
        if self._sync_timer.isActive():
            self._sync_timer.stop()
            self._sync()

    def _on_data(self, event: Any) -> None:
        if not self._rows.changing:
            # napari is still in the middle of its own handling; shapes are exchanged when it is done.
            self._sync_timer.start(0)

    def _on_selection(self, *_: Any) -> None:
        if not self._rows.changing:
            self.selectionChanged.emit(self.selection())

    def _content_changed(self) -> None:
        self._rows.remember()
        self._labels.write_soon()
        self.changed.emit()

    def _sync(self) -> None:
        """Take in what the user has drawn, moved, reshaped, pasted or deleted since the last time."""
        if self.drawing():
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
        self._names.reshape(reshaped)
        clicked = [row for row in changes.changed if is_click(self.layer, data[row], new=row in changes.new)]
        self._touched -= {int(numbers[row]) for row in changes.new.intersection(clicked)}
        self._rows.refit((row for row in changes.changed if row not in clicked), drop=clicked)
        self._rows.measure(np.flatnonzero(np.isin(self._rows.taken, list(reshaped))).tolist(), by_person=True)
        self._content_changed()
