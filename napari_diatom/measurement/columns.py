"""The columns of all tables of specimens: their names, units, decimals and definitions, and where these come from.

Tables, features of layers, the table in the window and ``docs/reference/columns.md`` take them from here:
``python -m napari_diatom.measurement.columns`` prints the tables of that page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import STATUSES


@dataclass(frozen=True)
class Column:
    """A column of a table of specimens.

    Attributes
    ----------
    name : str
        As in the header of ``specimens.csv``.
    unit : str
        Empty where there is none.
    decimals : int or None
        Of its numbers in the tables: 0 for whole numbers, None for text.
    definition : str
        What it says, as Markdown.
    source : str
        Where the definition comes from, as Markdown.
    measured : bool
        Whether it is measured on the specimen, and so stands in the ``measurements`` of GeoJSON files.
    shown_decimals : int
        Of its numbers in the window, which has less room than a file.
    """

    name: str
    unit: str
    decimals: int | None
    definition: str
    source: str = ""
    measured: bool = True
    shown_decimals: int = 0

    @property
    def format_spec(self) -> str:
        """The format of its values, as :func:`format` takes it."""
        if self.decimals is None:
            return ""
        return f".{self.decimals}f" if self.decimals else "d"

    @property
    def hint(self) -> str:
        """The definition as plain text that begins with a capital letter."""
        text = self.definition.replace("*", "").replace("`", "")
        return text[:1].upper() + text[1:]

    def titled(self, title: str) -> str:
        """Return a title of this column with its unit behind it."""
        return f"{title} {self.unit}".rstrip()


_LENGTHS: Final = {
    "length": (
        "extent along the apical axis: the length of the oriented box",
        "apical length; Barber and Haworth 1981",
    ),
    "width": ("extent across the apical axis: the width of the oriented box", ""),
    "midline_length": ("from end to end along the midline; more than the length for bent valves", ""),
    "width_max": (
        "greatest distance between the margins at right angles to the midline; less than the width for bent valves",
        "transapical width; Barber and Haworth 1981",
    ),
    "width_centre": ("that distance half way along the midline, mean over the middle 8 %", ""),
    "perimeter": ("P, the length of the outline", "ImageJ *Perim.*"),
    "feret": ("greatest distance between two parallel tangents", "ImageJ *Feret*; ISO 9276-6"),
    "min_feret": ("smallest distance between two parallel tangents", "ImageJ *MinFeret*; ISO 9276-6"),
}
_AREA: Final = ("number of pixels of the mask; without a mask, length times width of the box", "ImageJ *Area*")
_CENTRE: Final = "centre of the oriented box, from the left and top edges of the image"
_OTHERS: Final = (
    "the two most probable classes other than `taxon`; if the taxon is `unknown`, `taxon_2` is the first guess and "
    "`taxon_confidence` its probability"
)


def _told(name: str, definition: str, decimals: int | None = None, unit: str = "", shown: int = 0) -> Column:
    """Return a column that is known of a specimen without measuring it."""
    return Column(name, unit, decimals, definition, measured=False, shown_decimals=shown)


def _px(name: str) -> Column:
    """Return the column of a length in pixels."""
    return Column(f"{name}_px", "px", 2, *_LENGTHS[name])


def _um(name: str) -> Column:
    """Return the column of a length in micrometres."""
    return Column(f"{name}_um", "µm", 3, *_LENGTHS[name], shown_decimals=1)


_MASK_LENGTHS: Final = ("midline_length", "width_max", "width_centre", "perimeter", "feret", "min_feret")

SPECIMEN_COLUMNS: Final[tuple[Column, ...]] = (
    _told("image", "name of the image"),
    _told("specimen", "number of the specimen, from 1 in each image; the same as beside its box", 0),
    _told("class", "class given by the model or a person"),
    _told("status", f"one of {', '.join(f'`{status}`' for status in STATUSES)}"),
    _told("score", "the model's score, 0 to 1; 1 for specimens drawn by a person", 4, shown=2),
    _told("x_px", _CENTRE, 2, "px"),
    _told("y_px", _CENTRE, 2, "px"),
    _px("length"),
    _px("width"),
    Column("angle_deg", "°", 2, "of the apical axis, from right towards down, -90 to below 90"),
    Column("area_px", "px²", 1, *_AREA),
    _told("pixel_size_um", "side of a pixel", 6, "µm"),
    _um("length"),
    _um("width"),
    Column("area_um2", "µm²", 3, *_AREA),
    Column("length_width_ratio", "", 3, "length / width", shown_decimals=1),
    _told("cut_by_edge", "1 if the specimen touches the edge of the image, so its true size is unknown", 0),
    _told("origin", "`person`, or name and version of the model that found it"),
    _told("model", "name and version of the model of the run; empty if no model was used"),
    *map(_px, _MASK_LENGTHS),
    Column(
        "feret_angle_deg",
        "°",
        2,
        "direction of `feret`, 0 to below 180, **anticlockwise** from right, unlike `angle_deg`",
        "ImageJ *FeretAngle*",
    ),
    *map(_um, _MASK_LENGTHS),
    Column("circularity", "", 4, "4 π A / P², 1 for a circle", "ImageJ *Circ.*; Cox 1927"),
    Column(
        "rectangularity",
        "",
        4,
        "A / area of the smallest rectangle around the outline, in any direction",
        "Rosin 1999",
    ),
    Column("solidity", "", 4, "A / area of the convex hull", "ImageJ *Solidity*; ISO 9276-6"),
    Column("convexity", "", 4, "perimeter of the convex hull / P", "ISO 9276-6"),
    Column(
        "symmetry_apical",
        "",
        4,
        "share of A that meets A mirrored at the apical axis through the centroid: below 1 for dorsiventral valves "
        "(*Cymbella*)",
        "overlap of mirror images",
    ),
    Column(
        "symmetry_transapical",
        "",
        4,
        "the same, mirrored at the transapical axis: below 1 for heteropolar valves (*Gomphonema*)",
        "overlap of mirror images",
    ),
    Column("intensity_mean", "grey", 2, "mean over the pixels of the mask", "ImageJ *Mean*"),
    Column("intensity_sd", "grey", 2, "their standard deviation, n - 1", "ImageJ *StdDev*"),
    Column(
        "intensity_sd_inner",
        "grey",
        2,
        "standard deviation over the inner half of the area, the pixels at least as deep as the median one: low for "
        "empty girdle bands, whose margins are as bright as a valve's",
        "Kloster et al. 2014 (SHERPA), *standard deviation of inner 50 %*",
    ),
    Column(
        "striae_10um",
        "1/10 µm",
        2,
        "striae in 10 µm along the midline, from strips across the whole specimen",
        "spectral analysis",
        shown_decimals=1,
    ),
    *(
        Column(
            f"striae_{part}_10um",
            "1/10 µm",
            2,
            "the same from strips on the left half, along the midline, and on the right half, seen along `angle_deg`; "
            "empty if none stand out there",
            shown_decimals=1,
        )
        for part in ("left", "middle", "right")
    ),
    Column(
        "striae_quality",
        "",
        3,
        "share of the variation along the strips, from 4.5 to 60 waves in 10 µm, that the striae have, 0 to 1",
        shown_decimals=2,
    ),
    _told(
        "striae_refused",
        "why `striae_10um` is empty: `no pixel size`, `no apical axis` (length below 1.1 times the width), "
        "`too small`, `not whole in the image`, `finer than 2.5 px`, `finer than the objective resolves`, or "
        "`no striae stand out`",
    ),
)
"""Of ``specimens.csv``, in its order."""

TAXON_COLUMNS: Final[tuple[Column, ...]] = (
    _told(
        "taxon",
        "the most probable class, if its probability reaches the model's threshold; otherwise a genus with `sp.`, "
        "such as `Navicula sp.`, if the species of that genus reach it together; otherwise `unknown`; also `unknown` "
        "if it is unlike all examples of a model that was learnt from examples",
    ),
    Column(
        "taxon_confidence",
        "",
        4,
        "probability of that taxon, calibrated on the validation slides, or on the examples, each left out; of the "
        "most probable class if the taxon is `unknown`; 1 for names given by a person",
        shown_decimals=2,
    ),
    _told(
        "genus",
        "genus of the taxon: its first word if capitalised, without a leading `cf.` or `aff.`, or what the taxon "
        "list says",
    ),
    _told("taxon_2", _OTHERS),
    _told("taxon_3", _OTHERS),
    _told("named_by", "name and version of the model, or `person`"),
)
"""Those that follow ``class`` where taxa were named."""

OUTLINE_COLUMNS: Final[tuple[Column, ...]] = (
    _told(
        "outline",
        "`agrees` if the outline and the box that the detector found agree: length, width and centre are then those of "
        "the outline; `contradicts box` if much of the outline lies outside the box, or it has several large parts, or "
        "is much smaller: length, width and centre are those of the detector's box, and the outline is doubtful; "
        "`not found` if there is only the box; empty for specimens drawn or changed by a person",
    ),
)
"""Those that follow ``cut_by_edge`` where a network has outlined the specimens in the boxes of another."""

COUNT_COLUMNS: Final[tuple[Column, ...]] = (
    _told("sample", "sample that the image belongs to"),
    _told("image", "name of the image"),
    _told("class", "class that is counted; `taxon` instead if taxa were named"),
    _told("count", "number of counted specimens", 0),
    _told("relative_abundance", "share of the count of the whole sample; empty if the sample has no specimens", 6),
)
"""Of ``counts.csv``, in its order."""

_IN_UM: Final = {f"{name}_px": f"{name}_um" for name in _LENGTHS} | {"area_px": "area_um2"}
SIZES_PX: Final = tuple(_IN_UM)
"""Names of the columns of sizes in pixels, each of which has a column in µm or µm²."""
_BY_NAME: Final = {column.name: column for column in (*SPECIMEN_COLUMNS, *TAXON_COLUMNS, *OUTLINE_COLUMNS)}


def column(name: str) -> Column:
    """Return a column of specimens by its name."""
    return _BY_NAME[name]


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """Return the names of columns."""
    return tuple(each.name for each in columns)


def sizes_in_um(
    sizes: Mapping[str, NDArray[np.float64]], pixel_size_um: float | None
) -> dict[str, NDArray[np.float64]]:
    """Return sizes in pixels in µm and µm².

    Parameters
    ----------
    sizes : mapping of str to ndarray of float
        By the names of columns of sizes in pixels.
    pixel_size_um : float or None
        Micrometres per pixel; None makes them NaN.

    Returns
    -------
    dict of str to ndarray of float
        By the names of the columns in µm and µm².
    """
    unit = np.nan if pixel_size_um is None else pixel_size_um
    return {_IN_UM[name]: values * unit ** (2 if name == "area_px" else 1) for name, values in sizes.items()}


def markdown_table(columns: Sequence[Column]) -> str:
    """Return columns as a Markdown table; those with the same definition share a row, the place of the first.

    The columns of units and sources are left out where they would be empty.
    """
    rows: dict[tuple[str, str], list[Column]] = {}
    for each in columns:
        rows.setdefault((each.definition, each.source), []).append(each)
    cells = [
        (
            ", ".join(f"`{each.name}`" for each in row),
            ", ".join(dict.fromkeys(each.unit for each in row if each.unit)),
            definition,
            source,
        )
        for (definition, source), row in rows.items()
    ]
    header = ("column", "unit", "definition", "source")
    shown = [place for place, title in enumerate(header) if place in (0, 2) or any(row[place] for row in cells)]
    return "\n".join(
        "| " + " | ".join(row[place] for place in shown) + " |"
        for row in (header, tuple("---" for _ in header), *cells)
    )


if __name__ == "__main__":
    for group in (SPECIMEN_COLUMNS, TAXON_COLUMNS, OUTLINE_COLUMNS, COUNT_COLUMNS):
        print(markdown_table(group), end="\n\n")
