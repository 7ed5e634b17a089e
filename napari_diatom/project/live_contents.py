"""The specimens and proposals of an image in memory, changed by edits, and what of them is not in its files yet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few
from napari_diatom.project.edit_merging import Side, difference, left_to_do, rejections_left
from napari_diatom.project.edits import Change, Contents, Edit, State, joined_edits
from napari_diatom.project.specimen import Specimen

LISTED_IDS: Final = 3
"""Ids that a message names before it says how many more there are."""


class LiveContents:
    """What an image has at the moment.

    Parameters
    ----------
    contents : Contents
        What its files hold.
    """

    def __init__(self, contents: Contents) -> None:
        self._specimens = OrderedSpecimens(contents.specimens)
        self._proposals = OrderedSpecimens(contents.proposals)
        self._rejected = OrderedSpecimens(contents.rejected)
        self._saved = contents.saved
        self._unsaved: list[Edit] = []
        self.state: State = contents.state

    @property
    def specimens(self) -> Mapping[str, Specimen]:
        """The specimens by their ids, in their order; a live, read-only view."""
        return self._specimens.view

    @property
    def proposals(self) -> Mapping[str, Specimen]:
        """What models proposed, by ids, in their order; a live, read-only view."""
        return self._proposals.view

    @property
    def rejected(self) -> Mapping[str, Specimen]:
        """What models found and people rejected or deleted, by ids; a live, read-only view."""
        return self._rejected.view

    @property
    def is_saved(self) -> bool:
        """Whether the image's files hold all of it."""
        return not self._unsaved

    def snapshot(self) -> Contents:
        """Return all of it, as the files would hold it."""
        return Contents(
            tuple(self.specimens.values()),
            tuple(self.proposals.values()),
            self.state,
            rejected=tuple(self.rejected.values()),
        )

    def edit(self, label: str, after: Change, proposals: Change, state: State, rejected: Change | None = None) -> Edit:
        """Return the edit that makes these specimens of what is there."""
        rejected = rejected or {}
        return Edit(
            label,
            {id_: self.specimens.get(id_) for id_ in after},
            after,
            {id_: self.proposals.get(id_) for id_ in proposals},
            proposals,
            (self.state, state),
            rejected_before={id_: self.rejected.get(id_) for id_ in rejected},
            rejected_after=rejected,
        )

    def turned_back(self, edit: Edit, state: State) -> Edit:
        """Return the edit that undoes the last one, and leaves the image in a state."""
        return self.edit(edit.label, edit.before, edit.proposals_before, state, edit.rejected_before)

    def apply(self, edit: Edit) -> None:
        """Make an edit."""
        self._unsaved.append(edit)
        self._specimens.update(edit.after)
        self._proposals.update(edit.proposals_after)
        self._rejected.update(edit.rejected_after)
        self.state = edit.state[1]

    def replay(self, edit: Edit, keep: Side | None, number: int) -> Edit | None:
        """Make an edit as far as it is not made yet, under a number of this window; return what was changed.

        Raises
        ------
        ConflictError
            When somebody else changed the same specimens and ``keep`` says nothing; nothing is changed then.
        """
        change = left_to_do(edit, self.specimens, self.proposals, keep, self._saved)
        rejected = rejections_left(edit, change, (self.specimens, self.proposals), self.rejected)
        state = edit.state[1] if edit.state[0] != edit.state[1] else self.state
        made = self.edit(edit.label, *change, state, rejected)
        if made.is_empty:
            return None
        made = dataclasses.replace(made, number=number)
        self.apply(made)
        return made

    def become(self, other: LiveContents) -> Edit:
        """Hold what another one holds, in its order, and return the edit that this makes; the views stay."""
        edit = self.edit(
            "merge",
            difference(self.specimens, other.specimens.values()),
            difference(self.proposals, other.proposals.values()),
            other.state,
            difference(self.rejected, other.rejected.values()),
        )
        self._specimens.take(other._specimens)
        self._proposals.take(other._proposals)
        self._rejected.take(other._rejected)
        self.state, self._unsaved, self._saved = other.state, other._unsaved, other._saved
        return edit

    def unsaved(self, included: tuple[int, int]) -> Edit:
        """Return all that was changed since the files were read or written as one edit.

        Edits of this window up to the numbers ``included`` are left out, of specimens and of proposals.
        """
        net = joined_edits(self._unsaved, "unsaved edits", included)
        return net or Edit("unsaved edits", {}, {}, state=(self.state, self.state))

    def saved(self) -> None:
        """Note that the image's files hold all of it now."""
        self._unsaved = []

    def known(self, ids: Iterable[str], among: Mapping[str, Specimen]) -> list[str]:
        """Return ids without repetition; all have to be there.

        Raises
        ------
        InputError
            When one is not.
        """
        listed = list(dict.fromkeys(ids))
        unknown = [id_ for id_ in listed if id_ not in among]
        if unknown:
            kind = "specimen" if among is self.specimens else "proposal"
            raise InputError(f"There is no {kind} {first_few(unknown, LISTED_IDS)} in this image.")
        return listed


class OrderedSpecimens:
    """Specimens by id, in an order that they keep: one that comes back goes where it was."""

    def __init__(self, specimens: Iterable[Specimen]) -> None:
        self._items: dict[str, Specimen] = {item.id: item for item in specimens}
        self._ranks = {id_: rank for rank, id_ in enumerate(self._items)}
        self.view: Mapping[str, Specimen] = MappingProxyType(self._items)

    def update(self, changes: Change) -> None:
        """Put specimens in and take those that are None out."""
        last = self._ranks[next(reversed(self._items))] if self._items else -1
        returned = False
        for id_, item in changes.items():
            if item is None:
                self._items.pop(id_, None)
                continue
            rank = self._ranks.setdefault(id_, len(self._ranks))
            returned |= id_ not in self._items and rank < last
            last = max(last, rank)
            self._items[id_] = item
        if returned:
            ordered = sorted(self._items.items(), key=lambda entry: self._ranks[entry[0]])
            self._items.clear()
            self._items.update(ordered)

    def take(self, other: OrderedSpecimens) -> None:
        """Hold what another one holds, in its order; the view stays."""
        self._ranks = dict(other._ranks)
        self._items.clear()
        self._items.update(other._items)
