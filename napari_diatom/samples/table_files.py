"""Tables as CSV files, for programs or for a European Excel."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, get_args

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.text import printable
from napari_diatom.counting.table_columns import Row, cell
from napari_diatom.counting.workbook import TableSheet

CsvDialect = Literal["standard", "excel-eu"]
"""``standard``: commas, decimal points. ``excel-eu``: semicolons, decimal commas, and a byte-order mark."""
CSV_DIALECTS: Final[tuple[CsvDialect, ...]] = get_args(CsvDialect)

Columns = tuple[tuple[str, str], ...]
"""Names of columns, each with the format of its values; empty for text."""


def table_sheet(title: str, columns: Columns, rows: Iterable[Iterable[Any]]) -> TableSheet:
    """Return a table of values as text; NaN and None are unknown and empty."""
    formats = [spec for _, spec in columns]
    texts: list[Row] = [
        tuple("" if value is None else cell(value, spec) for value, spec in zip(row, formats, strict=True))
        for row in rows
    ]
    return TableSheet(title, [name for name, _ in columns], formats, texts)


def write_sheet(path: Path, sheet: TableSheet, dialect: CsvDialect = "standard") -> None:
    """Write a table as CSV, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    sheet : TableSheet
        The table.
    dialect : {"standard", "excel-eu"}
        See :data:`CsvDialect`.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    encoding = "utf-8-sig" if dialect == "excel-eu" else "utf-8"
    write_atomically(path, sheet_text(sheet, dialect).encode(encoding))


def sheet_text(sheet: TableSheet, dialect: CsvDialect = "standard") -> str:
    """Return a table as CSV."""
    is_european = dialect == "excel-eu"
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";" if is_european else ",", lineterminator="\r\n" if is_european else "\n")
    writer.writerow(map(printable, sheet.columns))
    for row in sheet.rows:
        writer.writerow(
            value.replace(".", ",") if is_european and spec else printable(value)
            for value, spec in zip(row, sheet.formats, strict=True)
        )
    return text.getvalue()
