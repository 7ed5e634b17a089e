"""One of the two files of an image in a project as it is on disk: its specimens, and what its header says."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_bytes
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.project import backups
from napari_diatom.project.edit_conflicts import Saved
from napari_diatom.project.specimen import Specimen, from_annotations

EDITS: Final = "edits"
"""Entry of a file's header: the number of the last edit that it has of each of the last windows."""
REJECTED: Final = "rejected"
"""Entry of the header of proposals: the features that models found and people rejected or deleted."""
_IDS: Final = uuid.UUID("7d1f2c5e-5a0e-4b7f-9d53-5b0a6a3c8a11")
"""Names the ids of specimens that another program added without one."""


@dataclass(frozen=True)
class AnnotationFile:
    """What a file of annotations or proposals holds.

    Attributes
    ----------
    digest : str
        Its hash, empty where there is no file.
    specimens : tuple of Specimen
        In their order.
    rejected : tuple of Specimen
        What people rejected or deleted, in a file of proposals.
    state : object
        How far the image is, as the file says.
    saved : Saved
        Who wrote it.
    edits : Mapping of str to int
        Number of the last edit that it has of each of the last windows.
    """

    digest: str = ""
    specimens: tuple[Specimen, ...] = ()
    rejected: tuple[Specimen, ...] = ()
    state: Any = None
    saved: Saved = field(default_factory=Saved)
    edits: Mapping[str, int] = field(default_factory=dict)


def read_file(project: Path, path: Path) -> AnnotationFile:
    """Read a file of a project.

    Parameters
    ----------
    project : Path
        The project's folder.
    path : Path
        The file, which need not be there.

    Raises
    ------
    InputError
        When it is damaged or cannot be read.
    """
    data = bytes_of(path)
    if data is None:
        return AnnotationFile()
    digest = digest_of(data)
    try:
        parsed = geojson.parsed(data, str(path))
        found = geojson.of_data(parsed, str(path), masks=False)
        # The same file has to give the same ids: a journal may speak of its specimens before they have any.
        ids = tuple(id_ or str(uuid.uuid5(_IDS, f"{digest} {i}")) for i, id_ in enumerate(found.ids))
        specimens = from_annotations(replace(found, ids=ids), str(path))
        header = _header(parsed)
        rejected = _rejected(header, str(path))
    except InputError as error:
        folder = backups.folder_of(project, path)
        raise InputError(f"{error} Earlier versions are in {folder}: put one of them in its place.") from error
    edits = header.get(EDITS)
    counted = {
        session: last
        for session, last in (edits.items() if isinstance(edits, dict) else ())
        if type(last) is int and last > 0
    }
    return AnnotationFile(digest, tuple(specimens), rejected, header.get("state"), _saved(header), counted)


def bytes_of(path: Path) -> bytes | None:
    """Return what a file holds, None where there is none."""
    try:
        return read_bytes(path)
    except InputError:
        if os.path.lexists(path):
            raise
        return None


def digest_of(data: bytes) -> str:
    """Return the hash by which a file is known again."""
    return hashlib.sha256(data).hexdigest()


def _header(parsed: Any) -> Mapping[str, Any]:
    """Return our own header of a parsed file, empty where another program wrote it."""
    header = parsed.get(geojson.HEADER) if isinstance(parsed, dict) else None
    return header if isinstance(header, dict) else {}


def _rejected(header: Mapping[str, Any], source: str) -> tuple[Specimen, ...]:
    """Return what people rejected, by the header of a file; raises InputError when it is damaged."""
    features = header.get(REJECTED)
    if not isinstance(features, list):
        return ()
    return tuple(from_annotations(geojson.of_data(features, source, masks=False), source))


def _saved(header: Mapping[str, Any]) -> Saved:
    """Return who wrote a file, by its header."""
    values = (header.get(name) for name in ("saved_by", "saved_on", "saved"))
    return Saved(*(value if isinstance(value, str) else "" for value in values))


def by_whom(path: Path, data: bytes | None) -> str:
    """Return who wrote a file, and when, as far as that is known."""
    if data is None:
        return "by somebody who removed their file"
    try:
        saved = _saved(_header(geojson.parsed(data, str(path))))
    except InputError:
        saved = Saved()
    if saved.time:
        return f"by {saved.annotator or 'somebody'} at {saved.time}{f' on {saved.host}' if saved.host else ''}"
    with suppress(OSError, ValueError, OverflowError):
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return f"by another program at {when.isoformat(timespec='seconds')}"
    return "by another program"
