"""Text, JSON and XML files, read so that damage is an :class:`InputError`, and numbers as they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree
from xml.parsers import expat

from napari_diatom.errors import InputError
from napari_diatom.files import reason

DECIMALS: Final = 6
"""Of a coordinate in pixels as it is written: a needle of 10,000 px then keeps its angle within 1e-8 degrees."""

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def read_bytes(path: Path) -> bytes:
    """Return what is in a file.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except ValueError:
        raise InputError(f"{str(path)!r} is no name of a file.") from None


def read_text(path: Path, kind: str) -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark; ``kind`` is what it should be.

    Raises
    ------
    InputError
        When it cannot be read or is no such text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not {kind}: it is not text in UTF-8.") from None


def read_json(path: Path, kind: str) -> Any:
    """Return what a JSON file says; ``kind`` is what it should be.

    Raises
    ------
    InputError
        When it cannot be read or is no JSON.
    """
    try:
        return json.loads(read_text(path, kind))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not {kind}: {error}.") from None


def read_xml(path: Path, kind: str) -> ElementTree.Element:
    """Return the root of an XML file; ``kind`` is what it should be.

    A document type is refused: with it a short file could name other files or grow without end.

    Raises
    ------
    InputError
        When it cannot be read, is no XML, or has a document type.
    """

    def refuse(*_: object) -> None:
        raise InputError(f"{path} has a document type (DTD), which is not read for safety: remove it.")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
        root: ElementTree.Element = builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"{path} is not {kind}: {error}.") from None
    return root


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
                raise InputError(f"XML cannot hold the name {text!r}: it has a control character.")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def plain(value: float) -> str:
    """Return a coordinate with at most :data:`DECIMALS` decimals, without needless zeros."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def number(value: Any, name: str) -> float:
    """Return a number, or the number in a text.

    Raises
    ------
    InputError
        When it is none, or NaN or infinite; the message goes on after what it is said of.
    """
    try:
        found = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not abs(found) < float("inf"):
        raise InputError(f"has the {name} {value!r}, which is no number")
    return found


def count(value: Any) -> int | None:
    """Return a whole number above 0, or that in a text; None where there is none."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) < 10:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9 else None


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """Return an image's height and width as a file states them; None where it does not."""
    rows, columns = count(height), count(width)
    return None if rows is None or columns is None else (rows, columns)
