"""Lists of taxa as classes of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import parse_table, read_bytes
from napari_diatom.project.settings import KEYS, ProjectClass, class_of

NAME_COLUMNS: Final = ("name", "species", "taxon", "class", "scientific name", "scientificname", "taxon name")
LARGEST_BYTES: Final = 2**26
"""Of a list of taxa: a hundred times all that are known."""
CODE_COLUMNS: Final = ("code", "omnidia", "omnidia code", "taxon code", "abbreviation")


def read_taxa(path: Path) -> tuple[ProjectClass, ...]:
    """Read classes from a table with a column ``name`` or ``species``, and one ``code`` where there are codes.

    The columns may have any order and others may stand beside them. Commas, semicolons and tabs part them. A table of
    one column without a heading is a list of names. Rows that repeat a name are one class; the first nine get keys.

    Raises
    ------
    InputError
        When the file cannot be read, has no such column, names nothing, or gives two taxa one code (all are named).
    """
    rows = [row for row in _rows(path) if any(row)]
    if not rows:
        raise InputError(f"{path} lists no taxa: it is empty.")
    head = [cell.casefold() for cell in rows[0]]
    name_at = next((head.index(name) for name in NAME_COLUMNS if name in head), None)
    code_at = next((head.index(name) for name in CODE_COLUMNS if name in head), None)
    if name_at is not None:
        rows = rows[1:]
    elif max(map(len, rows)) == 1 and code_at is None:
        name_at = 0
    else:
        raise InputError(
            f"{path} has no column for names: call one 'name' or 'species'. It has {', '.join(map(repr, rows[0]))}."
        )
    codes: dict[str, str] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, start=2):
        name = row[name_at] if name_at < len(row) else ""
        code = row[code_at] if code_at is not None and code_at < len(row) else ""
        if not name:
            problems.append(f"row {number} has no name")
        elif codes.get(name, code) != code:
            problems.append(f"{name} has the codes {codes[name]!r} and {code!r}")
        codes.setdefault(name, code)
    owners: dict[str, str] = {}
    for name, code in codes.items():
        if code and owners.setdefault(code, name) != name:
            problems.append(f"{owners[code]} and {name} share the code {code}")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(f"{path} is not a usable list of taxa: {'; '.join(problems[:5])}{more}.")
    if not codes:
        raise InputError(f"{path} lists no taxa below its headings.")
    keys = (*KEYS, *[""] * len(codes))
    try:
        return tuple(class_of(name, i, keys[i], code) for i, (name, code) in enumerate(codes.items()))
    except InputError as error:
        raise InputError(f"{path} is not a usable list of taxa: {error}") from error


def _rows(path: Path) -> list[list[str]]:
    """Return the cells of a table, without the blanks around them."""
    data = read_bytes(path, LARGEST_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # What spreadsheets on Windows write.
        text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise InputError(f"{path} is not a list of taxa: it is not text.")
    first = next((line for line in text.splitlines() if line.strip()), "")
    # The sniffer of the standard library takes letters for delimiters; the heading tells those in use apart.
    delimiter = max("\t;,", key=first.count)
    return [[cell.strip() for cell in row] for row in parse_table(text, path, "a list of taxa", delimiter)]
