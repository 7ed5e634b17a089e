"""Pages of HTML from the templates beside this module; each is one file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def document(title: str, parts: Sequence[str]) -> str:
    """Return a whole page; what is no :class:`~markupsafe.Markup` is taken as text."""
    return _environment().get_template("page.html").render(title=title, parts=parts)


def heading(title: str, lead: str) -> Markup:
    """Return the head of a page."""
    return _part("heading", title, lead)


def section(title: str, *parts: str) -> Markup:
    """Return a section with its heading; nothing where it has no parts."""
    return _part("section", title, parts) if any(parts) else Markup("")


def subsection(title: str, *parts: str) -> Markup:
    """Return parts below each other, with a smaller heading where there is a title."""
    return _part("subsection", title, parts)


def paragraphs(lines: Sequence[str], kind: str = "") -> Markup:
    """Return a paragraph per line, in a box of that class where one is given."""
    return _part("paragraphs", lines, kind) if lines else Markup("")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: Sequence[int] = (0,)) -> Markup:
    """Return a table; ``words`` are the columns of text, all others hold numbers."""
    return _part("table", header, rows, words)


def links(targets: Sequence[tuple[str, str]]) -> Markup:
    """Return links to other files, each with its words and its path from this one."""
    return _part("links", targets)


def figure(data: bytes, caption: str, width: int | None = None, mime: str = "image/png") -> Markup:
    """Return a picture with its caption, which also stands for it where it cannot be seen."""
    return _part("figure", f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}", caption, width)


def side_by_side(*parts: str) -> Markup:
    """Return parts in a row, or below each other where there is no room."""
    return _part("row", parts, "row")


def grid(parts: Sequence[str]) -> Markup:
    """Return small pictures in rows."""
    return _part("row", parts, "mistakes") if parts else Markup("")


def legend(with_found: bool) -> Markup:
    """Return what the colours of drawn specimens stand for: the truth, and what was found where that is drawn too."""
    return _part("legend", with_found)


def keys(rows: Sequence[tuple[str, str]]) -> Markup:
    """Return a table of keys and what they do, in the HTML that Qt's labels understand."""
    return _part("keys", rows)


def _part(name: str, *values: Any) -> Markup:
    """Return what one of the macros makes."""
    return Markup(getattr(_environment().get_template("parts.html").module, name)(*values))


@cache
def _environment() -> Environment:
    """Return where the templates are; all that they are given is escaped, and nothing may be missing."""
    return Environment(
        loader=PackageLoader("napari_diatom", "reports/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
