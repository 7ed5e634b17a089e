"""Lists of taxa as classes of a project."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import genus_of
from napari_diatom.core.text import quoted
from napari_diatom.core.text_files import read_delimited
from napari_diatom.project.settings import KEYS, ProjectClass, class_of

NAME_COLUMNS: Final = ("name", "species", "taxon", "class", "scientific name", "scientificname", "taxon name")
LARGEST_BYTES: Final = 2**26
"""Of a list of taxa: a hundred times all that are known."""
CODE_COLUMNS: Final = ("code", "omnidia", "omnidia code", "taxon code", "abbreviation")

_FIELDS: Final = {
    "code": CODE_COLUMNS,
    "colour": ("colour", "color"),
    "key": ("key",),
    "genus": ("genus",),
    "handed": ("handed",),
    "synonym_of": ("synonym of", "synonym_of", "accepted name", "accepted"),
}
"""What a table may give besides names, and the headings of it."""
_YES_OR_NO: Final = dict.fromkeys(("yes", "y", "true", "1", "x"), True) | dict.fromkeys(
    ("no", "n", "false", "0", ""), False
)


@dataclass(frozen=True)
class TaxonList:
    """Classes of a table.

    Attributes
    ----------
    classes : tuple of ProjectClass
        In their order; each name once.
    given : frozenset of str
        Which of ``code``, ``colour``, ``key``, ``genus``, ``handed`` and ``synonym_of`` the table has; the rest was
        made up.
    """

    classes: tuple[ProjectClass, ...]
    given: frozenset[str]


def read_taxa(path: Path) -> tuple[ProjectClass, ...]:
    """Return the classes of a table; see :func:`read_taxon_list`."""
    return read_taxon_list(path).classes


def read_taxon_list(path: Path) -> TaxonList:
    """Read classes from a table with a column ``name`` or ``species``, and others that say more of them if any.

    These are ``code``, ``colour`` and ``key``; ``genus``, where it is not the first word of the name; ``handed``, yes
    or no, whether the mirror image is another taxon; and ``synonym of``, the name that is used instead. The columns may
    have any order and others may stand beside them. Commas, semicolons and tabs part them. A table of one column
    without a heading is a list of names. Rows that repeat a name are one class. Without a column ``key`` the first nine
    get keys.

    Raises
    ------
    InputError
        When the file cannot be read, has no column of names, names nothing, gives two taxa one code or key, or has a
        colour, key or handedness that is none (all are named).
    """
    rows = [cells for _, cells in read_delimited(path, "a list of taxa", LARGEST_BYTES) if any(cells)]
    if not rows:
        raise InputError(f"{path} lists no taxa: it is empty.")
    head = [cell.casefold() for cell in rows[0]]
    name_at = _column(head, NAME_COLUMNS)
    places = {field: at for field, names in _FIELDS.items() if (at := _column(head, names)) is not None}
    if name_at is not None:
        rows = rows[1:]
    elif max(map(len, rows)) == 1 and not places:
        name_at = 0
    else:
        raise InputError(
            f"{path} has no column for names: call one 'name' or 'species'. It has {', '.join(map(repr, rows[0]))}."
        )
    taxa: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    for number, row in enumerate(rows, start=2):
        name = row[name_at] if name_at < len(row) else ""
        values = {field: row[at] if at < len(row) else "" for field, at in places.items()}
        if not name:
            problems.append(f"row {number} has no name")
        problems += [
            f"{name} has the {field}s {taxa[name][field]!r} and {value!r}"
            for field, value in values.items()
            if taxa.get(name, values)[field] != value
        ]
        taxa.setdefault(name, values)
    problems += _shared(taxa, "code") + _shared(taxa, "key")
    if problems:
        raise _unusable(path, problems)
    if not taxa:
        raise InputError(f"{path} lists no taxa below its headings.")
    keys = (*KEYS, *[""] * len(taxa))
    classes: list[ProjectClass] = []
    for i, (name, values) in enumerate(taxa.items()):
        try:
            made = class_of(name, i, values.get("key", keys[i]), values.get("code", ""))
            classes.append(made.replace(**_more(name, values)))
        except InputError as error:
            problems.append(f"{name}: {str(error).partition(': ')[2].rstrip('.') or error}")
    if problems:
        raise _unusable(path, problems)
    return TaxonList(tuple(classes), frozenset(places))


def write_taxon_list(path: Path, classes: Sequence[ProjectClass]) -> None:
    """Write classes as a table that :func:`read_taxon_list` reads.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("name", *(names[0] if field == "synonym_of" else field for field, names in _FIELDS.items())))
    for item in classes:
        cells = (item.name, item.code, item.colour, item.key, item.own_genus)
        writer.writerow((*cells, "yes" if item.handed else "no", item.synonym_of))
    write_atomically(path, stream.getvalue())


def _more(name: str, values: Mapping[str, str]) -> dict[str, str | bool]:
    """Return what a row says of a class besides name, code and key; raises InputError where it says neither yes nor no.

    A genus that is that of the name, and a synonym of itself, say nothing.
    """
    more: dict[str, str | bool] = {}
    if colour := values.get("colour", "").lower():
        more["colour"] = colour
    if (genus := values.get("genus", "")) != genus_of(name):
        more["genus"] = genus
    if (handed := values.get("handed", "").casefold()) not in _YES_OR_NO:
        raise InputError(f"{name}: handed is {quoted(handed)}, which is neither yes nor no.")
    more["handed"] = _YES_OR_NO[handed]
    if (accepted := values.get("synonym_of", "")) != name:
        more["synonym_of"] = accepted
    return more


def _column(head: Sequence[str], names: Sequence[str]) -> int | None:
    """Return where the first of some headings stands."""
    return next((head.index(name) for name in names if name in head), None)


def _shared(taxa: Mapping[str, Mapping[str, str]], field: str) -> list[str]:
    """Return which taxa have one code, or one key, between them."""
    owners: dict[str, str] = {}
    return [
        f"{owners[value]} and {name} share the {field} {value}"
        for name, values in taxa.items()
        if (value := values.get(field, "")) and owners.setdefault(value, name) != name
    ]


def _unusable(path: Path, problems: Sequence[str]) -> InputError:
    more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
    return InputError(f"{path} is not a usable list of taxa: {'; '.join(problems[:5])}{more}.")
