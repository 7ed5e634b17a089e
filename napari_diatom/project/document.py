"""The annotations of one image while it is open: every change is one edit, which can be undone."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Protocol

from psygnal import Signal

from napari_diatom.core.annotations import repeated
from napari_diatom.core.detections import PERSON, STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few
from napari_diatom.project import clock
from napari_diatom.project.class_names import renamed_edit
from napari_diatom.project.edit_merging import Side
from napari_diatom.project.edits import Change, Contents, Edit, State
from napari_diatom.project.live_contents import LISTED_IDS, LiveContents
from napari_diatom.project.specimen import Specimen
from napari_diatom.project.undo_history import UndoHistory


class EditLog(Protocol):
    """Where the edits of a document go: the journal of its project."""

    def append(self, edit: Edit) -> None:
        """Put an edit on disk before any listener gets it.

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

    A method that changes something makes one edit, appends it to the edit log and then emits :attr:`edited`. Where
    the edit log has no room, the edit is made nevertheless, and the ``OutputError`` is raised in the end.

    Parameters
    ----------
    contents : Contents or LiveContents
        What there is to begin with.
    annotator : str
        Who changes it.
    edit_log : EditLog, optional
        Where edits go; without, they stay in memory.
    clock : callable, optional
        Gives the time, ISO 8601 in UTC with seconds.
    numbers : iterator of int, optional
        Gives the numbers of edits, from 1 upwards; of a project's window one for all images.

    Attributes
    ----------
    specimens : Mapping of str to Specimen
        The specimens by their ids, in their order; a live, read-only view.
    proposals : Mapping of str to Specimen
        What models proposed, by ids, in their order; a live, read-only view.
    rejected : Mapping of str to Specimen
        What models found and people rejected or deleted, by ids; a live, read-only view. It is not sent again.
    history : UndoHistory
        What :meth:`undo` and :meth:`redo` would do.
    """

    edited = Signal(Edit)

    def __init__(
        self,
        contents: Contents | LiveContents | None = None,
        annotator: str = "",
        edit_log: EditLog | None = None,
        clock: Callable[[], str] | None = None,
        numbers: Iterator[int] | None = None,
    ) -> None:
        self.annotator = annotator
        self._edit_log = edit_log
        self._clock = clock or _now
        self._numbers = itertools.count(1) if numbers is None else numbers
        self._is_stored = True
        self._content = contents if isinstance(contents, LiveContents) else LiveContents(contents or Contents())
        self.specimens: Final[Mapping[str, Specimen]] = self._content.specimens
        self.proposals: Final[Mapping[str, Specimen]] = self._content.proposals
        self.rejected: Final[Mapping[str, Specimen]] = self._content.rejected
        self.history: Final = UndoHistory()

    @property
    def state(self) -> State:
        """How far the image is."""
        return self._content.state

    @property
    def contents(self) -> Contents:
        """All of it, as its files hold it."""
        return self._content.snapshot()

    def add(
        self,
        specimens: Iterable[Specimen],
        label: str = "add",
        stamped: bool = False,
        proposals: Iterable[Specimen] = (),
    ) -> Edit:
        """Add specimens, and proposals with them.

        Parameters
        ----------
        specimens : iterable of Specimen
            With ids that are not in use.
        label : str
            Of the edit.
        stamped : bool
            Whether annotator and time of those that have them stay, as of a file.
        proposals : iterable of Specimen
            Of models, with ids that are not in use either. Unlike those of :meth:`propose` they replace none, and are
            undone together with the specimens.

        Raises
        ------
        InputError
            When an id is in use already, or used twice.
        OutputError
            When the edit could not be put on disk.
        """
        listed, proposed = list(specimens), list(proposals)
        ids = [item.id for item in (*listed, *proposed)]
        used = sorted(set(ids) & (self.specimens.keys() | self.proposals.keys())) or list(repeated(ids))
        if used:
            raise InputError(f"Specimens cannot be added under an id that is in use: {first_few(used, LISTED_IDS)}.")
        now = self._clock()
        new = {item.id: item if stamped and item.annotator else self._stamp(item, now=now) for item in listed}
        offered = {item.id: item.replace(reviewed=False) for item in proposed}
        untouched = not new and self.state in ("untouched", "machine")
        back = dict.fromkeys(id_ for id_ in ids if id_ in self.rejected)
        return self._make(label, new, offered, "machine" if offered and untouched else None, back)

    def remove(self, ids: Iterable[str]) -> Edit:
        """Remove specimens; those that a model found are kept in mind as :attr:`rejected`.

        Raises
        ------
        InputError
            When there is no such specimen.
        OutputError
            When the edit could not be put on disk.
        """
        known = self._content.known(ids, self.specimens)
        found = {id_: self.specimens[id_] for id_ in known if self.specimens[id_].origin != PERSON}
        return self._make("remove", dict.fromkeys(known), rejected=found)

    def set_class(self, ids: Iterable[str], name: str) -> Edit:
        """Give specimens another class; raises as :meth:`remove`, and where the name is empty."""
        return self._change("class", ids, name=name)

    def set_status(self, ids: Iterable[str], status: str) -> Edit:
        """Give specimens another status; raises as :meth:`remove`, and where the status is unknown."""
        if status not in STATUSES:
            raise InputError(f"Unknown status {status!r}; known are {', '.join(STATUSES)}.")
        return self._change("status", ids, status=status)

    def reshape(self, shapes: Mapping[str, Specimen], label: str = "reshape") -> Edit:
        """Give specimens the outlines and boxes of others, by id; all else stays. Raises as :meth:`remove`."""
        ids = self._content.known(shapes, self.specimens)
        return self._make(label, {id_: self._stamp(self.specimens[id_].reshaped(shapes[id_]), True) for id_ in ids})

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
        known = self._content.known(ids, self.proposals)
        taken: dict[str, Specimen] = {}
        for id_ in known:
            item = self.proposals[id_]
            called = name(item.name) if callable(name) else name or item.name
            taken[id_] = self._stamp(item if called == item.name else item.replace(name=called), reviewed)
        return self._make("accept", taken, dict.fromkeys(known))

    def reject(self, ids: Iterable[str]) -> Edit:
        """Drop proposals, and keep them in mind as :attr:`rejected`; raises as :meth:`accept`."""
        known = self._content.known(ids, self.proposals)
        return self._make("reject", {}, dict.fromkeys(known), rejected={id_: self.proposals[id_] for id_ in known})

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
            raise InputError(f"Specimens cannot be proposed under an id that is in use: {first_few(used, LISTED_IDS)}.")
        state: State = "machine" if self._content.state == "untouched" and new else self._content.state
        return self._finish(self._content.edit("propose", {}, dict.fromkeys(old) | new, state))

    def set_done(self, done: bool) -> Edit:
        """Mark the image as finished, or as not finished. Raises OutputError as all edits do."""
        return self._make("done" if done else "not done", {}, state="done" if done else "work")

    def undo(self) -> Edit | None:
        """Undo the last edit and return the one that did so, None where there is nothing to undo."""
        return self._turn_back(self.history.done, self.history.undone)

    def redo(self) -> Edit | None:
        """Do again what was undone last and return the edit, None where there is nothing to do again."""
        return self._turn_back(self.history.undone, self.history.done)

    @property
    def is_saved(self) -> bool:
        """Whether the image's files hold all of it, so that its journal is empty."""
        return self._content.is_saved

    @property
    def is_stored(self) -> bool:
        """Whether all of it is on disk, in the files or in the journal; else the last edits are in memory alone."""
        return self._is_stored

    def saved(self) -> None:
        """Note that the image's files hold all of it now."""
        self._content.saved()
        self._is_stored = True

    def unsaved(self, included: tuple[int, int] = (0, 0)) -> Edit:
        """Return all that was changed since the files were read or written as one edit.

        Edits of this window up to the numbers ``included`` are left out, of specimens and of proposals.
        """
        return self._content.unsaved(included)

    def replay(self, edit: Edit, keep: Side | None = None) -> Edit | None:
        """Make an edit that was left in a journal, as far as it is not made yet; it is not handed to the edit log.

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
        return self._content.replay(edit, keep, 0)

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
        if self._edit_log is None:
            return None
        theirs = self._edit_log.latest()
        mine = renamed_edit(self.unsaved(theirs.included), theirs.renamed)
        on_disk = LiveContents(theirs)
        on_disk.replay(mine, keep, next(self._numbers))
        edit = self._content.become(on_disk)
        self.history.forget({*edit.after, *edit.proposals_after})
        self._is_stored = False
        try:
            self._edit_log.restart(self.unsaved())
            self._is_stored = True
        finally:
            if not edit.is_empty:
                self.edited.emit(edit)
        return None if edit.is_empty else edit

    def _stamp(self, specimen: Specimen, reviewed: bool | None = None, now: str = "") -> Specimen:
        """Return a specimen that says who changed it, and when; a person's own is reviewed."""
        seen = (specimen.reviewed or specimen.origin == PERSON) if reviewed is None else reviewed
        return specimen.replace(annotator=self.annotator, changed=now or self._clock(), reviewed=seen)

    def _change(self, label: str, ids: Iterable[str], **changes: Any) -> Edit:
        """Change specimens that a person has looked at by that."""
        known = self._content.known(ids, self.specimens)
        return self._make(label, {id_: self._stamp(self.specimens[id_].replace(**changes), True) for id_ in known})

    def _make(
        self,
        label: str,
        after: Change,
        proposals: Change | None = None,
        state: State | None = None,
        rejected: Change | None = None,
    ) -> Edit:
        """Make an undoable edit of a person."""
        if state is None:
            state = "work" if (after or proposals) and self._content.state != "done" else self._content.state
        edit = self._content.edit(label, after, proposals or {}, state, rejected)
        if not edit.is_empty:
            self.history.add(edit)
        return self._finish(edit)

    def _turn_back(self, taken: list[Edit], given: list[Edit]) -> Edit | None:
        """Make the inverse of the last edit of one list and put it on the other."""
        if not taken:
            return None
        last = taken.pop()
        # A model may have proposed something since.
        state: State = "machine" if last.state[0] == "untouched" and self.proposals else last.state[0]
        edit = self._content.turned_back(last, state)
        given.append(edit)
        return self._finish(edit)

    def _finish(self, edit: Edit) -> Edit:
        """Make an edit, put it on disk and tell it, unless it changes nothing; return it."""
        if edit.is_empty:
            return edit
        edit = dataclasses.replace(edit, number=next(self._numbers))
        self._content.apply(edit)
        self._is_stored = False
        try:
            if self._edit_log is not None:
                self._edit_log.append(edit)
            self._is_stored = True
        finally:
            self.edited.emit(edit)
        return edit


def _now() -> str:
    return clock.now()
