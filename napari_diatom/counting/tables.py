"""The files of tables: specimens.csv, counts.csv and the same as XLSX, images.csv, and run.json."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.atomic_files import atomic, write_atomically
from napari_diatom.core.text import printable
from napari_diatom.counting.image_result import ImageResult
from napari_diatom.counting.table_columns import COUNT_COLUMNS, FORMATS, Row, cell, count_columns, specimen_columns
from napari_diatom.counting.workbook import write_xlsx

SPECIMENS_CSV: Final = "specimens.csv"
COUNTS_CSV: Final = "counts.csv"
IMAGES_CSV: Final = "images.csv"
TABLES_XLSX: Final = "tables.xlsx"
RUN_JSON: Final = "run.json"
_IMAGE_COLUMNS: Final = (
    *("sample", "image", "annotations", "overlay", "masks", "width", "height", "pixel_size_um", "pixel_size_source"),
    "specimens",
)
IMAGE_COLUMNS: Final = tuple(f"{name}_px" if name in ("width", "height") else name for name in _IMAGE_COLUMNS)


def count_rows(results: Sequence[ImageResult]) -> Iterator[Row]:
    """Yield the rows of ``counts.csv``.

    The relative abundance is the share of the whole sample's count, so that both numbers of a class may be summed
    over the images of a sample; it is empty where a sample has no specimen at all.
    """
    totals: dict[str, int] = {}
    for result in results:
        totals[result.sample] = totals.get(result.sample, 0) + sum(result.counts.values())
    for result in results:
        total = totals[result.sample]
        for name, number in result.counts.items():
            values = (result.sample, result.image, name, number, number / total if total else math.nan)
            yield tuple(cell(value, FORMATS[column]) for value, column in zip(values, COUNT_COLUMNS, strict=True))


def write_tables(
    folder: Path,
    specimens: Callable[[], Iterable[Row]],
    results: Sequence[ImageResult],
    xlsx: bool = False,
    named: bool = False,
    outlined: bool = False,
) -> None:
    """Write ``specimens.csv`` and ``counts.csv``, and both as sheets of ``tables.xlsx`` when asked for.

    Parameters
    ----------
    folder : Path
        Where to.
    specimens : callable
        Returns the rows of ``specimens.csv``; may be called several times.
    results : sequence of ImageResult
        What was counted; their own rows of specimens are not used.
    xlsx : bool
        Whether to write the XLSX file too.
    named, outlined : bool
        Whether taxa were named, and boxes outlined.

    Raises
    ------
    OutputError
        When a file cannot be written; each is written whole or not at all.
    """
    write_csv(folder / SPECIMENS_CSV, specimen_columns(named, outlined), specimens())
    write_csv(folder / COUNTS_CSV, count_columns(named), count_rows(results))
    if xlsx:
        write_xlsx(folder / TABLES_XLSX, specimens(), count_rows(results), named, outlined)


def write_images(path: Path, results: Sequence[ImageResult]) -> None:
    """Write ``images.csv``: which annotations and overlay are whose, a row per image.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_csv(path, IMAGE_COLUMNS, (tuple(_fact(item, name) for name in _IMAGE_COLUMNS) for item in results))


def _fact(result: ImageResult, name: str) -> str:
    """Return what is known of an image as a cell."""
    value = {"sample": result.sample, "image": result.image}.get(name, result.facts.get(name))
    if value is None:
        return ""
    return cell(value, FORMATS.get(name, "") if isinstance(value, float) else "")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table as CSV in UTF-8 with the line ends of Unix, whole or not at all.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with atomic(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        # Python leaves a bare carriage return without quotes, and other programs begin a row there.
        writer.writerows([printable(cell) for cell in row] for row in rows)
        text.flush()
        text.detach()


def write_record(path: Path, run: Mapping[str, Any]) -> None:
    """Write ``run.json``.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_atomically(path, json.dumps(run, indent=2, ensure_ascii=False) + "\n")
