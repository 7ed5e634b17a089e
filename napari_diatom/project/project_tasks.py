"""Long work on a project, as functions that a window hands to a process of its own.

Each opens the project as a further window does, so that edits of the window itself and of others are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.project import annotation_import, people
from napari_diatom.project.annotation_import import ImportReport
from napari_diatom.project.people import Person
from napari_diatom.project.project import Project


def rename_class(folder: Path, annotator: str, name: str, new_name: str, monitor: ProgressMonitor) -> None:
    """Give a class another name; see :meth:`~napari_diatom.project.class_editor.ClassEditor.rename`."""
    with Project.open(folder, annotator) as project:
        project.classes.rename(name, new_name, monitor)


def merge_classes(folder: Path, annotator: str, names: Sequence[str], into: str, monitor: ProgressMonitor) -> None:
    """Make classes one; see :meth:`~napari_diatom.project.class_editor.ClassEditor.merge`."""
    with Project.open(folder, annotator) as project:
        project.classes.merge(names, into, monitor)


def delete_class(folder: Path, annotator: str, name: str, monitor: ProgressMonitor) -> int:
    """Remove a class and its specimens; see :meth:`~napari_diatom.project.class_editor.ClassEditor.remove`."""
    with Project.open(folder, annotator) as project:
        return project.classes.remove(name, delete_specimens=True, monitor=monitor)


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
    monitor: ProgressMonitor,
) -> ImportReport:
    """Bring annotation files into a project; see :func:`~napari_diatom.project.annotation_import.import_files`."""
    with Project.open(folder, annotator) as project:
        return annotation_import.import_files(
            project, paths, source, monitor=monitor, skip_absent=skip_absent, dry_run=dry_run
        )
