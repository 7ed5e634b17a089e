"""A Shapes layer of specimens, what the threshold does to it, and what the user does to it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd
from napari.layers import Shapes
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.core.taxa import UNKNOWN, Name
from napari_diatom.measurement.measurements import Measurements, measure
from napari_diatom.napari_layers import labels_layer, shapes_layer
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.canvas.clicks import is_click
from napari_diatom.widgets.canvas.shape_edits import MOST_LABELS, is_drawing
from napari_diatom.widgets.common.image_layers import belongs, place_of

if TYPE_CHECKING:
    from napari.layers import Image

_BATCH: Final = 700
"""Boxes added in one turn of the event loop, so that thousands of them do not hold up the window."""
_BREATH_MS: Final = 30
"""Time for the viewer to draw in between."""
_UNMOVED: Final = 0.01
"""Pixels, and radians, within which a box is where it was."""


class ResultLayer(QObject):
    """Watches over one layer of specimens.

    The layer holds exactly the specimens that count: candidates of the model at or above the threshold, plus all that
    the user drew or changed, less those the user deleted. Specimens are known by their number, which never changes.
    Specimens with masks are polygons, whose masks the layer's metadata holds; the others are rotated rectangles.

    Taxa stay with their specimens, also while the threshold hides them. A specimen that is drawn, pasted, moved or
    reshaped has none, since the classifier has not seen what is in it now. What a person says goes first: a taxon given
    by hand stays whatever is moved or named, and so does a class given by hand that is one of the classifier's taxa.

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
        self.layer = layer
        self.facts = facts
        self.candidates = Detections.empty(facts.classes) if candidates is None else candidates
        self._measured = measured
        self._drawn = labels_layer.drawn_in(layer.metadata)
        self.threshold = 0.0
        self._touched: set[int] = set()
        self._classed: set[int] = set()
        self._reshaped: set[int] = set()
        self._taxa: tuple[str, ...] = ()
        self._pending: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._own_depth = 0
        self._labelled = False
        self._next = len(self.candidates) + 1
        self._sync_timer = self._timer(self._sync)
        self._add_timer = self._timer(self._add_pending)
        # Labels follow when the hand rests: the first ones of a layer take as long to draw as thousands of boxes.
        self._label_timer = self._timer(self._label)
        self._label_timer.setInterval(60)
        self._adopt_rows()
        self._remember()
        layer.events.data.connect(self._on_data)
        layer.selected_data.events.items_changed.connect(self._on_selection)

    @classmethod
    def create(
        cls, image: Image, facts: ResultFacts, candidates: Detections, measured: Measurements | None = None
    ) -> Self:
        """Make an empty, hidden layer that fits over ``image`` and watch over it; a threshold then fills it."""
        layer = Shapes(
            ndim=image.ndim,
            name=f"{facts.image} diatoms",
            **place_of(image, facts=facts),
            visible=False,
            metadata=_metadata(facts, candidates),
            features=shapes_layer.to_features(Detections.empty(facts.classes), [], (), facts.pixel_size_um),
            **shapes_layer.LOOK.layer_kwargs(bright=_is_bright(image)),
        )
        layer.current_edge_width = shapes_layer.edge_width(facts.height, facts.width)
        layer.current_edge_color = shapes_layer.edge_colours(facts.classes[:1], facts.classes)[0]
        layer.current_face_color = "transparent"
        return cls(layer, candidates, measured)

    def renew(self, facts: ResultFacts, candidates: Detections, measured: Measurements | None = None) -> None:
        """Empty the layer for what another run has found; a threshold then fills it."""
        self.flush_edits()
        self._add_timer.stop()
        self._pending = np.empty(0, dtype=np.int64)
        self._unlabel()
        with self._own():
            self.layer.selected_data = set()
            self.layer.remove(list(range(len(self.layer.data))))
        self.facts = facts
        self.candidates = candidates
        self._measured = measured
        self._touched.clear()
        self._classed.clear()
        self._next = len(candidates) + 1
        self.layer.metadata = _metadata(facts, candidates)
        self._drawn = labels_layer.drawn_in(self.layer.metadata)
        self._content_changed()

    def close(self) -> None:
        """Stop watching."""
        self._sync_timer.stop()
        self._add_timer.stop()
        self._label_timer.stop()
        self.layer.events.data.disconnect(self._on_data)
        self.layer.selected_data.events.items_changed.disconnect(self._on_selection)

    def lay_over(self, image: Image) -> None:
        """Give the layer an image's place in the world, unless its specimens are for an image of another size.

        What was hidden when it was opened, for want of its own image, is shown then.
        """
        if not belongs(self.facts, image):
            return
        for name, value in place_of(image, facts=self.facts).items():
            if name != "axis_labels":
                setattr(self.layer, name, value)
        if self.layer.metadata.get(shapes_layer.WAITING_KEY):
            self.layer.metadata = {**self.layer.metadata, shapes_layer.WAITING_KEY: False}
            self.layer.visible = True

    def specimens(self) -> NDArray[np.int64]:
        """Return the specimens' numbers in the order of the layer's shapes."""
        if shapes_layer.SPECIMEN not in self.layer.features:
            return np.zeros(len(self.layer.data), dtype=np.int64)
        return _numbers_in(self.layer.features)

    def annotations(self) -> Annotations:
        """Return what the layer holds, in the order of the specimens' numbers."""
        self.flush()
        order = np.argsort(self.specimens(), kind="stable")
        features = self.layer.features.iloc[order]
        data = self.layer.data
        found = labels_layer.to_detections([data[i] for i in order], features, self.facts, self._drawn)
        origins = shapes_layer.origins_of(features, len(found))
        return Annotations.of(
            found,
            origins=origins,
            reviewed=[number in self._touched for number in self.specimens()[order]],
            image=self.facts.image,
            height=self.facts.height,
            width=self.facts.width,
            pixel_size_um=self.facts.pixel_size_um,
            names=shapes_layer.names_of(features, len(found)),
            orientation=self.facts.orientation,
        )

    def to_be_named(self) -> tuple[tuple[int, ...], Detections]:
        """Return the numbers of all specimens, in their order, and the specimens, for a classifier to name.

        Those that lie where the model found them have its very boxes, so that names do not depend on how a layer rounds
        corners. What is changed from now on keeps out of the next :meth:`set_names`.
        """
        found = self.annotations().detections
        self._reshaped.clear()
        numbers = np.sort(self.specimens())
        boxes = found.boxes.copy()
        rows = np.flatnonzero(numbers <= len(self.candidates))
        own = self.candidates.boxes[numbers[rows] - 1]
        there = (np.abs(own - boxes[rows]) <= _UNMOVED).all(axis=1)
        boxes[rows[there]] = own[there]
        return tuple(numbers.tolist()), replace(found, boxes=boxes)

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
        self._taxa = tuple(taxa)
        named = {number: name for number, name in names.items() if number not in self._reshaped}
        by_people = {number: name for number, name in self._names.items() if name.by == PERSON}
        self.layer.metadata = {**self.layer.metadata, shapes_layer.NAMES_KEY: named | by_people}
        table = self.layer.features.copy()
        for number, name in zip(self.specimens().tolist(), table[shapes_layer.CLASS], strict=True):
            self._heed_class(number, name)
        self._set_features(table)
        self._content_changed()

    def taxa(self) -> tuple[str, ...]:
        """Return what a specimen may be called; nothing where taxa were not named."""
        if shapes_layer.TAXON not in self.layer.features:
            return ()
        found = sorted(filter(None, self.layer.features[shapes_layer.TAXON]))
        return tuple(dict.fromkeys((*self._taxa, *found, UNKNOWN)))

    def measurements(self, annotations: Annotations) -> Measurements | None:
        """Return what is known of the specimens in :meth:`annotations`, measuring only what the user drew.

        None where nothing was measured before, or boxes are all there is.
        """
        if self._measured is None or self._drawn is None:
            return None
        numbers = np.sort(self.specimens())
        drawn = [self._drawn.get(number) for number in numbers.tolist()]
        masks = annotations.detections.masks or ()
        # A specimen that still shows its own mask has that very object.
        known = np.array([item is not None and item.mask is mask for item, mask in zip(drawn, masks, strict=True)])
        rows = np.where(known, numbers - 1, 0)
        pixel_size = annotations.pixel_size_um
        fresh = measure(annotations.detections[~known], pixel_size)
        found = self._measured[rows].at(pixel_size) if len(self.candidates) else fresh
        found = found.with_rows(np.flatnonzero(~known), fresh)
        now = measure(replace(annotations.detections, masks=None), pixel_size)
        return replace(
            found, class_names=now.class_names, statuses=now.statuses, score=now.score, cut_by_edge=now.cut_by_edge
        )

    def set_threshold(self, threshold: float, at_once: bool = True) -> None:
        """Show the untouched candidates at or above a score, and those only.

        The best are there when this returns, unless ``at_once`` is false, the others in the next turns of the event
        loop.
        """
        self.flush_edits()
        self.threshold = threshold
        shown = self.specimens()
        wanted = np.flatnonzero(self.candidates.scores >= np.float32(threshold)) + 1
        wanted = np.setdiff1d(wanted, np.fromiter(self._touched, dtype=np.int64))
        own = (shown <= len(self.candidates)) & ~np.isin(shown, list(self._touched))
        leaving = np.flatnonzero(own & ~np.isin(shown, wanted))
        if len(leaving):
            with self._own():
                self.layer.remove(leaving.tolist())
        entering = np.setdiff1d(wanted, shown)
        self._pending = entering[np.argsort(-self.candidates.scores[entering - 1], kind="stable")]
        if at_once:
            self._add_pending()
        else:
            self._add_timer.start(_BREATH_MS)

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
            self._names[number] = Name.by_person(value)
        else:
            table.loc[table[shapes_layer.SPECIMEN] == number, name] = value
        if name == shapes_layer.CLASS:
            self._classed.add(number)
            self._heed_class(number, value)
        self._set_features(table)
        if name == shapes_layer.CLASS:
            with self._own():
                self.layer.edge_color = shapes_layer.edge_colours(list(table[shapes_layer.CLASS]), self.facts.classes)
        self._content_changed()

    def set_pixel_size(self, pixel_size_um: float | None) -> None:
        """Measure in another pixel size."""
        self.flush()
        self.facts = ResultFacts(**{**vars(self.facts), "pixel_size_um": pixel_size_um})
        self.layer.metadata = {**self.layer.metadata, **self.facts.to_metadata()}
        table = self.layer.features.copy()
        for name, values in shapes_layer.features_in_um(table, pixel_size_um).items():
            table[name] = values
        self._set_features(table)
        self._content_changed()

    def flush(self) -> None:
        """Do at once what waits for the next turns of the event loop."""
        self.flush_edits()
        while len(self._pending):
            self._add_pending()
        if self._label_timer.isActive():
            self._label_timer.stop()
            self._label()

    def flush_edits(self) -> None:
        """Take in at once what the user has drawn, moved or deleted; what is half drawn ends here."""
        if is_drawing(self.layer):
            # napari goes on by the shape's index, and fails when shapes before it are taken away.
            self.layer._finish_drawing()
        if self._sync_timer.isActive():
            self._sync_timer.stop()
            self._sync()

    def _timer(self, slot: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(0)
        timer.timeout.connect(slot)
        return timer

    @contextlib.contextmanager
    def _own(self) -> Iterator[None]:
        """Mark changes to the layer as ours, not the user's."""
        self._own_depth += 1
        try:
            yield
        finally:
            self._own_depth -= 1

    def _on_data(self, event: Any) -> None:
        if not self._own_depth:
            # napari is still in the middle of its own handling; shapes are exchanged when it is done.
            self._sync_timer.start(0)

    def _on_selection(self, *_: Any) -> None:
        if not self._own_depth:
            self.selectionChanged.emit(self.selection())

    def _add_pending(self) -> None:
        batch, self._pending = self._pending[:_BATCH], self._pending[_BATCH:]
        if len(batch):
            if len(self.layer.data) + len(batch) > MOST_LABELS:
                self._unlabel()
            found = self.candidates[batch - 1]
            origin = self.facts.model or PERSON
            measured = None if self._measured is None else self._measured[batch - 1]
            self._append(found, shapes_layer.to_features(found, batch, origin, self.facts.pixel_size_um, measured))
        if len(self._pending):
            self._add_timer.start(0)
        self._content_changed()

    def _append(self, found: Detections, features: dict[str, NDArray[Any]]) -> None:
        """Add specimens with their features to the layer."""
        new = pd.DataFrame(features)
        table = pd.concat([self.layer.features, new], ignore_index=True) if len(self.layer.data) else new
        with self._own():
            self.layer.add(
                self._shapes_of(found, features[shapes_layer.SPECIMEN]),
                shape_type="rectangle" if self._drawn is None else "polygon",
                edge_width=shapes_layer.edge_width(self.facts.height, self.facts.width),
                edge_color=shapes_layer.edge_colours(list(features[shapes_layer.CLASS]), self.facts.classes),
                face_color="transparent",
            )
        self._set_features(table)

    def _shapes_of(self, found: Detections, numbers: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        """Return candidates as the layer shows them."""
        if self._drawn is None:
            return list(shapes_layer.to_quads(found.boxes, self.facts.plane))
        return [self._drawn[number].shape for number in numbers.tolist()]

    @property
    def _names(self) -> dict[int, Name]:
        """The specimens' names by their numbers, which all who watch over the layer share."""
        return shapes_layer.names_in(self.layer.metadata)

    def _heed_class(self, number: int, name: str) -> None:
        """Take a specimen's class for its taxon where a person gave the class, and it is a taxon."""
        if number in self._classed and name in self._taxa:
            self._names[number] = Name.by_person(name)

    def _set_features(self, table: Any) -> None:
        if self._names or shapes_layer.TAXON in table:
            table = table.assign(
                **shapes_layer.to_taxa([self._names.get(number) for number in _numbers_in(table).tolist()])
            )
        with self._own():
            self.layer.features = table

    def _content_changed(self) -> None:
        self._remember()
        self._label_timer.start()
        self.changed.emit()

    def _label(self) -> None:
        """Write the labels, unless there are too many."""
        texts: list[str] = []
        if len(self._numbers) <= MOST_LABELS:
            texts = shapes_layer.labels(self.layer.features, len(self.facts.classes) > 1).tolist()
        if texts:
            self.layer.text.string = {"array": texts, "default": ""}
            self._labelled = True
        else:
            self._unlabel()

    def _unlabel(self) -> None:
        """Take the labels away."""
        if self._labelled:
            self.layer.text.string = {"constant": ""}
            self._labelled = False

    def _remember(self) -> None:
        """Keep the layer's state, against which the user's changes are told."""
        self._numbers = self.specimens()
        self._shapes = [np.array(shape, dtype=np.float64) for shape in self.layer.data]

    def _adopt_rows(self) -> None:
        """Give numbers and sizes to the shapes of a layer that was opened, which may lack features or hold polygons."""
        n = len(self.layer.data)
        if not n:
            return
        numbers = self.specimens()
        repeated = np.ones(n, dtype=bool)
        repeated[np.unique(numbers, return_index=True)[1]] = False
        free = max(int(numbers.max()), len(self.candidates)) + 1
        fresh = np.flatnonzero(repeated | (numbers < 1))
        numbers[fresh] = np.arange(free, free + len(fresh))
        self._next = free + len(fresh)
        self._numbers = numbers
        self._refit(self._not_boxes(range(n)))
        self._measure(range(n))
        self._touched.update(self._numbers.tolist())
        people = [origin == PERSON for origin in shapes_layer.origins_of(self.layer.features, n)]
        self._classed.update(self._numbers[people].tolist())

    def _not_boxes(self, rows: Iterable[int]) -> list[int]:
        """Return those of the rows that are neither rectangles nor, among specimens with masks, polygons."""
        data, kinds = self.layer.data, self.layer.shape_type
        if self._drawn is not None:
            return [row for row in rows if kinds[row] not in ("rectangle", "polygon")]
        return [row for row in rows if kinds[row] != "rectangle" or not shapes_layer.is_rectangle(data[row][:, -2:])]

    def _sync(self) -> None:
        """Take in what the user has drawn, moved, reshaped, pasted or deleted since the last time."""
        if self.drawing():
            self._sync_timer.start(50)
            return
        before = {int(number): shape for number, shape in zip(self._numbers, self._shapes, strict=True)}
        # The layer makes its list of shapes anew each time it is asked for it.
        data = self.layer.data
        if len(self.layer.features) > len(data):
            # napari takes a polygon of too few points away, and leaves its features, the last ones, behind.
            self._set_features(self.layer.features.iloc[: len(data)].reset_index(drop=True))
            self._label_timer.start()
        numbers = self.specimens()
        changed: list[int] = []
        new: set[int] = set()
        seen: set[int] = set()
        for row, number in enumerate(numbers.tolist()):
            # A drawn or pasted shape carries the number of the one selected last; new shapes are always behind.
            if number < 1 or number in seen or number not in before:
                if number not in before or not _is_copy(data[row], before[number]):
                    new.add(row)
                number = numbers[row] = self._next
                self._next += 1
                changed.append(row)
            elif not np.array_equal(data[row], before[number]):
                changed.append(row)
            seen.add(number)
        gone = set(before) - seen
        if not changed and not gone:
            return
        reshaped = {int(numbers[row]) for row in changed}
        self._touched |= gone | reshaped
        self._reshaped |= reshaped
        for number in reshaped & set(self._names):
            if self._names[number].by != PERSON:
                del self._names[number]
        self._numbers = numbers
        clicked = [row for row in changed if is_click(self.layer, data[row], new=row in new)]
        self._touched -= {int(numbers[row]) for row in new.intersection(clicked)}
        self._refit(self._not_boxes(row for row in changed if row not in clicked), drop=clicked)
        touched_rows = np.flatnonzero(np.isin(self._numbers, [numbers[row] for row in changed]))
        self._measure(touched_rows.tolist(), by_person=True)
        self._content_changed()

    def _refit(self, rows: Sequence[int], drop: Sequence[int] = ()) -> None:
        """Put the rotated box of least area in the place of each shape in ``rows``; take away those in ``drop``."""
        leaving = [*rows, *drop]
        if not leaving:
            return
        data = self.layer.data
        boxes = shapes_layer.to_boxes([data[row] for row in rows])
        table = self.layer.features
        selected = {int(self._numbers[row]) for row in self.layer.selected_data if row < len(self._numbers)}
        kept = np.setdiff1d(np.arange(len(self._numbers)), leaving)
        order = np.concatenate([kept, np.asarray(rows, dtype=np.intp)]).astype(np.intp)
        colours = np.asarray(self.layer.edge_color)[list(rows)]
        with self._own():
            self.layer.remove(leaving)
            if len(rows):
                self.layer.add(
                    list(shapes_layer.to_quads(boxes, self.facts.plane)),
                    shape_type="rectangle",
                    edge_width=shapes_layer.edge_width(self.facts.height, self.facts.width),
                    edge_color=colours,
                    face_color="transparent",
                )
            self._numbers = self._numbers[order]
            self._set_features(table.iloc[order].reset_index(drop=True))
            self.layer.selected_data = set(np.flatnonzero(np.isin(self._numbers, list(selected))).tolist())

    def _measure(self, rows: Sequence[int], by_person: bool = False) -> None:
        """Write number and sizes of shapes into the features, and whose they are."""
        table = self.layer.features.copy()
        rows = list(rows)
        part = table.iloc[rows]
        data = self.layer.data
        found = labels_layer.to_detections([data[row] for row in rows], part, self.facts, self._drawn)
        origins: Sequence[str] | str = PERSON
        if by_person:
            found = replace(found, scores=np.ones_like(found.scores))
        else:
            origins = shapes_layer.origins_of(part, len(rows))
        features = shapes_layer.to_features(found, self._numbers[rows], origins, self.facts.pixel_size_um)
        if len(rows) == len(table):
            self._set_features(pd.DataFrame(features))
            return
        for name, values in features.items():
            table.iloc[rows, table.columns.get_loc(name)] = values
        numbers = table.columns.get_loc(shapes_layer.SPECIMEN)
        table.isetitem(numbers, self._numbers)
        self._set_features(table)


def _is_copy(shape: ArrayLike, other: ArrayLike) -> bool:
    """Return whether a shape is another one somewhere else, as a pasted one is."""
    points, others = np.asarray(shape, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return points.shape == others.shape and bool(np.allclose(points - points[0], others - others[0], atol=_UNMOVED))


def _numbers_in(table: Any) -> NDArray[np.int64]:
    """Return the specimens' numbers in a table of features, 0 where they have none."""
    return np.nan_to_num(np.asarray(table[shapes_layer.SPECIMEN], dtype=np.float64)).astype(np.int64)


def _metadata(facts: ResultFacts, candidates: Detections) -> dict[str, Any]:
    """Return what a layer of these candidates remembers."""
    if candidates.masks is None:
        return facts.to_metadata()
    drawn = labels_layer.draw(candidates, np.arange(len(candidates)) + 1, facts.plane)
    return facts.to_metadata() | labels_layer.to_metadata(drawn)


def _is_bright(image: Image) -> bool:
    """Return whether an image is shown rather bright than dark, as in bright field."""
    thumbnail = np.asarray(image.thumbnail, dtype=np.float64)
    shown = thumbnail[thumbnail[..., 3] > 0]
    return bool(len(shown) and shown[:, :3].mean() > 127)
