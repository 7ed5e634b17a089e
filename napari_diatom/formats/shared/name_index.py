"""Which entry is meant by the name of an image, as files of other programs and systems write it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from typing import Final, Generic, TypeVar

from napari_diatom.core.text import folded, printable

Entry = TypeVar("Entry")
_Fold = Callable[[str], str]

_SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,4}$")
"""What ends a file's name; ``Site.2024.05`` has none."""


def base_name(name: str) -> str:
    """Return the last part of a name that may hold folders of any system."""
    return PurePosixPath(name.replace("\\", "/")).name


def split_page(name: str) -> tuple[str, int | None]:
    """Return a file's name and the number of its page, as in ``a.tif#2``; None where no page is named."""
    file, mark, page = name.rpartition("#")
    if not (mark and file and page.isascii() and page.isdigit() and len(page) < 7):
        return name, None
    return file, int(page)


def image_stem(name: str) -> str:
    """Return the name of an image without folders and suffix; a page keeps its number."""
    file, page = split_page(base_name(name))
    stem = _SUFFIX.sub("", file) or file
    return stem if page is None else f"{stem}#{page}"


def is_plain(name: str) -> bool:
    """Return whether a name holds text alone: no control character, and no byte that is not UTF-8."""
    return printable(name) == name


class NameIndex(Generic[Entry]):
    """Entries by the names of their images.

    A name that is exactly there goes before one that differs in how Unicode composes its letters, and that before one
    that differs in capitals; at each of these, one with its suffix goes before one without.

    Parameters
    ----------
    entries : iterable of (str, Entry)
        Path of an image, with ``/`` between folders, and what stands for it.
    """

    def __init__(self, entries: Iterable[tuple[str, Entry]]) -> None:
        listed = list(entries)
        self._levels: list[tuple[_Fold, bool, dict[str, list[tuple[str, Entry]]]]] = []
        for fold in _FOLDS:
            for bare in (False, True):
                level: dict[str, list[tuple[str, Entry]]] = {}
                for path, entry in listed:
                    name = image_stem(path) if bare else base_name(path)
                    level.setdefault(fold(name), []).append((fold(path), entry))
                self._levels.append((fold, bare, level))

    def find(self, *names: str, any_suffix: bool = False) -> list[Entry]:
        """Return the entries that are meant by a name, or by any of its spellings.

        Where several are called the same, the whole path or the folders in the name say which; more than one is
        returned where they do not.

        Parameters
        ----------
        *names : str
            The spellings, with or without folders and suffix.
        any_suffix : bool
            Whether ``a.jpg`` may mean ``a.png`` where there is no other ``a``.
        """
        asked = [name.replace("\\", "/") for name in names]
        for fold, bare, level in self._levels:
            found: dict[int, tuple[str, Entry]] = {}
            for name in asked:
                matches = level.get(fold(base_name(name)), ())
                if not matches and bare and any_suffix:
                    matches = level.get(fold(image_stem(name)), ())
                found.update({id(match): match for match in matches})
            if found:
                folded = [fold(name) for name in asked]
                named = [entry for path, entry in found.values() if path in folded]
                placed = [entry for path, entry in found.values() if _ends(path, folded)]
                every = [entry for _, entry in found.values()]
                return next((some for some in (named, placed) if len(some) == 1), every)
        return []


def _ends(path: str, names: Iterable[str]) -> bool:
    """Tell whether a path ends in the folders and the name of one of some names, with or without suffix."""
    parts = PurePosixPath(path).parts
    for name in names:
        asked = PurePosixPath(name).parts
        if len(asked) > 1 and parts[-len(asked) : -1] == asked[:-1] and asked[-1] in (parts[-1], image_stem(parts[-1])):
            return True
    return False


def _composed(name: str) -> str:
    """Return a name with its letters composed, as Windows and Linux write them; macOS may decompose them."""
    return unicodedata.normalize("NFC", name)


_FOLDS: Final[tuple[_Fold, ...]] = (str, _composed, folded)
