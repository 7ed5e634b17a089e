"""The dock *Names*: many specimens are named, checked and looked over by how similar they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QCompleter, QHBoxLayout, QPushButton, QTabWidget, QVBoxLayout, QWidget
from superqt.utils import signals_blocked

from napari_diatom.core.text import many
from napari_diatom.project.bulk_work import BulkEdit
from napari_diatom.project.taxon_codes import taxa_meant
from napari_diatom.widgets.common.asking import ask, can_answer
from napari_diatom.widgets.common.enter_field import EnterField
from napari_diatom.widgets.common.message_line import MessageLine
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.pictured_specimens import PictureView
from napari_diatom.widgets.naming.check_page import CheckPage
from napari_diatom.widgets.naming.groups_page import GroupsPage
from napari_diatom.widgets.naming.map_page import MapPage
from napari_diatom.widgets.naming.names_page import NamesPage, page_shortcut
from napari_diatom.widgets.naming.naming_session import NamingSession
from napari_diatom.widgets.naming.next_page import NextPage
from napari_diatom.widgets.naming.page_place import PagePlace
from napari_diatom.widgets.naming.similar_page import SimilarPage
from napari_diatom.widgets.naming.taxa_page import TaxaPage

_NAME_LETTERS = 30
Page = TypeVar("Page", bound=NamesPage)


class NamesDock(QWidget):
    """Names specimens of a whole project.

    Parameters
    ----------
    session : NamingSession
        Knows the names of the project.
    selected : callable
        Returns the keys of the specimens that are selected in the image.
    """

    slideRequested = Signal(str, str)
    """Ids of an image and of one of its specimens, to be shown on the slide."""

    def __init__(self, session: NamingSession, selected: Callable[[], Sequence[str]]) -> None:
        super().__init__()
        named(self, "names_dock")
        self._session = session
        self._tabs = named(QTabWidget(), "names_pages")
        pages: dict[str, Callable[[], NamesPage]] = {
            "Similar": lambda: SimilarPage(session, selected),
            "Groups": lambda: GroupsPage(session),
            "Name next": lambda: NextPage(session),
            "Check": lambda: CheckPage(session),
            "Taxa": lambda: TaxaPage(session),
            "Map": lambda: MapPage(session),
        }
        self._places = {title: PagePlace(make, self._begin_page) for title, make in pages.items()}
        for title, place in self._places.items():
            self._tabs.addTab(place, title)
        self._name = named(QComboBox(), "name_all", "The name of all selected specimens. Enter names them", "Name")
        self._name.setLineEdit(EnterField())
        self._name.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        completer = self._name.completer()
        assert completer is not None
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self._give = named(QPushButton("Name"), "give_name", "Name the specimens that are selected on this page")
        self._undo = named(QPushButton("Undo"), "names_undo", "Undo the last name that was given here")
        self._redo = named(QPushButton("Redo"), "names_redo", "Name again what was undone last")
        self.line = named(MessageLine(), "names_message")
        self._name.setMinimumContentsLength(_NAME_LETTERS)
        corner = QWidget()
        row = QHBoxLayout(corner)
        row.setContentsMargins(0, 0, 0, 2)
        row.addWidget(self._name, 1)
        for button in (self._give, self._undo, self._redo):
            button.setAutoDefault(False)
            row.addWidget(button)
        # Beside the titles of the pages: a dock below the image is not high.
        self._tabs.setCornerWidget(corner)
        bar = self._tabs.tabBar()
        assert bar is not None
        bar.setMinimumHeight(corner.sizeHint().height())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 2, 6, 4)
        layout.setSpacing(2)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(self.line)
        field = self._name.lineEdit()
        assert field is not None
        field.setPlaceholderText("Name of the selected specimens")
        field.returnPressed.connect(self.give_name)
        self._give.clicked.connect(lambda *_: self.give_name())
        self._undo.clicked.connect(lambda *_: self._undo_last())
        self._redo.clicked.connect(lambda *_: self._redo_last())
        self._tabs.currentChanged.connect(lambda *_: self._turn_page())
        self.line.hide()
        session.failed.connect(self._warn)
        session.progressed.connect(self._say)
        session.changed.connect(self._show_state)
        session.classes_changed.connect(self._list_classes)
        self._list_classes()
        self._show_state()
        self._turn_page()

    @property
    def similar(self) -> SimilarPage:
        """The page of specimens that are like chosen ones."""
        return self._page_of("Similar", SimilarPage)

    @property
    def groups(self) -> GroupsPage:
        """The page of similar specimens that lie together."""
        return self._page_of("Groups", GroupsPage)

    @property
    def next(self) -> NextPage:
        """The page of what to name next."""
        return self._page_of("Name next", NextPage)

    @property
    def check(self) -> CheckPage:
        """The page of names that are to be doubted."""
        return self._page_of("Check", CheckPage)

    @property
    def taxa(self) -> TaxaPage:
        """The page of what is known of each taxon."""
        return self._page_of("Taxa", TaxaPage)

    @property
    def map(self) -> MapPage:
        """The page of the map."""
        return self._page_of("Map", MapPage)

    def page(self) -> NamesPage:
        """Return the page that is shown."""
        place = self._tabs.currentWidget()
        assert isinstance(place, PagePlace)
        return place.page()

    def show_page(self, page: NamesPage) -> None:
        """Show a page."""
        self._tabs.setCurrentWidget(page.parentWidget())

    def give_name(self) -> None:
        """Name the specimens that are selected on the page, as one step."""
        page, text = self.page(), self._name.currentText().strip()
        chosen = page.chosen()
        if not chosen:
            self._warn("Select specimens first: click their pictures.")
            return
        if not text:
            self._warn("Write the name of the selected specimens.")
            return
        taxon = self._class_of(text)
        if taxon is None:
            return

        def say(step: BulkEdit) -> None:
            self._say(f"{many(len(chosen), 'specimen')} named {taxon}.")
            page.after_naming()

        self._session.name(taxon, chosen, say)

    def _page_of(self, title: str, kind: type[Page]) -> Page:
        page = self._places[title].page()
        assert isinstance(page, kind)
        return page

    def _begin_page(self, page: NamesPage) -> None:
        """Have the dock do what a page that was just made asks for."""
        page.slideRequested.connect(self.slideRequested)
        page.offered.connect(self._offer)
        for view in page.findChildren(PictureView):
            for key in ("Return", "Enter"):
                page_shortcut(key, view, self.give_name)

    def _say(self, text: str) -> None:
        """Show what happened. Without a message, its line leaves its room to the pictures."""
        self.line.say(text)
        self.line.setVisible(bool(text))

    def _warn(self, text: str) -> None:
        self._say(text)
        self.line.warn(text)

    def _class_of(self, text: str) -> str | None:
        """Return the class that is meant by a name, code, synonym or part of one; None where that is not clear."""
        project = self._session.project
        if project is None:
            return None
        found = taxa_meant(project.settings.classes, text)
        if len(found) > 1:
            self._warn(f"Several classes contain {text!r}, such as {found[0]} and {found[1]}: write more of it.")
            return None
        if found:
            return found[0]
        question = f"The project does not have a class {text!r} yet. Add it?"
        if can_answer(self.window()) and ask(self, "New class", question, "Cancel", "Add the class") == 0:
            return None
        return text

    def _undo_last(self) -> None:
        self._session.steps.undo(lambda step: self._say_turned(step, "undone"))

    def _redo_last(self) -> None:
        self._session.steps.redo(lambda step: self._say_turned(step, "done again"))

    def _say_turned(self, step: BulkEdit, what: str) -> None:
        also = f" {many(step.kept, 'specimen')} changed since stay as they are." if step.kept else ""
        self._say(f"{step.label}: {what}.{also}")

    def _turn_page(self) -> None:
        """Have the page that is shown now, without a name that another page offered."""
        self.page()
        self._offer("")

    def _offer(self, taxon: str) -> None:
        """Write a name into the field, selected, so that typing replaces it."""
        self._name.setEditText(taxon)
        field = self._name.lineEdit()
        if field is not None and taxon:
            field.selectAll()

    def _list_classes(self) -> None:
        project, text = self._session.project, self._name.currentText()
        with signals_blocked(self._name):
            self._name.clear()
            self._name.addItems([] if project is None else [entry.name for entry in project.settings.classes])
            self._name.setEditText(text)

    def _show_state(self) -> None:
        bulk = self._session.steps.bulk
        self._undo.setEnabled(bulk is not None and (bool(bulk.done) or self._session.steps.is_busy))
        self._redo.setEnabled(bulk is not None and bool(bulk.undone))
        if self._name.count() != len(self._session.project.settings.classes if self._session.project else ()):
            self._list_classes()
