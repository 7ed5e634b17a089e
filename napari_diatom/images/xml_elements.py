"""Children and numbers of XML elements, whatever their namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element


def children(element: Element, name: str) -> Iterator[Element]:
    """Yield the children of a name, whatever their namespace."""
    return (child for child in element if child.tag.rpartition("}")[2] == name)


def whole_number(element: Element, name: str, usual: int = 1) -> int:
    """Return an attribute that is a whole number from 0, ``usual`` where there is none that can be used."""
    text = element.get(name, "")
    value = int(text) if re.fullmatch(r"[0-9]{1,12}", text) else usual
    return max(value, 1) if usual == 1 and not name.startswith("IFD") else value
