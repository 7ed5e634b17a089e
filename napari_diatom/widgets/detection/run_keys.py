"""The keys of the docks that find specimens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from napari_diatom.widgets.canvas import key_bindings
from napari_diatom.widgets.common.dock_keys import MOUSE, ButtonKey, DockKeys

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

_BUTTONS: Final = (
    ButtonKey("Alt+R", "run", "find the diatoms in the chosen image"),
    ButtonKey("Alt+C", "cancel", "cancel the run"),
    ButtonKey("Alt+N", "name_taxa", "name the taxa of the specimens"),
    ButtonKey("Alt+E", "export", "export tables, outlines or a label image"),
)


def run_keys(dock: QWidget, viewer: Viewer) -> DockKeys:
    """Return the keys of a dock that finds specimens; they work from now on."""
    return DockKeys(dock, viewer, _BUTTONS, lambda: [*key_bindings.key_rows(projects=False), *MOUSE])
