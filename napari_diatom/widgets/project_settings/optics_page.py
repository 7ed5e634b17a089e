"""The page *Optics*: presets of objective and camera, for all projects of this user."""

from __future__ import annotations

from typing import Final

from qtpy.QtWidgets import QDialog, QHeaderView, QWidget

from napari_diatom.core.errors import DiatomError
from napari_diatom.images.optics_presets import Optics, Presets
from napari_diatom.widgets.common.pixel_size_edit import OpticsDialog
from napari_diatom.widgets.common.text_labels import text_label
from napari_diatom.widgets.project_settings.page_parts import (
    chosen_rows,
    fill_table,
    in_rows,
    page_layout,
    push_button,
    settings_table,
)
from napari_diatom.widgets.project_settings.settings_session import SettingsSession

_HEADS: Final = ("Preset", "Objective", "Camera", "Adapter", "Binning", "µm/px")


class OpticsPage(QWidget):
    """Lists and changes the user's presets.

    Parameters
    ----------
    session : SettingsSession
        Shows messages.
    """

    def __init__(self, session: SettingsSession) -> None:
        super().__init__()
        self._session = session
        self._presets = Presets.of_user()
        self._known: list[Optics] = []
        self._table = settings_table("optics_table", "Presets of objective and camera", _HEADS)
        header = self._table.horizontalHeader()
        assert header is not None
        for column in range(1, len(_HEADS)):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self._add = push_button("optics_add", "Add...", "Add a preset of an objective and a camera")
        self._edit = push_button("optics_edit", "Edit...", "Change the preset")
        self._remove = push_button("optics_remove", "Remove", "Remove the preset; pixel sizes of images stay")
        note = text_label("optics_note")
        note.setText("These presets are yours, for all projects. Use them where a pixel size is set, under Optics.")
        layout = page_layout(self)
        layout.addWidget(note)
        layout.addWidget(self._table, 1)
        layout.addLayout(in_rows(self._add, self._edit, self._remove))
        self._table.itemSelectionChanged.connect(self._enable)
        self._add.clicked.connect(lambda *_: self._ask(None))
        self._edit.clicked.connect(lambda *_: self._ask(self._chosen()))
        self._remove.clicked.connect(lambda *_: self._save([item for item in self._known if item != self._chosen()]))

    def refresh(self) -> None:
        """Show the presets as they are on disk."""
        try:
            self._known = list(self._presets.load())
        except DiatomError as error:
            self._known = []
            self._session.failed.emit(str(error))
        fill_table(
            self._table,
            [
                (
                    item.name,
                    f"{item.magnification:g}x",
                    f"{item.camera_pixel_um:g} µm",
                    f"{item.adapter:g}x",
                    item.binning,
                    f"{item.pixel_size_um:.4g}",
                )
                for item in self._known
            ],
        )
        self._enable()

    def _chosen(self) -> Optics | None:
        rows = [row for row in chosen_rows(self._table) if row < len(self._known)]
        return self._known[rows[0]] if rows else None

    def _enable(self) -> None:
        for button in (self._edit, self._remove):
            button.setEnabled(self._chosen() is not None)

    def _ask(self, old: Optics | None) -> None:
        dialog = OpticsDialog(self)
        if old is not None:
            dialog.setValue(old)
        if dialog.exec() == QDialog.DialogCode.Accepted:
            new = dialog.value()
            others = [item for item in self._known if item != old and item.name != new.name]
            self._save([*others, new])

    def _save(self, presets: list[Optics]) -> None:
        try:
            self._presets.save(presets)
        except DiatomError as error:
            self._session.failed.emit(str(error))
        self.refresh()
