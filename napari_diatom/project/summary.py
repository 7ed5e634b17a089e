"""How many specimens of what an image has, without reading their outlines."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_bytes, read_json
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.geojson.qupath_classes import class_and_status
from napari_diatom.project.class_names import renamed_counts
from napari_diatom.project.document import Document
from napari_diatom.project.edits import State
from napari_diatom.project.image_record import files_of
from napari_diatom.project.settings import ProjectImage

Counts = Mapping[tuple[str, str], int]
"""Numbers of specimens by class and status."""

Stamp = tuple[tuple[int, int], ...]
"""Time of change in nanoseconds and length of an image's two files: which revision was counted."""


@dataclass(frozen=True)
class Tally:
    """What an image has.

    Attributes
    ----------
    image : ProjectImage
        The image.
    state : State
        How far it is.
    counts : Counts
        Its specimens.
    proposals : int
        How many are proposed besides.
    problem : str
        Why it could not be counted, empty where it could.
    """

    image: ProjectImage
    state: State
    counts: Counts = field(default_factory=dict)
    proposals: int = 0
    problem: str = ""

    @property
    def total(self) -> int:
        """Number of specimens."""
        return sum(self.counts.values())

    def by_class(self) -> Counter[str]:
        """Return the numbers of specimens by class."""
        numbers: Counter[str] = Counter()
        for (name, _), number in self.counts.items():
            numbers[name] += number
        return numbers

    def renamed(self, names: Mapping[str, str]) -> Tally:
        """Return it under the present names of classes, by their former ones."""
        return replace(self, counts=renamed_counts(self.counts, names)) if names else self

    def counted(self, statuses: Iterable[str]) -> Counter[str]:
        """Return the numbers of specimens of some statuses by class."""
        wanted = set(statuses)
        numbers: Counter[str] = Counter()
        for (name, status), number in self.counts.items():
            numbers[name] += number if status in wanted else 0
        return +numbers


def of_document(image: ProjectImage, document: Document) -> Tally:
    """Count what is open."""
    counts = Counter((item.name, item.status) for item in document.specimens.values())
    return Tally(image, document.state, dict(counts), len(document.proposals))


def of_files(project: Path, image: ProjectImage) -> Tally:
    """Count what the files of an image hold; a damaged one is named in the tally."""
    try:
        counts: Counter[tuple[str, str]] = Counter()
        for properties in _features(files_of(project, image.id)[0]):
            name, status = class_and_status(properties)
            counts[name, str(status)] += 1
        return Tally(image, image.state, dict(counts), len(_features(files_of(project, image.id)[1])))
    except InputError as error:
        return Tally(image, image.state, problem=str(error))


def stamp(project: Path, image: ProjectImage) -> Stamp:
    """Return which revision of an image's files there is."""
    found: list[tuple[int, int]] = []
    for path in files_of(project, image.id):
        try:
            facts = path.stat()
            found.append((facts.st_mtime_ns, facts.st_size))
        except OSError:
            found.append((0, 0))
    return tuple(found)


class Cache:
    """Tallies by revision, kept from one opening of the project to the next.

    Parameters
    ----------
    path : Path
        The file; one that is missing or damaged is an empty cache.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, tuple[Stamp, Tally]] = {}
        self._stored: dict[str, Any] = {}
        self._read: float = -1
        self._load()

    def tally(self, project: Path, image: ProjectImage) -> Tally:
        """Return what the files of an image hold, read only where they are another revision than last time."""
        now = stamp(project, image)
        known = self._known.get(image.id)
        if known is None or known[0] != now:
            # Another window, or a process that works for this one, may have counted it.
            tally = self._restored(image, now)
            if tally is None and self._load():
                tally = self._restored(image, now)
            tally = tally or of_files(project, image)
            known = self._known[image.id] = now, tally
        return Tally(image, image.state, known[1].counts, known[1].proposals, known[1].problem)

    def note(self, project: Path, image: ProjectImage, document: Document) -> None:
        """Keep what a document holds whose files were just written; the caller holds the lock under which they were."""
        self._known[image.id] = stamp(project, image), of_document(image, document)

    def text(self) -> str:
        """Return all that is known, for the file."""
        counted = {
            id_: [now, tally.proposals, [[*key, number] for key, number in tally.counts.items()]]
            for id_, (now, tally) in self._known.items()
            if not tally.problem
        }
        return json.dumps(self._stored | counted, ensure_ascii=False)

    def _load(self) -> bool:
        """Read what was counted, where it was written since the last time, and return whether it was."""
        try:
            written = self._path.stat().st_mtime
        except OSError:
            return False
        if written == self._read:
            return False
        self._read = written
        with suppress(InputError):
            stored = read_json(self._path, "what was counted")
            self._stored = stored if isinstance(stored, dict) else {}
        return True

    def _restored(self, image: ProjectImage, now: Stamp) -> Tally | None:
        """Return what an earlier session counted of the same revision."""
        try:
            then, proposals, rows = self._stored[image.id]
            if [tuple(pair) for pair in then] != list(now):
                return None
            counts = {(_text(name), _text(status)): _number(count) for name, status, count in rows}
            return Tally(image, image.state, counts, _number(proposals))
        except (KeyError, ValueError, TypeError):
            return None


def _features(path: Path) -> list[Mapping[str, Any]]:
    """Return the properties of all features of a file."""
    try:
        data = read_bytes(path)
    except InputError:
        if os.path.lexists(path):
            raise
        return []
    parsed = geojson.parsed(data, str(path))
    listed = parsed.get("features") if isinstance(parsed, dict) else parsed
    if not isinstance(listed, list):
        raise InputError(f"{path} is not a GeoJSON FeatureCollection.")
    return [
        found if isinstance(found, dict) else {}
        for found in (feature.get("properties") for feature in listed if isinstance(feature, dict))
    ]


def _text(value: Any) -> str:
    """Return text as it is; raises TypeError where it is none."""
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any) -> int:
    """Return a number of specimens as it is; raises TypeError where it is none."""
    if type(value) is not int or not 0 <= value < 2**53:
        raise TypeError
    return value
