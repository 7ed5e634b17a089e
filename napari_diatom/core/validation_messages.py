"""What is wrong with entries that a person wrote, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Final, get_args

from pydantic import AfterValidator, BaseModel, ValidationError

_WORDS: Final[Mapping[str, str]] = {
    "missing": "this is missing",
    "string_type": "must be text (put a number in quotes, such as '0035')",
    "path_type": "must be the path of a file or folder",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a number with fewer digits",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "dict_type": "must be named entries, such as {{name: value}}",
    "mapping_type": "must be named entries, such as {{name: value}}",
    "model_type": "must be named entries, such as {{name: value}}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "multiple_of": "must be a multiple of {multiple_of:g}",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries, not {actual_length}",
    "string_too_short": "must not be empty",
}
"""Sentences by pydantic's names of faults, with the facts that it gives of them."""
_LISTS: Final = ("tuple_type", "list_type", "set_type", "frozen_set_type")


def spelt(pattern: str, wanted: str) -> AfterValidator:
    """Return what refuses text that does not match a pattern as a whole, and says in words what is wanted."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(wanted)
        return text

    return AfterValidator(check)


Digest = Annotated[str, spelt(r"[0-9a-f]{64}", "must be 64 hexadecimal digits (0 to 9, a to f)")]
"""A SHA-256."""


def faults(error: ValidationError, kind: type[BaseModel]) -> list[str]:
    """Return every problem of entries as ``where.it.is: what``.

    Parameters
    ----------
    error : ValidationError
        What validating them gave.
    kind : type
        What they were to describe; for an unknown name, similar field names are suggested.
    """
    return [f"{'.'.join(map(str, place))}: {what}" if place else what for place, what in placed_faults(error, kind)]


def placed_faults(error: ValidationError, kind: type[BaseModel]) -> list[tuple[tuple[str | int, ...], str]]:
    """Return every problem of entries: the names and numbers that lead to its place, and what is wrong.

    Parameters
    ----------
    error, kind
        As of :func:`faults`.
    """
    return [(fault["loc"], _what(fault, kind)) for fault in error.errors()]


def _what(fault: Mapping[str, Any], kind: type[BaseModel]) -> str:
    name, given = fault["type"], fault["input"]
    if name == "extra_forbidden":
        known = [field for model in _models(kind, fault["loc"][:-1]) for field in model.model_fields]
        close = get_close_matches(str(fault["loc"][-1]), known, n=1)
        return f"unknown entry (do you mean {close[0]}?)" if close else "unknown entry"
    if name in _LISTS:
        return f"must be a list, such as [{given if isinstance(given, str) else 'a, b'}]"
    if name == "model_attributes_type":
        name = "model_type"
    if name in _WORDS:
        return _WORDS[name].format(**fault.get("ctx", {}))
    return str(fault["msg"]).removeprefix("Value error, ").rstrip(".")


def _models(kind: type[BaseModel], path: Sequence[str | int]) -> Iterator[type[BaseModel]]:
    """Yield what may be described at a place within a model."""
    if not path:
        yield kind
        return
    field = kind.model_fields.get(str(path[0]))
    if field is not None:
        for inner in _kinds(field.annotation):
            yield from _models(inner, path[1:])


def _kinds(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type such as ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _kinds(inner)
