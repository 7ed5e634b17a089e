"""Settings that two windows changed, as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from napari_diatom.project.settings import Settings, checked


def merged(base: Settings, mine: Settings, theirs: Settings) -> tuple[Settings, list[str]]:
    """Return settings with the changes of two people, and where both changed the same in another way.

    Parameters
    ----------
    base : Settings
        What both began with.
    mine, theirs : Settings
        What each made of it.
    """
    clashes: list[str] = []
    data = _merged(_by_id(base), _by_id(mine), _by_id(theirs), "", clashes)
    data["images"] = list(data["images"].values())
    return checked(Settings, data, "Both changes together"), clashes


def _by_id(settings: Settings) -> dict[str, Any]:
    """Return settings as plain data, the images by their ids."""
    data = settings.model_dump(mode="json")
    return data | {"images": {item["id"]: item for item in data["images"]}}


_ABSENT: Final = object()


def _merged(base: Any, mine: Any, theirs: Any, where: str, clashes: list[str]) -> Any:
    """Merge plain data; maps entry by entry, all else as a whole."""
    if mine == theirs or theirs == base:
        return mine
    if mine == base:
        return theirs
    if not (isinstance(mine, Mapping) and isinstance(theirs, Mapping)):
        clashes.append(where)
        return theirs
    origin = base if isinstance(base, Mapping) else {}
    out: dict[str, Any] = {}
    for key in dict.fromkeys([*theirs, *mine]):
        versions = (origin.get(key, _ABSENT), mine.get(key, _ABSENT), theirs.get(key, _ABSENT))
        value = _merged(*versions, f"{where}.{key}" if where else key, clashes)
        if value is not _ABSENT:
            out[key] = value
    return out
