"""The specimens of a result: what a model found and people changed, those that the threshold hides too."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_diatom.core.detections import PERSON, STATUSES, CroppedMask, Detections, cut_flags
from napari_diatom.core.taxa import Name
from napari_diatom.napari_layers import project_layer, shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.project.edits import Change
from napari_diatom.project.live_contents import OrderedSpecimens
from napari_diatom.project.specimen import Specimen
from napari_diatom.widgets.detection.found_specimens import FoundSpecimens


@dataclass(frozen=True, eq=False)
class ResultSpecimen(Specimen):
    """A specimen of a result. Its id is its number.

    Attributes
    ----------
    taxon : Name or None
        What a classifier or a person calls it, beside its class.
    verdict : str
        Whether its outline agrees with the box that the model found, empty where nobody has compared them.
    drawn : tuple of (ndarray of float64, shape (K, D), and str) or None
        Its shape in the layer, as ..., y, x, and its kind, where a person has drawn it or it was opened from a file.
    """

    taxon: Name | None = None
    verdict: str = ""
    drawn: tuple[NDArray[np.float64], str] | None = field(default=None, repr=False)

    def reshaped(self, other: Specimen) -> Self:
        """Return the specimen with the outline and the box of another one: a person's own, without verdict.

        A classifier has not seen it like that, so only a taxon that a person gave stays.
        """
        given = self.taxon is not None and self.taxon.by == PERSON
        drawn = other.drawn if isinstance(other, ResultSpecimen) else None
        new = super().reshaped(other)
        return new.replace(origin=PERSON, score=1.0, verdict="", taxon=self.taxon if given else None, drawn=drawn)

    def called(self, taxon: Name | None) -> Self:
        """Return the specimen with another taxon. A classifier names thousands at once, so nothing is checked again."""
        new = copy.copy(self)
        object.__setattr__(new, "taxon", taxon)
        return new

    def is_where(self, other: Specimen) -> bool:
        """Return whether both have the very same box, outline and mask."""
        return self.box == other.box and self.pixels is other.pixels and self.outline is other.outline


class ResultSpecimens(OrderedSpecimens):
    """All specimens of a result by their ids. The view shows those at or above the threshold, and people's own.

    A candidate becomes a :class:`ResultSpecimen` when somebody asks for it: a result may have 20,000.

    Parameters
    ----------
    found : FoundSpecimens
        The candidates.
    facts : ResultFacts
        Names the model.
    opened : sequence of ResultSpecimen
        The specimens of a layer that was opened from a file.

    Attributes
    ----------
    found : FoundSpecimens
        The candidates.
    threshold : float
        The score at or above which candidates count.
    """

    def __init__(self, found: FoundSpecimens, facts: ResultFacts, opened: Sequence[ResultSpecimen] = ()) -> None:
        super().__init__(())
        self.found = found
        self.threshold = 0.0
        self._origin = facts.model or PERSON
        self._opened = {item.id: item for item in opened}
        self._candidates: dict[str, ResultSpecimen] = {}
        self._drawn: dict[str, ResultSpecimen] = {}
        self._changed: dict[str, ResultSpecimen | None] = {}
        self.view = _Shown(self)

    def update(self, changes: Change) -> None:
        """Put specimens in and take those that are None out."""
        for id_, item in changes.items():
            assert item is None or isinstance(item, ResultSpecimen)
            base = self._base(id_)
            if base is None and item is not None:
                self._drawn.setdefault(id_, item)
            if item is base:
                self._changed.pop(id_, None)
            else:
                self._changed[id_] = item

    def known(self, id_: str) -> ResultSpecimen | None:
        """Return a specimen, whether it is shown or not, None if there is none."""
        return self._changed[id_] if id_ in self._changed else self._base(id_)

    def first(self, id_: str) -> ResultSpecimen | None:
        """Return a specimen as the model found it, as its file has it, or as it was drawn."""
        return self._base(id_) or self._drawn.get(id_)

    def is_shown(self, item: Specimen | None) -> bool:
        """Return whether a specimen counts at the present threshold."""
        return item is not None and (item.reviewed or item.score >= float(np.float32(self.threshold)))

    def was_classed_by_person(self, item: Specimen) -> bool:
        """Return whether a person gave a specimen its class."""
        first = self.first(item.id)
        of_file = item.id in self._opened and item.origin == PERSON
        return of_file or (first is not None and first.name != item.name)

    @property
    def changed(self) -> Mapping[str, ResultSpecimen | None]:
        """The specimens that differ from what the model found or the file has, None for deleted ones."""
        return self._changed

    @property
    def is_touched(self) -> bool:
        """Whether a person has drawn, changed or deleted anything, or the specimens were opened from a file."""
        return bool(self._opened) or self.is_corrected

    @property
    def is_corrected(self) -> bool:
        """Whether a person has drawn, changed or deleted anything here."""
        return any(item is None or item.reviewed for item in self._changed.values())

    def kept(self) -> set[int]:
        """Return the numbers of the candidates that the threshold neither shows nor hides."""
        return {int(id_) for id_, item in self._changed.items() if item is None or item.reviewed}

    def taxa(self) -> dict[int, Name]:
        """Return the taxa by the numbers of the specimens, of hidden ones too."""
        opened = (item for id_, item in self._opened.items() if id_ not in self._changed)
        items = (*opened, *self._changed.values())
        return {int(item.id): item.taxon for item in items if item is not None and item.taxon is not None}

    def numbers(self) -> NDArray[np.int64]:
        """Return the sorted numbers of the specimens that are shown."""
        own = {id_: item for id_, item in self._opened.items() if id_ not in self._changed} | self._changed
        shown = [int(id_) for id_, item in own.items() if self.is_shown(item)]
        found = self.found.at_or_above(self.threshold)
        others = found[~np.isin(found, [int(id_) for id_ in self._changed])]
        return np.sort(np.concatenate([others, np.array(shown, dtype=np.int64)]))

    def detections(self, numbers: NDArray[np.int64], facts: ResultFacts) -> Detections:
        """Return specimens, in the order of their numbers.

        Parameters
        ----------
        numbers : ndarray of int64, shape (N,)
            Their numbers.
        facts : ResultFacts
            Has the classes and the size of the image.
        """
        found, n = self.found.candidates, len(numbers)
        is_own = np.isin(numbers, [int(id_) for id_ in (*self._changed, *self._opened)])
        rows, own = np.flatnonzero(~is_own), np.flatnonzero(is_own)
        items = [self[number] for number in numbers[own].tolist()]
        classes = tuple(dict.fromkeys([*facts.classes, *(item.name for item in items)]))
        boxes, scores = np.empty((n, 5)), np.empty(n)
        class_ids, status = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
        masks: dict[int, CroppedMask] = {}
        at = numbers[rows] - 1
        boxes[rows], scores[rows] = found.boxes[at], found.scores[at]
        class_ids[rows], status[rows] = found.class_ids[at], found.status[at]
        boxes[own] = np.reshape([item.box for item in items], (-1, 5))
        scores[own] = [item.score for item in items]
        class_ids[own] = [classes.index(item.name) for item in items]
        status[own] = [STATUSES.index(item.status) for item in items]
        if self.found.drawn is not None:
            for row, k in zip(rows.tolist(), at.tolist(), strict=True):
                masks[row] = self.found.drawn[k + 1].mask
            for row, item in zip(own.tolist(), items, strict=True):
                masks[row] = item.filled
        return Detections.of(
            boxes,
            class_ids,
            scores,
            classes,
            None if self.found.drawn is None else [masks[row] for row in range(n)],
            cut_flags(boxes, facts.height, facts.width),
            status,
        )

    def features(self, numbers: NDArray[np.int64], facts: ResultFacts) -> pd.DataFrame:
        """Return the features of specimens in the layer, but for their taxa, in the order of their numbers.

        Only those that do not lie where the model found them are measured.
        """
        items = [self[number] for number in numbers.tolist()]
        there = np.array([self._is_where_found(item) for item in items], dtype=bool)
        parts = [np.flatnonzero(there), np.flatnonzero(~there)]
        fresh = numbers[parts[1]]
        tables = [
            pd.DataFrame(self.found.features(numbers[parts[0]], facts)),
            pd.DataFrame(shapes_layer.to_features(self.detections(fresh, facts), fresh, PERSON, facts.pixel_size_um)),
        ]
        table = pd.concat([part for part in tables if len(part)] or tables[:1], ignore_index=True)
        table = table.iloc[np.argsort(np.concatenate(parts))].reset_index(drop=True)
        table[shapes_layer.CLASS] = [item.name for item in items]
        table[shapes_layer.STATUS] = [item.status for item in items]
        table[shapes_layer.SCORE] = np.array([item.score for item in items])
        table[shapes_layer.ORIGIN] = [item.origin for item in items]
        if shapes_layer.OUTLINE in table or any(item.verdict for item in items):
            table[shapes_layer.OUTLINE] = [item.verdict for item in items]
        return table

    def shapes(self, numbers: NDArray[np.int64], facts: ResultFacts) -> list[tuple[NDArray[np.float64], str]]:
        """Return the corners, as ..., y, x, and the kinds of the shapes of specimens in the layer."""
        shapes = []
        for number, item in self._with(numbers):
            if item.drawn is not None:
                shapes.append(item.drawn)
            elif number <= len(self.found) and self.found.drawn is not None:
                shapes.append((self.found.shapes(np.array([number]), facts)[0], "polygon"))
            else:
                shapes.append(project_layer.to_shape(item, facts.plane))
        return shapes

    def _with(self, numbers: NDArray[np.int64]) -> list[tuple[int, ResultSpecimen]]:
        """Return specimens, each behind its number."""
        return [(number, self[number]) for number in numbers.tolist()]

    def __getitem__(self, number: int) -> ResultSpecimen:
        item = self.known(str(number))
        assert item is not None
        return item

    def _is_where_found(self, item: ResultSpecimen) -> bool:
        """Return whether a specimen lies where the model found it."""
        base = self._base(item.id) if int(item.id) <= len(self.found) else None
        return base is not None and item.is_where(base)

    def _base(self, id_: str) -> ResultSpecimen | None:
        """Return a specimen as the model found it or as its file has it."""
        opened = self._opened.get(id_)
        if opened is not None:
            return opened
        known = self._candidates.get(id_)
        if known is None and 1 <= int(id_) <= len(self.found):
            known = self._candidates[id_] = self._candidate(int(id_) - 1)
        return known

    def _candidate(self, i: int) -> ResultSpecimen:
        """Return a candidate by its index."""
        found, measured, drawn = self.found.candidates, self.found.measured, self.found.drawn
        facts: dict[str, Any] = {
            "id": str(i + 1),
            "status": STATUSES[int(found.status[i])],
            "score": float(found.scores[i]),
            "origin": self._origin,
            "verdict": "" if measured is None or measured.outlines is None else str(measured.outlines[i]),
        }
        name = found.classes[int(found.class_ids[i])]
        if drawn is None:
            return ResultSpecimen.rectangle(found.boxes[i], name, **facts)
        return ResultSpecimen.of_mask(drawn[i + 1].mask, name, found.boxes[i], **facts)


class _Shown(Mapping[str, Specimen]):
    """The specimens that count at the present threshold, by their ids."""

    def __init__(self, specimens: ResultSpecimens) -> None:
        self._specimens = specimens

    def __getitem__(self, id_: str) -> Specimen:
        item = self._specimens.known(id_)
        if item is None or not self._specimens.is_shown(item):
            raise KeyError(id_)
        return item

    def __iter__(self) -> Iterator[str]:
        return map(str, self._specimens.numbers().tolist())

    def __len__(self) -> int:
        return len(self._specimens.numbers())
