"""Names by example: learnt from named specimens, suggested for a project's others, and checked."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_integer, given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.models.library import EMBEDDER
from napari_diatom.reports import name_check_report
from napari_diatom.reports.name_check_report import CheckOptions
from napari_diatom.review import learning_names
from napari_diatom.review.learning_names import SUGGESTION_COLUMNS, LearnOptions, SuggestOptions

if TYPE_CHECKING:
    from pandas import DataFrame


def learn_names(
    data: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    *,
    images: AnyPath | None = None,
    taxa: AnyPath | None = None,
    embedder: str = EMBEDDER,
    licence: str = "",
    overwrite: bool = False,
    report: Report = silent,
) -> Path:
    """Learn from named specimens, and write what was learnt as one file for ``load_model(..., namer=...)``.

    The file holds vectors and names, and no pictures. Only names that a person gave teach.

    Parameters
    ----------
    data : path or iterable of paths
        Projects, annotations of any format, or folders with a subfolder for each taxon and one valve in each picture.
    out : path
        The ``.diatom-model`` file.
    images : path, optional
        Folder of the images of annotations; by default the folder that these are in.
    taxa : path, optional
        A taxon list with columns ``genus``, ``handed`` and ``synonym of``, for other data than projects.
    embedder : str
        Name or file of the model that compares specimens.
    licence : str
        Under which others may use the file.
    overwrite : bool
        Whether a file that is there is replaced.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        When data cannot be read, nothing in them is named, or the file is there already.
    ModelError
        When the embedder cannot be used.
    OutputError
        When the file cannot be written.
    """
    options = LearnOptions(
        _paths(data, "data"),
        given_path(out, "out"),
        optional_path(images, "images"),
        optional_path(taxa, "taxa"),
        embedder,
        licence,
        overwrite,
    )
    return learning_names.learn_names(options, progress_monitor(report)).path


def suggest_names(
    project: AnyPath,
    *,
    examples: AnyPath | Iterable[AnyPath] = (),
    proposals: bool = False,
    embedder: str = EMBEDDER,
    report: Report = silent,
) -> DataFrame:
    """Suggest names for the specimens of a project that no person has named; the project is not changed.

    Parameters
    ----------
    project : path
        Folder of the project.
    examples : path or iterable of paths
        Files of :func:`learn_names` to learn from besides the named specimens of the project.
    proposals : bool
        Whether names are suggested for proposals too.
    embedder : str
        Name or file of the model that compares specimens.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    DataFrame
        A row for each specimen: ``image``, ``specimen``, ``class``, its place in pixels, three suggestions with their
        shares, the genus where several of its species share it, and ``unlike`` where it is unlike all examples.

    Raises
    ------
    InputError
        When there is no project, or nothing is named.
    ModelError
        When the embedder cannot be used, or the examples are of another one.
    """
    import pandas as pd

    options = SuggestOptions(
        given_path(project, "project"),
        examples=_paths(examples, "examples"),
        proposals=proposals,
        embedder=embedder,
    )
    found = learning_names.suggest_names(options, progress_monitor(report))
    frame = pd.DataFrame(list(found.rows), columns=list(SUGGESTION_COLUMNS))
    numbers = [name for name in SUGGESTION_COLUMNS if name.startswith("share_") or name.endswith(("_px", "_share"))]
    frame[numbers] = frame[numbers].apply(pd.to_numeric)
    frame["unlike"] = frame["unlike"] == "1"
    return frame


def check_names(
    project: AnyPath,
    out: AnyPath,
    *,
    pictures: int = 100,
    embedder: str = EMBEDDER,
    overwrite: bool = False,
    report: Report = silent,
) -> Path:
    """Check the names in a project: write tables, and a page with pictures of those that may be wrong.

    Parameters
    ----------
    project : path
        Folder of the project.
    out : path
        Folder for the tables and the page ``names.html``.
    pictures : int
        Doubtful names that are shown at most; the tables have all.
    embedder : str
        Name or file of the model that compares specimens.
    overwrite : bool
        Whether files that are there are replaced.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        When there is no project, nothing is named, or files are there already.
    ModelError
        When the embedder cannot be used.
    OutputError
        When a file cannot be written.
    """
    number = given_integer(pictures, "pictures")
    if number < 0:
        raise InputError(f"pictures is {number}; give 0 or more.")
    options = CheckOptions(given_path(project, "project"), given_path(out, "out"), number, embedder, overwrite)
    return name_check_report.check_names(options, progress_monitor(report)).folder


def _paths(value: AnyPath | Iterable[AnyPath], what: str) -> tuple[Path, ...]:
    """Return one path or several as paths. Raises InputError where one is none."""
    if isinstance(value, str | PathLike):
        return (given_path(value, what),)
    return (
        tuple(given_path(item, what) for item in value) if isinstance(value, Iterable) else (given_path(value, what),)
    )
