"""The tables as the sheets of an XLSX file, the same bytes for the same results on any day."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import OutputError
from napari_diatom.core.text import printable
from napari_diatom.counting.table_columns import FORMATS, Row, count_columns, specimen_columns

_THE_DAY: Final = datetime(1980, 1, 1)
"""The date within XLSX files, the first that a zip file can hold: the same tables are the same bytes on any day."""


def write_xlsx(
    path: Path, specimens: Iterable[Row], counts: Iterable[Row], named: bool = False, outlined: bool = False
) -> None:
    """Write both tables as the sheets of one XLSX file, numbers as numbers, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    specimens, counts : iterable of Row
        Rows of ``specimens.csv`` and of ``counts.csv``.
    named, outlined : bool
        Whether taxa were named, and boxes outlined.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    named_columns = specimen_columns(named, outlined), count_columns(named)
    write_sheets(
        path,
        [
            TableSheet(title, columns, [FORMATS[name] for name in columns], rows)
            for title, columns, rows in zip(("specimens", "counts"), named_columns, (specimens, counts), strict=True)
        ],
    )


@dataclass(frozen=True)
class TableSheet:
    """A sheet of an XLSX file.

    Attributes
    ----------
    title : str
        Its title.
    columns : sequence of str
        Names of its columns.
    formats : sequence of str
        How each column writes its values, empty for text.
    rows : iterable of Row
        Its rows as text.
    """

    title: str
    columns: Sequence[str]
    formats: Sequence[str]
    rows: Iterable[Row]


def write_sheets(path: Path, sheets: Sequence[TableSheet]) -> None:
    """Write tables as the sheets of one XLSX file, numbers as numbers, whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    # openpyxl streams from generators of its own, which complain when a full disk stops them half way.
    content = io.BytesIO()
    try:
        for each in sheets:
            sheet = book.create_sheet(each.title)
            sheet.append([_text_cell(sheet, name) for name in each.columns])
            for row in each.rows:
                cells: list[Any] = []
                for text, spec in zip(row, each.formats, strict=True):
                    if spec:
                        cells.append(float(text) if "." in text else int(text) if text else None)
                    else:
                        cells.append(_text_cell(sheet, text))
                sheet.append(cells)
        book.save(content)
    except OSError as error:  # of its temporary files
        raise OutputError(f"{path} cannot be written: {reason(error)}") from error
    write_atomically(path, _undated(content))


def grid_bytes(title: str, rows: Iterable[Sequence[str | float | date | None]]) -> bytes:
    """Return rows of any cells as the only sheet of an XLSX file: texts, numbers, dates as dates, None for none."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for row in rows:
        cells: list[Any] = []
        for value in row:
            plain: Any = value
            cell = _text_cell(sheet, value) if isinstance(value, str) else WriteOnlyCell(sheet, value=plain)
            if isinstance(value, date):
                cell.number_format = "dd/mm/yyyy"
            cells.append(cell)
        sheet.append(cells)
    content = io.BytesIO()
    book.save(content)
    return _undated(content)


def _text_cell(sheet: Any, text: str) -> Any:
    """Return a cell of text; a name that starts with "=" is a name, not a formula."""
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, value=printable(text))
    cell.data_type = "s"
    return cell


def _undated(book: io.BytesIO) -> bytes:
    """Return an XLSX file without the time at which it was made."""
    from openpyxl.packaging.core import DocumentProperties
    from openpyxl.xml.constants import ARC_CORE
    from openpyxl.xml.functions import tostring

    properties = DocumentProperties(creator="napari-diatom", created=_THE_DAY, modified=_THE_DAY)
    core = tostring(properties.to_tree())
    content = io.BytesIO()
    with zipfile.ZipFile(book) as before, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            entry = zipfile.ZipInfo(name, _THE_DAY.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # as on Unix, whatever the system is
            after.writestr(entry, core if name == ARC_CORE else before.read(name))
    return content.getvalue()
