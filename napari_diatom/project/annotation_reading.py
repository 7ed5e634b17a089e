"""Annotation files read for a project, once: what was looked at is kept until it is imported.

What is kept is a file of this program's own, in a folder of this user alone, and is used as long as size and time of
all files that were read are the same.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.registry import Format, Layout, by_name


@dataclass(frozen=True)
class FileReport:
    """What was read from a file or folder of annotations.

    Attributes
    ----------
    path : Path
        The file or folder.
    format : str
        Title of its format.
    images, specimens : int
        Numbers of images and specimens.
    remarks : tuple of str
        What was skipped, a sentence each.
    """

    path: Path
    format: str
    images: int
    specimens: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ReadFile:
    """A file or folder of annotations as read.

    Attributes
    ----------
    annotations : tuple of Annotations
        An image each. Specimens that are known by their outlines have no masks.
    report : FileReport
        What was read.
    """

    annotations: tuple[Annotations, ...]
    report: FileReport


def read_annotation_files(
    paths: Sequence[Path],
    source: str | None = None,
    images: Path | None = None,
    place: Path | None = None,
    monitor: ProgressMonitor = UNWATCHED,
    kept: Path | None = None,
) -> tuple[ReadFile, ...]:
    """Return what annotation files of any format hold.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders of files.
    source : str, optional
        Name of their format; detected from the content by default.
    images : Path, optional
        Folder of the images, for formats that have neither names nor sizes of images.
    place : Path, optional
        Folder that is tried for files that cannot be read without.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"files"``.
    kept : Path, optional
        File in which what was read is kept, and found the next time.

    Raises
    ------
    InputError
        When a file cannot be read.
    Stopped
        When a stop was asked for.
    """
    key = None if kept is None else (tuple(map(str, paths)), source, images, place, tuple(map(_state, paths)))
    known = None if kept is None else _kept(kept, key)
    if known is not None:
        monitor.report(Progress("files", len(paths), len(paths)))
        return known
    read: list[ReadFile] = []
    is_whole = True
    for number, path in enumerate(paths):
        monitor.report(Progress("files", number, len(paths), path.name))
        monitor.check()
        form = detect(path) if source is None else by_name(source)
        found, remarks, is_alone = _read(form, path, images, place)
        # Files that a dataset names lie anywhere.
        is_whole &= is_alone and form.layout is not Layout.FOLDER
        report = FileReport(path, form.title, len(found), sum(map(len, found)), tuple(remarks))
        read.append(ReadFile(tuple(map(_without_masks, found)), report))
    if kept is not None and is_whole and images is None:
        _keep(kept, key, tuple(read))
    return tuple(read)


def _read(
    form: Format, path: Path, images: Path | None, place: Path | None
) -> tuple[list[Annotations], list[str], bool]:
    """Return the annotations of a file, what was skipped, and whether the file was read without ``place``.

    ``place`` is a folder for formats that cannot be read without one. All others must not look into it: what its images
    lack is for the project to say.
    """
    remarks: list[str] = []
    try:
        return form.read(path, images, remarks), remarks, True
    except InputError:
        if images is not None or place is None:
            raise
    with contextlib.suppress(InputError):
        return form.read(path, place, remarks), remarks, False
    return form.read(path, None, remarks), remarks, True


def _without_masks(annotations: Annotations) -> Annotations:
    """Return annotations without masks, where outlines say the same."""
    pairs = zip(annotations.shapes, annotations.outlines, strict=True)
    if annotations.detections.masks is None or any(kind == "polygon" and line is None for kind, line in pairs):
        return annotations
    return replace(annotations, detections=replace(annotations.detections, masks=None))


def _state(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time (ns) of a file, or of all files below a folder; what cannot be seen has none."""
    found: list[tuple[str, int, int]] = []
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        with contextlib.suppress(OSError):
            known = file.stat()
            found.append((str(file), known.st_size, known.st_mtime_ns))
    return tuple(found)


def _kept(path: Path, key: Any) -> tuple[ReadFile, ...] | None:
    """Return what was read of files in the same state, None where nothing is kept of them."""
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError), path.open("rb") as stream:
        # Written by our own process, in a folder of this user alone.
        if pickle.load(stream) == key:
            read: tuple[ReadFile, ...] = pickle.load(stream)
            return read
    return None


def _keep(path: Path, key: Any, read: tuple[ReadFile, ...]) -> None:
    """Keep what was read; without room for it, the files are read again."""
    part = path.with_name(f"{path.name}.part")
    with contextlib.suppress(OSError):
        with part.open("wb") as stream:
            pickle.dump(key, stream, pickle.HIGHEST_PROTOCOL)
            pickle.dump(read, stream, pickle.HIGHEST_PROTOCOL)
        os.replace(part, path)
