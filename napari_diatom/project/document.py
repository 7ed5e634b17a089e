"""The annotations of one image while it is open: every change is one edit, which can be undone."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, Protocol, get_args

from psygnal import Signal

from napari_diatom.core.annotations import repeated
from napari_diatom.core.detections import PERSON, STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.project import clock
from napari_diatom.project.edit_conflicts import Clash, ConflictError, Saved, clashes_in_words
from napari_diatom.project.specimen import Specimen

State = Literal["untouched", "machine", "work", "done"]
"""How far an image is: nothing there, only what models proposed, people are at it, finished."""

STATES: Final[tuple[State, ...]] = get_args(State)

Side = Literal["mine", "theirs"]
"""Whose version stays where two people changed the same specimen."""

Change = Mapping[str, Specimen | None]
"""Specimens by their ids; None where there is none."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One change of a document, and what undoes it.

    Attributes
    ----------
    label : str
        What was done, in a word or two.
    before, after : Mapping of str to (Specimen or None)
        The specimens that it touched, by their ids; None where there was, or is, none.
    proposals_before, proposals_after : Mapping of str to (Specimen or None)
        The same of the models' proposals.
    state : tuple of str, length 2
        The image's :data:`State` before and after.
    number : int
        Counts the edits of a window, so that none is made twice; 0 where it is not known.
    """

    label: str
    before: Change
    after: Change
    proposals_before: Change = field(default_factory=dict)
    proposals_after: Change = field(default_factory=dict)
    state: tuple[State, State] = ("work", "work")
    number: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return not self.after and not self.proposals_after and self.state[0] == self.state[1]

    def inverse(self) -> Edit:
        """Return the edit that undoes this one."""
        return Edit(self.label, self.after, self.before, self.proposals_after, self.proposals_before, self.state[::-1])


@dataclass(frozen=True, eq=False)
class Contents:
    """What the files of an image hold.

    Attributes
    ----------
    specimens, proposals : tuple of Specimen
        In their order.
    state : State
        How far the image is.
    included : tuple of int, length 2
        Number of the last edit of this window that the specimens, and the proposals, have already: another window
        may have written them.
    saved : Saved
        Who wrote the files last.
    """

    specimens: tuple[Specimen, ...] = ()
    proposals: tuple[Specimen, ...] = ()
    state: State = "untouched"
    included: tuple[int, int] = (0, 0)
    saved: Saved = field(default_factory=Saved)


class Keeper(Protocol):
    """Where the edits of a document go: the journal of its project."""

    def append(self, edit: Edit) -> None:
        """Put an edit on disk before anybody hears of it.

        Raises
        ------
        OutputError
            When that is not possible now; the edit is kept and tried again with the next one.
        """
        ...

    def latest(self) -> Contents:
        """Return what the files hold now.

        Raises
        ------
        InputError
            When they cannot be read.
        """
        ...

    def restart(self, edit: Edit) -> None:
        """Replace all edits of the journal by one, made on what :meth:`latest` returned: that may be overwritten now.

        Raises
        ------
        OutputError
            When the edit could not be put on disk.
        """
        ...


class Document:
    """The specimens of one image and the proposals of models, changed by undoable edits.

    A method that changes something makes one edit, hands it to the keeper and then emits :attr:`edited`. Where the
    keeper has no room, the edit is made nevertheless, and the ``OutputError`` is raised in the end.

    Parameters
    ----------
    contents : Contents
        What there is to begin with.
    annotator : str
        Who changes it.
    keeper : Keeper, optional
        Where edits go; without, they stay in memory.
    clock : callable, optional
        Gives the time, ISO 8601 in UTC with seconds.
    numbers : iterator of int, optional
        Gives the numbers of edits, from 1 upwards; of a project's window one for all images.
    """

    edited = Signal(Edit)

    def __init__(
        self,
        contents: Contents | None = None,
        annotator: str = "",
        keeper: Keeper | None = None,
        clock: Callable[[], str] | None = None,
        numbers: Iterator[int] | None = None,
    ) -> None:
        contents = contents or Contents()
        self.annotator = annotator
        self._keeper = keeper
        self._clock = clock or _now
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._saved = contents.saved
        self._is_stored = True
        self._specimens = _Ranked(contents.specimens)
        self._proposals = _Ranked(contents.proposals)
        self._state: State = contents.state
        self._done: list[Edit] = []
        self._undone: list[Edit] = []
        self._unsaved: list[Edit] = []

    @property
    def specimens(self) -> Mapping[str, Specimen]:
        """The specimens by their ids, in their order; a live, read-only view."""
        return self._specimens.view

    @property
    def proposals(self) -> Mapping[str, Specimen]:
        """What models proposed, by ids, in their order; a live, read-only view."""
        return self._proposals.view

    @property
    def state(self) -> State:
        """How far the image is."""
        return self._state

    @property
    def contents(self) -> Contents:
        """All of it, as its files hold it."""
        return Contents(tuple(self.specimens.values()), tuple(self.proposals.values()), self._state)

    @property
    def undo_label(self) -> str | None:
        """What :meth:`undo` would undo, None where there is nothing."""
        return self._done[-1].label if self._done else None

    @property
    def redo_label(self) -> str | None:
        """What :meth:`redo` would do again, None where there is nothing."""
        return self._undone[-1].label if self._undone else None

    def add(self, specimens: Iterable[Specimen], label: str = "add", stamped: bool = False) -> Edit:
        """Add specimens.

        Parameters
        ----------
        specimens : iterable of Specimen
            With ids that are not in use.
        label : str
            Of the edit.
        stamped : bool
            Whether annotator and time of those that have them stay, as of a file.

        Raises
        ------
        InputError
            When an id is in use already, or used twice.
        OutputError
            When the edit could not be put on disk.
        """
        listed = list(specimens)
        new = {item.id: item if stamped and item.annotator else self._stamp(item) for item in listed}
        used = sorted(new.keys() & (self.specimens.keys() | self.proposals.keys())) or list(
            repeated([item.id for item in listed])
        )
        if used:
            raise InputError(f"Specimens cannot be added under an id that is in use: {_listed(used)}.")
        return self._make(label, new)

    def remove(self, ids: Iterable[str]) -> Edit:
        """Remove specimens.

        Raises
        ------
        InputError
            When there is no such specimen.
        OutputError
            When the edit could not be put on disk.
        """
        return self._make("remove", dict.fromkeys(self._known(ids, self.specimens)))

    def set_class(self, ids: Iterable[str], name: str) -> Edit:
        """Give specimens another class; raises as :meth:`remove`, and where the name is empty."""
        return self._change("class", ids, name=name)

    def set_status(self, ids: Iterable[str], status: str) -> Edit:
        """Give specimens another status; raises as :meth:`remove`, and where the status is unknown."""
        if status not in STATUSES:
            raise InputError(f"Unknown status {status!r}; known are {', '.join(STATUSES)}.")
        return self._change("status", ids, status=status)

    def reshape(self, shapes: Mapping[str, Specimen]) -> Edit:
        """Give specimens the outlines and boxes of others, by id; all else stays. Raises as :meth:`remove`."""
        ids = self._known(shapes, self.specimens)
        return self._make("reshape", {id_: self._stamp(self.specimens[id_].reshaped(shapes[id_]), True) for id_ in ids})

    def accept(self, ids: Iterable[str], reviewed: bool = True, name: str | Callable[[str], str] = "") -> Edit:
        """Make proposals specimens.

        Parameters
        ----------
        ids : iterable of str
            Of proposals.
        reviewed : bool
            Whether a person has looked at each of them.
        name : str or callable
            The class to give them, or what turns theirs into it; empty leaves them theirs.

        Raises
        ------
        InputError
            When there is no such proposal.
        OutputError
            When the edit could not be put on disk.
        """
        known = self._known(ids, self.proposals)
        taken: dict[str, Specimen] = {}
        for id_ in known:
            item = self.proposals[id_]
            called = name(item.name) if callable(name) else name or item.name
            taken[id_] = self._stamp(item if called == item.name else item.replace(name=called), reviewed)
        return self._make("accept", taken, dict.fromkeys(known))

    def reject(self, ids: Iterable[str]) -> Edit:
        """Drop proposals; raises as :meth:`accept`."""
        return self._make("reject", {}, dict.fromkeys(self._known(ids, self.proposals)))

    def propose(self, specimens: Iterable[Specimen], origin: str) -> Edit:
        """Take what a model found in place of what is left of its earlier proposals; cannot be undone.

        Parameters
        ----------
        specimens : iterable of Specimen
            The proposals.
        origin : str
            Name and version of the model.

        Raises
        ------
        InputError
            When ``origin`` is empty or a person, or an id is in use.
        OutputError
            When the edit could not be put on disk.
        """
        if not origin or origin == PERSON:
            raise InputError("Proposals need the name of the model that made them.")
        new = {item.id: item.replace(origin=origin, reviewed=False) for item in specimens}
        old = [id_ for id_, item in self.proposals.items() if item.origin == origin]
        used = sorted(new.keys() & (self.specimens.keys() | (self.proposals.keys() - set(old))))
        if used:
            raise InputError(f"Specimens cannot be proposed under an id that is in use: {_listed(used)}.")
        state: State = "machine" if self._state == "untouched" and new else self._state
        return self._finish(self._edit("propose", {}, dict.fromkeys(old) | new, state))

    def set_done(self, done: bool) -> Edit:
        """Mark the image as finished, or as not finished. Raises OutputError as all edits do."""
        return self._make("done" if done else "not done", {}, state="done" if done else "work")

    def undo(self) -> Edit | None:
        """Undo the last edit and return the one that did so, None where there is nothing to undo."""
        return self._turn_back(self._done, self._undone)

    def redo(self) -> Edit | None:
        """Do again what was undone last and return the edit, None where there is nothing to do again."""
        return self._turn_back(self._undone, self._done)

    @property
    def is_saved(self) -> bool:
        """Whether the image's files hold all of it, so that its journal is empty."""
        return not self._unsaved

    @property
    def is_stored(self) -> bool:
        """Whether all of it is on disk, in the files or in the journal; else the last edits are in memory alone."""
        return self._is_stored

    def saved(self) -> None:
        """Note that the image's files hold all of it now."""
        self._unsaved = []
        self._is_stored = True

    def unsaved(self, included: tuple[int, int] = (0, 0)) -> Edit:
        """Return all that was changed since the files were read or written as one edit.

        Edits of this window up to the numbers ``included`` are left out, of specimens and of proposals.
        """
        net = joined(self._unsaved, "unsaved edits", included)
        return net or Edit("unsaved edits", {}, {}, state=(self._state, self._state))

    def replay(self, edit: Edit, keep: Side | None = None) -> Edit | None:
        """Make an edit that was left in a journal, as far as it is not made yet; it is not handed to the keeper.

        Parameters
        ----------
        edit : Edit
            Each specimen either is as it was before it, or as it is after it, or somebody else has changed it.
        keep : {"mine", "theirs"}, optional
            Which version of those that somebody else changed stays: the edit's (mine) or the document's.

        Returns
        -------
        Edit or None
            What was changed; None where there was nothing left to do.

        Raises
        ------
        ConflictError
            When somebody else changed the same specimens and ``keep`` says nothing; nothing is changed then. Its
            ``clashes`` say who changed what.
        """
        return self._replay(edit, keep, 0)

    def rebase(self, keep: Side | None = None) -> Edit | None:
        """Take over what another window wrote, and make the own unsaved edits on top of it.

        Parameters
        ----------
        keep : {"mine", "theirs"}, optional
            Which version of the specimens that both changed stays.

        Returns
        -------
        Edit or None
            What this changed here; it was emitted, and cannot be undone. None where nothing did.

        Raises
        ------
        ConflictError
            When both changed the same specimens and ``keep`` says nothing; nothing is changed then. Its ``clashes``
            say who changed what.
        InputError
            When the files cannot be read.
        OutputError
            When the edits could not be put on disk.
        """
        if self._keeper is None:
            return None
        theirs = self._keeper.latest()
        mine = self.unsaved(theirs.included)
        on_disk = Document(theirs, self.annotator)
        on_disk._replay(mine, keep, next(self._numbers))
        fresh = on_disk.contents
        edit = self._edit(
            "merge",
            _difference(self.specimens, fresh.specimens),
            _difference(self.proposals, fresh.proposals),
            fresh.state,
        )
        self._specimens.take(on_disk._specimens)
        self._proposals.take(on_disk._proposals)
        self._state, self._unsaved, self._saved = on_disk._state, on_disk._unsaved, on_disk._saved
        touched = edit.after.keys() | edit.proposals_after.keys()
        self._done, self._undone = _after_last(self._done, touched), _after_last(self._undone, touched)
        self._is_stored = False
        try:
            self._keeper.restart(self.unsaved())
            self._is_stored = True
        finally:
            if not edit.is_empty:
                self.edited.emit(edit)
        return None if edit.is_empty else edit

    def _replay(self, edit: Edit, keep: Side | None, number: int) -> Edit | None:
        """Make an edit as far as it is not made yet, under a number of this window."""
        merged = _merged(edit, self.specimens, self.proposals, keep, self._saved)
        made = self._edit(edit.label, *merged, edit.state[1] if edit.state[0] != edit.state[1] else self._state)
        if made.is_empty:
            return None
        made = dataclasses.replace(made, number=number)
        self._apply(made)
        return made

    def _stamp(self, specimen: Specimen, reviewed: bool | None = None) -> Specimen:
        """Return a specimen that says who changed it, and when; a person's own is reviewed."""
        seen = (specimen.reviewed or specimen.origin == PERSON) if reviewed is None else reviewed
        return specimen.replace(annotator=self.annotator, changed=self._clock(), reviewed=seen)

    def _known(self, ids: Iterable[str], among: Mapping[str, Specimen]) -> list[str]:
        """Return ids without repetition; all have to be there."""
        listed = list(dict.fromkeys(ids))
        unknown = [id_ for id_ in listed if id_ not in among]
        if unknown:
            kind = "specimen" if among is self.specimens else "proposal"
            raise InputError(f"There is no {kind} {_listed(unknown)} in this image.")
        return listed

    def _change(self, label: str, ids: Iterable[str], **changes: str) -> Edit:
        """Change specimens that a person has looked at by that."""
        known = self._known(ids, self.specimens)
        return self._make(label, {id_: self._stamp(self.specimens[id_].replace(**changes), True) for id_ in known})

    def _make(self, label: str, after: Change, proposals: Change | None = None, state: State | None = None) -> Edit:
        """Make an undoable edit of a person."""
        if state is None:
            state = "work" if (after or proposals) and self._state != "done" else self._state
        edit = self._edit(label, after, proposals or {}, state)
        if not edit.is_empty:
            self._done.append(edit)
            self._undone.clear()
        return self._finish(edit)

    def _edit(self, label: str, after: Change, proposals: Change, state: State) -> Edit:
        """Return the edit that makes these specimens of what is there."""
        return Edit(
            label,
            {id_: self.specimens.get(id_) for id_ in after},
            after,
            {id_: self.proposals.get(id_) for id_ in proposals},
            proposals,
            (self._state, state),
        )

    def _turn_back(self, taken: list[Edit], given: list[Edit]) -> Edit | None:
        """Make the inverse of the last edit of one list and put it on the other."""
        if not taken:
            return None
        last = taken.pop()
        # A model may have proposed something since.
        state: State = "machine" if last.state[0] == "untouched" and self._proposals.view else last.state[0]
        edit = self._edit(last.label, last.before, last.proposals_before, state)
        given.append(edit)
        return self._finish(edit)

    def _apply(self, edit: Edit) -> None:
        """Make an edit in memory."""
        self._unsaved.append(edit)
        self._specimens.update(edit.after)
        self._proposals.update(edit.proposals_after)
        self._state = edit.state[1]

    def _finish(self, edit: Edit) -> Edit:
        """Make an edit, put it on disk and tell it, unless it changes nothing; return it."""
        if edit.is_empty:
            return edit
        edit = dataclasses.replace(edit, number=next(self._numbers))
        self._apply(edit)
        self._is_stored = False
        try:
            if self._keeper is not None:
                self._keeper.append(edit)
            self._is_stored = True
        finally:
            self.edited.emit(edit)
        return edit


