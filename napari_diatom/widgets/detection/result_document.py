"""The specimens of a result as a document: every change is an edit that can be undone, the threshold too."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from napari_diatom.core.detections import PERSON
from napari_diatom.core.taxa import Name
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.result_facts import ResultFacts
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Change, Contents, Edit, State
from napari_diatom.project.live_contents import LiveContents
from napari_diatom.widgets.detection.found_specimens import FoundSpecimens
from napari_diatom.widgets.detection.result_specimens import ResultSpecimen, ResultSpecimens

NAMING: Final = "names"
"""Label of the edits by classifiers, which change taxa only."""


@dataclass(frozen=True, eq=False)
class ThresholdEdit(Edit):
    """A move of the threshold.

    Attributes
    ----------
    thresholds : tuple of float, length 2
        The lowest score that counts, before and after.
    """

    thresholds: tuple[float, float] = (0.0, 0.0)

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self.thresholds[0] == self.thresholds[1]


class ResultContents(LiveContents):
    """What a result has at the moment.

    Parameters
    ----------
    specimens : ResultSpecimens
        Its specimens, which have the threshold.
    """

    def __init__(self, specimens: ResultSpecimens) -> None:
        super().__init__(Contents())
        self.all = self._specimens = specimens

    def edit(self, label: str, after: Change, proposals: Change, state: State, rejected: Change | None = None) -> Edit:
        """Return the edit that makes these specimens of what is there. Specimens may be hidden by the threshold.

        A result has no proposals, and what is deleted is what its candidates lack.
        """
        return Edit(label, {id_: self.all.known(id_) for id_ in after}, after, state=(self.state, state))

    def turned_back(self, edit: Edit, state: State) -> Edit:
        """Return the edit that undoes the last one."""
        if isinstance(edit, ThresholdEdit):
            return dataclasses.replace(edit, thresholds=edit.thresholds[::-1])
        return super().turned_back(edit, state)

    def apply(self, edit: Edit) -> None:
        """Make an edit. It is not kept for a file: a result is exported as a whole."""
        self.all.update(edit.after)
        self.state = edit.state[1]
        if isinstance(edit, ThresholdEdit):
            self.all.threshold = edit.thresholds[1]


class ResultDocument(Document):
    """The specimens of a result, changed by undoable edits in memory.

    Parameters
    ----------
    found : FoundSpecimens
        The candidates.
    facts : ResultFacts
        Image, model and classes.
    opened : sequence of ResultSpecimen
        The specimens of a layer that was opened from a file.

    Attributes
    ----------
    all : ResultSpecimens
        The specimens, those that the threshold hides too.
    taxa : tuple of str
        The taxa that the last classifier knows.
    """

    def __init__(self, found: FoundSpecimens, facts: ResultFacts, opened: Sequence[ResultSpecimen] = ()) -> None:
        contents = ResultContents(ResultSpecimens(found, facts, opened))
        super().__init__(contents, clock=str)
        self.all = contents.all
        self.taxa: tuple[str, ...] = ()

    def set_class(self, ids: Iterable[str], name: str) -> Edit:
        """Give specimens another class. A class that is a taxon of the classifier is their taxon, too."""
        if name in self.taxa:
            return self._change("class", ids, name=name, taxon=Name.by_person(name))
        return super().set_class(ids, name)

    def set_taxon(self, ids: Iterable[str], taxon: str) -> Edit:
        """Give specimens the taxon that a person chose; raises as :meth:`remove`."""
        return self._change("taxon", ids, taxon=Name.by_person(taxon))

    def set_feature(self, number: int, feature: str, value: str) -> Edit:
        """Give a specimen the class, taxon or status that a feature of a layer says.

        Raises
        ------
        InputError
            When the status is unknown, or there is no such specimen.
        """
        setters = {
            shapes_layer.CLASS: self.set_class,
            shapes_layer.TAXON: self.set_taxon,
            shapes_layer.STATUS: self.set_status,
        }
        return setters[feature]([str(number)], value)

    def set_names(
        self, names: Mapping[int, Name], seen: Mapping[str, ResultSpecimen | None], taxa: Sequence[str]
    ) -> Edit:
        """Set the names that a classifier gives, in place of those of an earlier classifier.

        Names that people gave stay. A class that a person gave is the taxon, if the classifier knows it.

        Parameters
        ----------
        names : Mapping of int to Name
            The names by the numbers of the specimens.
        seen : Mapping of str to (ResultSpecimen or None)
            What was changed when the classifier saw the specimens, by their ids. Those that were reshaped since then
            get no name.
        taxa : sequence of str
            All taxa that the classifier knows.
        """
        self.taxa = tuple(taxa)
        ids = dict.fromkeys([*map(str, names), *map(str, self.all.taxa()), *self.specimens])
        after: dict[str, ResultSpecimen] = {}
        for id_ in ids:
            item = self.all.known(id_)
            if item is None:
                continue
            then = seen[id_] if id_ in seen else self.all.first(id_)
            taxon = names.get(int(id_)) if then is not None and item.is_where(then) else None
            if item.name in self.taxa and self.all.was_classed_by_person(item):
                taxon = Name.by_person(item.name)
            elif item.taxon is not None and item.taxon.by == PERSON:
                taxon = item.taxon
            if taxon != item.taxon:
                after[id_] = item.called(taxon)
        return self._make(NAMING, after)

    def set_threshold(self, threshold: float, joined: bool = False) -> Edit:
        """Show the candidates at or above another score.

        Parameters
        ----------
        threshold : float
            The score.
        joined : bool
            Whether this goes on with the last edit, as while a slider is dragged: both are undone together.
        """
        now = self._moved(self.all.threshold, threshold)
        done, whole = self.history.done, now
        if joined and done and isinstance(done[-1], ThresholdEdit):
            last = done.pop()
            assert isinstance(last, ThresholdEdit)
            whole = self._moved(last.thresholds[0], threshold)
        if not whole.is_empty:
            self.history.add(whole)
        return self._finish(now)

    def _moved(self, before: float, after: float) -> ThresholdEdit:
        """Return the edit that moves the threshold."""
        return ThresholdEdit("threshold", {}, {}, state=(self.state, self.state), thresholds=(before, after))
