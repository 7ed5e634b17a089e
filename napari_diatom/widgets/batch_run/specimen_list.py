"""All specimens of a run in one table, of which only the visible rows are read."""

from __future__ import annotations

from typing import Any, Final

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QTableView, QWidget

from napari_diatom.core.errors import InputError
from napari_diatom.counting.counted_specimens import PLACE_COLUMNS, CountedSpecimens
from napari_diatom.measurement import columns
from napari_diatom.widgets.batch_run.image_list import look_like_a_list

_HIDDEN: Final = frozenset({"image"})
"""Columns of the file that the file and the plane say as well."""
_LAST: Final = frozenset({"sample"})
_PLACE_HINTS: Final = {
    "sample": "The sample that the image belongs to",
    "file": "The file, by its path below the folder that all images share",
    "plane": "Which image of its file it is, from 1; empty if the file has only one",
}
_KNOWN: Final = {
    column.name: column for column in (*columns.SPECIMEN_COLUMNS, *columns.TAXON_COLUMNS, *columns.OUTLINE_COLUMNS)
}
_WIDTHS: Final = {"file": 128, "plane": 46, "specimen": 36, "score": 50, "taxon": 140, "origin": 120, "outline": 110}
_WIDTH: Final = 76


class SpecimenListModel(QAbstractTableModel):
    """The rows of :class:`~napari_diatom.counting.counted_specimens.CountedSpecimens` as a Qt table."""

    failed = Signal(str)
    """Why rows cannot be read."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._found: CountedSpecimens | None = None
        self._columns: tuple[int, ...] = ()

    def setSpecimens(self, found: CountedSpecimens | None) -> None:
        """Show the specimens of a folder of results, or nothing."""
        self.beginResetModel()
        self._found = found
        names = () if found is None else found.columns
        # The sample is often the folder in the file's path, and a dock is narrow.
        last = [place for place, name in enumerate(names) if name in _LAST]
        self._columns = (*(place for place, name in enumerate(names) if name not in _HIDDEN | _LAST), *last)
        self.endResetModel()

    def name(self, column: int) -> str:
        """Return the name of a column."""
        assert self._found is not None
        return self._found.columns[self._columns[column]]

    def specimen(self, row: int) -> tuple[str, int] | None:
        """Return the image and the number of the specimen in a row, None if it cannot be read."""
        cells = self._cells(row)
        if self._found is None or not cells:
            return None
        where = self._found.columns
        return cells[where.index("image")], int(cells[where.index("specimen")])

    def first_row(self, image: str) -> int | None:
        """Return the first row of an image, None if it has no specimen here."""
        return None if self._found is None else self._found.first_row(image)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of specimens."""
        return 0 if self._found is None else len(self._found)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title or the tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self._columns):
            return None
        name = self.name(section)
        if role == Qt.ItemDataRole.DisplayRole:
            return _title(name)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _PLACE_HINTS.get(name) or (_KNOWN[name].hint if name in _KNOWN else None)
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the value of a cell for a role."""
        name = self.name(index.column())
        is_number = name == "plane" or (name in _KNOWN and _KNOWN[name].decimals is not None)
        if role == Qt.ItemDataRole.TextAlignmentRole and is_number:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role not in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return None
        cells = self._cells(index.row())
        if not cells:
            return None
        text = cells[self._columns[index.column()]]
        if role == Qt.ItemDataRole.DisplayRole and text and name in _KNOWN and _KNOWN[name].decimals:
            return f"{float(text):.{_KNOWN[name].shown_decimals}f}"
        return text

    def _cells(self, row: int) -> tuple[str, ...]:
        """Return a row of the table; empty, and said once, if it cannot be read."""
        if self._found is None:
            return ()
        try:
            return self._found.row(row)
        except InputError as error:
            self.setSpecimens(None)
            self.failed.emit(str(error))
            return ()


def _title(name: str) -> str:
    """Return the title of a column, with its unit."""
    if name in PLACE_COLUMNS:
        return name.capitalize()
    if name == "specimen":
        return "#"
    unit = _KNOWN[name].unit if name in _KNOWN else ""
    words = name.removesuffix("_px").removesuffix("_um").removesuffix("_um2").removesuffix("_deg").replace("_", " ")
    return f"{words.capitalize()} {unit}".rstrip()


class SpecimenList(QTableView):
    """A table of all specimens. It sends the specimen that the user chooses."""

    chosen = Signal(str, int)
    """Name of the image, and number of the specimen in it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("specimen_list")
        self.setAccessibleName("Specimens of all images")
        self.setToolTip("The specimens of all images; click one to open its image and to see it close up")
        self.specimens = SpecimenListModel(self)
        self.setModel(self.specimens)
        look_like_a_list(self)
        selection = self.selectionModel()
        assert selection is not None
        selection.currentRowChanged.connect(self._on_row)
        self.clicked.connect(self._on_row)

    def setSpecimens(self, found: CountedSpecimens | None) -> None:
        """Show the specimens of a folder of results, or nothing."""
        self.specimens.setSpecimens(found)
        for column in range(self.specimens.columnCount()):
            self.setColumnWidth(column, _WIDTHS.get(self.specimens.name(column), _WIDTH))

    def show_image(self, image: str) -> None:
        """Scroll to the specimens of an image."""
        row = self.specimens.first_row(image)
        if row is not None:
            self.scrollTo(self.specimens.index(row, 0), QTableView.ScrollHint.PositionAtTop)

    def _on_row(self, index: QModelIndex, *_: Any) -> None:
        found = self.specimens.specimen(index.row()) if index.isValid() else None
        if found is not None:
            self.chosen.emit(*found)
