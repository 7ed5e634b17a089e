"""What two people changed in the same specimen, as data and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from napari_diatom.core.errors import DiatomError
from napari_diatom.core.text import many
from napari_diatom.project import clock
from napari_diatom.project.specimen import Specimen

Aspect = Literal["added", "removed", "class", "status", "outline", "review"]
"""What of a specimen somebody changed; a review changes nothing but that a person has looked at it."""

NAMED: Final = 3
"""Specimens that a message names."""


class SpecimenDifference(NamedTuple):
    """One thing that somebody changed, as it was and as it is now, both empty where that is not a word."""

    what: Aspect
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        if self.before or self.after:
            return f"changed the {self.what} from {self.before} to {self.after}"
        return {"outline": "changed the outline", "review": "confirmed it"}.get(self.what, f"{self.what} it")


@dataclass(frozen=True)
class Saved:
    """Who wrote the files of an image last.

    Attributes
    ----------
    annotator, host : str
        Who, on which computer; empty where unknown.
    time : str
        When by that computer's clock, ISO 8601 in UTC; empty where unknown.
    """

    annotator: str = ""
    host: str = ""
    time: str = ""


@dataclass(frozen=True, eq=False)
class Clash:
    """A specimen that was changed here and by somebody else.

    Attributes
    ----------
    id : str
        Its id.
    is_proposal : bool
        Whether it is a model's proposal.
    before, mine, theirs : Specimen or None
        What it was, and what each made of it; None where there was, or is, none.
    by : Saved
        Who made their change, where and when.
    """

    id: str
    is_proposal: bool
    before: Specimen | None
    mine: Specimen | None
    theirs: Specimen | None
    by: Saved

    @classmethod
    def of(
        cls,
        id_: str,
        is_proposal: bool,
        before: Specimen | None,
        mine: Specimen | None,
        theirs: Specimen | None,
        saved: Saved,
    ) -> Clash:
        """Return a clash with what is in files that were ``saved`` so."""
        by = saved
        if theirs is not None and theirs.annotator:
            # The file is of its last writer, who need not be the one who changed this specimen.
            by = Saved(theirs.annotator, saved.host if theirs.annotator == saved.annotator else "", theirs.changed)
        return cls(id_, is_proposal, before, mine, theirs, by)

    @property
    def changed_here(self) -> tuple[SpecimenDifference, ...]:
        """What this window changed."""
        return specimen_differences(self.before, self.mine)

    @property
    def changed_there(self) -> tuple[SpecimenDifference, ...]:
        """What somebody else changed."""
        return specimen_differences(self.before, self.theirs)

    @property
    def subject(self) -> str:
        """Which specimen it is: what it was and where it lies."""
        known = self.before or self.theirs or self.mine
        if known is None:
            return "a specimen"
        kind = "proposal " if self.is_proposal else ""
        return f"{kind}{known.name} at x {known.box[0]:.0f}, y {known.box[1]:.0f}"

    @property
    def their_side(self) -> str:
        """Who changed what there, and when."""
        when = clock.in_words(self.by.time)
        who = self.by.annotator or "somebody"
        return (
            f"{who}{f' on {self.by.host}' if self.by.host else ''} {_listed(self.changed_there)}"
            f"{f' ({when})' if when else ''}"
        )

    def words(self, me: str = "you") -> str:
        """Return who changed what, as a sentence; ``me`` is whose the own version is."""
        return f"{self.subject}: {me} {_listed(self.changed_here)}; {self.their_side}."


class ConflictError(DiatomError):
    """Somebody else changed a file of the project since it was read; nothing is overwritten.

    Attributes
    ----------
    clashes : tuple of Clash
        The specimens that both changed, with who changed what; empty where that is not known yet.
    """

    def __init__(self, message: str, clashes: Sequence[Clash] = ()) -> None:
        super().__init__(message)
        self.clashes = tuple(clashes)


def specimen_differences(before: Specimen | None, after: Specimen | None) -> tuple[SpecimenDifference, ...]:
    """Return what was changed in a specimen; nothing where both are None."""
    if before is None or after is None:
        return () if before is after else (SpecimenDifference("added" if before is None else "removed"),)
    found: list[SpecimenDifference] = []
    if before.name != after.name:
        found.append(SpecimenDifference("class", before.name, after.name))
    if before.status != after.status:
        found.append(SpecimenDifference("status", before.status, after.status))
    if not after.has_shape_of(before):
        found.append(SpecimenDifference("outline"))
    return tuple(found) or (SpecimenDifference("review"),)


def clashes_in_words(clashes: Sequence[Clash], me: str = "you") -> str:
    """Return how many specimens two people changed, and of the first few who changed what; for ``me`` see `words`."""
    verb = "was" if len(clashes) == 1 else "were"
    more = f" And {len(clashes) - NAMED} more." if len(clashes) > NAMED else ""
    said = " ".join(_sentence(item.words(me)) for item in clashes[:NAMED])
    where = "here" if me == "you" else f"by {me}"
    return f"{many(len(clashes), 'specimen')} {verb} changed {where} and by somebody else. {said}{more}"


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def _listed(found: Sequence[SpecimenDifference]) -> str:
    return " and ".join(map(str, found)) or "removed it"
