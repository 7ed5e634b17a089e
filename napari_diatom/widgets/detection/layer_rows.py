"""The rows of a layer of specimens. Each is a shape with its features, and both change together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.napari_layers import labels_layer, shapes_layer
from napari_diatom.napari_layers.shapes_layer import ResultFacts
from napari_diatom.widgets.detection.found_specimens import UNMOVED
from napari_diatom.widgets.detection.specimen_layer import numbers_in

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_diatom.napari_layers.labels_layer import Drawn
    from napari_diatom.widgets.detection.taxon_names import TaxonNames


@dataclass(frozen=True)
class RowChanges:
    """The user's changes to the rows of a layer.

    Attributes
    ----------
    changed : tuple of int
        Rows of shapes that are reshaped or new.
    new : frozenset of int
        Those of them that the user drew, not pasted or moved ones.
    gone : frozenset of int
        Numbers of the deleted specimens.
    """

    changed: tuple[int, ...]
    new: frozenset[int]
    gone: frozenset[int]


class LayerRows:
    """Changes the rows of a layer for the program, and finds what the user has changed in them.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    facts : ResultFacts
        The facts in its metadata.
    names : TaxonNames
        The taxa of its specimens.

    Attributes
    ----------
    facts : ResultFacts
        Image, model and classes of the layer.
    taken : ndarray of int64, shape (N,)
        The specimens' numbers in the order of the rows, at the last synchronization.
    """

    def __init__(self, layer: Shapes, facts: ResultFacts, names: TaxonNames) -> None:
        self.facts = facts
        self.taken: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._layer = layer
        self._names = names
        self._shapes: list[NDArray[np.float64]] = []
        self._depth = 0
        self._next = 1

    @property
    def changing(self) -> bool:
        """Whether the program, not the user, is changing the layer."""
        return self._depth > 0

    @contextlib.contextmanager
    def own(self) -> Iterator[None]:
        """Mark changes to the layer as the program's."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    @property
    def drawn(self) -> Mapping[int, Drawn] | None:
        """The outlines of specimens with masks, by their numbers; None if all are boxes."""
        return labels_layer.drawn_in(self._layer.metadata)

    def numbers(self) -> NDArray[np.int64]:
        """Return the specimens' numbers in the features, 0 where a number is missing."""
        if shapes_layer.SPECIMEN not in self._layer.features:
            return np.zeros(len(self._layer.data), dtype=np.int64)
        return numbers_in(self._layer.features)

    def detections(self, rows: Sequence[int]) -> Detections:
        """Return the specimens of rows, each with its own mask unless the user has changed it."""
        data = self._layer.data
        return labels_layer.masked_detections_from_shapes(
            [data[row] for row in rows], self._layer.features.iloc[list(rows)], self.facts, self.drawn
        )

    def number_from(self, number: int) -> None:
        """Start the numbers of new specimens here."""
        self._next = number

    def number_all(self) -> None:
        """Give numbers and sizes to all shapes of an opened layer, which may lack features or hold polygons."""
        n = len(self._layer.data)
        if not n:
            return
        numbers = self.numbers()
        repeated = np.ones(n, dtype=bool)
        repeated[np.unique(numbers, return_index=True)[1]] = False
        free = max(int(numbers.max()) + 1, self._next)
        fresh = np.flatnonzero(repeated | (numbers < 1))
        numbers[fresh] = np.arange(free, free + len(fresh))
        self._next = free + len(fresh)
        self.taken = numbers
        self.refit(range(n))
        self.measure(range(n))

    def remember(self) -> None:
        """Remember the rows, to find the user's later changes."""
        self.taken = self.numbers()
        self._shapes = [np.array(shape, dtype=np.float64) for shape in self._layer.data]

    def drop_spare_features(self) -> bool:
        """Remove features without shapes; return whether there were any.

        napari removes a polygon with too few points, but leaves its features at the end.
        """
        n = len(self._layer.data)
        spare = len(self._layer.features) > n
        if spare:
            self.set_features(self._layer.features.iloc[:n].reset_index(drop=True))
        return spare

    def take_changes(self) -> RowChanges:
        """Return the user's changes since the rows were remembered, and number the new specimens."""
        before = {int(number): shape for number, shape in zip(self.taken, self._shapes, strict=True)}
        # The layer builds this list at every access.
        data = self._layer.data
        numbers = self.numbers()
        changed: list[int] = []
        new: set[int] = set()
        seen: set[int] = set()
        for row, number in enumerate(numbers.tolist()):
            # A drawn or pasted shape has the number of the shape selected last. New shapes are always at the end.
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
        if changed or gone:
            self.taken = numbers
        return RowChanges(tuple(changed), frozenset(new), frozenset(gone))

    def append(self, shapes: Sequence[NDArray[np.float64]], features: Mapping[str, NDArray[Any]]) -> None:
        """Add specimens with their features."""
        new = pd.DataFrame(features)
        table = pd.concat([self._layer.features, new], ignore_index=True) if len(self._layer.data) else new
        if shapes_layer.OUTLINE in table:
            # What was drawn by hand before has none.
            table[shapes_layer.OUTLINE] = table[shapes_layer.OUTLINE].fillna("")
        with self.own():
            self._layer.add(
                list(shapes),
                shape_type="rectangle" if self.drawn is None else "polygon",
                edge_width=shapes_layer.edge_width(self.facts.height, self.facts.width),
                edge_color=shapes_layer.edge_colours(list(features[shapes_layer.CLASS]), self.facts.classes),
                face_color="transparent",
            )
        self.set_features(table)

    def remove(self, rows: Sequence[int]) -> None:
        """Remove specimens."""
        with self.own():
            self._layer.remove(list(rows))

    def clear(self) -> None:
        """Remove all specimens."""
        with self.own():
            self._layer.selected_data = set()
            self._layer.remove(list(range(len(self._layer.data))))

    def set_features(self, table: Any) -> None:
        """Set the features of the layer, with the present taxa."""
        with self.own():
            self._layer.features = self._names.with_taxa(table)

    def colour(self) -> None:
        """Colour all specimens by class."""
        classes = list(self._layer.features[shapes_layer.CLASS])
        with self.own():
            self._layer.edge_color = shapes_layer.edge_colours(classes, self.facts.classes)

    def refit(self, rows: Iterable[int], drop: Sequence[int] = ()) -> None:
        """Replace shapes that are not boxes by their rotated box of least area; remove the rows in ``drop``."""
        rows = self._not_boxes(rows)
        leaving = [*rows, *drop]
        if not leaving:
            return
        layer = self._layer
        data, table = layer.data, layer.features
        boxes = shapes_layer.to_boxes([data[row] for row in rows])
        selected = {int(self.taken[row]) for row in layer.selected_data if row < len(self.taken)}
        kept = np.setdiff1d(np.arange(len(self.taken)), leaving)
        order = np.concatenate([kept, np.asarray(rows, dtype=np.intp)]).astype(np.intp)
        colours = np.asarray(layer.edge_color)[rows]
        with self.own():
            layer.remove(leaving)
            if len(rows):
                layer.add(
                    list(shapes_layer.to_quads(boxes, self.facts.plane)),
                    shape_type="rectangle",
                    edge_width=shapes_layer.edge_width(self.facts.height, self.facts.width),
                    edge_color=colours,
                    face_color="transparent",
                )
            self.taken = self.taken[order]
            self.set_features(table.iloc[order].reset_index(drop=True))
            layer.selected_data = set(np.flatnonzero(np.isin(self.taken, list(selected))).tolist())

    def measure(self, rows: Sequence[int], by_person: bool = False) -> None:
        """Write number, sizes and origin of shapes into the features."""
        table = self._layer.features.copy()
        rows = list(rows)
        found = self.detections(rows)
        origins: Sequence[str] | str = PERSON
        if by_person:
            found = replace(found, scores=np.ones_like(found.scores))
        else:
            origins = shapes_layer.origins_of(table.iloc[rows], len(rows))
        features = shapes_layer.to_features(found, self.taken[rows], origins, self.facts.pixel_size_um)
        if shapes_layer.OUTLINE in table:
            verdicts = table[shapes_layer.OUTLINE].to_numpy(dtype=object)[rows]
            features[shapes_layer.OUTLINE] = np.full_like(verdicts, "") if by_person else verdicts
        if len(rows) == len(table):
            self.set_features(pd.DataFrame(features))
            return
        for name, values in features.items():
            table.iloc[rows, table.columns.get_loc(name)] = values
        numbers = table.columns.get_loc(shapes_layer.SPECIMEN)
        table.isetitem(numbers, self.taken)
        self.set_features(table)

    def _not_boxes(self, rows: Iterable[int]) -> list[int]:
        """Return the rows that are neither rectangles nor, if the specimens have masks, polygons."""
        data, kinds = self._layer.data, self._layer.shape_type
        if self.drawn is not None:
            return [row for row in rows if kinds[row] not in ("rectangle", "polygon")]
        return [row for row in rows if kinds[row] != "rectangle" or not shapes_layer.is_rectangle(data[row][:, -2:])]


def _is_copy(shape: ArrayLike, other: ArrayLike) -> bool:
    """Return whether a shape is another one at another place, as a pasted shape is."""
    points, others = np.asarray(shape, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return points.shape == others.shape and bool(np.allclose(points - points[0], others - others[0], atol=UNMOVED))
