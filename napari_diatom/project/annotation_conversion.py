"""A project, or annotations of any format, written in another format: for the window, Python and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.formats import conversion
from napari_diatom.formats.lossiness import losses
from napari_diatom.formats.registry import FORMATS, Capability, by_name
from napari_diatom.project import splits
from napari_diatom.project.project import Project
from napari_diatom.project.settings import PROJECT_FILE

PROJECT_TITLE: Final = "project"
_TITLES: Final = {format_.name: format_.title for format_ in FORMATS}
_SPLITS: Final = {"train": "train", "validation": "val", "test": "test"}
"""Names of the parts of a project in datasets."""


@dataclass(frozen=True)
class ConvertOptions:
    """What is written in another format.

    Attributes
    ----------
    source : Path
        A project, or a file or folder of annotations in any format.
    out : Path
        The new file; the new folder for formats with a file per image or with images.
    format : str
        The format to write.
    source_format : str or None
        The format to read; without it, the format is detected from the content.
    images : Path or None
        Folder of the images, for formats that need their names, their sizes or the images themselves.
    split : Path or None
        A table (CSV) with the columns ``image`` and ``split`` (``train``, ``val``, ``test``), for datasets; a project
        has its own split.
    """

    source: Path
    out: Annotated[Path, Field(title="Write to", json_schema_extra={"path": "new"})]
    format: Annotated[str, Field(title="Format")] = "geojson"
    source_format: Annotated[str | None, Field(title="Format to read", json_schema_extra={"none": "detected"})] = None
    images: Annotated[Path | None, Field(title="Folder of images", json_schema_extra={"path": "folder"})] = None
    split: Annotated[Path | None, Field(title="Table of the split", json_schema_extra={"path": "file"})] = None

    def __post_init__(self) -> None:
        by_name(self.format)
        if self.source_format is not None:
            by_name(self.source_format)


@dataclass(frozen=True)
class ConversionReport:
    """What was written.

    Attributes
    ----------
    remarks : tuple of str
        What of the source was skipped, a sentence each.
    losses : str
        What the format does not keep, in one sentence.
    summary : str
        What was written, and where.
    """

    remarks: tuple[str, ...]
    losses: str
    summary: str

    def lines(self) -> list[str]:
        """Return it in sentences."""
        return [*self.remarks, self.losses, self.summary]


def format_choices() -> list[tuple[str, str]]:
    """Return titles and names of all formats, for a form."""
    return [(title, name) for name, title in _TITLES.items()]


def convert_annotations(options: ConvertOptions, monitor: ProgressMonitor = UNWATCHED) -> ConversionReport:
    """Write a project or annotations in another format, completely or not at all.

    Parameters
    ----------
    options : ConvertOptions
        What is written, and where.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the source cannot be read, or something is missing that the format needs.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; nothing is written then.
    """
    monitor.report(Progress("reading", 0, 2, str(options.source)))
    split: Mapping[str, str] | None = None
    title, remarks = PROJECT_TITLE, tuple[str, ...]()
    if (options.source / PROJECT_FILE).is_file():
        target = by_name(options.format)
        annotations, split = _of_project(options.source)
        lost = losses(target, annotations)
        split = split if Capability.SPLITS in target.capabilities else None
    else:
        prepared = conversion.prepare(options.source, options.format, options.source_format, options.images)
        target, annotations, lost, remarks = prepared.target, prepared.annotations, prepared.losses, prepared.remarks
        title = prepared.source.title
    if options.split is not None:
        split = conversion.read_split(options.split)
    monitor.check()
    monitor.report(Progress("writing", 1, 2, str(options.out)))
    target.write(options.out, annotations, options.images, split)
    monitor.report(Progress("writing", 2, 2))
    specimens = many(sum(len(part) for part in annotations), "specimen")
    summary = f"{specimens} of {many(len(annotations), 'image')}, {title} to {target.title}: {options.out}"
    return ConversionReport(remarks, lost.text(), summary)


def read_source_annotations(
    source: Path, source_format: str | None = None, images: Path | None = None
) -> tuple[list[Annotations], tuple[str, ...]]:
    """Return the annotations of a project, or of a file or folder in any format, and what of it was skipped.

    Raises
    ------
    InputError
        When the source cannot be read.
    """
    if (source / PROJECT_FILE).is_file():
        return _of_project(source)[0], ()
    _, annotations, remarks = conversion.read(source, source_format, images)
    return annotations, remarks


def _of_project(folder: Path) -> tuple[list[Annotations], dict[str, str] | None]:
    """Return the annotations of a project, and what each image is for by its name, None without such a split."""
    with Project.open(folder) as project:
        annotations, split, images = project.export_annotations(), project.settings.split, project.images
    if not images:
        raise InputError(f"The project {folder} has no images.")
    if split is None or not set(split.parts) <= set(_SPLITS):
        return annotations, None
    parts = {part.image: splits.part_of(split, image) for part, image in zip(annotations, images, strict=True)}
    return annotations, {name: _SPLITS[part] for name, part in parts.items() if part is not None}
