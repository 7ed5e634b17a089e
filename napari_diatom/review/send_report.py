"""What came of results that were sent to a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from napari_diatom.core.text import either, first_few, many

_LISTED: Final = 3
"""Images and classes that a sentence names."""


@dataclass(frozen=True)
class NotSent:
    """An image that is not sent, and why, as a sentence; ``is_missing`` where its file was not found."""

    image: str
    reason: str
    is_missing: bool = False


@dataclass(frozen=True)
class SentCounts:
    """What an image of the project got.

    Attributes
    ----------
    image_id : str
        The image.
    specimens, proposals : int
        How many it got.
    known : int
        How many it had already.
    rejected : int
        How many people have rejected or deleted in it before, and were left out.
    is_kept : bool
        Whether it got nothing because people have worked on it.
    """

    image_id: str
    specimens: int = 0
    proposals: int = 0
    known: int = 0
    rejected: int = 0
    is_kept: bool = False


@dataclass
class SendReport:
    """What was sent; grows with each image.

    Attributes
    ----------
    project : Path
        Folder of the project.
    images : list of SentCounts
        What each image got.
    images_added : int
        How many images are new in the project.
    classes_added : list of str
        Classes that are new in the project.
    left_out : list of NotSent
        What was not sent.
    remarks : list of str
        What the user should know, a sentence each.
    """

    project: Path
    images: list[SentCounts] = field(default_factory=list)
    images_added: int = 0
    classes_added: list[str] = field(default_factory=list)
    left_out: list[NotSent] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def counts_text(self) -> str:
        """Return what was sent in a few sentences."""
        specimens = sum(item.specimens for item in self.images)
        proposals = sum(item.proposals for item in self.images)
        known = sum(item.known for item in self.images)
        rejected = sum(item.rejected for item in self.images)
        kept = sum(item.is_kept for item in self.images)
        sent = [many(number, word) for number, word in ((specimens, "specimen"), (proposals, "proposal")) if number]
        parts = [f"{' and '.join(sent) or 'nothing new'} of {many(len(self.images), 'image')}."]
        if known:
            parts.append(f"{many(known, 'specimen')} {either(known, 'was', 'were')} there already.")
        if rejected:
            were = either(rejected, "was", "were")
            parts.append(f"{many(rejected, 'proposal')} that you rejected or deleted before {were} left out.")
        if kept:
            parts.append(f"{many(kept, 'image')} on which people have worked {either(kept, 'is', 'are')} unchanged.")
        if self.images_added:
            parts.append(f"{many(self.images_added, 'image')} added.")
        if self.classes_added:
            parts.append(f"New classes: {first_few(self.classes_added, _LISTED)}.")
        return " ".join(parts)

    def text(self) -> str:
        """Return what was sent and what was not, for a line of the window."""
        parts = [f"Sent to {self.project.name}: {self.counts_text()}"]
        if self.left_out:
            listed = " ".join(f"{item.image}: {item.reason}" for item in self.left_out[:_LISTED])
            more = len(self.left_out) - _LISTED
            and_more = f" And {more} more." if more > 0 else ""
            parts.append(f"{many(len(self.left_out), 'image')} left out. {listed}{and_more}")
        return " ".join([*parts, *self.remarks])
