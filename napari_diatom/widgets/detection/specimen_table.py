"""The table of specimens beside the viewer."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, Final

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QHeaderView, QStyledItemDelegate, QTableView, QWidget

from napari_diatom.core.colours import class_colour
from napari_diatom.core.detections import STATUSES
from napari_diatom.measurement import columns
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.widgets.canvas.name_field import completer
from napari_diatom.widgets.common.object_names import named


class _Column:
    """A column of the table: its feature, title, width and tooltip."""

    def __init__(self, feature: str, title: str, width: int, hint: str = "") -> None:
        known = columns.column(feature)
        self.feature, self.width, self.hint = feature, width, hint or known.hint
        self.title = known.titled(title)
        self.decimals = None if not known.decimals else known.shown_decimals


_HEAD: Final = (
    _Column(shapes_layer.SPECIMEN, "#", 40),
    _Column(shapes_layer.CLASS, "Class", 92, "Double-click to change"),
)
_TAXA: Final = (
    _Column(shapes_layer.TAXON, "Taxon", 138, "Double-click to change; empty if not named"),
    _Column(shapes_layer.TAXON_CONFIDENCE, "Conf.", 48, "Probability of the taxon; 1 if a person named it"),
    _Column(shapes_layer.GENUS, "Genus", 92),
    _Column(shapes_layer.TAXON_2, "2nd taxon", 150, "The second most probable taxon"),
    _Column(shapes_layer.TAXON_3, "3rd taxon", 150, "The third most probable taxon"),
    _Column(shapes_layer.NAMED_BY, "Named by", 120),
)
_SIZES_UM: Final = (
    _Column(shapes_layer.LENGTH_UM, "Length", 74),
    _Column(shapes_layer.WIDTH_UM, "Width", 68),
)
_SIZES_PX: Final = (
    _Column(shapes_layer.LENGTH_PX, "Length", 74),
    _Column(shapes_layer.WIDTH_PX, "Width", 68),
)
_TAIL: Final = (
    _Column(shapes_layer.RATIO, "L/W", 40),
    _Column(shapes_layer.SCORE, "Score", 48),
    _Column(shapes_layer.STATUS, "Status", 84, "Double-click to change"),
    _Column(shapes_layer.ANGLE, "Angle", 56),
    _Column(shapes_layer.CUT, "Cut", 40, "Touches the edge of the image, so its true size is unknown"),
    _Column(shapes_layer.ORIGIN, "Origin", 120),
)


_OUTLINE: Final = _Column(shapes_layer.OUTLINE, "Outline", 110, "Whether the outline agrees with the detector's box")


class SpecimenModel(QAbstractTableModel):
    """The features of specimens as a Qt table. Class, taxon and status can be edited."""

    edited = Signal(int, str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._columns: tuple[_Column, ...] = (*_HEAD, *_SIZES_PX, *_TAIL)
        self._cells: list[list[Any]] = []
        self._rows: dict[int, int] = {}
        self._sorting = (0, False)
        self._classes: tuple[str, ...] = ()
        self._taxa: tuple[str, ...] = ()

    def setFeatures(self, features: Any, classes: Sequence[str], in_um: bool, taxa: Sequence[str] = ()) -> None:
        """Show the features of a layer, with sizes in µm or in pixels, and with taxa if there are any."""
        self.beginResetModel()
        self._columns = (*_HEAD, *(_TAXA if taxa else ()), *(_SIZES_UM if in_um else _SIZES_PX), *_TAIL)
        if _OUTLINE.feature in features:
            self._columns = (*self._columns, _OUTLINE)
        self._classes, self._taxa = tuple(classes), tuple(taxa)
        known = shapes_layer.SPECIMEN in features
        self._cells = [features[column.feature].tolist() for column in self._columns] if known else []
        self._arrange()
        self.endResetModel()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort the rows by a column."""
        self._sorting = column, order == Qt.SortOrder.DescendingOrder
        self.layoutAboutToBeChanged.emit()
        before = [self.number(index.row()) for index in self.persistentIndexList()]
        self._arrange()
        for index, number in zip(self.persistentIndexList(), before, strict=True):
            self.changePersistentIndex(index, self.index(self._rows[number], index.column()))
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        """Sort the cells by the chosen column."""
        column, descending = self._sorting
        if not self._cells:
            self._rows = {}
            return
        # Unknown values are NaN, which cannot be sorted.
        keys = [-math.inf if isinstance(cell, float) and math.isnan(cell) else cell for cell in self._cells[column]]
        order = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
        self._cells = [[cells[i] for i in order] for cells in self._cells]
        self._rows = {int(number): row for row, number in enumerate(self._cells[0])}

    def number(self, row: int) -> int:
        """Return the number of the specimen in a row."""
        return int(self._cells[0][row])

    def row(self, number: int) -> int | None:
        """Return the row of a specimen, None if it is not in the table."""
        return self._rows.get(number)

    def choices(self, column: int) -> tuple[str, ...]:
        """Return the values that a column can have, empty if it cannot be edited."""
        feature = self._columns[column].feature
        return {shapes_layer.CLASS: self._classes, shapes_layer.TAXON: self._taxa, shapes_layer.STATUS: STATUSES}.get(
            feature, ()
        )

    def takes_any_name(self, column: int) -> bool:
        """Return whether a column can have other values than its choices, too."""
        return self._columns[column].feature == shapes_layer.TAXON

    def widths(self) -> tuple[int, ...]:
        """Return the widths of the columns in pixels."""
        return tuple(column.width for column in self._columns)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of specimens."""
        return len(self._cells[0]) if self._cells else 0

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def headerData(self, section: int, orientation: Any, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the title or the tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section].title
        return self._columns[section].hint or None if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the value of a cell for a role."""
        column = self._columns[index.column()]
        value = self._cells[index.column()][index.row()]
        if role == Qt.ItemDataRole.EditRole:
            return str(value)
        if role == Qt.ItemDataRole.DisplayRole:
            return _shown(value, column)
        if role == Qt.ItemDataRole.DecorationRole and column.feature == shapes_layer.CLASS and value in self._classes:
            return QColor(*class_colour(self._classes.index(value)))
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def flags(self, index: QModelIndex) -> Any:
        """Return whether a cell can be selected and edited."""
        flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled
        return flags | Qt.ItemFlag.ItemIsEditable if self.choices(index.column()) else flags

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Request another class, taxon or status. The layer changes, and this table follows it."""
        text, column = " ".join(str(value).split()), index.column()
        allowed = bool(text) if self.takes_any_name(column) else text in self.choices(column)
        if role != Qt.ItemDataRole.EditRole or not allowed:
            return False
        if text != str(self._cells[column][index.row()]):
            self.edited.emit(self.number(index.row()), self._columns[column].feature, text)
        return True


def _shown(value: Any, column: _Column) -> str:
    """Return the text of a cell."""
    if isinstance(value, bool):
        return "cut" if value else ""
    if column.decimals is not None:
        return "" if math.isnan(value) else f"{value:.{column.decimals}f}"
    return str(value)


class _ChoiceDelegate(QStyledItemDelegate):
    """Edits a cell with a list of choices. Names of taxa can also be typed."""

    def createEditor(self, parent: QWidget | None, option: Any, index: QModelIndex) -> QWidget:
        """Return a combo box that closes when the user chooses something."""
        combo = QComboBox(parent)
        model = index.model()
        assert isinstance(model, SpecimenModel)
        choices = model.choices(index.column())
        combo.addItems(choices)
        if model.takes_any_name(index.column()):
            combo.setEditable(True)
            combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            combo.setCompleter(completer(choices, combo))
        combo.activated.connect(lambda _: self._finish(combo))
        return combo

    def _finish(self, combo: QComboBox) -> None:
        self.commitData.emit(combo)
        self.closeEditor.emit(combo)

    def setEditorData(self, editor: QWidget | None, index: QModelIndex) -> None:
        """Show the value of the cell."""
        assert isinstance(editor, QComboBox)
        editor.setCurrentText(index.data(Qt.ItemDataRole.EditRole))

    def setModelData(self, editor: QWidget | None, model: Any, index: QModelIndex) -> None:
        """Set the chosen value."""
        assert isinstance(editor, QComboBox)
        model.setData(index, editor.currentText())


class SpecimenTable(QTableView):
    """A table of specimens. It sends the numbers of selected rows, and selects rows by number."""

    selected = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tip = "Click a row to see the specimen. Double-click class, taxon or status to change it"
        named(self, "specimen_table", tip, "Specimens")
        # Otherwise Tab goes from cell to cell, and never out of the table.
        self.setTabKeyNavigation(False)
        self.specimens = SpecimenModel(self)
        self._quiet = False
        self.setModel(self.specimens)
        self.setItemDelegate(_ChoiceDelegate(self))
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setShowGrid(False)
        vertical, horizontal = self.verticalHeader(), self.horizontalHeader()
        assert vertical is not None
        assert horizontal is not None
        vertical.hide()
        vertical.setDefaultSectionSize(22)
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        horizontal.setHighlightSections(False)
        horizontal.setMinimumSectionSize(30)
        self._set_widths()
        self._selection().selectionChanged.connect(self._on_selection)

    def setFeatures(self, features: Any, classes: Sequence[str], in_um: bool, taxa: Sequence[str] = ()) -> None:
        """Show the features of a layer, and keep the selected specimens."""
        chosen, columns = self.numbers(), self.specimens.columnCount()
        self._quiet = True
        try:
            self.specimens.setFeatures(features, classes, in_um, taxa)
        finally:
            self._quiet = False
        if self.specimens.columnCount() != columns:
            self._set_widths()
        self.select(chosen, scroll=False)

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the selected specimens."""
        return tuple(self.specimens.number(index.row()) for index in self._selection().selectedRows())

    def select(self, numbers: Collection[int], scroll: bool = True) -> None:
        """Select the rows of specimens without a signal."""
        self._quiet = True
        try:
            selection = self._selection()
            selection.clearSelection()
            flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
            first = True
            for number in numbers:
                row = self.specimens.row(number)
                if row is None:
                    continue
                index = self.specimens.index(row, 0)
                selection.select(index, flags)
                if first and scroll:
                    self.scrollTo(index)
                first = False
        finally:
            self._quiet = False

    def _set_widths(self) -> None:
        for column, width in enumerate(self.specimens.widths()):
            self.setColumnWidth(column, width)

    def _selection(self) -> QItemSelectionModel:
        model = self.selectionModel()
        assert model is not None
        return model

    def _on_selection(self, *_: Any) -> None:
        if not self._quiet:
            self.selected.emit(self.numbers())
