"""Numbers, sizes and XML as annotation files have them."""

from __future__ import annotations

import re
from typing import Any, Final
from xml.etree import ElementTree

from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST
from napari_diatom.core.text import quoted

DECIMALS: Final = 6
"""Of a coordinate in pixels as it is written: a needle of 10,000 px then keeps its angle within 1e-8 degrees."""

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(root: ElementTree.Element) -> str:
    """Return a document as text.

    Raises
    ------
    InputError
        When a name holds a character that XML cannot.
    """
    for element in root.iter():
        for text in (element.text or "", *element.attrib.values()):
            if _NO_XML.search(text):
                raise InputError(f"XML cannot hold the name {quoted(text)}: it has a control character.")
    ElementTree.indent(root)
    # A parser takes a bare carriage return for a line feed.
    text = ElementTree.tostring(root, encoding="unicode").replace("\r", "&#13;")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def format_coordinate(value: float) -> str:
    """Return a coordinate with at most :data:`DECIMALS` decimals, without needless zeros."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def parse_number(value: Any, name: str) -> float:
    """Return a number, or the number in a text.

    Raises
    ------
    InputError
        When it is none, or NaN, infinite or absurdly large; the message continues after what it is said of.
    """
    try:
        found = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not abs(found) < float("inf"):
        raise InputError(f"has the {name} {quoted(value)}, which is not a number")
    if abs(found) > FARTHEST:
        raise InputError(f"has the {name} {quoted(value)}, which is absurdly large")
    return found


def parse_count(value: Any) -> int | None:
    """Return a whole number above 0, or that in a text; None where there is none."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) < 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """Return an image's height and width as a file states them; None where it does not."""
    rows, columns = parse_count(height), parse_count(width)
    return None if rows is None or columns is None else (rows, columns)
