"""What each image is called in the tables and in the folders of results: names that tell all of them apart.

A name is made of the file's own path as far as possible, so that it is the same whatever other files are counted and in
whatever order. Where names would meet, longer ones are taken: the name with its ending, then that with a few letters
of its hash.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from napari_diatom.core.text import folded, printable

RESULT_SUFFIXES: Final = (".geojson", ".jpg", ".tif", ".json")
"""Endings of the files of an image's results."""

_LONGEST: Final = 180
"""Bytes of a name of a file or folder: most systems take 255, with the endings of results and of temporary files."""
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(?=[ .]|$)", re.IGNORECASE)
_UNHELD: Final = re.compile(r'[<>:"|?*\\\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]')
"""What Windows, or memory cards, do not take in names."""
_PAGE: Final = re.compile(r"#[^.~/#]*")
"""What the name of a page may have after that of its file."""


@dataclass(frozen=True)
class Source:
    """An image file with its name in the tables and in the folders of results.

    Attributes
    ----------
    path : Path
        The file.
    name : str
        Its path below the folder that all inputs share, with ``/`` on every system.
    stem : str
        The same without its ending, where that leaves no two files alike, and in letters that every file system takes.
    sample : str
        The sample it belongs to.
    """

    path: Path
    name: str
    stem: str
    sample: str


def plan_sources(paths: Sequence[Path], sample: str | None = None) -> list[Source]:
    """Return files with names that tell them and their pages apart, whatever a file system holds to be the same.

    Names that differ by case or by the composition of accents alone are the same on some systems.

    Parameters
    ----------
    paths : sequence of Path
        Image files.
    sample : str, optional
        Sample of all of them; by default the name of each file's folder.
    """
    absolute = [Path(os.path.abspath(path)) for path in paths]
    try:
        root = Path(os.path.commonpath([path.parent for path in absolute]))
        raw = [path.relative_to(root).as_posix() for path in absolute]
    except ValueError:  # on several drives of Windows nothing is shared
        raw = ["/".join((path.drive.rstrip(":"), *path.parts[1:])).lstrip("/") for path in absolute]
    names = _told_apart([(printable(name), f"{printable(name)}~{_short(name)}") for name in raw], str)
    stems = _told_apart([_stems(name) for name in raw], folded)
    samples = [printable(sample or path.parent.name or "sample") for path in absolute]
    return [Source(*parts) for parts in zip(paths, names, stems, samples, strict=True)]


def path_below_shared_folder(path: Path, paths: Sequence[Path]) -> str:
    """Return the name of a file that is not a source: its path below the folder that the sources share."""
    absolute = [Path(os.path.abspath(other)).parent for other in paths]
    try:
        return printable(Path(os.path.abspath(path)).relative_to(os.path.commonpath(absolute)).as_posix())
    except ValueError:  # it lies elsewhere
        return printable(path.as_posix())


def distinct_file_names(names: Sequence[str]) -> list[str]:
    """Return names of files, without endings, for texts such as codes of samples: each its own on every system."""
    held = [_held(name.replace("/", "_"), folder=False) for name in names]
    return _told_apart([(short, f"{short}~{_short(name)}") for short, name in zip(held, names, strict=True)], folded)


def earlier_stems(names: Sequence[str]) -> list[str]:
    """Return the stems of files in folders of results without a list of what was written, from the files' names."""
    bare = [str(PurePosixPath(name).with_suffix("")) for name in names]
    shared = Counter(stem.casefold() for stem in bare)
    return [name if shared[stem.casefold()] > 1 else stem for name, stem in zip(names, bare, strict=True)]


def _stems(name: str) -> list[str]:
    """Return what the results of a file may be called, the best first."""
    *folders, last = name.split("/")
    folders = [_held(part, folder=True) for part in folders]
    short = PurePosixPath(last).with_suffix("").name
    within = [_held(part, folder=False) for part in (short, last)]
    unlike = f"{_cut(within[1], _LONGEST - 9)}~{_short(name)}"
    return ["/".join((*folders, part)) for part in (*within, unlike)]


def _held(part: str, folder: bool) -> str:
    """Return the name of a file, without its ending, or folder as every file system takes it.

    A name that has to be changed gets letters of the hash of what it was, so that no two become one.
    """
    held = _UNHELD.sub("_", part)
    if folder:
        held = held.rstrip(". ")
    if _RESERVED.match(held):
        held = f"_{held}"
    # A folder may not have the name that the result of an image has.
    is_free = held and held == part and not (folder and part.lower().endswith(RESULT_SUFFIXES))
    if is_free and len(held.encode()) <= _LONGEST:
        return held
    return f"{_cut(held, _LONGEST - 9)}~{_short(part)}"


def _cut(text: str, most: int) -> str:
    """Return the beginning of a text, of so many bytes at most."""
    return text.encode()[:most].decode(errors="ignore")


def _short(text: str) -> str:
    """Return a few letters that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _told_apart(choices: Sequence[Sequence[str]], key: Callable[[str], str]) -> list[str]:
    """Return of each file the first name that is unlike all others, and unlike the name of another one's page.

    Parameters
    ----------
    choices : sequence of sequence of str
        Names of each file, the best first.
    key : callable
        Returns what is the same in names that are the same.
    """
    level = [0] * len(choices)
    while True:
        keys = [key(names[chosen]) for names, chosen in zip(choices, level, strict=True)]
        later = set[int]()
        for group in _alike(keys):
            able = [i for i in group if level[i] + 1 < len(choices[i])]
            # Those that have not yet given way do so first: the order of the files is of no account.
            later.update(i for i in able if level[i] == min(level[k] for k in able))
        if not later:
            return [names[chosen] for names, chosen in zip(choices, level, strict=True)]
        for i in later:
            level[i] += 1


def _alike(keys: Sequence[str]) -> list[list[int]]:
    """Return the places of names that are the same, and of names that a page of another file would have."""
    places: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        places.setdefault(key, []).append(i)
    pages = [
        [i] for i, key in enumerate(keys) if (cut := key.rfind("#")) > 0 and key[:cut] in places and _is_page(key[cut:])
    ]
    return [group for group in places.values() if len(group) > 1] + pages


def _is_page(text: str) -> bool:
    return _PAGE.fullmatch(text) is not None
