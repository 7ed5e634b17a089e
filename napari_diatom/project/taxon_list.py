"""Lists of taxa as classes of a project."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.taxa import genus_of
from napari_diatom.core.text import first_few, quoted
from napari_diatom.core.text_files import read_delimited
from napari_diatom.project.settings import KEYS, ProjectClass, class_of
from napari_diatom.project.taxon_codes import CODE_SCHEMES, SCHEME_NAMES, code_clashes

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
    "synonym_of": ("synonym of", "accepted name", "accepted"),
    "omnidia": CODE_COLUMNS[1:3],
    "diatcode": ("diatcode", "diatcode code", "diatcode id"),
    "nbs": ("nbs", "nbs code", "nbscode"),
    "sandre": ("sandre", "sandre code", "code sandre"),
    "dv": ("dv", "dv code", "dv nr", "dv number"),
    "aphiaid": ("aphiaid", "aphia id"),
    "authors": ("authors", "author", "authority", "scientificnameauthorship"),
    "synonyms": ("synonyms",),
    "growth_form": ("growth form", "life form", "guild"),
    "planktic": ("planktic", "planktonic"),
}
"""What a table may give besides names, and the headings of it, with blanks for underscores and hyphens."""
_FIRST: Final = tuple(_FIELDS)[:6]
"""What every list that is written has; the others only where a class says something."""
_NUMBERS: Final = ("sandre", "dv", "aphiaid")
"""Schemes whose codes are numbers. Spreadsheets write them with a decimal point or comma where a cell is empty."""
_YES_OR_NO: Final = dict.fromkeys(("yes", "y", "true", "1", "x"), True) | dict.fromkeys(
    ("no", "n", "false", "0", ""), False
)
_SHOWN: Final = 20
"""Problems of a list that one message names."""


@dataclass(frozen=True)
class TaxonList:
    """Classes of a table.

    Attributes
    ----------
    classes : tuple of ProjectClass
        In their order; each name once.
    given : frozenset of str
        Which entries of a class the table has besides the name; the rest was made up.
    """

    classes: tuple[ProjectClass, ...]
    given: frozenset[str]


def read_taxa(path: Path) -> tuple[ProjectClass, ...]:
    """Return the classes of a table; see :func:`read_taxon_list`."""
    return read_taxon_list(path).classes


def read_taxon_list(path: Path) -> TaxonList:
    """Read classes from a table with a column ``name`` or ``species``, and others that say more of them if any.

    These are ``code``, ``colour`` and ``key``; ``genus``, where it is not the first word of the name; ``handed``, yes
    or no, whether the mirror image is another taxon; ``synonym of``, the name that is used instead, and ``synonyms``,
    names that are used for this one, with ``|`` between them; codes in the schemes of
    :data:`~napari_diatom.project.taxon_codes.CODE_SCHEMES`; ``authors``; ``growth form``; and ``planktic``, yes or no.
    The columns may have any order and others may stand beside them. Commas, semicolons and tabs part them. A table of
    one column without a heading is a list of names. Rows that repeat a name are one class. Without a column ``key`` the
    first nine get keys.

    Raises
    ------
    InputError
        When the file cannot be read, has no column of names, names nothing, gives two taxa one code, key or synonym, or
        has a colour, key, handedness or number that is none (all are named).
    """
    rows = [cells for _, cells in read_delimited(path, "a list of taxa", LARGEST_BYTES) if any(cells)]
    if not rows:
        raise InputError(f"{path} lists no taxa: it is empty.")
    head = [" ".join(re.split(r"[\s_-]+", cell.casefold())) for cell in rows[0]]
    name_at = _column(head, NAME_COLUMNS)
    places = {field: at for field, names in _FIELDS.items() if (at := _column(head, names)) is not None}
    if places.get("omnidia") == places.get("code"):
        # The only short code there is.
        places.pop("omnidia", None)
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
            f"{name} has the {_label(field)}s {taxa[name][field]!r} and {value!r}"
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
    if problems := problems + code_clashes(classes) + _synonym_clashes(classes):
        raise _unusable(path, problems)
    return TaxonList(tuple(classes), frozenset(places))


def write_taxon_list(path: Path, classes: Sequence[ProjectClass]) -> None:
    """Write classes as a table that :func:`read_taxon_list` reads.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    fields = [name for name in _FIELDS if name in _FIRST or any(getattr(item, name) for item in classes)]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("name", *(_FIELDS[name][0] if name in ("synonym_of", "growth_form") else name for name in fields)))
    for item in classes:
        values = {name: getattr(item, name) for name in fields} | {"genus": item.own_genus}
        values |= {"handed": "yes" if item.handed else "no", "synonyms": " | ".join(item.synonyms)}
        writer.writerow((item.name, *(values[name] for name in fields)))
    write_atomically(path, stream.getvalue())


def _more(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return what a row says of a class besides name, code and key; raises InputError where a cell is not possible.

    A genus that is that of the name, and a synonym of itself, say nothing.
    """
    more: dict[str, Any] = {}
    if colour := values.get("colour", "").lower():
        more["colour"] = colour
    if (genus := values.get("genus", "")) != genus_of(name):
        more["genus"] = genus
    more["handed"] = _YES_OR_NO[_yes_or_no(name, "handed", values)]
    if (accepted := values.get("synonym_of", "")) != name:
        more["synonym_of"] = accepted
    if _yes_or_no(name, "planktic", values):
        more["planktic"] = "yes" if _YES_OR_NO[values["planktic"].casefold()] else "no"
    for scheme in CODE_SCHEMES:
        code = values.get(scheme, "")
        if code and scheme in _NUMBERS:
            number = re.fullmatch(r"(\d+)(?:[.,]0*)?", code)
            if number is None:
                raise InputError(f"{name}: the {SCHEME_NAMES[scheme]} code is {quoted(code)}, which is not a number.")
            code = number[1]
        more[scheme] = code
    synonyms = (" ".join(part.split()) for part in re.split(r"[|;]", values.get("synonyms", "")))
    more["synonyms"] = tuple(dict.fromkeys(part for part in synonyms if part and part != name))
    return more | {field: values.get(field, "") for field in ("authors", "growth_form")}


def _yes_or_no(name: str, field: str, values: Mapping[str, str]) -> str:
    """Return a cell of yes or no in small letters; raises InputError where it says neither."""
    said = values.get(field, "").casefold()
    if said not in _YES_OR_NO:
        raise InputError(f"{name}: {field} is {quoted(said)}, which is neither yes nor no.")
    return said


def _label(field: str) -> str:
    """Return what a field is called in messages."""
    return f"{SCHEME_NAMES[field]} code" if field in SCHEME_NAMES else field.replace("_", " ")


def _synonym_clashes(classes: Sequence[ProjectClass]) -> list[str]:
    """Return which synonyms are those of two taxa, or taxa of their own."""
    listed = {item.name: item for item in classes}
    owners: dict[str, str] = {}
    found: list[str] = []
    for item in classes:
        for name in item.synonyms:
            owner = owners.setdefault(name, item.name)
            if owner != item.name:
                found.append(f"{name} is a synonym of {owner} and of {item.name}")
            elif name in listed and listed[name].synonym_of not in (item.name, item.synonym_of or item.name):
                found.append(f"{name} is a synonym of {item.name} and a taxon of its own")
    return found


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
    return InputError(f"{path} is not a usable list of taxa: {first_few(problems, _SHOWN, '; ')}.")
