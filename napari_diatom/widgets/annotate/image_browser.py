"""The list of a project's images, with their thumbnails, states and numbers of specimens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractListModel, QModelIndex, QSize, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QComboBox, QLineEdit, QListView, QPushButton, QVBoxLayout, QWidget

from napari_diatom.project.image_identity import open_image_page
from napari_diatom.project.project import Project
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.summary import Tally
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader, icon_of
from napari_diatom.widgets.common.wrapped_row import WrappedRow

THUMBNAIL: Final = 56
_IMAGE_ID: Final = Qt.ItemDataRole.UserRole
_STATE: Final = Qt.ItemDataRole.UserRole + 1
_IS_MISSING: Final = Qt.ItemDataRole.UserRole + 2
_FILE_MISSING: Final = "file is missing"

STATE_TITLES: Final[Mapping[str, str]] = {
    "untouched": "untouched",
    "machine": "proposals only",
    "work": "in progress",
    "done": "done",
}
_STATE_COLOURS: Final[Mapping[str, str]] = {
    "untouched": "#8a8f98",
    "machine": "#56b4e9",
    "work": "#e69f00",
    "done": "#009e73",
}


class _Images(QAbstractListModel):
    """The images with their states and numbers of specimens."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._project: Project | None = None
        self._tallies: list[Tally] = []
        self._rows: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self.missing: frozenset[str] = frozenset()
        self._pictures = ThumbnailLoader(self)
        self._pictures.arrived.connect(self._repaint)

    def set_project(self, project: Project | None, tallies: Sequence[Tally]) -> None:
        self.beginResetModel()
        self._project = project
        self._tallies = list(tallies)
        self._rows = {tally.image.id: row for row, tally in enumerate(tallies)}
        self._counts = sum((tally.by_class() for tally in tallies), Counter())
        self._pictures.clear()
        self.endResetModel()

    def update(self, tally: Tally) -> bool:
        """Update what is known of an image. Return whether it looks different now."""
        row = self._rows.get(tally.image.id)
        if row is None:
            return False
        before, self._tallies[row] = self._tallies[row], tally
        self._counts.subtract(before.by_class())
        self._counts.update(tally.by_class())
        differs = (before.state, summary_of(before)) != (tally.state, summary_of(tally))
        if differs:
            self._repaint(tally.image.id)
        return differs

    def set_missing(self, image_ids: Iterable[str]) -> None:
        self.missing = frozenset(image_ids)
        if self._tallies:
            self.dataChanged.emit(self.index(0), self.index(len(self._tallies) - 1))

    def stop(self) -> None:
        self._pictures.stop()

    def tallies(self) -> tuple[Tally, ...]:
        return tuple(self._tallies)

    def class_counts(self) -> Counter[str]:
        return +self._counts

    def row(self, image_id: str) -> int | None:
        return self._rows.get(image_id)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._tallies)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        tally = self._tallies[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            missing = f"{_FILE_MISSING}, " if tally.image.id in self.missing else ""
            return f"{tally.image.id}\n{missing}{summary_of(tally)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return tally.problem or tally.image.path
        if role == Qt.ItemDataRole.DecorationRole:
            return self._icon(tally)
        if role == _IMAGE_ID:
            return tally.image.id
        if role == _STATE:
            return tally.state
        if role == _IS_MISSING:
            return tally.image.id in self.missing
        return None

    def _icon(self, tally: Tally) -> QIcon:
        """Return the thumbnail with a dot in the colour of the state."""
        canvas = QPixmap(THUMBNAIL, THUMBNAIL)
        canvas.fill(QColor("#26292f"))
        project = self._project
        assert project is not None
        picture = self._pictures.get(tally.image.id, partial(_thumbnail, project, tally.image))
        painter = QPainter(canvas)
        if picture is not None:
            painter.drawPixmap((THUMBNAIL - picture.width()) // 2, (THUMBNAIL - picture.height()) // 2, picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor("#101418"))
        painter.setBrush(QColor(_STATE_COLOURS[tally.state]))
        painter.drawEllipse(3, 3, 11, 11)
        painter.end()
        return icon_of(canvas)

    def _repaint(self, image_id: object) -> None:
        row = self._rows.get(str(image_id))
        if row is not None:
            index = self.index(row)
            self.dataChanged.emit(index, index)


class _Filter(QSortFilterProxyModel):
    """The images of one state whose names contain a text."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.state = ""
        self.text = ""

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        model = self.sourceModel()
        assert model is not None
        index = model.index(row, 0, parent)
        wanted = index.data(_IS_MISSING) if self.state == _FILE_MISSING else self.state in ("", index.data(_STATE))
        return bool(wanted) and self.text in str(index.data(_IMAGE_ID)).lower()


class ImageBrowser(QWidget):
    """Shows the images of a project and chooses one.

    Parameters
    ----------
    parent : QWidget, optional
        Its owner.
    """

    chosen = Signal(str)
    """Id of an image that the user opens."""
    selectionChanged = Signal()
    """Another image is selected in the list, or none."""
    listed = Signal()
    """The images of a project were counted, or those of another one."""
    shown = Signal(str)
    """Id of the image that is marked as open now, empty for none."""
    counted = Signal(object)
    """The :class:`~napari_diatom.project.summary.Tally` of an image that has changed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = _Images(self)
        self._filter = _Filter(self)
        self._filter.setSourceModel(self._model)
        self._current = ""
        self._list = named(QListView(), "images", "Click on an image to open it", "Images of the project")
        self._list.setModel(self._filter)
        self._list.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self._list.setUniformItemSizes(True)
        self._list.setMinimumHeight(2 * THUMBNAIL)
        self._list.clicked.connect(self._choose)
        self._list.activated.connect(self._choose)
        selection = self._list.selectionModel()
        assert selection is not None
        selection.currentChanged.connect(lambda *_: self.selectionChanged.emit())
        self._states = named(QComboBox(), "state_filter", "Which images are listed", "State of the listed images")
        self._states.addItem("all images", "")
        for state, title in STATE_TITLES.items():
            self._states.addItem(title, state)
        self._states.addItem(_FILE_MISSING, _FILE_MISSING)
        self._states.currentIndexChanged.connect(self._refilter)
        self._search = named(
            QLineEdit(), "image_search", "List the images with this text in their names", "Find an image"
        )
        self._search.setPlaceholderText("find an image")
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._refilter)
        self._next = named(QPushButton("Next unfinished"), "next_unfinished", "Open the next image that is not done")
        self._next.clicked.connect(self.next_unfinished)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(WrappedRow(self._states, self._search))
        layout.addWidget(self._list, 1)
        layout.addWidget(self._next)
        when_destroyed(self, _Images.stop, self._model)

    def set_project(self, project: Project | None) -> None:
        """Show the images of a project, or nothing."""
        self._current = ""
        self._model.set_project(project, () if project is None else project.summary())
        self._next.setEnabled(project is not None)
        self.listed.emit()

    def update_image(self, tally: Tally) -> None:
        """Show the current state and numbers of an image."""
        if self._model.update(tally):
            # Lay out the list now: in a later turn of the event loop, the whole window would be painted again.
            self._list.visualRect(self._filter.index(0, 0))
        self.counted.emit(tally)

    def tallies(self) -> tuple[Tally, ...]:
        """Return state and numbers of all images, in their order."""
        return self._model.tallies()

    def class_counts(self) -> Counter[str]:
        """Return how many specimens of each class all images have."""
        return self._model.class_counts()

    def set_missing(self, image_ids: Iterable[str]) -> None:
        """Mark the images whose files are missing."""
        self._model.set_missing(image_ids)

    def has_missing(self) -> bool:
        """Return whether the file of an image is missing."""
        return bool(self._model.missing)

    def selected(self) -> str:
        """Return the id of the image that is selected in the list, empty if there is none."""
        index = self._list.currentIndex()
        return str(index.data(_IMAGE_ID)) if index.isValid() else ""

    def current(self) -> str:
        """Return the id of the open image, empty if there is none."""
        return self._current

    def show_current(self, image_id: str) -> None:
        """Mark the image that is open."""
        self._current = image_id
        row = self._model.row(image_id)
        if row is not None:
            index = self._filter.mapFromSource(self._model.index(row))
            self._list.setCurrentIndex(index)
            self._list.scrollTo(index)
        self.shown.emit(image_id)

    def show_none(self) -> None:
        """Mark no image as open, so that any can be chosen."""
        self._current = ""
        self._list.clearSelection()
        self.shown.emit("")

    def step(self, by: int) -> None:
        """Choose the image ``by`` rows further down the list."""
        index = self._list.currentIndex()
        row = index.row() + by if index.isValid() else 0
        if 0 <= row < self._filter.rowCount():
            self._choose(self._filter.index(row, 0))

    def next_unfinished(self) -> None:
        """Choose the next image that is not done. After the last image, the search goes on with the first."""
        tallies = self._model.tallies()
        begin = (self._model.row(self._current) or 0) + 1 if self._current else 0
        for tally in [*tallies[begin:], *tallies[:begin]]:
            if tally.state != "done" and tally.image.id != self._current:
                self.chosen.emit(tally.image.id)
                return

    def _choose(self, index: QModelIndex) -> None:
        image_id = str(index.data(_IMAGE_ID))
        if image_id != self._current:
            self.chosen.emit(image_id)

    def _refilter(self, *_: object) -> None:
        self._filter.state = self._states.currentData()
        self._filter.text = self._search.text().strip().lower()
        self._filter.invalidate()


def summary_of(tally: Tally) -> str:
    """Return state and numbers of an image in a few words."""
    if tally.problem:
        return "cannot be read"
    parts = [STATE_TITLES[tally.state]] if tally.state != "machine" else []
    if tally.total:
        parts.append(f"{tally.total} specimen{'s' if tally.total != 1 else ''}")
    if tally.proposals:
        parts.append(f"{tally.proposals} proposed")
    return ", ".join(parts)


def _thumbnail(project: Project, image: ProjectImage) -> NDArray[np.uint8]:
    """Return a small picture of an image. Its longer side has :data:`THUMBNAIL` pixels."""
    page = open_image_page(project.path(image.id), image.page, image.division)
    try:
        return page.read(0, 0, page.width, page.height, THUMBNAIL / max(page.width, page.height))
    finally:
        page.release()
