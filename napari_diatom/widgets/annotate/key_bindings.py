"""The keys of *Annotate diatoms*, and the table that lists them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Key(NamedTuple):
    """A key and what it does.

    Attributes
    ----------
    name : str
        napari's name of the key.
    action : str
        Method of the widget.
    title : str
        What the key does, as the table of keys says it.
    argument : str
        Passed to the method if it is not empty.
    """

    name: str
    action: str
    title: str
    argument: str = ""


DIGITS: Final = "123456789"
CLASS_TITLE: Final = (
    "set the class of the selected specimens and of the next one; accept selected proposals as that class"
)

KEYS: Final = (
    Key("B", "use_tool", "draw a rotated box in three clicks: one end, the other end, the margin", "three-clicks"),
    Key("W", "use_tool", "find and outline valves: click on each of them", "wand"),
    Key("U", "use_tool", "draw an upright box: drag from corner to corner", "upright"),
    Key("P", "use_tool", "draw a polygon: click its corners, then double-click or press Enter to close it", "polygon"),
    Key("M", "use_tool", "paint the mask of the selected specimen; M or Enter finishes it", "paint"),
    Key(
        "S",
        "use_tool",
        "select, move, rotate and scale specimens; drag over the background to select several",
        "select",
    ),
    Key("Z", "use_tool", "pan and zoom the image", "move"),
    Key("O", "outline", "turn the boxes of the selected specimens into outlines"),
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
    Key("A", "accept", "accept the selected proposals, or the current one"),
    Key("X", "reject", "reject the selected proposals, or the current one"),
    Key("N", "next_uncertain", "go to the next proposal to review: disagreements first, then low scores"),
    Key("Shift-A", "accept_all", "accept all proposals of this image, except those on existing specimens"),
    Key("Delete", "delete", "delete the selected specimens"),
    Key("Control-Z", "undo", "undo the last edit"),
    Key("Control-Shift-Z", "redo", "redo the last edit that was undone"),
    Key("PageDown", "next_image", "open the next image"),
    Key("PageUp", "previous_image", "open the previous image"),
    Key("D", "toggle_done", "mark the image as done, or as not done"),
    Key("F1", "show_keys", "show this table"),
)


def key_rows() -> list[tuple[str, str]]:
    """Return the rows of the table of keys."""
    shown = [(key.name, key.title) for key in KEYS if key.name not in (*DIGITS, "F1")]
    shown.insert(9, (f"{DIGITS[0]} ... {DIGITS[-1]}", CLASS_TITLE))
    return [(name.replace("Control", "Ctrl").replace("-", "+"), title) for name, title in shown]
