"""Opens the plugin's docks from its own buttons, each of them once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib import resources
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

import yaml
from qtpy.QtWidgets import QDockWidget, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

INSIDES: Final = "What the network sees"
"""Name of the dock that other docks open with their button *Explain*."""
_PLUGIN: Final = "napari-diatom"


def open_dock(viewer: Viewer, title: str) -> Any:
    """Return the widget of a dock, and bring the dock to the front; open it if it is not open.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer whose dock it is.
    title : str
        Name of the dock in the menu.
    """
    # The menu names docks by the display name of the plugin, scripts by its name: one must not open beside the other.
    in_menu, make = _offered()[title]
    opened = viewer.window.dock_widgets
    widget: Any = next((opened[name] for name in (in_menu, f"{title} ({_PLUGIN})") if name in opened), None)
    # What comes from a viewer is a proxy, whose private parts are out of reach.
    widget = getattr(widget, "__wrapped__", widget)
    if widget is None:
        widget = _made(make, viewer)
        viewer.window.add_dock_widget(widget, name=in_menu, tabify=True)
    dock: QWidget | None = widget
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    if dock is not None:
        dock.show()
        dock.raise_()
    return widget


def _made(make: str, viewer: Viewer) -> QWidget:
    """Return a new widget of a class, which may want the viewer."""
    kind: Callable[..., QWidget] = resolve_name(make)
    return kind(napari_viewer=viewer) if "napari_viewer" in inspect.signature(kind).parameters else kind()


@cache
def _offered() -> dict[str, tuple[str, str]]:
    """Return the docks of the manifest by their titles: their names when the menu opens them, and their classes."""
    manifest = yaml.safe_load((resources.files("napari_diatom") / "napari.yaml").read_text(encoding="utf-8"))
    offered = manifest["contributions"]
    made = {command["id"]: command["python_name"] for command in offered["commands"]}
    return {
        widget["display_name"]: (f"{widget['display_name']} ({manifest['display_name']})", made[widget["command"]])
        for widget in offered["widgets"]
    }
