"""The button beside a choice of models that opens the dock *Models*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from qtpy.QtWidgets import QComboBox, QHBoxLayout, QToolButton, QWidget

from napari_diatom.widgets.common.object_names import named
from napari_diatom.widgets.common.plugin_docks import open_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer

MODELS: Final = "Models"
"""Name of the dock in the menu."""


def with_models_button(chooser: QComboBox, viewer: Viewer) -> QWidget:
    """Return a choice of models with the button beside it."""
    button = named(QToolButton(), "open_models")
    button.setText("...")
    button.setToolTip("Show all models and their cards; import, export, rename and remove them")
    button.setAccessibleName("Models")
    button.clicked.connect(lambda: open_dock(viewer, MODELS))
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(chooser, 1)
    layout.addWidget(button)
    return row
