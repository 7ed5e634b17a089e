"""Text, JSON, YAML, XML and CSV from files that anybody may have written.

Whatever is wrong with a file (not text, damaged, nested without end, far larger than what it describes) is an
:class:`~napari_diatom.core.errors.InputError` that names the file. All readers of the project come through here, so
that none needs its own list of what a parser may raise.
"""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree
from xml.parsers import expat

import yaml

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError

LARGEST_BYTES: Final = 2**30
"""Of a text file: a gigabyte is a million outlined specimens."""
LARGEST_YAML_BYTES: Final = 2**26
"""Of a YAML file, which takes a hundred times its size in memory."""
LARGEST_YAML_NODES: Final = 500_000
"""Entries of a YAML file, each counted as often as aliases repeat it."""
LONGEST_CELL: Final = 2**17
"""Characters in a cell of a table."""
DEEPEST: Final = 100
"""Entries within entries; no format that is read nests deeper than ten."""

_LONGEST_FAULT: Final = 200
_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""How a character beyond the first 65,536, or half of one, is written in JSON."""


def read_bytes(path: Path, largest: int = LARGEST_BYTES) -> bytes:
    """Return what is in a file.

    Parameters
    ----------
    path : Path
        A regular file; a pipe or a device would be waited for without end.
    largest : int
        Bytes beyond which a file is refused unread.

    Raises
    ------
    InputError
        When it cannot be read, is no regular file, or is larger.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{path} is a folder; a file is needed.")
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{path} is not a regular file (it is a pipe, a socket or a device).")
        if found.st_size > largest:
            raise InputError(
                f"{path} has {found.st_size / 2**20:,.0f} MB; files of this kind are read up to "
                f"{largest / 2**20:,.0f} MB."
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from error
    except ValueError:
        raise InputError(f"{str(path)!r} is not the name of a file.") from None


def read_text(path: Path, kind: str, largest: int = LARGEST_BYTES) -> str:
    """Return the text of a file in UTF-8, with or without a byte-order mark; ``kind`` is what it should be.

    Raises
    ------
    InputError
        When it cannot be read or is no such text.
    """
    return _decoded(read_bytes(path, largest), path, kind)


def read_json(path: Path, kind: str) -> Any:
    """Return what a JSON file says; ``kind`` is what it should be, such as ``"a COCO file"``.

    Raises
    ------
    InputError
        When it cannot be read, is not JSON, or names one entry twice.
    """
    return parse_json(read_bytes(path), path, kind)


def parse_json(text: str | bytes, source: Path | str, kind: str) -> Any:
    """Return what JSON says; messages name ``source`` and ``kind``.

    Raises
    ------
    InputError
        When it is not JSON, or names one entry twice.
    """
    if isinstance(text, bytes):
        text = _decoded(text, source, kind)
    try:
        found = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_distinct)
        if _HALF.search(text):
            # Half of a surrogate pair is not a character and cannot be written to any file.
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except UnicodeEncodeError:
        raise InputError(f"{source} is not {kind}: it has half of a character (a lone surrogate).") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{source} is not {kind}: {_short(error)}") from None


def read_yaml(path: Path, kind: str) -> Any:
    """Return what a YAML file says; ``kind`` is what it should be, such as ``"a project"``.

    Raises
    ------
    InputError
        When it cannot be read, is not YAML, names one entry twice, is nested deeper than :data:`DEEPEST`, or grows
        beyond :data:`LARGEST_YAML_NODES` entries by its aliases.
    """
    return parse_yaml(read_bytes(path, LARGEST_YAML_BYTES), path, kind)


def parse_yaml(text: str | bytes, source: Path | str, kind: str) -> Any:
    """Return what YAML says; messages name ``source`` and ``kind``. Raises like :func:`read_yaml`."""
    if isinstance(text, bytes):
        text = _decoded(text, source, kind)
    try:
        _check_yaml(text)
        return yaml.load(text, Loader=_Loader)
    except Exception as error:  # PyYAML's constructors of dates and numbers raise errors of many kinds
        raise InputError(f"{source} is not {kind}: {_short(error)}") from None


def read_xml(path: Path, kind: str) -> ElementTree.Element:
    """Return the root of an XML file; ``kind`` is what it should be.

    Raises
    ------
    InputError
        When it cannot be read, is not XML, is nested deeper than :data:`DEEPEST`, or has a document type.
    """
    return parse_xml(read_bytes(path), path, kind)


