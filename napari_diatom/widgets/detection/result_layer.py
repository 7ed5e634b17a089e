"""A Shapes layer of specimens, its threshold, and the user's changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from napari.layers import Shapes
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QObject, Signal

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import Detections
from napari_diatom.core.taxa import Name
from napari_diatom.measurement.measurements import Measurements
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.layer_file import layer_path
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.canvas.shape_edits import MAX_LABELS
from napari_diatom.widgets.detection.found_specimens import FoundSpecimens
from napari_diatom.widgets.detection.layer_rows import LayerRows
from napari_diatom.widgets.detection.layer_specimens import drawn_specimen, opened_specimens
from napari_diatom.widgets.detection.layer_sync import LayerSync
from napari_diatom.widgets.detection.result_document import ResultDocument
from napari_diatom.widgets.detection.result_specimens import ResultSpecimen
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
        A layer whose metadata holds :class:`~napari_diatom.napari_layers.result_facts.ResultFacts`.
    candidates : Detections, optional
        All that the model found, down to the lowest score, numbered from 1 in this order. Without candidates the
        layer is as the user opened it, and a threshold changes nothing.
    measured : Measurements, optional
        Of the candidates, in their order. None if they are not measured.

    Attributes
    ----------
    names : TaxonNames
        The taxa of the specimens, and those that the user can choose from.
    document : ResultDocument
        The specimens, with all changes to undo.
    sync : LayerSync
        Keeps the layer and the document the same.
    file : Path or None
        The file of annotations that it was opened from, None for what a model has found here.
    """

    changed = Signal()
    selectionChanged = Signal(object)
    thresholdChanged = Signal(float)
    refused = Signal(str)
    """Why an edit by hand was not made."""

    def __init__(
        self, layer: Shapes, candidates: Detections | None = None, measured: Measurements | None = None
    ) -> None:
        super().__init__()
        facts = ResultFacts.from_metadata(layer.metadata)
        assert facts is not None, "only layers with our metadata are watched"
        if candidates is None:
            candidates = Detections.empty(facts.classes)
        self.layer = layer
        self.file = layer_path(layer)
        self.names = TaxonNames(layer)
        self._rows = LayerRows(layer, facts, self.names)
        self._labels = SpecimenLabels(self, layer, many_classes=len(facts.classes) > 1, most=MAX_LABELS)
        self._rows.number_from(len(candidates) + 1)
        self._rows.number_all()
        found = FoundSpecimens(candidates, measured, self._rows.drawn)
        self._filter = ThresholdFilter(self, found, self._rows, self._labels)
        self._filter.added.connect(self._labels.write_soon)
        self._filter.added.connect(self.changed)
        self.sync = LayerSync(self, layer, self._rows, self._filter, self._labels)
        self.sync.changed.connect(self._content_changed)
        self.sync.thresholdChanged.connect(self.thresholdChanged)
        self.sync.refused.connect(self.refused)
        self._seen: dict[str, ResultSpecimen | None] = {}
        self._is_filled = False
        self._open_document(found, opened_specimens(layer, self._rows))
        if len(layer.data):
            table = self.document.all.features(self.specimens(), facts)
            if shapes_layer.OUTLINE in layer.features:
                table[shapes_layer.OUTLINE] = layer.features[shapes_layer.OUTLINE]
            self._rows.set_features(table)
        self._rows.remember()
        self.sync.start()
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
        self._rows.facts = facts
        self.file = None
        self._rows.number_from(len(candidates) + 1)
        self._labels.many_classes = len(facts.classes) > 1
        found = FoundSpecimens(candidates, measured, self._rows.drawn)
        self._filter.restart(found)
        self._is_filled = False
        self._open_document(found)
        self._rows.set_features(self.layer.features.copy())
        self._content_changed()

    def close(self) -> None:
        """Stop watching."""
        self.sync.stop()
        self._filter.stop()
        self._labels.stop()
        self.layer.selected_data.events.items_changed.disconnect(self._on_selection)

    def specimens(self) -> NDArray[np.int64]:
        """Return the specimens' numbers in the order of the layer's shapes."""
        return self._rows.numbers()

    def annotations(self) -> Annotations:
        """Return the specimens, in the order of their numbers."""
        self.flush()
        known = self.document.all
        numbers = known.numbers()
        found = known.detections(numbers, self.facts)
        features = self.layer.features.iloc[np.argsort(self.specimens(), kind="stable")]
        annotations = Annotations.of(
            found,
            shapes=annotated_shapes(features, found),
            origins=shapes_layer.origins_of(features, len(found)),
            reviewed=np.isin(numbers, list(known.kept())) | (numbers > len(known.found)),
            image=self.facts.image,
            height=self.facts.height,
            width=self.facts.width,
            pixel_size_um=self.facts.pixel_size_um,
        )
        taxa = known.taxa()
        names = tuple(taxa.get(number) for number in numbers.tolist())
        return replace(annotations, names=names, orientation=self.facts.orientation)

    def to_be_named(self) -> tuple[tuple[int, ...], Detections]:
        """Return the sorted numbers of all specimens, and the specimens, for a classifier to name.

        The next :meth:`set_names` leaves out specimens that the user reshapes from now on.
        """
        specimens = self.annotations().detections
        self._seen = dict(self.document.all.changed)
        return tuple(self.document.all.numbers().tolist()), specimens

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
        self.document.set_names(names, self._seen, taxa)

    def measurements(self, annotations: Annotations) -> Measurements | None:
        """Return the measurements of the specimens in :meth:`annotations`, and measure only what the user drew.

        None if nothing was measured before, or all are boxes.
        """
        return self._filter.found.measurements(annotations, np.sort(self.specimens()))

    def set_threshold(self, threshold: float, at_once: bool = True, joined: bool = False) -> None:
        """Show the untouched candidates at or above a score, and those only.

        The first threshold fills the layer. Each later one is an edit that can be undone.

        Parameters
        ----------
        threshold : float
            The score.
        at_once : bool
            Whether the best are there when this returns. The others follow in the next turns of the event loop.
        joined : bool
            Whether this goes on with the last move of the threshold: both are undone together.
        """
        self.flush_edits()
        if self._is_filled:
            self.sync.set_threshold(threshold, at_once, joined)
            return
        self._is_filled = True
        self.document.all.threshold = threshold
        self._filter.apply(threshold, self.document.all.kept(), at_once)

    def touched(self) -> bool:
        """Return whether the user has drawn, changed or deleted anything."""
        self.flush_edits()
        return self.document.all.is_touched

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
        self.flush_edits()
        self.document.set_feature(number, name, value)

    def add_box(self, box: ArrayLike) -> None:
        """Add a box that was drawn, shape (5,), and select it."""
        self.flush_edits()
        box = np.asarray(box, dtype=np.float64)
        drawn = shapes_layer.to_quads([box], self.facts.plane)[0], "rectangle"
        number = self._rows.new_number()
        name = self.sync.new_class or self.facts.classes[0]
        self.document.add([drawn_specimen(number, drawn, name, self._rows.drawn is not None)], "draw")
        self.select([number])

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
        self.sync.flush()

    def _on_selection(self, *_: Any) -> None:
        if not self._rows.changing:
            self.selectionChanged.emit(self.selection())

    def _content_changed(self) -> None:
        self._rows.remember()
        self._labels.write_soon()
        self.changed.emit()

    def _open_document(self, found: FoundSpecimens, opened: Sequence[ResultSpecimen] = ()) -> None:
        self.document = ResultDocument(found, self.facts, opened)
        self.sync.watch(self.document)
        self.names.document = self.document
        self._seen = {}
