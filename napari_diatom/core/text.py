"""Numbers and remarks as a person writes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def many(count: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun, given in the singular and, where an s does not make it, in the plural."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def either(count: int, one: str, several: str) -> str:
    """Return the word that goes with one thing, or that with several, such as ``is`` and ``are``."""
    return one if count == 1 else several


def first_few(items: Sequence[str], most: int = 5, between: str = ", ") -> str:
    """Return the first few of many as text, and how many more there are."""
    rest = len(items) - most
    more = f"{' ' if between == ', ' else between}and {rest:,} more" if rest > 0 else ""
    return between.join(items[:most]) + more


def sentence(line: str) -> str:
    """Return a remark, that may lack a capital or a full stop, as a sentence."""
    return f"{line[:1].upper()}{line[1:].rstrip('.')}."


def shortened(text: str, longest: int = 100) -> str:
    """Return text of at most ``longest`` characters; the end of a longer one is left out."""
    return text if len(text) <= longest else text[: longest - 3] + "..."


def quoted(value: object, longest: int = 100) -> str:
    """Return a value that a file has in place of another one, as a message shows it: in quotes where it is text.

    Line breaks and similar are written as codes, and no more is shown than a line holds.
    """
    return shortened(repr(value), longest)


def printable(text: str) -> str:
    r"""Return text with what no table, terminal or UTF-8 file can hold written as codes, such as ``\xff``.

    These are control characters, and the bytes of file names that are not UTF-8.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(letter) if _is_unprintable(letter) else letter for letter in text)


def folded(text: str) -> str:
    """Return what names have in common that a file system may hold to be the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).upper().casefold())


def _is_unprintable(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in "\ufffe\uffff"


def _escaped(letter: str) -> str:
    code = ord(letter)
    # Python stands a byte that is not UTF-8 as a code of its own, from U+DC80.
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
