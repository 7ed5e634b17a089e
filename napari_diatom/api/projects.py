"""Annotation projects: opened, made, changed, and given annotations of other programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.project import annotation_import, new_project
from napari_diatom.project.annotation_import import ImportReport
from napari_diatom.project.project import Project


def open_project(folder: AnyPath, annotator: str | None = None) -> Project:
    """Open an annotation project.

    Use it in a ``with`` block: everything is on disk when the block ends. ``project.classes`` has ``add``, ``change``,
    ``rename``, ``merge``, ``move``, ``remove`` and ``take_list``, which change the list of classes and all specimens
    with it. ``project.facts`` has ``set`` and ``set_pixel_size``, for slide, sample and pixel size of images.
    ``project.summary()`` counts the specimens of each image. Other windows may have the project open.

    Parameters
    ----------
    folder : path
        The project's folder.
    annotator : str, optional
        Who works in it; by default the user of the computer.

    Returns
    -------
    Project
        The project; ``project.settings`` is what it has agreed on.

    Raises
    ------
    InputError
        When there is no project, or its settings are damaged.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> import napari_diatom as nd
    >>> with tempfile.TemporaryDirectory() as place:
    ...     Image.new("L", (60, 40)).save(Path(place) / "field.png")
    ...     nd.create_project(f"{place}/project", [place])
    ...     with nd.open_project(f"{place}/project") as project:
    ...         project.classes.add("Navicula")
    ...         project.classes.rename("Navicula", "Gomphonema", None)
    ...         [item.name for item in project.settings.classes]
    ['Gomphonema']
    """
    return Project.open(given_path(folder, "folder"), annotator)


def create_project(
    folder: AnyPath,
    images: AnyPath | Iterable[AnyPath],
    classes: AnyPath | None = None,
    annotations: Iterable[AnyPath] = (),
    *,
    report: Report = silent,
) -> None:
    """Make an annotation project, with everything in it or not at all.

    Parameters
    ----------
    folder : path
        Of the project; may exist.
    images : path or iterable of paths
        Image files, folders with their subfolders, or patterns. Images stay where they are.
    classes : path, optional
        A taxon list: a table with a column ``name`` or ``species``, and ``code``, ``colour`` and ``key`` if any.
    annotations : iterable of paths
        Annotations to import, in any format.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Raises
    ------
    InputError
        When something cannot be read, or the folder already holds a project.
    OutputError
        When the folder cannot be written.
    """
    single = isinstance(images, str) or not isinstance(images, Iterable)
    places = [images] if single else list(images)  # type: ignore[arg-type]
    new_project.make(
        given_path(folder, "folder"),
        [str(given_path(place, "images")) for place in places],
        optional_path(classes, "classes"),
        [given_path(path, "annotations") for path in annotations],
        monitor=progress_monitor(report),
    )


def import_annotations(
    project: Project,
    paths: AnyPath | Sequence[AnyPath],
    format: str | None = None,
    images: AnyPath | None = None,
    *,
    skip_absent: bool = False,
    dry_run: bool = False,
    report: Report = silent,
) -> ImportReport:
    """Bring annotation files of any format into a project, all of them or none.

    Parameters
    ----------
    project : Project
        From :func:`open_project`.
    paths : path or sequence of paths
        Files, or folders of files.
    format : str, optional
        Name of the format; detected from the content by default.
    images : path, optional
        Folder of the images, for names and sizes that the annotations lack.
    skip_absent : bool
        Whether annotations of images that the project does not have are left out.
    dry_run : bool
        Whether only to report what would be imported.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    ImportReport
        What came, and what the project cannot hold; ``lines()`` has it in sentences.

    Raises
    ------
    InputError
        When a file cannot be read; without ``dry_run`` also with every problem found.
    OutputError
        When the project cannot be written; nothing is imported then.
    """
    if not isinstance(project, Project):
        raise InputError(f"project is of type {type(project).__name__}; give what open_project returns.")
    listed = [paths] if isinstance(paths, str) or not isinstance(paths, Sequence) else list(paths)
    return annotation_import.import_files(
        project,
        [given_path(path, "paths") for path in listed],
        format,
        optional_path(images, "images"),
        progress_monitor(report),
        skip_absent,
        dry_run,
    )
