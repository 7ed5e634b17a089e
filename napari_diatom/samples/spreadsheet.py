"""The cells of a table that a person wrote: CSV with commas, semicolons or tabs, or the first sheet of an XLSX file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_bytes, read_delimited

LARGEST_BYTES: Final = 2**26
"""Of a table: a hundred thousand samples."""

Line = tuple[int, list[str]]
"""The number of a row, as spreadsheets and editors show it, and its cells without the blanks around them."""


def read_lines(path: Path, kind: str) -> list[Line]:
    """Return the rows of a table that are not blank.

    Parameters
    ----------
    path : Path
        ``.xlsx``, or text in UTF-8 or as Windows writes it.
    kind : str
        What it should be, for messages.

    Raises
    ------
    InputError
        When it cannot be read or is no table.
    """
    is_xlsx = path.suffix.lower() in (".xlsx", ".xlsm")
    lines = _of_xlsx(path, kind) if is_xlsx else read_delimited(path, kind, LARGEST_BYTES)
    return [(number, cells) for number, cells in lines if any(cells)]


def _of_xlsx(path: Path, kind: str) -> list[Line]:
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    read_bytes(path, LARGEST_BYTES)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            return list(_cells(book.worksheets[0].iter_rows(values_only=True)))
        finally:
            book.close()
    except (OSError, ValueError, KeyError, IndexError, SyntaxError, zipfile.BadZipFile, InvalidFileException) as error:
        raise InputError(f"{path} is not {kind}: it is not an XLSX file that can be read.") from error


def _cells(rows: Iterable[tuple[Any, ...]]) -> Iterable[Line]:
    for number, row in enumerate(rows, start=1):
        yield number, [_text(value) for value in row]


def _text(value: Any) -> str:
    """Return a cell of a spreadsheet as a person would have typed it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
