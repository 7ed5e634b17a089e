"""A results folder of ``count`` as a project to review, and the tables of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.review import project_tables, reviewing
from napari_diatom.review.project_tables import TablesOptions


def review_counts(
    folder: AnyPath, project: AnyPath | None = None, *, images: Sequence[AnyPath] = (), report: Report = silent
) -> Path:
    """Make a project of a results folder of ``count``, to review it in *Annotate diatoms*.

    All specimens become proposals. If the project exists, it gets the images that ``count`` has added since; what
    people have done in it stays.

    Parameters
    ----------
    folder : str or Path
        The results folder.
    project : str or Path, optional
        Folder of the project. By default ``review`` in the results folder.
    images : sequence of str or Path
        Folders to look for moved images in, with their subfolders. By default the folder that the results are in.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    Path
        The folder of the project.

    Raises
    ------
    InputError
        When the folder holds no results, or no image can be reviewed.
    OutputError
        When the project cannot be written.
    """
    places = [given_path(place, "images") for place in images]
    home = optional_path(project, "project")
    return reviewing.review(given_path(folder, "folder"), home, places, progress_monitor(report)).project


def write_project_tables(
    project: AnyPath, out: AnyPath, *, proposals: bool = False, overwrite: bool = False, report: Report = silent
) -> Path:
    """Write ``specimens.csv``, ``counts.csv`` and ``images.csv`` of a project, with the columns of ``count``.

    Parameters
    ----------
    project : str or Path
        Folder of the project.
    out : str or Path
        Folder for the tables.
    proposals : bool
        Whether proposals that nobody has reviewed are in the tables.
    overwrite : bool
        Whether tables that are there are replaced.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    Path
        The folder of the tables.

    Raises
    ------
    InputError
        When there is no project, or there are tables already.
    OutputError
        When a file cannot be written.
    """
    options = TablesOptions(
        given_path(project, "project"), given_path(out, "out"), proposals=proposals, overwrite=overwrite
    )
    return project_tables.write_project_tables(options, progress_monitor(report)).folder
