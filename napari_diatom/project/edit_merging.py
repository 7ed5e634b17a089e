"""Edits of two windows put together: what of an edit is left to do, and what both changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from napari_diatom.project.edit_conflicts import Clash, ConflictError, Saved, clashes_in_words
from napari_diatom.project.edits import Change, Edit
from napari_diatom.project.specimen import Specimen

Side = Literal["mine", "theirs"]
"""Whose version stays where two people changed the same specimen."""


def left_to_do(
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


def rejections_left(
    edit: Edit,
    change: tuple[Change, Change],
    there: tuple[Mapping[str, Specimen], ...],
    rejected: Mapping[str, Specimen],
) -> Change:
    """Return what of an edit's rejections is left to do: nothing is rejected and there at once.

    Parameters
    ----------
    edit : Edit
        The edit.
    change : tuple of Change, length 2
        What of it is left to do to specimens and to proposals.
    there : tuple of Mapping, length 2
        The specimens and the proposals before that.
    rejected : Mapping of str to Specimen
        What is rejected already.
    """
    left: dict[str, Specimen | None] = {}
    for id_, item in edit.rejected_after.items():
        stays = any(one.get(id_, known.get(id_)) is not None for one, known in zip(change, there, strict=True))
        wanted = None if stays else item
        if not _alike(rejected.get(id_), wanted):
            left[id_] = wanted
    return left


def difference(mine: Mapping[str, Specimen], others: Iterable[Specimen]) -> Change:
    """Return what makes others of mine."""
    theirs = {item.id: item for item in others}
    changed: dict[str, Specimen | None] = {id_: item for id_, item in theirs.items() if not _alike(mine.get(id_), item)}
    return changed | dict.fromkeys(id_ for id_ in mine if id_ not in theirs)


def after_last(edits: list[Edit], touched: set[str]) -> list[Edit]:
    """Return the edits that follow the last one that has to do with specimens that somebody else changed."""
    for number in range(len(edits), 0, -1):
        edit = edits[number - 1]
        if touched & (edit.after.keys() | edit.proposals_after.keys()):
            return edits[number:]
    return edits
