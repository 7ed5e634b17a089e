"""The place of a page in the dock *Names*, which has its page from when it is first needed."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_diatom.widgets.naming.names_page import NamesPage


class PagePlace(QWidget):
    """Makes its page when it is asked for: six pages at once would make the window wait.

    Parameters
    ----------
    make : callable
        Makes the page.
    made : callable
        Gets the page when it has been made.
    """

    def __init__(self, make: Callable[[], NamesPage], made: Callable[[NamesPage], None]) -> None:
        super().__init__()
        self._make, self._made = make, made
        self._page: NamesPage | None = None
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)

    def page(self) -> NamesPage:
        """Return the page."""
        if self._page is None:
            self._page = page = self._make()
            layout = self.layout()
            assert layout is not None
            layout.addWidget(page)
            self._made(page)
        return self._page
