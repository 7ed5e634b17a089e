"""All specimens of a folder of results as one file, with columns for sample, file and plane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.counting import tables, workbook
from napari_diatom.counting.counted_specimens import CountedSpecimens
from napari_diatom.counting.table_columns import Row

FOLDER_FORMATS: Final = {".csv": "Table, a row per specimen", ".xlsx": "Excel, a row per specimen"}
"""Suffixes and what they stand for, the default first."""
_STEP: Final = 500


def export_specimens(folder: Path, path: Path, monitor: ProgressMonitor = UNWATCHED) -> int:
    """Write all specimens of a folder of results to ``path``, whole or not at all.

    Parameters
    ----------
    folder : Path
        The folder of results.
    path : Path
        A file that ends as :data:`FOLDER_FORMATS` says.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"rows"``.

    Returns
    -------
    int
        How many specimens were written.

    Raises
    ------
    InputError
        When the folder has no finished tables, they are damaged, or the suffix names no format.
    OutputError
        When the file cannot be written.
    Stopped
        When a stop was asked for.
    """
    suffix = path.suffix.lower()
    if suffix not in FOLDER_FORMATS:
        raise InputError(f"{path.name} has an unknown file name ending; use {', '.join(FOLDER_FORMATS)}.")
    found = CountedSpecimens.of(folder, monitor)
    if path.resolve() == found.path.resolve():
        raise InputError(f"{path} is the table of the run itself: choose another file.")

    def rows() -> Iterator[Row]:
        for number, row in enumerate(found.rows()):
            if number % _STEP == 0:
                monitor.report(Progress("rows", number, len(found), path.name))
                monitor.check()
            yield row

    if suffix == ".csv":
        tables.write_csv(path, found.columns, rows())
    else:
        formats = [found.format_of(name) for name in found.columns]
        workbook.write_sheets(path, [workbook.TableSheet("specimens", found.columns, formats, rows())])
    return len(found)
