"""The columns of the tables, and the rows of specimens as text.

Numbers have fixed decimals and rows the order they come in, so the same results give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from napari_diatom.core.taxa import COLUMNS, NO_CELLS, Name
from napari_diatom.measurement.measurements import Measurements

if TYPE_CHECKING:
    from pandas import DataFrame

SPECIMEN_FORMATS: Final[dict[str, str]] = {
    "image": "",
    "specimen": "d",
    "class": "",
    "status": "",
    "score": ".4f",
    "x_px": ".2f",
    "y_px": ".2f",
    "length_px": ".2f",
    "width_px": ".2f",
    "angle_deg": ".2f",
    "area_px": ".1f",
    "pixel_size_um": ".6f",
    "length_um": ".3f",
    "width_um": ".3f",
    "area_um2": ".3f",
    "length_width_ratio": ".3f",
    "cut_by_edge": "d",
    "origin": "",
    "model": "",
    "midline_length_px": ".2f",
    "width_max_px": ".2f",
    "width_centre_px": ".2f",
    "perimeter_px": ".2f",
    "feret_px": ".2f",
    "min_feret_px": ".2f",
    "feret_angle_deg": ".2f",
    "midline_length_um": ".3f",
    "width_max_um": ".3f",
    "width_centre_um": ".3f",
    "perimeter_um": ".3f",
    "feret_um": ".3f",
    "min_feret_um": ".3f",
    "circularity": ".4f",
    "rectangularity": ".4f",
    "solidity": ".4f",
    "convexity": ".4f",
    "symmetry_apical": ".4f",
    "symmetry_transapical": ".4f",
    "intensity_mean": ".2f",
    "intensity_sd": ".2f",
    "intensity_sd_inner": ".2f",
}
TAXON_FORMATS: Final[dict[str, str]] = dict.fromkeys(COLUMNS, "") | {"taxon_confidence": ".4f"}
COUNT_FORMATS: Final[dict[str, str]] = {
    "sample": "",
    "image": "",
    "class": "",
    "count": "d",
    "relative_abundance": ".6f",
}

_MEASURED: Final = frozenset({*SPECIMEN_FORMATS, "taxon_confidence"}) - {
    *("image", "specimen", "class", "status", "score", "x_px", "y_px"),
    *("pixel_size_um", "cut_by_edge", "origin", "model"),
}

SPECIMEN_COLUMNS: Final = tuple(SPECIMEN_FORMATS)
COUNT_COLUMNS: Final = tuple(COUNT_FORMATS)

Row = tuple[str, ...]


def specimen_columns(named: bool) -> tuple[str, ...]:
    """Return the columns of ``specimens.csv``; where taxa were named, their names follow the class."""
    after = SPECIMEN_COLUMNS.index("class") + 1
    return (*SPECIMEN_COLUMNS[:after], *(COLUMNS if named else ()), *SPECIMEN_COLUMNS[after:])


def count_columns(named: bool) -> tuple[str, ...]:
    """Return the columns of ``counts.csv``, which counts taxa where they were named, else classes."""
    return tuple("taxon" if named and name == "class" else name for name in COUNT_COLUMNS)


def specimen_rows(
    image: str,
    measured: Measurements,
    origins: Sequence[str],
    model: str,
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
    model : str
        Name and version of the model, empty for annotations that no model made.
    names : sequence of (Name or None), optional
        What each of them is called; without, the rows lack these columns.
    """
    formats = SPECIMEN_FORMATS | TAXON_FORMATS
    columns = specimen_columns(names is not None)
    for i in range(len(measured)):
        name = None if names is None else names[i]
        values: dict[str, Any] = {
            "image": image,
            "specimen": i + 1,
            "class": measured.class_names[i],
            "status": measured.statuses[i],
            "pixel_size_um": math.nan if measured.pixel_size_um is None else measured.pixel_size_um,
            "cut_by_edge": int(measured.cut_by_edge[i]),
            "origin": origins[i],
            "model": model,
            **(NO_CELLS if name is None else name.cells()),
        }
        yield tuple(
            cell(values[column] if column in values else float(getattr(measured, column)[i]), formats[column])
            for column in columns
        )


def measurements(rows: Iterable[Row], named: bool = False) -> list[dict[str, float]]:
    """Return the numbers known of specimens by their columns: sizes, shapes, brightness, confidence in the taxon.

    Parameters
    ----------
    rows : iterable of Row
        Rows of ``specimens.csv``; empty cells are left out.
    named : bool
        Whether the rows have the columns of taxa.
    """
    columns = specimen_columns(named)
    return [
        {name: float(text) for name, text in zip(columns, row, strict=True) if name in _MEASURED and text}
        for row in rows
    ]


def specimen_frame(rows: Iterable[Row], named: bool = False) -> DataFrame:
    """Return rows of ``specimens.csv`` as a table of pandas, with the same columns and numbers.

    Parameters
    ----------
    rows : iterable of Row
        As :func:`specimen_rows` yields them; an empty number is NaN.
    named : bool
        Whether the rows have the columns of taxa.
    """
    import pandas as pd

    formats = SPECIMEN_FORMATS | TAXON_FORMATS
    columns = specimen_columns(named)
    cells = list(zip(*rows, strict=True)) or [()] * len(columns)
    frame: dict[str, Any] = {}
    for column, values in zip(columns, cells, strict=True):
        if not (spec := formats[column]):
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
