"""Long work on a project, as functions that a window hands to a process of its own.

Each opens the project as a further window does, so that edits of the window itself and of others are kept. Each
counts the specimens in the end: the window finds the numbers on disk, and reads no file for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.project import annotation_import, new_project, people
from napari_diatom.project.annotation_import import ImportReport
from napari_diatom.project.new_project import FoundData
from napari_diatom.project.people import Person
from napari_diatom.project.project import Project


def settle_class_names(folder: Path, annotator: str, monitor: ProgressMonitor) -> None:
    """Write files with former names; see :meth:`~napari_diatom.project.class_editor.ClassEditor.settle`."""
    with Project.open(folder, annotator) as project:
        project.classes.settle(monitor)
        project.summary()


def delete_class(folder: Path, annotator: str, name: str, monitor: ProgressMonitor) -> int:
    """Remove a class and its specimens; see :meth:`~napari_diatom.project.class_editor.ClassEditor.remove`."""
    with Project.open(folder, annotator) as project:
        deleted = project.classes.remove(name, delete_specimens=True, monitor=monitor)
        project.summary()
        return deleted


def list_people(folder: Path, annotator: str, monitor: ProgressMonitor) -> list[Person]:
    """Return who changed the specimens; see :func:`~napari_diatom.project.people.people_of`."""
    with Project.open(folder, annotator) as project:
        return people.people_of(project, monitor)


def import_annotation_files(
    folder: Path,
    annotator: str,
    paths: Sequence[Path],
    source: str | None,
    skip_absent: bool,
    dry_run: bool,
    kept: Path | None,
    monitor: ProgressMonitor,
) -> ImportReport:
    """Bring annotation files into a project; see :func:`~napari_diatom.project.annotation_import.import_files`."""
    with Project.open(folder, annotator) as project:
        report = annotation_import.import_files(
            project, paths, source, monitor=monitor, skip_absent=skip_absent, dry_run=dry_run, kept=kept
        )
        project.summary()
        return report


def look_for_data(images: Sequence[str], monitor: ProgressMonitor) -> FoundData:
    """Look at the data of a new project; see :func:`~napari_diatom.project.new_project.look`."""
    return new_project.look(images, monitor)


def make_project(
    folder: Path,
    images: Sequence[str],
    classes: Path | None,
    annotations: Sequence[Path],
    default_classes: Sequence[str],
    monitor: ProgressMonitor,
) -> ImportReport | None:
    """Make a project; see :func:`~napari_diatom.project.new_project.make`."""
    report, _ = new_project.make(folder, images, classes, annotations, default_classes, monitor=monitor)
    return report
