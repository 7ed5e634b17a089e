"""The folder of an atlas: a subfolder for each taxon, and one valve in each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, many
from napari_diatom.images.image_files import SUFFIXES
from napari_diatom.project.project_taxa import ProjectTaxa

_OF_FORMATS: Final = frozenset({"images", "masks", "labels", "annotations", "proposals"})
"""Names of subfolders, in small letters, that are no taxa."""
_ANNOTATIONS: Final = (".json", ".geojson", ".xml")
"""Files beside pictures that say that these show more than one valve."""


@dataclass(frozen=True)
class Atlas:
    """Pictures of named valves.

    Attributes
    ----------
    taxa : tuple of (str, tuple of Path)
        The taxa as their folders call them, each with its pictures.
    remarks : tuple of str
        What was passed over, a sentence each.
    """

    taxa: tuple[tuple[str, tuple[Path, ...]], ...]
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: Path, taxa: ProjectTaxa) -> Self | None:
        """Return the atlas in a folder; None where it is something else.

        A folder is no atlas where a subfolder is called as annotation formats call theirs, or has annotations in it:
        JSON, XML, or any file that is called like a picture beside it.

        Parameters
        ----------
        path : Path
            The folder.
        taxa : ProjectTaxa
            Which names say no taxon.

        Raises
        ------
        InputError
            When a folder cannot be read.
        """
        if not path.is_dir():
            return None
        found: list[tuple[str, tuple[Path, ...]]] = []
        others: list[Path] = []
        inner: list[Path] = []
        nameless: list[Path] = []
        for folder in (entry for entry in _visible(path) if entry.is_dir()):
            entries = _visible(folder)
            pictures = [entry for entry in entries if entry.is_file() and entry.name.lower().endswith(SUFFIXES)]
            files = [entry for entry in entries if entry.is_file() and entry not in pictures]
            stems = {picture.stem for picture in pictures}
            if folder.name.casefold() in _OF_FORMATS or any(
                file.suffix.lower() in _ANNOTATIONS or file.stem in stems for file in files
            ):
                return None
            name = " ".join(folder.name.replace("_", " ").split())
            others += files
            inner += [entry for entry in entries if entry.is_dir()]
            if pictures and not taxa.is_taxon(name):
                nameless.append(folder)
            elif pictures:
                found.append((name, tuple(pictures)))
        if not found and not nameless:
            return None
        remarks = (
            *_passed_over(nameless, "folder that says", "folders that say", "no taxon"),
            *_passed_over(inner, "folder", "folders", "within those of the taxa"),
            *_passed_over(others, "file", "files", "that cannot be read as pictures"),
        )
        return cls(tuple(found), remarks)


def _passed_over(places: Sequence[Path], one: str, several: str, what: str) -> list[str]:
    if not places:
        return []
    were = either(len(places), "was", "were")
    return [f"{many(len(places), one, several)} {what} {were} passed over, such as {places[0]}."]


def _visible(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted, without hidden files."""
    try:
        return [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {reason(error)}") from error
