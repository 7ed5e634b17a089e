"""specimens.csv, counts.csv and the same as XLSX: a row per specimen, a row per image and class; images.csv.

Numbers have fixed decimals and rows the order they come in, so the same results give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from napari_diatom.analysis.pipeline import Analysis
from napari_diatom.core.atomic_files import atomic, reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.taxa import COLUMNS, NO_CELLS, Name, by_taxon
from napari_diatom.core.text import printable
from napari_diatom.core.text_files import parse_json
from napari_diatom.images.orientation import AS_STORED
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.measurement import columns
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.measurement.measurements import Measurements, measure

if TYPE_CHECKING:
    from pandas import DataFrame

SPECIMENS_CSV: Final = "specimens.csv"
COUNTS_CSV: Final = "counts.csv"
IMAGES_CSV: Final = "images.csv"
TABLES_XLSX: Final = "tables.xlsx"
RUN_JSON: Final = "run.json"

_FORMATS: Final = {
    each.name: each.format_spec for each in (*columns.SPECIMEN_COLUMNS, *columns.TAXON_COLUMNS, *columns.COUNT_COLUMNS)
}
_IMAGE_COLUMNS: Final = (
    *("sample", "image", "annotations", "overlay", "masks", "width", "height", "pixel_size_um", "pixel_size_source"),
    "specimens",
)
_WHOLE: Final = re.compile(r"[0-9]{1,15}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{1,9}")
"""Numbers as a stored result has them."""
_THE_DAY: Final = datetime(1980, 1, 1)
"""The date within XLSX files, the first that a zip file can hold: the same tables are the same bytes on any day."""

_MEASURED: Final = frozenset(each.name for each in (*columns.SPECIMEN_COLUMNS, *columns.TAXON_COLUMNS) if each.measured)

IMAGE_COLUMNS: Final = tuple(f"{name}_px" if name in ("width", "height") else name for name in _IMAGE_COLUMNS)
SPECIMEN_COLUMNS: Final = columns.names(columns.SPECIMEN_COLUMNS)
COUNT_COLUMNS: Final = columns.names(columns.COUNT_COLUMNS)

Row = tuple[str, ...]


def specimen_columns(named: bool) -> tuple[str, ...]:
    """Return the columns of ``specimens.csv``; where taxa were named, their names follow the class."""
    after = SPECIMEN_COLUMNS.index("class") + 1
    return (*SPECIMEN_COLUMNS[:after], *(COLUMNS if named else ()), *SPECIMEN_COLUMNS[after:])


def count_columns(named: bool) -> tuple[str, ...]:
    """Return the columns of ``counts.csv``, which counts taxa where they were named, else classes."""
    return tuple("taxon" if named and name == "class" else name for name in COUNT_COLUMNS)


@dataclass(frozen=True)
class ImageResult:
    """What the tables need to know of one image; plain data, kept on disk until the tables are written.

    Attributes
    ----------
    image, sample : str
        Name of the image in the tables, and of the sample it belongs to.
    specimens : tuple of Row
        Its rows of ``specimens.csv``.
    counts : dict of str to int
        Specimens that count, by class, zeros included; or by taxon, of those that were found.
    facts : dict of str
        What ``run.json`` says of it.
    """

    image: str
    sample: str
    specimens: tuple[Row, ...]
    counts: dict[str, int]
    facts: dict[str, Any]

    @classmethod
    def of(
        cls,
        analysis: Analysis,
        sample: str,
        protocol: Protocol,
        seconds: float,
        image: SlideImage | None = None,
        names: Sequence[Name] | None = None,
    ) -> Self:
        """Measure and count what was found in an image.

        Parameters
        ----------
        analysis : Analysis
            What was found.
        sample : str
            The sample that the image belongs to.
        protocol : Protocol
            What counts.
        seconds : float
            How long it took.
        image : SlideImage, optional
            The image itself, for the brightness inside masks; nothing is read where there are none.
        names : sequence of Name, optional
            Of the specimens at the threshold, where taxa are named.

        Raises
        ------
        InputError
            When the image cannot be read, or there are not as many names as specimens.
        """
        kept = analysis.kept
        rows = specimen_rows(
            analysis.image,
            measure(kept, analysis.pixel_size_um, image),
            [analysis.origin] * len(kept),
            analysis.origin,
            names,
        )
        facts = {
            "image": analysis.image,
            "sample": sample,
            "file": None if analysis.path is None else printable(str(analysis.path)),
            "sha256": analysis.sha256,
            "height": analysis.height,
            "width": analysis.width,
            "orientation": AS_STORED if image is None else image.orientation,
            "pixel_size_um": analysis.pixel_size_um,
            "pixel_size_source": analysis.pixel_size_source,
            "scales": list(analysis.scales),
            "specimens": len(kept),
            "seconds": round(seconds, 3),
            "notices": list(analysis.notices),
        }
        counted = kept if names is None else by_taxon(kept, names)
        return cls(analysis.image, sample, tuple(rows), protocol.counts(counted), facts)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of how the image was read."""
        return tuple(self.facts.get("notices", ()))

    def to_json(self) -> str:
        """Return all of it as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, named: bool = False) -> Self:
        """Return what :meth:`to_json` wrote.

        Parameters
        ----------
        text : str
            Of anybody.
        named : bool
            Whether taxa were named.

        Raises
        ------
        InputError
            When the text is something else.
        """
        data = parse_json(text, "The stored result of an image", "as it was written")
        try:
            rows = tuple(_row(row, named) for row in _list(data["specimens"]))
            return cls(
                image=_text(data["image"]),
                sample=_text(data["sample"]),
                specimens=rows,
                counts={_text(name): _count(number) for name, number in data["counts"].items()},
                facts=_facts(data["facts"], len(rows)),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError("The stored result of an image is damaged.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError
    return value


def _row(value: Any, named: bool) -> Row:
    """Return a stored row whose cells are what their columns hold."""
    row = tuple(map(_text, _list(value)))
    for text, column in zip(row, specimen_columns(named), strict=True):
        spec = _FORMATS[column]
        if spec and text and not (_WHOLE if spec == "d" else _DECIMAL).fullmatch(text):
            raise ValueError
    return row


def _facts(value: Any, specimens: int) -> dict[str, Any]:
    """Return stored facts of an image with so many specimens, if run.json can hold them."""
    facts = dict(value)
    json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()
    if facts["specimens"] != specimens or not all(isinstance(text, str) for text in _list(facts.get("notices", []))):
        raise ValueError
    return facts


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
    header = specimen_columns(names is not None)
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
            _cell(values[column] if column in values else float(getattr(measured, column)[i]), _FORMATS[column])
            for column in header
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
    header = specimen_columns(named)
    return [
        {name: float(text) for name, text in zip(header, row, strict=True) if name in _MEASURED and text}
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

    header = specimen_columns(named)
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    frame: dict[str, Any] = {}
    for column, values in zip(header, cells, strict=True):
        if not (spec := _FORMATS[column]):
            frame[column] = pd.Series(values, dtype=object if not values else None)
        elif spec == "d":
            frame[column] = pd.Series([int(text) for text in values], dtype="int64")
        else:
            frame[column] = pd.Series([float(text) if text else math.nan for text in values], dtype="float64")
    return pd.DataFrame(frame)


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
            yield tuple(_cell(value, _FORMATS[column]) for value, column in zip(values, COUNT_COLUMNS, strict=True))


def write_tables(
    folder: Path,
    specimens: Callable[[], Iterable[Row]],
    results: Sequence[ImageResult],
    xlsx: bool = False,
    named: bool = False,
) -> None:
    """Write ``specimens.csv`` and ``counts.csv``, and both as sheets of ``tables.xlsx`` when asked for.

    Parameters
    ----------
    folder : Path
        Where to.
    specimens : callable
        Returns the rows of ``specimens.csv``, anew at each call.
    results : sequence of ImageResult
        What was counted; their own rows of specimens are not used.
    xlsx : bool
        Whether to write the XLSX file too.
    named : bool
        Whether taxa were named.

    Raises
    ------
    OutputError
        When a file cannot be written; each is written whole or not at all.
    """
    write_csv(folder / SPECIMENS_CSV, specimen_columns(named), specimens())
    write_csv(folder / COUNTS_CSV, count_columns(named), count_rows(results))
    if xlsx:
        write_xlsx(folder / TABLES_XLSX, specimens(), count_rows(results), named)


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
    return _cell(value, _FORMATS.get(name, "") if isinstance(value, float) else "")


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


def write_xlsx(path: Path, specimens: Iterable[Row], counts: Iterable[Row], named: bool = False) -> None:
    """Write both tables as the sheets of one XLSX file, numbers as numbers, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    specimens, counts : iterable of Row
        Rows of ``specimens.csv`` and of ``counts.csv``.
    named : bool
        Whether taxa were named.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    # openpyxl streams from generators of its own, which complain when a full disk stops them half way.
    content = io.BytesIO()
    try:
        for title, header, rows in (
            ("specimens", specimen_columns(named), specimens),
            ("counts", count_columns(named), counts),
        ):
            sheet = book.create_sheet(title)
            sheet.append(header)
            for row in rows:
                cells: list[Any] = []
                for text, spec in zip(row, map(_FORMATS.__getitem__, header), strict=True):
                    if spec:
                        cells.append(float(text) if "." in text else int(text) if text else None)
                    else:
                        cell = WriteOnlyCell(sheet, value=printable(text))
                        # A name that starts with "=" is a name, not a formula.
                        cell.data_type = "s"
                        cells.append(cell)
                sheet.append(cells)
        book.save(content)
    except OSError as error:  # of its temporary files
        raise OutputError(f"{path} cannot be written: {reason(error)}") from error
    write_atomically(path, _undated(content))


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


def write_run(path: Path, run: dict[str, Any]) -> None:
    """Write ``run.json``.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    write_atomically(path, json.dumps(run, indent=2, ensure_ascii=False) + "\n")


def _cell(value: Any, spec: str) -> str:
    """Return a value as text; NaN is unknown and empty, and so is a ratio to nothing."""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    return format(value, spec)
