"""The keys of the annotation, and the sheet that lists them."""

from __future__ import annotations

from typing import Final, NamedTuple

from napari_diatom.reports.html import keys


class Key(NamedTuple):
    """A key and what it does.

    Attributes
    ----------
    name : str
        As napari calls it.
    action : str
        Method of the widget.
    title : str
        For the sheet.
    argument : str
        Passed to the method where it is not empty.
    """

    name: str
    action: str
    title: str
    argument: str = ""


DIGITS: Final = "123456789"
CLASS_TITLE: Final = "class of what is selected and of what is drawn next; accepts a proposal as that class"

KEYS: Final = (
    Key("B", "use_tool", "rotated box in three clicks: end, end, margin", "three-clicks"),
    Key("U", "use_tool", "upright box: drag from corner to corner", "upright"),
    Key("P", "use_tool", "polygon: click its corners, double click or Enter to close", "polygon"),
    Key("M", "use_tool", "paint the mask of the selected specimen; M or Enter takes it over", "paint"),
    Key("S", "use_tool", "select, move, turn, scale; drag over the empty slide to select several", "select"),
    Key("Z", "use_tool", "move the slide", "move"),
    Key("Escape", "cancel", "give up what is being drawn"),
    *(
        Key(str(n), "use_class", f"class number {n}: of what is selected and of what is drawn next", str(n))
        for n in range(1, 10)
    ),
    Key("V", "set_status", "status valve", "valve"),
    Key("G", "set_status", "status girdle view", "girdle"),
    Key("F", "set_status", "status frustule", "frustule"),
    Key("K", "set_status", "status broken", "broken"),
    Key("I", "set_status", "status unidentified", "unidentified"),
    Key("T", "set_status", "status teratological", "teratological"),
    Key("A", "accept", "accept the selected proposals, else the current one"),
    Key("X", "reject", "reject the selected proposals, else the current one"),
    Key("N", "next_uncertain", "go to the next uncertain one: disagreements, then low scores"),
    Key("Shift-A", "accept_all", "accept all proposals of this image but those of specimens that are there"),
    Key("Delete", "delete", "delete what is selected"),
    Key("Control-Z", "undo", "undo"),
    Key("Control-Shift-Z", "redo", "redo"),
    Key("PageDown", "next_image", "next image"),
    Key("PageUp", "previous_image", "previous image"),
    Key("D", "toggle_done", "image done, or not done"),
    Key("F1", "show_keys", "this sheet"),
)


def sheet() -> str:
    """Return the sheet as rich text."""
    shown = [(key.name, key.title) for key in KEYS if key.name not in DIGITS]
    shown.insert(7, (f"{DIGITS[0]} ... {DIGITS[-1]}", CLASS_TITLE))
    return keys([(name.replace("Control", "Ctrl").replace("-", "+"), title) for name, title in shown])
