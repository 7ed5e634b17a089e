"""The table of a split: what each part has, and which slide or sample is in which part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from napari_diatom.core.errors import InputError
from napari_diatom.project import splits
from napari_diatom.project.settings import Split
from napari_diatom.project.summary import Tally


@dataclass(frozen=True)
class PartRow:
    """What a part of a split has.

    Attributes
    ----------
    part : str
        Its name.
    groups : tuple of str
        Its slides or samples.
    images : int
        Number of images.
    by_class : dict of str to int
        Numbers of specimens by class.
    """

    part: str
    groups: tuple[str, ...]
    images: int
    by_class: dict[str, int]

    @property
    def specimens(self) -> int:
        """Number of specimens."""
        return sum(self.by_class.values())


@dataclass(frozen=True)
class GroupRow:
    """What a slide or sample has.

    Attributes
    ----------
    group : str
        Its name.
    part : str
        The part that it is in, empty for none.
    images, specimens : int
        Numbers of images and specimens.
    """

    group: str
    part: str
    images: int
    specimens: int


def part_rows(split: Split, tallies: Sequence[Tally]) -> list[PartRow]:
    """Return a row for each part of a split, in their order."""
    rows: list[PartRow] = []
    for name, groups in split.parts.items():
        inside = [item for item in tallies if splits.part_of(split, item.image) == name]
        total: Counter[str] = Counter()
        for item in inside:
            total.update(item.by_class())
        rows.append(PartRow(name, groups, len(inside), dict(total)))
    return rows


def group_rows(split: Split, tallies: Sequence[Tally]) -> list[GroupRow]:
    """Return a row for each slide or sample, by name."""
    members: dict[str, list[Tally]] = {}
    for item in tallies:
        members.setdefault(splits.split_group(item.image, split.by), []).append(item)
    return [
        GroupRow(
            name,
            splits.part_of(split, members[name][0].image) or "",
            len(members[name]),
            sum(item.total for item in members[name]),
        )
        for name in sorted(members)
    ]


def with_group_in(split: Split, group: str, part: str) -> Split:
    """Return a split with a slide or sample in another part, in none where ``part`` is empty.

    Raises
    ------
    InputError
        When there is no such part.
    """
    if part and part not in split.parts:
        raise InputError(f"The split has no part {part!r}: it has {', '.join(split.parts)}.")
    parts = {name: tuple(item for item in groups if item != group) for name, groups in split.parts.items()}
    if part:
        parts[part] = tuple(sorted((*parts[part], group)))
    return split.replace(parts=parts)
