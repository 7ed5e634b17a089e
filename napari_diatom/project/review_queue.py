"""What of an image to look at first: where people and models, or two models, disagree; then the lowest scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.project.specimen import Specimen
from napari_diatom.tiling.pair_overlaps import overlaps

MEETS: Final = 0.2
"""IoU of two boxes from which they may mean one specimen, ..."""
AGREES: Final = 0.6
"""... and above which they do; needles in line do by what they share of their lengths."""

Reason = Literal["class", "outline", "alone", "missed", "score"]
"""Why something needs a review.

``class``, ``outline``: a proposal that lies on a specimen, or on a proposal of another model, under another name or
only in part. ``alone``: a proposal that none of the other models shows that have looked at the image. ``missed``: a
specimen that a person has drawn and no model shows. ``score``: any other proposal.
"""


@dataclass(frozen=True)
class ReviewItem:
    """A proposal, or a specimen that models have missed.

    Attributes
    ----------
    specimen : Specimen
        What to look at.
    reason : Reason
        Why.
    text : str
        The same in a sentence.
    """

    specimen: Specimen
    reason: Reason
    text: str


class _Meeting(NamedTuple):
    """What something lies on, and how well the two agree."""

    other: Specimen
    iou: float
    agrees: bool


_Meetings = Mapping[str, list[_Meeting]]


def review_items(
    specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen], met: Collection[str] = ()
) -> list[ReviewItem]:
    """Return all proposals and missed specimens of an image: what disagrees first, then by score, lowest first.

    Parameters
    ----------
    specimens, proposals : Mapping of str to Specimen
        By their ids.
    met : collection of str
        Ids of specimens that a model is known to have shown.
    """
    return _review_items(specimens, proposals, _meetings(specimens, proposals), met)


def unmatched(specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen]) -> list[str]:
    """Return the ids of the proposals that, made specimens, would leave none there twice.

    Of proposals of several models that mean one specimen, it is that of the highest score.
    """
    meetings, kept = _meetings(specimens, proposals), set(specimens)
    for id_ in sorted(proposals, key=lambda id_: -proposals[id_].score):
        if not any(meeting.agrees and meeting.other.id in kept for meeting in meetings.get(id_, ())):
            kept.add(id_)
    return [id_ for id_ in proposals if id_ in kept]


class ReviewQueue:
    """Goes through the specimens to review in an image one by one, and starts again after the last one."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._met: set[str] = set()

    def next(self, specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen]) -> ReviewItem | None:
        """Return what to look at next; None where nothing is proposed."""
        meetings = self._note(specimens, proposals)
        found = _review_items(specimens, proposals, meetings, self._met)
        if all(entry.specimen.id in self._seen for entry in found):
            self._seen.clear()
        fresh = next((entry for entry in found if entry.specimen.id not in self._seen), None)
        if fresh is not None:
            self._seen.add(fresh.specimen.id)
        return fresh

    def note(self, specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen]) -> None:
        """Remember which specimens models show, before proposals are rejected: those were not missed."""
        self._note(specimens, proposals)

    def _note(self, specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen]) -> _Meetings:
        meetings = _meetings(specimens, proposals)
        self._met |= _met(specimens, meetings)
        return meetings


def _review_items(
    specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen], meetings: _Meetings, met: Collection[str]
) -> list[ReviewItem]:
    if not proposals:
        return []
    models = {item.origin for item in (*specimens.values(), *proposals.values())} - {PERSON}
    found = [_review_item(item, meetings.get(id_, []), proposals, models) for id_, item in proposals.items()]
    known = _met(specimens, meetings).union(met)
    found += [
        ReviewItem(item, "missed", "No model found this specimen.")
        for id_, item in specimens.items()
        if item.origin == PERSON and id_ not in known
    ]
    return sorted(found, key=lambda entry: (entry.reason == "score", entry.specimen.score))


def _review_item(
    item: Specimen, meetings: list[_Meeting], proposals: Mapping[str, Specimen], models: Collection[str]
) -> ReviewItem:
    """Return what there is to say of a proposal."""
    # What has a counterpart may touch its neighbour, too.
    agreeing = [meeting for meeting in meetings if meeting.agrees]
    others = sorted(agreeing or meetings, key=lambda meeting: (meeting.other.name == item.name, -meeting.iou))
    if not others:
        if len(models) > 1:
            return ReviewItem(item, "alone", "No other model found this one.")
        return ReviewItem(item, "score", f"Score {item.score:.2f}.")
    other = others[0].other
    whose = other.origin if other.id in proposals else "the specimen"
    if other.name != item.name:
        return ReviewItem(item, "class", f"{item.name} by {item.origin}, {other.name} by {whose}.")
    if not agreeing:
        return ReviewItem(item, "outline", f"{item.origin} and {whose} overlap only partly.")
    return ReviewItem(item, "score", f"Score {item.score:.2f}, as {whose}.")


def _met(specimens: Mapping[str, Specimen], meetings: _Meetings) -> set[str]:
    """Return the ids of the specimens that a model shows."""
    return specimens.keys() & meetings.keys()


def _meetings(specimens: Mapping[str, Specimen], proposals: Mapping[str, Specimen]) -> _Meetings:
    """Return by ids which proposals lie on which specimens, and on which proposals of other models."""
    items = [*specimens.values(), *proposals.values()]
    found: defaultdict[str, list[_Meeting]] = defaultdict(list)
    boxes = Detections.of(np.array([item.box for item in items]).reshape(-1, 5))
    for pairs in overlaps(boxes):
        agree = pairs.are_copies(AGREES)
        for k in np.flatnonzero(agree | (pairs.iou >= MEETS)).tolist():
            a, b = items[pairs.i[k]], items[pairs.j[k]]
            if b.id in proposals and (a.id in specimens or a.origin != b.origin):
                found[a.id].append(_Meeting(b, float(pairs.iou[k]), bool(agree[k])))
                found[b.id].append(_Meeting(a, float(pairs.iou[k]), bool(agree[k])))
    return found