class _Ranked:
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

    def take(self, other: _Ranked) -> None:
        """Hold what another one holds, in its order; the view stays."""
        self._ranks = dict(other._ranks)
        self._items.clear()
        self._items.update(other._items)


def _now() -> str:
    return clock.now()


def state_of(specimens: Sequence[Specimen], proposals: Sequence[Specimen]) -> State:
    """Return how far an image is by what is there, where nobody has said so."""
    if any(item.reviewed or item.origin == PERSON for item in specimens):
        return "work"
    return "machine" if specimens or proposals else "untouched"


def joined(edits: Iterable[Edit], label: str, included: tuple[int, int] = (0, 0)) -> Edit | None:
    """Return edits that follow each other as one, with the number of the last; None where there is none.

    Edits up to the numbers ``included`` are left out, as far as they are about specimens, and about proposals.
    """
    listed = list(edits)
    specimens = [edit for edit in listed if not 0 < edit.number <= included[0]]
    proposals = [edit for edit in listed if not 0 < edit.number <= included[1]]
    if not specimens and not proposals:
        return None
    end = listed[-1].state[1]
    return Edit(
        label,
        _first(edit.before for edit in specimens),
        _last(edit.after for edit in specimens),
        _first(edit.proposals_before for edit in proposals),
        _last(edit.proposals_after for edit in proposals),
        (specimens[0].state[0] if specimens else end, end),
        max(edit.number for edit in listed),
    )


