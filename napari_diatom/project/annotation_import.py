"""Annotation files of other programs brought into a project, with a dry look before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import either, first_few, many
from napari_diatom.project.annotation_exchange import ImportPlan
from napari_diatom.project.annotation_reading import FileReport, read_annotation_files
from napari_diatom.project.project import Project


@dataclass(frozen=True, eq=False)
class ImportReport:
    """What an import does, or did.

    Attributes
    ----------
    files : tuple of FileReport
        What was read.
    by_image : dict of str to int
        Numbers of new specimens by the ids of their images.
    known : int
        Specimens that the project has already.
    new_classes : tuple of str
        Classes that the project gets.
    renamed : dict of str to str
        Present names of classes that the files have under a former one.
    absent : tuple of str
        Names of images that the project does not have.
    problems : tuple of str
        What keeps the import from being done.
    not_kept : tuple of str
        What a project cannot hold, or what was skipped, a sentence each.
    is_done : bool
        Whether the specimens are in the project now.
    """

    files: tuple[FileReport, ...]
    by_image: dict[str, int]
    known: int
    new_classes: tuple[str, ...]
    renamed: dict[str, str]
    absent: tuple[str, ...]
    problems: tuple[str, ...]
    not_kept: tuple[str, ...]
    is_done: bool = False

    @property
    def new(self) -> int:
        """Number of new specimens."""
        return sum(self.by_image.values())

    def lines(self) -> list[str]:
        """Return it in sentences."""
        verb = "imported" if self.is_done else "to import"
        said = [
            f"{item.path.name} ({item.format}): {many(item.specimens, 'specimen')} in {many(item.images, 'image')}."
            for item in self.files
        ]
        said.append(f"{many(self.new, 'specimen')} {verb}, in {many(len(self.by_image), 'image')}.")
        if self.known:
            is_there = either(self.known, "is", "are")
            said.append(f"{many(self.known, 'specimen')} {is_there} already in the project, and not added again.")
        if self.new_classes:
            said.append(f"{many(len(self.new_classes), 'new class', 'new classes')}: {first_few(self.new_classes)}.")
        said += [
            f"{old} is called {new} in this project, and so are its specimens." for old, new in self.renamed.items()
        ]
        if self.absent:
            lacks = f"The project does not have {many(len(self.absent), 'image')} of these files"
            said.append(f"{lacks}: {first_few(self.absent)}.")
        return [*said, *(f"Not kept: {line}" for line in self.not_kept)]


def import_files(
    project: Project,
    paths: Sequence[Path],
    source: str | None = None,
    images: Path | None = None,
    monitor: ProgressMonitor = UNWATCHED,
    skip_absent: bool = False,
    dry_run: bool = False,
    kept: Path | None = None,
) -> ImportReport:
    """Bring annotation files of any format into a project, all of them or none.

    Parameters
    ----------
    project : Project
        The project.
    paths : sequence of Path
        Files, or folders of files.
    source : str, optional
        Name of their format; detected from the content by default.
    images : Path, optional
        Folder of the images, for formats that have neither names nor sizes of images. By default the folder that the
        project's images are in, if they are in one and the files cannot be read without.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"files"``, ``"images"`` and ``"writing"``.
    skip_absent : bool
        Whether annotations of images that the project does not have are left out.
    dry_run : bool
        Whether only to report what would be done.
    kept : Path, optional
        File in which a dry run keeps what it has read, so that the import need not read it again as long as the files
        are the same.

    Raises
    ------
    InputError
        When a file cannot be read; without ``dry_run`` also with every problem found.
    OutputError
        When the project cannot be written; nothing is imported then.
    Stopped
        When a stop was asked for; nothing is imported then.
    """
    if not paths:
        raise InputError("Choose at least one file of annotations.")
    files = read_annotation_files(paths, source, images, _folder_of_images(project), monitor, kept)
    read = [item for file in files for item in file.annotations]
    plan = project.exchange.plan(read, monitor)
    if not dry_run:
        project.exchange.carry_out(plan, monitor, skip_absent)
    return _report(plan, [file.report for file in files], read, is_done=not dry_run)


def _report(plan: ImportPlan, files: Sequence[FileReport], read: Sequence[Annotations], is_done: bool) -> ImportReport:
    named = sum(name is not None for item in read for name in item.names)
    not_kept = [line for item in files for line in item.remarks]
    if named:
        not_kept.append(f"{many(named, 'taxon', 'taxa')} that a model gave: a project keeps the classes.")
    return ImportReport(
        tuple(files),
        {id_: len(found) for id_, found in plan.specimens.items()},
        plan.known,
        plan.new_classes,
        plan.renamed,
        plan.absent,
        plan.problems,
        tuple(not_kept),
        is_done,
    )


def _folder_of_images(project: Project) -> Path | None:
    """Return the folder that all images of a project are in, None where there are several."""
    folders = {project.path(image.id).parent for image in project.images}
    return next(iter(folders)) if len(folders) == 1 and next(iter(folders)).is_dir() else None
