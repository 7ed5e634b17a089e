"""Numbers and remarks as a person writes them."""

from __future__ import annotations


def many(count: int, one: str, more: str | None = None) -> str:
    """Return a number with its noun, given in the singular and, where an s does not make it, in the plural."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def sentence(line: str) -> str:
    """Return a remark, that may lack a capital or a full stop, as a sentence."""
    return f"{line[:1].upper()}{line[1:].rstrip('.')}."
