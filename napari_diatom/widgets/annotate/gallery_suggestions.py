"""Names by example in the gallery: what specimens without a name may be, and keys that take it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from qtpy.QtCore import QObject, Signal

from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import DiatomError
from napari_diatom.project.gallery_order import Entry
from napari_diatom.review.known_specimens import specimen_key
from napari_diatom.review.suggested_names import SuggestedNames
from napari_diatom.widgets.naming.naming_session import NamingSession
from napari_diatom.widgets.naming.offers import OFFERED

_MOST_NOTED: Final = 2_000
"""Specimens without a name above which nothing is written under their pictures."""


class GallerySuggestions(QObject):
    """Suggests names for specimens of a gallery as the naming mode does.

    Parameters
    ----------
    names : NamingSession
        Knows the names of the project.
    is_wanted : callable
        Returns whether the person wants suggestions.
    parent : QObject
        Its owner.
    """

    changed = Signal()
    """Other names are suggested."""
    failed = Signal(str)
    """What went wrong."""

    def __init__(self, names: NamingSession, is_wanted: Callable[[], bool], parent: QObject) -> None:
        super().__init__(parent)
        self._names = names
        self._is_wanted = is_wanted
        names.changed.connect(self.changed)

    def is_unnamed(self, entry: Entry) -> bool:
        """Return whether no person has named a specimen, as far as it was read."""
        names = self._names.names
        return names is not None and not names.taxon(_key(entry))

    def notes(self, entries: Sequence[Entry]) -> list[str]:
        """Return what is written under the names of specimens: what each may be, else its status."""
        unnamed = [entry for entry in entries if self._is_wanted() and self.is_unnamed(entry)]
        found = self._suggest(unnamed, 1) if len(unnamed) <= _MOST_NOTED else []
        firsts = {one.key: f"{one.names[0][0]}? {100 * one.names[0][1]:.0f} %" for one in found if one.names}
        return [firsts.get(_key(entry)) or (entry.status if entry.status != STATUSES[0] else "") for entry in entries]

    def line(self, entry: Entry) -> str:
        """Return what may be taken for a specimen; empty where nothing is suggested."""
        [suggested] = self._suggest([entry], OFFERED) if self._is_wanted() else [SuggestedNames("")]
        names = (f"{number}  {taxon}, {100 * share:.0f} %" for number, (taxon, share) in enumerate(suggested.names, 1))
        return ";  ".join(names)

    def take(self, entry: Entry, number: int) -> bool:
        """Name a specimen as one of its suggestions, from 1, and return whether there was one."""
        [suggested] = self._suggest([entry], OFFERED) if self._is_wanted() else [SuggestedNames("")]
        if number > len(suggested.names) or not self._names.name(suggested.names[number - 1][0], [entry]):
            return False
        try:
            self._names.note_answer(suggested)
        except DiatomError as error:
            self.failed.emit(str(error))
        return True

    def hurry(self, image_ids: Iterable[str]) -> None:
        """Make what is left of all steps in images that are about to be changed in the gallery."""
        self._names.steps.hurry(*image_ids)

    def _suggest(self, entries: Sequence[Entry], number: int) -> list[SuggestedNames]:
        """Return what specimens may be called, weighed by the counts of the sample of each."""
        by_image: dict[str, list[str]] = {}
        for entry in entries:
            by_image.setdefault(entry.image_id if self._names.by_counts else "", []).append(_key(entry))
        found = [one for keys in by_image.values() for one in self._names.suggest(keys, number)]
        return found or [SuggestedNames(_key(entry)) for entry in entries]


def _key(entry: Entry) -> str:
    return specimen_key(entry.image_id, entry.id)
