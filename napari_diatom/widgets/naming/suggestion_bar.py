"""The bar at the lower edge of the image: what the selected specimen may be called, with pictures of each taxon."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from functools import partial
from typing import Final

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.gallery_order import Entry
from napari_diatom.project.project import Project
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.specimen_pictures import GallerySlides, scaled_width
from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader
from napari_diatom.widgets.naming.offers import EXAMPLES, OFFERED, Offer, size_range

_LOOK: Final = """
#suggestions { background: rgba(38, 41, 48, 235); border: 1px solid #5a626c; border-radius: 6px; }
#suggestions QLabel { color: #c9cdd3; background: transparent; }
#suggestions QLabel[taxon="true"] { font-style: italic; }
#suggestions #suggestion_remark { color: #f0b23c; }
#suggestions #suggestion_genus { font-style: italic; padding: 1px 8px; }
#suggestions QFrame[suggested="true"]:hover { background: rgba(86, 180, 233, 60); border-radius: 4px; }
"""
GENUS_KEY: Final = "0"
"""Takes the genus in the naming mode."""
_MARGIN: Final = 3
_BETWEEN: Final = 3
_GAP: Final = 8
"""Pixels between the bar and the edges of the image."""
_STEP: Final = 1.2
"""Scales of pictures are rounded to a power of this, so that few of them are read anew for each specimen."""
_HEIGHT: Final = 84
"""Of pictures."""
_OWN_WIDTH: Final = 84
_WIDEST, _NARROWEST = 200, 104
"""Of the cards of names."""
_AROUND_CARDS: Final = 64
"""Pixels of the bar that its cards do not take."""
_MAX_KEPT: Final = 300


class SuggestionBar(QFrame):
    """Shows names that are suggested; a click takes one.

    All pictures have the scale of the selected specimen, which is shown first.

    Parameters
    ----------
    canvas : QWidget
        What it lies upon.
    """

    taken = Signal(int)
    """The number of the suggestion that was clicked, from 1."""
    genusTaken = Signal()
    """The genus was clicked."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        named(self, "suggestions", spoken="Suggested names")
        self.setStyleSheet(_LOOK)
        self._project: Project | None = None
        self._slides = GallerySlides()
        self._pictures = ThumbnailLoader(self, _MAX_KEPT)
        self._pictures.arrived.connect(self._paint)
        self._shown: list[tuple[QLabel, Entry, float]] = []
        self._own = _Card("own", self)
        self._cards = [_Card(str(number), self) for number in range(1, OFFERED + 1)]
        self._remark = named(QLabel(), "suggestion_remark")
        self._remark.setWordWrap(True)
        tip = "Name the specimen by its genus; the class is added if the project does not have it"
        self._genus = named(QPushButton(), "suggestion_genus", tip, "Take the genus")
        # The keyboard stays with the image.
        self._genus.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._genus.clicked.connect(lambda *_: self.genusTaken.emit())
        row = QHBoxLayout()
        row.setSpacing(10)
        for card in (self._own, *self._cards):
            row.addWidget(card)
        for number, card in enumerate(self._cards, 1):
            card.setProperty("suggested", "true")
            card.setCursor(Qt.CursorShape.PointingHandCursor)
            card.clicked.connect(partial(self.taken.emit, number))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addLayout(row)
        below = QHBoxLayout()
        below.addWidget(self._remark, 1)
        below.addWidget(self._genus)
        layout.addLayout(below)
        canvas.installEventFilter(self)
        when_destroyed(self, ThumbnailLoader.stop, self._pictures)
        self.hide()

    def show_suggestions(
        self, project: Project, own: Entry, offers: Sequence[Offer], genus: str, remark: str, keys: bool
    ) -> None:
        """Show what a specimen may be called.

        Parameters
        ----------
        project : Project
            The open project.
        own : Entry
            The specimen.
        offers : sequence of Offer
            What is suggested, the best first.
        genus : str
            The genus with ``sp.`` where it can be taken, else empty.
        remark : str
            A sentence beside the names.
        keys : bool
            Whether keys take a suggestion now, which is then written beside it.
        """
        self._project = project
        spans = _spans([own, *(entry for offer in offers for entry in offer.examples)])
        self._shown = []
        canvas = self.parentWidget()
        room = (canvas.width() if canvas is not None else 0) - _OWN_WIDTH - _AROUND_CARDS
        width = min(max(room // OFFERED, _NARROWEST), _WIDEST)
        self._own.show_card(own.name, size_range([own]), _OWN_WIDTH)
        self._add(self._own, [own], spans)
        for number, card in enumerate(self._cards):
            card.setVisible(number < len(offers))
            if number < len(offers):
                offer = offers[number]
                key = f"{number + 1}  " if keys else ""
                share = f"{100 * offer.share:.0f} %, {offer.number} named"
                card.show_card(f"{key}{offer.taxon}", f"{share}\n{offer.size}", width)
                self._add(card, offer.examples, spans)
        self._remark.setText(remark)
        self._remark.setVisible(bool(remark))
        self._genus.setText(f"{GENUS_KEY}  {genus}" if keys else genus)
        self._genus.setVisible(bool(genus))
        self._paint()
        self.show()
        self.adjustSize()
        self._place()
        self.raise_()

    def texts(self) -> list[str]:
        """Return the names that are shown, with their shares."""
        return [card.text() for card in self._cards if card.isVisibleTo(self)]

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Stay at the lower edge of the image."""
        if event is not None and event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return False

    def _add(self, card: _Card, entries: Sequence[Entry], spans: dict[Entry, float]) -> None:
        """Have a card show specimens, as many as have room."""
        room = card.width() - 2 * _MARGIN
        for number, picture in enumerate(card.pictures):
            picture.clear()
            width = scaled_width(entries[number].box, spans[entries[number]], _HEIGHT) if number < len(entries) else 0
            is_shown = 0 < width <= room
            picture.setVisible(is_shown)
            if is_shown:
                picture.setFixedWidth(width)
                room -= width + _BETWEEN
                self._shown.append((picture, entries[number], spans[entries[number]]))

    def _paint(self, *_: object) -> None:
        """Show the pictures that have been read, and ask for the others."""
        project = self._project
        if project is None:
            return
        for label, entry, span in self._shown:
            with contextlib.suppress(DiatomError):
                image = project.settings.image(entry.image_id)
                read = partial(self._slides.scaled, project.path(entry.image_id), image, entry.box, span, _HEIGHT)
                picture = self._pictures.get((entry.image_id, entry.id, entry.box, span), read, entry.image_id)
                if picture is not None and label.pixmap().cacheKey() != picture.cacheKey():
                    label.setPixmap(picture)
        if self.isVisible():
            self.adjustSize()
            self._place()

    def _place(self) -> None:
        canvas = self.parentWidget()
        if canvas is not None:
            x = max((canvas.width() - self.width()) // 2, _GAP)
            self.move(x, max(canvas.height() - self.height() - _GAP, 0))


class _Card(QFrame):
    """A name, pictures and sizes."""

    clicked = Signal()

    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._title = named(QLabel(), f"suggestion_{name}")
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._title.setProperty("taxon", "true")
        self._size = named(QLabel(), f"suggestion_{name}_size")
        self._size.setWordWrap(True)
        self.pictures = [QLabel() for _ in range(EXAMPLES)]
        row = QHBoxLayout()
        row.setSpacing(_BETWEEN)
        for picture in self.pictures:
            picture.setFixedHeight(_HEIGHT)
            row.addWidget(picture)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, 3, _MARGIN, 3)
        layout.setSpacing(2)
        layout.addWidget(self._title)
        layout.addLayout(row)
        layout.addWidget(self._size)

    def show_card(self, title: str, size: str, width: int) -> None:
        """Show texts, and pictures as far as they have room."""
        self.setFixedWidth(width)
        room = width - 2 * _MARGIN
        metrics = self._title.fontMetrics()
        self._title.setText(metrics.elidedText(title, Qt.TextElideMode.ElideMiddle, room))
        self._title.setToolTip(title)
        self._size.setText(size)
        self._size.setFixedWidth(room)

    def text(self) -> str:
        """Return the name with its number and share."""
        return f"{self._title.toolTip()} {self._size.text()}"

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Keep the click from the image below."""
        if event is not None:
            event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Take the name."""
        if event is not None and event.button() == Qt.MouseButton.LeftButton:
            event.accept()
            self.clicked.emit()


def _spans(entries: Sequence[Entry]) -> dict[Entry, float]:
    """Return how many pixels of its image each picture is high, so that all have one scale."""
    known = all(entry.pixel_size_um is not None for entry in entries)
    units = {entry: (entry.pixel_size_um or 1.0) if known else 1.0 for entry in entries}
    longest = 1.1 * max(entry.box[2] * unit for entry, unit in units.items())
    rounded = _STEP ** math.ceil(math.log(longest, _STEP))
    return {entry: rounded / unit for entry, unit in units.items()}
