"""The bar at the lower edge of the image: what the selected specimen may be called, with pictures of each taxon."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from functools import partial
from html import escape
from typing import Final

from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.project.gallery_order import Entry
from napari_diatom.project.project import Project
from napari_diatom.widgets.common.closing import when_destroyed
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.specimen_pictures import SIDE, GallerySlides
from napari_diatom.widgets.common.thumbnail_loader import ThumbnailLoader
from napari_diatom.widgets.naming.offers import EXAMPLES, OFFERED, Offer, size_range

_LOOK: Final = """
#suggestions { background: rgba(38, 41, 48, 235); border: 1px solid #5a626c; border-radius: 6px; }
#suggestions QLabel { color: #c9cdd3; background: transparent; }
#suggestions #suggestion_remark { color: #f0b23c; }
#suggestions QFrame[suggested="true"]:hover { background: rgba(86, 180, 233, 60); border-radius: 4px; }
"""
_GAP: Final = 8
"""Pixels between the bar and the edges of the image."""
_STEP: Final = 1.2
"""Scales of pictures are rounded to a power of this, so that few of them are read anew for each specimen."""
_NAME_WIDTH: Final = 150
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
        layout.addWidget(self._remark)
        canvas.installEventFilter(self)
        when_destroyed(self, ThumbnailLoader.stop, self._pictures)
        self.hide()

    def show_suggestions(self, project: Project, own: Entry, offers: Sequence[Offer], remark: str, keys: bool) -> None:
        """Show what a specimen may be called.

        Parameters
        ----------
        project : Project
            The open project.
        own : Entry
            The specimen.
        offers : sequence of Offer
            What is suggested, the best first.
        remark : str
            A sentence beside the names.
        keys : bool
            Whether keys take a suggestion now, which is then written beside it.
        """
        self._project = project
        spans = _spans([own, *(entry for offer in offers for entry in offer.examples)])
        self._shown = []
        size = size_range([own])
        self._own.show_card(f"<b>{escape(own.name)}</b>", size)
        self._add(self._own, [own], spans)
        for number, card in enumerate(self._cards):
            card.setVisible(number < len(offers))
            if number < len(offers):
                offer = offers[number]
                key = f"<b>{number + 1}</b>&nbsp; " if keys else ""
                card.show_card(
                    f"{key}<i>{escape(offer.taxon)}</i>&nbsp; {100 * offer.share:.0f} %",
                    f"{offer.number} named, {offer.size}",
                )
                card.setToolTip(f"Take {offer.taxon} as the name of the selected specimen")
                self._add(card, offer.examples, spans)
        self._remark.setText(remark)
        self._remark.setVisible(bool(remark))
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
        for number, picture in enumerate(card.pictures):
            picture.setVisible(number < len(entries))
            picture.clear()
            if number < len(entries):
                self._shown.append((picture, entries[number], spans[entries[number]]))

    def _paint(self, *_: object) -> None:
        """Show the pictures that have been read, and ask for the others."""
        project = self._project
        if project is None:
            return
        for label, entry, span in self._shown:
            with contextlib.suppress(DiatomError):
                image = project.settings.image(entry.image_id)
                read = partial(self._slides.scaled, project.path(entry.image_id), image, entry.box, span)
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
        self._title.setTextFormat(Qt.TextFormat.RichText)
        self._size = named(QLabel(), f"suggestion_{name}_size")
        self.pictures = [QLabel() for _ in range(EXAMPLES)]
        row = QHBoxLayout()
        row.setSpacing(3)
        for picture in self.pictures:
            picture.setFixedHeight(SIDE)
            picture.setMinimumWidth(16)
            row.addWidget(picture)
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(3, 3, 3, 3)
        layout.setSpacing(2)
        layout.addWidget(self._title)
        layout.addLayout(row)
        layout.addWidget(self._size)

    def sizeHint(self) -> QSize:
        """Return a size that does not change much from one specimen to the next."""
        return super().sizeHint().expandedTo(QSize(_NAME_WIDTH, 0))

    def show_card(self, title: str, size: str) -> None:
        """Show texts."""
        self._title.setText(title)
        self._size.setText(size)

    def text(self) -> str:
        """Return the title as plain text."""
        from qtpy.QtGui import QTextDocumentFragment

        return QTextDocumentFragment.fromHtml(self._title.text()).toPlainText().replace("\xa0", " ")

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