def parse_xml(text: str | bytes, source: Path | str, kind: str) -> ElementTree.Element:
    """Return the root of an XML document; messages name ``source`` and ``kind``.

    A document type is refused: with it a short file could name other files or grow without end.

    Raises
    ------
    InputError
        When it is not XML, is nested deeper than :data:`DEEPEST`, or has a document type.
    """
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise InputError(f"{source} has a document type (DTD), which is not read for safety: remove it.")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
        root: ElementTree.Element = builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"{source} is not {kind}: {_short(error)}") from None
    return root


def parse_table(text: str, source: Path | str, kind: str, delimiter: str = ",") -> list[list[str]]:
    """Return the rows of CSV text, without blank ones; messages name ``source`` and ``kind``.

    Raises
    ------
    InputError
        When it is not CSV.
    """
    return [row for _, row in parse_lines(text, source, kind, delimiter)]


def parse_lines(
    text: str, source: Path | str, kind: str, delimiter: str = ",", longest: int = LONGEST_CELL
) -> list[tuple[int, list[str]]]:
    """Return the rows of CSV text as :func:`parse_table`, each with the number of its last line, counted from 1.

    ``longest`` is how many characters a cell may have.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True)
    before = csv.field_size_limit(longest)
    try:
        return [(rows.line_num, row) for row in rows if row]
    except (csv.Error, ValueError) as error:
        raise InputError(f"{source} is not {kind}: line {rows.line_num}: {_short(error)}") from None
    finally:
        csv.field_size_limit(before)


def read_delimited(path: Path, kind: str, largest: int = LARGEST_BYTES) -> list[tuple[int, list[str]]]:
    """Return the rows of a table that a person wrote, as :func:`parse_lines`, its cells without the blanks around them.

    The text is UTF-8, or what spreadsheets on Windows write; tabs, semicolons or commas stand between the cells.

    Raises
    ------
    InputError
        When the file cannot be read, is larger than ``largest`` bytes, or is no such table; ``kind`` is what it should
        be.
    """
    data = read_bytes(path, largest)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" in text:
        raise InputError(f"{path} is not {kind}: it is not text.")
    first = next((line for line in text.splitlines() if line.strip()), "")
    # The sniffer of the standard library takes letters for delimiters, and numbers may have commas of their own: the
    # heading's commonest separator is that of the file.
    delimiter = max("\t;,", key=first.count)
    return [(number, [cell.strip() for cell in row]) for number, row in parse_lines(text, path, kind, delimiter)]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader; one entry named twice is an error and not a silent loss of the first."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[tuple[str, str]] = set()
        for key, _ in getattr(node, "value", ()):
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                name = (key.tag, key.value)
                if name in seen:
                    raise ValueError(f"line {key.start_mark.line + 1} has the entry {key.value!r} a second time")
                seen.add(name)
        return super().construct_mapping(node, deep)


def _check_yaml(text: str) -> None:
    """Raise ValueError when YAML is nested or repeated beyond what anybody writes.

    The events are counted one by one, so that neither depth nor aliases cost anything before they are refused.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise ValueError(f"the entry {event.anchor!r} contains itself")
            total += sizes.get(str(event.anchor), 1)
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            total += 1
            open_nodes.append((event.anchor, total))
            if len(open_nodes) > DEEPEST:
                raise ValueError(f"it is nested deeper than {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor:
                sizes[anchor] = total - before + 1
        if total > LARGEST_YAML_NODES:
            raise ValueError(f"it has more than {LARGEST_YAML_NODES:,} entries, those that aliases repeat included")


def _distinct(pairs: Sequence[tuple[str, Any]]) -> Mapping[str, Any]:
    """Return an object of JSON; one entry named twice is an error and not a silent loss of the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"an object has the entry {twice!r} twice")
    return found


def _decoded(data: bytes, source: Path | str, kind: str) -> str:
    """Return bytes as text in UTF-8, with or without a byte-order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{source} is not {kind}: it is not text in UTF-8.") from None


def _short(error: Exception) -> str:
    """Return what a parser says as one sentence of bounded length."""
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {DEEPEST} levels."
    if isinstance(error, MemoryError):
        return "it needs more memory than there is."
    text = " ".join(str(error).split()) or type(error).__name__
    return (text if len(text) <= _LONGEST_FAULT else text[: _LONGEST_FAULT - 3] + "...").rstrip(".") + "."
