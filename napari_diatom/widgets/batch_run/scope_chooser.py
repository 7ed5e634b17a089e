"""The choice of the images of a run: this one, several, or a folder."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_diatom.widgets.batch_run.batch_form import Scope
from napari_diatom.widgets.batch_run.folder_edit import FolderEdit
from napari_diatom.widgets.common.object_names import named


class ScopeChooser(QWidget):
    """Offers the scopes, and asks for the folder where one is needed.

    Attributes
    ----------
    folder : FolderEdit
        The folder of images.
    """

    valueChanged = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._combo = named(QComboBox(), "scope")
        self._combo.setAccessibleName("Search in")
        for scope in Scope:
            self._combo.addItem(scope.value, scope)
            self._combo.setItemData(self._combo.count() - 1, scope.hint, Qt.ItemDataRole.ToolTipRole)
        self.folder = FolderEdit("input_folder", "Folder of images", "The images in it and in its subfolders")
        self.folder.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        layout.addWidget(self.folder)
        self._combo.currentIndexChanged.connect(self._on_scope)
        self.folder.valueChanged.connect(lambda _: self.valueChanged.emit())
        self._on_scope()

    def value(self) -> Scope:
        """Return the chosen scope."""
        scope = self._combo.currentData()
        assert isinstance(scope, Scope)
        return scope

    def setValue(self, scope: Scope) -> None:
        """Choose a scope."""
        self._combo.setCurrentIndex(self._combo.findData(scope))

    def _on_scope(self) -> None:
        scope = self.value()
        self._combo.setToolTip(scope.hint)
        self.folder.setVisible(scope is Scope.FOLDER)
        self.valueChanged.emit()
