"""The dock widget *Project settings*: classes, images, split, people, optics, and the import of annotations."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize
from qtpy.QtWidgets import QFileDialog, QTabWidget, QVBoxLayout, QWidget

from napari_diatom.widgets.common.closing import delete_when_closed, when_destroyed
from napari_diatom.widgets.common.dock_keys import ButtonKey, DockKeys
from napari_diatom.widgets.common.dock_tabs import share_area
from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.open_project import OpenProject
from napari_diatom.widgets.common.scrolled import Scrolled
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.project_settings.classes_page import ClassesPage
from napari_diatom.widgets.project_settings.images_page import ImagesPage
from napari_diatom.widgets.project_settings.import_page import ImportPage
from napari_diatom.widgets.project_settings.new_project_dialog import NewProjectDialog
from napari_diatom.widgets.project_settings.optics_page import OpticsPage
from napari_diatom.widgets.project_settings.page_parts import in_a_row, push_button
from napari_diatom.widgets.project_settings.people_page import PeoplePage
from napari_diatom.widgets.project_settings.settings_session import SettingsSession
from napari_diatom.widgets.project_settings.split_page import SplitPage
from napari_diatom.widgets.project_settings.task_line import TaskLine

if TYPE_CHECKING:
    from napari.viewer import Viewer

SettingsPage = ClassesPage | ImagesPage | SplitPage | ImportPage | PeoplePage | OpticsPage

PAGES = ("Classes", "Images", "Split", "Import", "People", "Optics")
"""Titles of the pages."""
_BUTTON_KEYS = (
    ButtonKey("Alt+O", "settings_open", "open another project"),
    ButtonKey("Alt+N", "settings_new", "make a project"),
)


class ProjectSettingsWidget(QWidget):
    """Shows and changes what a project has agreed on.

    It starts with the project that is open in *Annotate diatoms*, if there is one.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
        The viewer it belongs to.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._session = session = SettingsSession(napari_viewer, self)
        self._title = text_label("settings_project", is_html=True)
        self._open = push_button("settings_open", "Open...", "Show the settings of another project")
        self._new = push_button("settings_new", "New...", "Make a project from a folder of images")
        self._pages: dict[str, SettingsPage] = dict(
            zip(
                PAGES,
                (
                    ClassesPage(session),
                    ImagesPage(session),
                    SplitPage(session),
                    ImportPage(session),
                    PeoplePage(session),
                    OpticsPage(session),
                ),
                strict=True,
            )
        )
        self._tabs = named(QTabWidget(), "settings_pages")
        self._tabs.setAccessibleName("Pages of the settings")
        self._tabs.setToolTip("What a project has agreed on")
        self._tabs.setUsesScrollButtons(True)
        for title, page in self._pages.items():
            self._tabs.addTab(Scrolled(page), title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        head = in_a_row(self._title, self._open, self._new)
        head.setStretch(0, 1)
        layout.addLayout(head)
        layout.addWidget(self._tabs, 1)
        layout.addWidget(TaskLine(session))
        session.changed.connect(self.refresh)
        session.running.connect(lambda *_: self.refresh())
        self._tabs.currentChanged.connect(lambda *_: self._on_page())
        self._open.clicked.connect(lambda *_: self._ask_for_project())
        self._new.clicked.connect(lambda *_: self._ask_for_new())
        DockKeys(self, napari_viewer, _BUTTON_KEYS)
        share_area(self, "Project")
        delete_when_closed(self, napari_viewer)
        when_destroyed(self, session.leave)
        folder = OpenProject.of(napari_viewer).folder
        if folder is not None:
            self.open_project(folder)
        self.refresh()

    def open_project(self, folder: Path) -> None:
        """Show the settings of the project in a folder."""
        self._session.open(folder)

    def show_page(self, title: str) -> None:
        """Show one of the :data:`PAGES`."""
        self._tabs.setCurrentIndex(PAGES.index(title))

    def session(self) -> SettingsSession:
        """Return the project, and changes to it."""
        return self._session

    def refresh(self) -> None:
        """Show the project as it is now: the page that is seen; others follow when they are."""
        project = self._session.project
        if project is None:
            self._title.setText("No project is open. Open one, or make one from a folder of images.")
        else:
            self._title.setText(f"<b>{escape(project.folder.name)}</b>")
            self._title.setToolTip(str(project.folder))
        self._pages[PAGES[self._tabs.currentIndex()]].refresh()

    def sizeHint(self) -> QSize:
        """Return a size that leaves room for the image on a small screen."""
        return QSize(400, 560)

    def event(self, event: QEvent | None) -> bool:
        """Read what other windows have changed when the user comes back to this one."""
        if event is not None and event.type() == QEvent.Type.WindowActivate:
            self._session.catch_up()
        return super().event(event)

    def _on_page(self) -> None:
        """Forget the message of the page before."""
        if not self._session.is_running:
            self._session.said.emit("")
        self.refresh()

    def _ask_for_project(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a project folder")
        if folder:
            self.open_project(Path(folder))

    def _ask_for_new(self) -> None:
        dialog = NewProjectDialog(self._viewer, self)
        dialog.made.connect(self.open_project)
        dialog.open()
