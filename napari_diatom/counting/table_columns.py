"""The columns of the tables, and the rows of specimens as text.

Numbers have fixed decimals and rows the order they come in, so the same results give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from napari_diatom.core.taxa import COLUMNS, NO_CELLS, Name
from napari_diatom.measurement import columns
from napari_diatom.measurement.measurements import Measurements

if TYPE_CHECKING:
    from pandas import DataFrame

FORMATS: Final = {
    each.name: each.format_spec
    for each in (
        *columns.SPECIMEN_COLUMNS,
        *columns.TAXON_COLUMNS,
        *columns.OUTLINE_COLUMNS,
        *columns.COUNT_COLUMNS,
    )
}
"""How each column writes its values."""

SPECIMEN_COLUMNS: Final = columns.names(columns.SPECIMEN_COLUMNS)
COUNT_COLUMNS: Final = columns.names(columns.COUNT_COLUMNS)

_MEASURED: Final = frozenset(each.name for each in (*columns.SPECIMEN_COLUMNS, *columns.TAXON_COLUMNS) if each.measured)

Row = tuple[str, ...]


def specimen_columns(named: bool, outlined: bool = False) -> tuple[str, ...]:
    """Return the columns of ``specimens.csv``.

    Where taxa were named, their names follow the class; where a network outlined the boxes of another, what became of
    that follows ``cut_by_edge``.
    """
    more = {
        "class": COLUMNS if named else (),
        "cut_by_edge": columns.names(columns.OUTLINE_COLUMNS) if outlined else (),
    }
    return tuple(name for column in SPECIMEN_COLUMNS for name in (column, *more.get(column, ())))


def count_columns(named: bool) -> tuple[str, ...]:
    """Return the columns of ``counts.csv``, which counts taxa where they were named, else classes."""
    return tuple("taxon" if named and name == "class" else name for name in COUNT_COLUMNS)


def specimen_rows(
    image: str,
    measured: Measurements,
    origins: Sequence[str],
    model: str | Sequence[str],
    names: Sequence[Name | None] | None = None,
) -> Iterator[Row]:
    """Yield the rows of ``specimens.csv`` of one image; specimens are numbered from 1.

    Parameters
    ----------
    image : str
        Name of the image.
    measured : Measurements
        Its specimens.
    origins : sequence of str
        Who found each of them.
    model : str or sequence of str
        Name and version of the model, of all of them or of each; empty for annotations that no model made.
    names : sequence of (Name or None), optional
        What each of them is called; without, the rows lack these columns.
    """
    outlines = measured.outlines
    header = specimen_columns(names is not None, outlines is not None)
    for i in range(len(measured)):
        name = None if names is None else names[i]
        values: dict[str, Any] = {
            "image": image,
            "specimen": i + 1,
            "class": measured.class_names[i],
            "status": measured.statuses[i],
            "pixel_size_um": math.nan if measured.pixel_size_um is None else measured.pixel_size_um,
            "cut_by_edge": int(measured.cut_by_edge[i]),
            "outline": "" if outlines is None else outlines[i],
            "striae_refused": measured.striae_refused[i],
            "origin": origins[i],
            "model": model if isinstance(model, str) else model[i],
            **(NO_CELLS if name is None else name.cells()),
        }
        yield tuple(
            cell(values[column] if column in values else float(getattr(measured, column)[i]), FORMATS[column])
            for column in header
        )


def measurements(rows: Iterable[Row], named: bool = False, outlined: bool = False) -> list[dict[str, float]]:
    """Return the numbers known of specimens by their columns: sizes, shapes, brightness, confidence in the taxon.

    Parameters
    ----------
    rows : iterable of Row
        Rows of ``specimens.csv``; empty cells are left out.
    named, outlined : bool
        Whether the rows have the columns of taxa, and of outlines.
    """
    header = specimen_columns(named, outlined)
    return [
        {name: float(text) for name, text in zip(header, row, strict=True) if name in _MEASURED and text}
        for row in rows
    ]


def specimen_frame(rows: Iterable[Row], named: bool = False, outlined: bool = False) -> DataFrame:
    """Return rows of ``specimens.csv`` as a table of pandas, with the same columns and numbers.

    Parameters
    ----------
    rows : iterable of Row
        As :func:`specimen_rows` yields them; an empty number is NaN.
    named, outlined : bool
        Whether the rows have the columns of taxa, and of outlines.
    """
    import pandas as pd

    header = specimen_columns(named, outlined)
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    frame: dict[str, Any] = {}
    for column, values in zip(header, cells, strict=True):
        if not (spec := FORMATS[column]):
            frame[column] = pd.Series(values, dtype=object if not values else None)
        elif spec == "d":
            frame[column] = pd.Series([int(text) for text in values], dtype="int64")
        else:
            frame[column] = pd.Series([float(text) if text else math.nan for text in values], dtype="float64")
    return pd.DataFrame(frame)


def cell(value: Any, spec: str) -> str:
    """Return a value as text; NaN is unknown and empty, and so is a ratio to nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return format(value, spec)
