"""The page *People*: who works in the project, and who has it open now."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QWidget

from napari_diatom.project.people import Person
from napari_diatom.project.sessions import user
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.project_settings.page_parts import fill_table, page_layout, push_button, settings_table
from napari_diatom.widgets.project_settings.settings_session import SettingsSession

_HEADS: Final = ("Name", "Specimens", "Images", "Last change")


class PeoplePage(QWidget):
    """Lists who changed the specimens of the project.

    Parameters
    ----------
    session : SettingsSession
        The project.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._session = session
        self._now = text_label("people_now")
        self._count = push_button("people_count", "Count", "Read all images, and count the specimens of each person")
        self._table = settings_table("people_table", "People, and the specimens that they changed last", _HEADS)
        layout = page_layout(self)
        layout.addWidget(self._now)
        layout.addWidget(self._table, 1)
        layout.addWidget(self._count)
        self._count.clicked.connect(lambda *_: self._session.run("list_people", self._show, changes=False))

    def refresh(self) -> None:
        """Show who has the project open."""
        project = self._session.project
        self._count.setEnabled(project is not None and not self._session.is_running)
        if project is None:
            self._now.setText("")
            return
        others = [
            f"{item.annotator or 'somebody'} on {item.host}{f' ({item.image})' if item.image else ''}"
            for item in project.session.others()
            if not project.session.is_mine(item)
        ]
        is_account = project.annotator == user()
        why = "the name of your account on this computer" if is_account else "who counts in this second count"
        you = f"You work as {project.annotator or 'nobody'}: {why}."
        also = f"Also open: {', '.join(others)}." if others else "Nobody else has the project open."
        self._now.setText(f"{you} {also}")

    def _show(self, people: list[Person]) -> None:
        fill_table(
            self._table,
            [
                (item.name or "unknown", item.specimens, item.images, item.latest.replace("T", " ")[:16])
                for item in people
            ],
        )
