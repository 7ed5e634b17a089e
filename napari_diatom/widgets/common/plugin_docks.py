"""Opens the plugin's docks from its own buttons, each of them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from qtpy.QtWidgets import QDockWidget, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

_PLUGIN: Final = "napari-diatom"
_MENU: Final = "Diatoms"
"""What the plugin is called in the menu; napari puts it into the names of the docks that are opened there."""


def open_dock(viewer: Viewer, title: str) -> Any:
    """Return the widget of a dock, and bring the dock to the front; open it if it is not open.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose dock it is.
    title : str
        Name of the dock in the menu.
    """
    # By its own names napari would open a second dock beside the one from the menu.
    widget = viewer.window.dock_widgets.get(f"{title} ({_MENU})")
    if widget is None:
        _, widget = viewer.window.add_plugin_dock_widget(_PLUGIN, title, tabify=True)
    dock: QWidget | None = widget
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget
