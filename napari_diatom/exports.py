"""One image's specimens as a file, in the format that its name asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from napari_diatom import tables
from napari_diatom.errors import InputError
from napari_diatom.formats import Annotations, geojson
from napari_diatom.measure import Protocol, measure
from napari_diatom.tables import ImageResult

FORMATS: Final = {".csv": "Table, a row per specimen", ".xlsx": "Excel, specimens and counts", ".geojson": "GeoJSON"}
"""Suffixes and what they stand for, the default first."""


def export(path: Path, annotations: Annotations, numbers: Sequence[int], model: str = "") -> None:
    """Write specimens to ``path``, whole or not at all, as CSV, XLSX or GeoJSON by its suffix.

    Parameters
    ----------
    path : Path
        The file.
    annotations : Annotations
        The specimens.
    numbers : sequence of int, shape (N,)
        The specimens' numbers in the tables.
    model : str
        Name and version of the model, empty where people drew everything.

    Raises
    ------
    InputError
        When the suffix names no format.
    OutputError
        When the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"{path.name} has no known ending; use {', '.join(FORMATS)}.")
    if suffix == ".geojson":
        geojson.write(path, annotations)
        return
    measured = measure(annotations.detections, annotations.pixel_size_um)
    column = tables.SPECIMEN_COLUMNS.index("specimen")
    rows = [
        (*row[:column], str(number), *row[column + 1 :])
        for number, row in zip(
            numbers, tables.specimen_rows(annotations.image, measured, annotations.origins, model), strict=True
        )
    ]
    if suffix == ".csv":
        tables.write_csv(path, tables.SPECIMEN_COLUMNS, rows)
        return
    counts = Protocol().counts(annotations.detections)
    result = ImageResult(annotations.image, annotations.image, tuple(rows), counts, {})
    tables.write_xlsx(path, rows, tables.count_rows([result]))
