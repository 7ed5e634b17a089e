"""What changes the annotations of an image: edits, what the files hold before and after, and edits made one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from napari_diatom.core.detections import PERSON
from napari_diatom.project.edit_conflicts import Saved
from napari_diatom.project.specimen import Specimen

State = Literal["untouched", "machine", "work", "done"]
"""How far an image is: nothing there, only what models proposed, people are at it, finished."""

STATES: Final[tuple[State, ...]] = get_args(State)

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
    rejected_before, rejected_after : Mapping of str to (Specimen or None)
        The same of what models found and people rejected or deleted.
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
    rejected_before: Change = field(default_factory=dict)
    rejected_after: Change = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        changed = self.after or self.proposals_after or self.rejected_after
        return not changed and self.state[0] == self.state[1]

    def inverse(self) -> Edit:
        """Return the edit that undoes this one."""
        return Edit(
            self.label,
            self.after,
            self.before,
            self.proposals_after,
            self.proposals_before,
            self.state[::-1],
            rejected_before=self.rejected_after,
            rejected_after=self.rejected_before,
        )


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
    renamed : Mapping of str to str
        Present names of classes by their former ones, for edits that were made under those.
    rejected : tuple of Specimen
        What models found and people rejected or deleted, so that it is not sent again.
    """

    specimens: tuple[Specimen, ...] = ()
    proposals: tuple[Specimen, ...] = ()
    state: State = "untouched"
    included: tuple[int, int] = (0, 0)
    saved: Saved = field(default_factory=Saved)
    renamed: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[Specimen, ...] = ()


def annotation_state(specimens: Sequence[Specimen], proposals: Sequence[Specimen]) -> State:
    """Return how far an image is by what is there, where nobody has said so."""
    if any(item.reviewed or item.origin == PERSON for item in specimens):
        return "work"
    return "machine" if specimens or proposals else "untouched"


def joined_edits(edits: Iterable[Edit], label: str, included: tuple[int, int] = (0, 0)) -> Edit | None:
    """Return edits that follow each other as one, with the number of the last; None where there is none.

    Edits up to the numbers ``included`` are left out, as far as they are about specimens, and about proposals. What was
    rejected is in the file of the proposals.
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
        _first(edit.rejected_before for edit in proposals),
        _last(edit.rejected_after for edit in proposals),
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
