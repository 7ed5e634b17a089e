"""Slides that a person names for the parts of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import Final

from diatom_training.data.annotated_slides import Part
from napari_diatom.core.errors import InputError

MOST: Final = 20
"""Slides that a message lists."""


def named_groups(parts: Mapping[Part, Sequence[str]], groups: Sequence[str]) -> dict[Part, tuple[str, ...]]:
    """Return the slides of each part by their whole names.

    Parameters
    ----------
    parts : mapping of str to sequence of str
        Slides of each part, with or without the suffix of an image file.
    groups : sequence of str
        All slides that there are.

    Raises
    ------
    InputError
        When there is no slide of a name, several have it, or one is in two parts under two names.
    """
    there = list(dict.fromkeys(groups))
    found: dict[Part, tuple[str, ...]] = {}
    home: dict[str, Part] = {}
    for part, names in parts.items():
        found[part] = tuple(dict.fromkeys(_group_of(name, there) for name in names))
        for group in found[part]:
            if home.setdefault(group, part) != part:
                raise InputError(f"split.parts: {group} is in two parts, {home[group]} and {part}.")
    return found


def _group_of(name: str, groups: Sequence[str]) -> str:
    """Return the slide that a name means."""
    if name in groups:
        return name
    stems = [group for group in groups if name in (PurePath(group).stem, PurePath(group).name)]
    fits = stems or [group for group in groups if PurePath(name).stem == group]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise InputError(f"split.parts: {name} may be {' or '.join(fits)}: write the whole name.")
    shorter = {PurePath(group).stem: group for group in groups} | {group: group for group in groups}
    close = list(dict.fromkeys(shorter[key] for key in get_close_matches(name, shorter, n=3)))
    hint = f" Do you mean {' or '.join(close)}?" if close else ""
    more = f" and {len(groups) - MOST} more" if len(groups) > MOST else ""
    raise InputError(f"split.parts: there is no slide {name}.{hint} The slides are {', '.join(groups[:MOST])}{more}.")