def _first(changes: Iterable[Change]) -> Change:
    """Return what specimens were in the first change of each."""
    found: dict[str, Specimen | None] = {}
    for change in changes:
        for id_, item in change.items():
            found.setdefault(id_, item)
    return found


def _last(changes: Iterable[Change]) -> Change:
    """Return what specimens are after the last change of each."""
    found: dict[str, Specimen | None] = {}
    for change in changes:
        found.update(change)
    return found


def _merged(
    edit: Edit,
    specimens: Mapping[str, Specimen],
    proposals: Mapping[str, Specimen],
    keep: Side | None,
    saved: Saved,
) -> tuple[Change, Change]:
    """Return what of an edit is left to do to specimens and to proposals."""
    clashes: list[Clash] = []
    left: list[Change] = []
    for is_proposal, current, before, after in (
        (False, specimens, edit.before, edit.after),
        (True, proposals, edit.proposals_before, edit.proposals_after),
    ):
        change: dict[str, Specimen | None] = {}
        for id_, wanted in after.items():
            there = current.get(id_)
            # A change that was undone leaves nothing to do.
            if _alike(there, wanted) or (wanted is not None and _alike(wanted, before[id_])):
                continue
            if not _alike(there, before[id_]):
                clashes.append(Clash.of(id_, is_proposal, before[id_], wanted, there, saved))
                if keep != "mine":
                    continue
            change[id_] = wanted
        left.append(change)
    if clashes and keep is None:
        raise ConflictError(f"{clashes_in_words(clashes)} Choose whose version stays.", clashes)
    return left[0], left[1]


def _alike(a: Specimen | None, b: Specimen | None) -> bool:
    return a is b or (a is not None and b is not None and a.is_like(b))


def _difference(mine: Mapping[str, Specimen], others: Iterable[Specimen]) -> Change:
    """Return what makes others of mine."""
    theirs = {item.id: item for item in others}
    changed: dict[str, Specimen | None] = {id_: item for id_, item in theirs.items() if not _alike(mine.get(id_), item)}
    return changed | dict.fromkeys(id_ for id_ in mine if id_ not in theirs)


def _after_last(edits: list[Edit], touched: set[str]) -> list[Edit]:
    """Return the edits that follow the last one that has to do with specimens that somebody else changed."""
    for number in range(len(edits), 0, -1):
        edit = edits[number - 1]
        if touched & (edit.after.keys() | edit.proposals_after.keys()):
            return edits[number:]
    return edits


def _listed(ids: Sequence[str]) -> str:
    """Return the first few ids as text."""
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
