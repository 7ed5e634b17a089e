"""The rows of a layer of specimens. Each is a shape with its features, and both change together."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.napari_layers import labels_layer, shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.widgets.canvas import shape_edits
from napari_diatom.widgets.detection.found_specimens import UNMOVED
from napari_diatom.widgets.detection.specimen_layer import numbers_in

if TYPE_CHECKING:
    from napari.layers import Shapes

    from napari_diatom.napari_layers.labels_layer import Drawn
    from napari_diatom.widgets.detection.taxon_names import TaxonNames

_LABELS: Final = (shapes_layer.CLASS, shapes_layer.STATUS)

Shape = tuple[NDArray[np.float64], str]
"""Corners, shape (K, D), as ..., y, x, and kind of a shape."""


@dataclass(frozen=True)
class RowChanges:
    """The user's changes to the rows of a layer.

    Attributes
    ----------
    reshaped : tuple of int
        Rows of shapes that are moved or reshaped.
    drawn, pasted : tuple of int
        Rows of new shapes: those that the user drew, and copies of others.
    gone : frozenset of int
        Numbers of the deleted specimens.
    labelled : tuple of (int, str, str)
        Number, feature and value of classes and statuses that were changed in the features.
    """

    reshaped: tuple[int, ...] = ()
    drawn: tuple[int, ...] = ()
    pasted: tuple[int, ...] = ()
    gone: frozenset[int] = frozenset()
    labelled: tuple[tuple[int, str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.reshaped or self.drawn or self.pasted or self.gone or self.labelled)


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
        self._labels: dict[str, list[Any]] = {}
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

    def detections(self) -> Detections:
        """Return all specimens, each with its own mask unless the user has changed it."""
        return labels_layer.masked_detections_from_shapes(
            self._layer.data, self._layer.features, self.facts, self.drawn
        )

    def shape(self, row: int) -> Shape:
        """Return a shape as it should be: a box or, where specimens have masks, a polygon stays as it is.

        Anything else becomes the rotated box of least area around it.
        """
        points, kind = shape_edits.shape(self._layer, row)
        if self.drawn is not None:
            fits = kind in ("rectangle", "polygon")
        else:
            fits = kind == "rectangle" and shapes_layer.is_rectangle(points[:, -2:])
        if fits:
            return points, kind
        return shapes_layer.to_quads(shapes_layer.to_boxes([points]), self.facts.plane)[0], "rectangle"

    def class_of(self, row: int, chosen: str) -> str:
        """Return the class of a new shape: the chosen one, or that of the shape that was selected last."""
        table = self._layer.features
        own = table[shapes_layer.CLASS].iloc[row] if shapes_layer.CLASS in table else ""
        return chosen or (own if isinstance(own, str) else "") or self.facts.classes[0]

    def number_from(self, number: int) -> None:
        """Start the numbers of new specimens here."""
        self._next = number

    def new_number(self) -> int:
        """Return the number of a new specimen."""
        self._next += 1
        return self._next - 1

    def number_all(self) -> None:
        """Give numbers to all shapes of an opened layer, which may lack them, and make boxes of them."""
        n = len(self._layer.data)
        numbers = self.numbers()
        repeated = np.ones(n, dtype=bool)
        repeated[np.unique(numbers, return_index=True)[1]] = False
        fresh = np.flatnonzero(repeated | (numbers < 1))
        free = max(int(numbers.max(initial=0)) + 1, self._next)
        numbers[fresh] = np.arange(free, free + len(fresh))
        self._next = free + len(fresh)
        self.taken = numbers
        shapes = {row: self.shape(row) for row in range(n)}
        self._reshape(shapes)
        self.write_numbers()

    def write_numbers(self) -> None:
        """Write the numbers that :meth:`take_changes` gave into the features."""
        table = self._layer.features.copy()
        table[shapes_layer.SPECIMEN] = self.taken
        with self.own():
            self._layer.features = table

    def remember(self) -> None:
        """Remember the rows, to find the user's later changes."""
        self.taken = self.numbers()
        self._shapes = [np.array(shape, dtype=np.float64) for shape in self._layer.data]
        table = self._layer.features
        self._labels = {name: table[name].tolist() for name in _LABELS if name in table}

    def remember_last(self, count: int) -> None:
        """Remember the last rows, which the program has added, and leave the user's changes to others to be found."""
        if not count:
            return
        table, numbers, data = self._layer.features, self.numbers(), self._layer.data
        for name in _LABELS:
            if name in table:
                values = table[name].tolist()
                now = dict(zip(numbers.tolist(), values, strict=True))
                known = self._labels.get(name) or [now.get(number, "") for number in self.taken.tolist()]
                self._labels[name] = [*known, *values[-count:]]
        self._shapes += [np.array(shape, dtype=np.float64) for shape in data[-count:]]
        self.taken = np.concatenate([self.taken, numbers[-count:]])

    def forget(self, numbers: NDArray[np.int64]) -> None:
        """Forget specimens that the program has removed, so that they do not pass for removed by the user."""
        kept = ~np.isin(self.taken, numbers)
        self.taken = self.taken[kept]
        self._shapes = list(compress(self._shapes, kept))
        self._labels = {name: list(compress(values, kept)) for name, values in self._labels.items()}

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
        reshaped: list[int] = []
        drawn: list[int] = []
        pasted: list[int] = []
        seen: set[int] = set()
        for row, number in enumerate(numbers.tolist()):
            # A drawn or pasted shape has the number of the shape selected last. New shapes are always at the end.
            if number < 1 or number in seen or number not in before:
                copied = number in before and _is_copy(data[row], before[number])
                (pasted if copied else drawn).append(row)
                number = numbers[row] = self.new_number()
            elif not np.array_equal(data[row], before[number]):
                reshaped.append(row)
            seen.add(number)
        gone = frozenset(set(before) - seen)
        changes = RowChanges(tuple(reshaped), tuple(drawn), tuple(pasted), gone, self._relabelled(numbers))
        if changes:
            self.taken = numbers
        return changes

    def _relabelled(self, numbers: NDArray[np.int64]) -> tuple[tuple[int, str, str], ...]:
        """Return the classes and statuses of known specimens that differ from the remembered ones."""
        changes: list[tuple[int, str, str]] = []
        table = self._layer.features
        for name, remembered in self._labels.items():
            values = table[name].tolist() if name in table else []
            if values == remembered:
                continue
            before = dict(zip(self.taken.tolist(), remembered, strict=True))
            for number, value in zip(numbers.tolist(), values, strict=False):
                if isinstance(value, str) and value and before.get(number, value) != value:
                    changes.append((number, name, value))
        return tuple(changes)

    def append(self, shapes: Sequence[NDArray[np.float64]], features: Mapping[str, Any], kinds: Any = None) -> None:
        """Add specimens with their features.

        Parameters
        ----------
        shapes : sequence of ndarray, shape (K, D)
            Their corners.
        features : Mapping
            N values of each column.
        kinds : sequence of str, optional
            The kind of each shape; rectangles or, where specimens have masks, polygons by default.
        """
        new = pd.DataFrame(features)
        table = pd.concat([self._layer.features, new], ignore_index=True) if len(self._layer.data) else new
        if shapes_layer.OUTLINE in table:
            # What was drawn by hand before has none.
            table[shapes_layer.OUTLINE] = table[shapes_layer.OUTLINE].fillna("")
        with self.own():
            self._layer.add(
                list(shapes),
                shape_type=kinds or ("rectangle" if self.drawn is None else "polygon"),
                edge_width=shapes_layer.edge_width(self.facts.height, self.facts.width),
                edge_color=shapes_layer.edge_colours(list(new[shapes_layer.CLASS]), self.facts.classes),
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

    def show(self, gone: Collection[int], shapes: Mapping[int, Shape], features: Any) -> None:
        """Show specimens as they are after an edit.

        Parameters
        ----------
        gone : collection of int
            Numbers of specimens that are no longer shown.
        shapes : Mapping of int to Shape
            The shapes of the others, by their numbers.
        features : pandas.DataFrame
            The features of these, in their order.
        """
        leaving = np.flatnonzero(np.isin(self.numbers(), list(gone)))
        if len(leaving):
            self.remove(leaving.tolist())
        if not shapes:
            return
        row_of = {number: row for row, number in enumerate(self.numbers().tolist())}
        there = [number in row_of for number in shapes]
        rows = [row_of[number] for number in shapes if number in row_of]
        if rows:
            self._reshape({row_of[number]: shape for number, shape in shapes.items() if number in row_of})
            self._write(rows, features[there])
        new = [shape for number, shape in shapes.items() if number not in row_of]
        if new:
            self.append([points for points, _ in new], features[np.invert(there)], [kind for _, kind in new])

    def set_features(self, table: Any) -> None:
        """Set the features of the layer, with the present taxa."""
        with self.own():
            self._layer.features = self._names.with_taxa(table)

    def _write(self, rows: list[int], features: Any) -> None:
        """Write features of rows, and colour these by class."""
        table = self._layer.features.copy()
        if shapes_layer.OUTLINE in table and shapes_layer.OUTLINE not in features:
            # What a person has changed has no verdict any more.
            features = features.assign(**{shapes_layer.OUTLINE: ""})
        if len(rows) == len(table):
            table = features.assign(row=rows).sort_values("row").drop(columns="row").reset_index(drop=True)
        else:
            for name in features:
                if name not in table:
                    table[name] = "" if features[name].dtype == object else np.nan
                values = table[name].to_numpy(copy=True)
                values[rows] = features[name].to_numpy()
                table[name] = values
        self.set_features(table)
        colours = shapes_layer.edge_colours(list(features[shapes_layer.CLASS]), self.facts.classes)
        with self.own():
            shape_edits.change(self._layer, rows, {}, colours, {})

    def _reshape(self, shapes: Mapping[int, Shape]) -> None:
        """Change shapes where they differ."""
        moved = {}
        for row, (points, kind) in shapes.items():
            shown, its = shape_edits.shape(self._layer, row)
            # A layer keeps its corners in single precision.
            if kind != its or not np.array_equal(np.float32(points), np.float32(shown)):
                moved[row] = (points, kind)
        if moved:
            colours = np.asarray(self._layer.edge_color)[list(moved)]
            with self.own():
                shape_edits.change(self._layer, list(moved), moved, colours, {})


def _is_copy(shape: ArrayLike, other: ArrayLike) -> bool:
    """Return whether a shape is another one at another place, as a pasted shape is."""
    points, others = np.asarray(shape, dtype=np.float64), np.asarray(other, dtype=np.float64)
    return points.shape == others.shape and bool(np.allclose(points - points[0], others - others[0], atol=UNMOVED))
