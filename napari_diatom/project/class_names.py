"""Specimens and edits under the present names of classes, where they were made under former ones.

The settings of a project have the former names of its classes. So a class gets another name in one step, when the
settings are written. The files of images follow one by one: what is read before that, or comes later from a window
that did not know, is read under the present name.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from napari_diatom.project.edits import Change, Contents, Edit
from napari_diatom.project.specimen import Specimen

Cell = TypeVar("Cell", bound=tuple[Any, ...])
"""What specimens are counted by: class, status ..."""


def renamed_specimens(specimens: Iterable[Specimen], names: Mapping[str, str]) -> tuple[Specimen, ...]:
    """Return specimens under the present names of their classes; ``names`` has them by the former ones.

    Who changed a specimen last, and when, stays: the name of its class is all that differs.
    """
    return tuple(item.replace(name=names[item.name]) if item.name in names else item for item in specimens)


def renamed_contents(contents: Contents, names: Mapping[str, str]) -> Contents:
    """Return what files hold under the present names of classes; the same object where no other name is there."""
    if not names or not any(item.name in names for item in (*contents.specimens, *contents.proposals)):
        return contents
    return dataclasses.replace(
        contents,
        specimens=renamed_specimens(contents.specimens, names),
        proposals=renamed_specimens(contents.proposals, names),
    )


def renamed_edit(edit: Edit, names: Mapping[str, str]) -> Edit:
    """Return an edit as it would have been made under the present names of classes."""
    if not names:
        return edit
    return dataclasses.replace(
        edit,
        before=_renamed(edit.before, names),
        after=_renamed(edit.after, names),
        proposals_before=_renamed(edit.proposals_before, names),
        proposals_after=_renamed(edit.proposals_after, names),
    )


def renamed_counts(counts: Mapping[Cell, int], names: Mapping[str, str]) -> Mapping[Cell, int]:
    """Return numbers of specimens under the present names of classes; what is counted begins with the class."""
    if not any(cell[0] in names for cell in counts):
        return counts
    summed: Counter[Cell] = Counter()
    for cell, number in counts.items():
        summed[(names.get(cell[0], cell[0]), *cell[1:])] += number  # type: ignore[index]
    return dict(summed)


def _renamed(change: Change, names: Mapping[str, str]) -> Change:
    return {
        id_: item.replace(name=names[item.name]) if item is not None and item.name in names else item
        for id_, item in change.items()
    }
