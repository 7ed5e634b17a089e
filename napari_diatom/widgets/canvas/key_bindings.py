"""The keys for editing specimens, and the rows that list them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from napari.layers import Shapes
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
)


class Key(NamedTuple):
    """A key and what it does.

    Attributes
    ----------
    name : str
        napari's name of the key.
    action : str
        Name of what is called.
    title : str
        What the key does, as the table of keys says it.
    argument : str
        Passed on if it is not empty.
    projects_only : bool
        Whether the key is bound in *Annotate diatoms* only.
    of_results : str
        What the key does in the docks that find specimens, where that differs.
    """

    name: str
    action: str
    title: str
    argument: str = ""
    projects_only: bool = False
    of_results: str = ""


DIGITS: Final = "123456789"
CLASS_TITLE: Final = (
    "set the class of the selected specimens and of the next one; accept selected proposals as that class"
)

KEYS: Final = (
    Key("B", "use_tool", "draw a rotated box in three clicks: one end, the other end, the margin", "three-clicks"),
    Key(
        "W",
        "use_tool",
        "find and outline valves: click on each of them",
        "wand",
        of_results="find valves: click on each of them; with Outlines they are outlined, too",
    ),
    Key("U", "use_tool", "draw an upright box: drag from corner to corner", "upright"),
    Key("P", "use_tool", "draw a polygon: click its corners, then double-click or press Enter to close it", "polygon"),
    Key(
        "M",
        "use_tool",
        "paint the mask of the selected specimen; M or Enter finishes it",
        "paint",
        of_results="say how a mask is painted: in a project",
    ),
    Key(
        "S",
        "use_tool",
        "select, move, rotate and scale specimens; drag over the background to select several",
        "select",
    ),
    Key("Z", "use_tool", "pan and zoom the image", "move"),
    Key(
        "O",
        "outline",
        "turn the boxes of the selected specimens into outlines",
        of_results="outline the selected specimens anew, in results with outlines",
    ),
    Key("Escape", "cancel", "cancel what is being drawn, stop outlining, or clear the selection"),
    *(
        Key(str(n), "use_class", f"set class number {n} for the selected specimens and for the next one", str(n))
        for n in range(1, 10)
    ),
    Key("V", "set_status", "set the status to valve", "valve"),
    Key("G", "set_status", "set the status to girdle view", "girdle"),
    Key("F", "set_status", "set the status to frustule", "frustule"),
    Key("K", "set_status", "set the status to broken", "broken"),
    Key("I", "set_status", "set the status to unidentified", "unidentified"),
    Key("T", "set_status", "set the status to teratological", "teratological"),
    Key("A", "accept", "accept the selected proposals, or the current one", projects_only=True),
    Key("X", "reject", "reject the selected proposals, or the current one", projects_only=True),
    Key(
        "N",
        "next_uncertain",
        "go to the next proposal to review: disagreements first, then low scores",
        projects_only=True,
    ),
    Key(
        "Shift-A",
        "accept_all",
        "accept all proposals of this image, except those on existing specimens",
        projects_only=True,
    ),
    Key(
        "E",
        "toggle_naming",
        "switch the naming mode on or off: 1 to 3 take a suggestion, Enter takes the first, then comes the next",
        projects_only=True,
    ),
    Key("0", "take_genus", "in the naming mode, take the genus if no species is sure", projects_only=True),
    Key("C", "find_class", "find a class by name: type some letters of it, then press Enter", projects_only=True),
    Key("Delete", "delete", "delete the selected specimens"),
    Key("Control-Z", "undo", "undo the last edit"),
    Key("Control-Shift-Z", "redo", "redo the last edit that was undone"),
    Key("PageDown", "next_image", "open the next image", projects_only=True),
    Key("PageUp", "previous_image", "open the previous image", projects_only=True),
    Key("D", "toggle_done", "mark the image as done, or as not done", projects_only=True),
)


def bind(layer: Shapes, find: Callable[[str], Callable[..., object]], projects: bool) -> None:
    """Bind the keys to a layer. They work while it is the active layer, but not while somebody types into a field.

    Parameters
    ----------
    layer : napari.layers.Shapes
        The layer.
    find : callable
        Returns what an action calls, by its name.
    projects : bool
        Whether the layer belongs to a project. Others have fewer keys.
    """
    for key in KEYS:
        if projects or not key.projects_only:
            arguments = [key.argument] if key.argument else []
            layer.bind_key(key.name, _unless_typing(find(key.action), *arguments), overwrite=True)


def bind_one(layer: Shapes, name: str, act: Callable[[], object]) -> None:
    """Bind one more key to a layer, by napari's name of it. :func:`unbind` takes it back."""
    layer.bind_key(name, _unless_typing(act), overwrite=True)


def unbind(layer: Shapes, name: str) -> None:
    """Give a key of a layer back to napari."""
    layer.bind_key(name, None)


def key_rows(projects: bool) -> list[tuple[str, str]]:
    """Return the rows of the table of keys, with or without those of projects."""
    shown = [key for key in KEYS if key.name not in DIGITS and (projects or not key.projects_only)]
    titles = [key.title if projects else key.of_results or key.title for key in shown]
    table = [
        (key.name.replace("Control", "Ctrl").replace("-", "+"), title) for key, title in zip(shown, titles, strict=True)
    ]
    at = next(i for i, key in enumerate(shown) if key.action == "set_status")
    table.insert(at, (f"{DIGITS[0]} ... {DIGITS[-1]}", CLASS_TITLE))
    return table


def _unless_typing(act: Callable[..., object], *arguments: str) -> Callable[..., None]:
    """Return a function that ignores its arguments. napari needs a function with a name, not a partial."""

    def do(*_: object) -> None:
        # napari's window hands keys that a field has no use for to the active layer.
        if not is_typing():
            act(*arguments)

    return do


def is_typing() -> bool:
    """Return whether the keyboard types into a field."""
    widget = QApplication.focusWidget()
    if isinstance(widget, QComboBox):
        return widget.isEditable()
    return isinstance(widget, QLineEdit | QAbstractSpinBox | QTextEdit | QPlainTextEdit)
