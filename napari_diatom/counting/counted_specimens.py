"""All specimens of a folder of results, read a few rows at a time: a table of any length takes little memory."""

from __future__ import annotations

import csv
import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.counting import tables
from napari_diatom.counting.table_columns import FORMATS, Row
from napari_diatom.formats.shared.name_index import split_page

if TYPE_CHECKING:
    from pandas import DataFrame

PLACE_COLUMNS: Final = ("sample", "file", "plane")
"""What stands before the columns of ``specimens.csv``: the sample, the file, and the number of the image in it."""
PLACE_FORMATS: Final = {"sample": "", "file": "", "plane": "d"}

_PAGE: Final = 256
"""Rows that are read at once."""
_PAGES_KEPT: Final = 64


@dataclass
class CountedSpecimens:
    """The rows of ``specimens.csv``, each behind its sample, file and plane.

    Reading a few rows takes about a millisecond, wherever they are.

    Attributes
    ----------
    path : Path
        The file ``specimens.csv``.
    columns : tuple of str
        Names of the columns: ``sample``, ``file`` and ``plane``, then those of the file.
    """

    path: Path
    columns: tuple[str, ...]
    _samples: dict[str, str]
    _starts: list[int]
    _first: dict[str, int]
    _length: int
    _pages: OrderedDict[int, list[Row]] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, folder: Path, monitor: ProgressMonitor = UNWATCHED) -> Self:
        """Open the tables of a folder of results; they are looked through once, not kept.

        Parameters
        ----------
        folder : Path
            The folder.
        monitor : ProgressMonitor
            See :mod:`napari_diatom.core.progress`; reports ``"rows"``, with the bytes read so far.

        Raises
        ------
        InputError
            When the folder has no such tables yet, or they are damaged.
        """
        path = folder / tables.SPECIMENS_CSV
        if not path.is_file() or not (folder / tables.IMAGES_CSV).is_file():
            raise InputError(f"{folder} has no finished tables: finish the run first.")
        samples: dict[str, str] = {}
        starts: list[int] = []
        first: dict[str, int] = {}
        try:
            with (folder / tables.IMAGES_CSV).open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    samples[row["image"]] = row["sample"]
            total, number = path.stat().st_size, 0
            with path.open("rb") as lines:
                header = next(csv.reader([lines.readline().decode()]))
                image = header.index("image")
                position = lines.tell()
                # The writer has no line break within a cell: a line is a row.
                for number, line in enumerate(lines, start=1):
                    if number % _PAGE == 1:
                        starts.append(position)
                        monitor.report(Progress("rows", position, total))
                        monitor.check()
                    name = _cell(line, image)
                    if name not in first:
                        first[name] = number - 1
                    position += len(line)
        except (OSError, ValueError, KeyError, IndexError, StopIteration, csv.Error) as error:
            raise _damaged(path, error) from error
        return cls(path, (*PLACE_COLUMNS, *header), samples, starts, first, number)

    def __len__(self) -> int:
        return self._length

    def row(self, number: int) -> Row:
        """Return a row, counted from 0, as text.

        Raises
        ------
        InputError
            When the file is gone or was changed meanwhile.
        """
        page = number // _PAGE
        if page not in self._pages:
            self._pages[page] = self._read(page)
            if len(self._pages) > _PAGES_KEPT:
                self._pages.popitem(last=False)
        self._pages.move_to_end(page)
        return self._pages[page][number % _PAGE]

    def rows(self) -> Iterator[Row]:
        """Yield all rows; raises as :meth:`row`."""
        for page in range(len(self._starts)):
            yield from self._read(page)

    def first_row(self, image: str) -> int | None:
        """Return the first row of an image, None where it has no specimen."""
        return self._first.get(image)

    def frame(self) -> DataFrame:
        """Return all rows as a table of pandas; an empty number is NaN, and so is the plane of a single image."""
        import pandas as pd

        cells = list(zip(*self.rows(), strict=True)) or [()] * len(self.columns)
        frame = {name: _typed(values, self.format_of(name)) for name, values in zip(self.columns, cells, strict=True)}
        return pd.DataFrame({name: pd.Series(values) for name, values in frame.items()})

    def format_of(self, column: str) -> str:
        """Return how a column writes its values, empty for text."""
        return PLACE_FORMATS.get(column, "") or FORMATS.get(column, "")

    def _read(self, page: int) -> list[Row]:
        """Read the rows of a page."""
        count = min(_PAGE, self._length - page * _PAGE)
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._starts[page])
                lines = [stream.readline().decode() for _ in range(count)]
            found = list(csv.reader(lines))
            image = self.columns.index("image") - len(PLACE_COLUMNS)
            rows = [self._placed(cells, cells[image]) for cells in found]
        except (OSError, ValueError, KeyError, IndexError, csv.Error) as error:
            raise _damaged(self.path, error) from error
        if len(rows) != count or any(len(row) != len(self.columns) for row in rows):
            raise _damaged(self.path, ValueError())
        return rows

    def _placed(self, cells: Sequence[str], image: str) -> Row:
        """Return a row of the file behind its sample, file and plane."""
        file, plane = split_page(image)
        return (self._samples[image], file, "" if plane is None else str(plane), *cells)


def _cell(line: bytes, column: int) -> str:
    """Return a cell of a line of CSV."""
    text = line.decode()
    if column == 0 and not text.startswith('"'):
        # By far the most frequent case, and there may be a hundred thousand rows.
        return text.partition(",")[0]
    return next(csv.reader([text]))[column]


def _typed(values: Sequence[str], spec: str) -> list[str] | list[int] | list[float]:
    """Return the cells of a column as text or as numbers."""
    if not spec:
        return list(values)
    if spec == "d" and all(values):
        return [int(text) for text in values]
    return [float(text) if text else math.nan for text in values]


def _damaged(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError):
        return InputError(f"{path} cannot be read: {reason(error)}")
    return InputError(f"{path} was changed, or does not fit images.csv: continue the run to write the tables again.")
