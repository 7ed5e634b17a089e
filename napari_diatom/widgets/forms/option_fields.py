"""What the fields of an options class say about themselves: type, bounds, unit, choices and description.

An options class is a frozen pydantic model or a frozen dataclass. A field describes itself with its annotation, with
the sentence on it in the class's docstring, and, where the name alone does not say it, with ``Field(title=...,
json_schema_extra={...})``. The extra entries are ``unit``, ``none`` (the text for None), ``titles`` (the texts of the
choices, by value) and ``path`` (``"file"``, ``"folder"`` or ``"new"``).
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from docstring_parser import numpydoc
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Kind = Literal["flag", "whole", "decimal", "text", "path", "choice", "choices", "numbers", "list", "entries", "group"]

REQUIRED: Final = object()
"""The default of a field that has none."""
_UNITS: Final[Mapping[str, str]] = {
    "pixel_size_um": "µm/px",
    "area_px": "px²",
    "_um": "µm",
    "_px": "px",
    "_deg": "°",
    "_mb": "MB",
}
"""Units by the end of a field's name; the first that fits holds."""
_SUFFIX: Final = re.compile(r"_(um|px|deg|mb)$")
_ROLE: Final = re.compile(r":\w+:`~?(?:[^`]*\.)?([^`]*)`")


@dataclass(frozen=True)
class OptionField:
    """A field of an options class.

    Attributes
    ----------
    name : str
        Name of the field, as in YAML.
    kind : str
        What a person enters: a flag, a whole or decimal number, text, a path, one choice or several, a fixed number of
        numbers, a list, named entries, or the fields of another options class.
    type : type
        The type of the value, of an item where there are several, or the options class of a group.
    label : str
        The name in plain words.
    sentence : str
        What the field means; empty where the class does not say it.
    optional : bool
        Whether None is a value.
    default : object
        The value where nobody gives one; :data:`REQUIRED` without one.
    least, most : float or None
        Bounds of numbers, None without one.
    step : float or None
        Numbers are multiples of it.
    unit : str
        Unit of numbers.
    none : str
        The text for None.
    words : tuple of str
        What may stand in place of a number.
    choices : tuple of (str, object)
        Texts and values to choose from.
    count : int
        How many numbers there are.
    path : str
        ``"file"``, ``"folder"``, ``"new"``, or ``"any"``: what a path is chosen as.
    """

    name: str
    kind: Kind
    type: Any
    label: str
    sentence: str
    optional: bool = False
    default: Any = REQUIRED
    least: float | None = None
    most: float | None = None
    step: float | None = None
    unit: str = ""
    none: str = "none"
    words: tuple[str, ...] = ()
    choices: tuple[tuple[str, Any], ...] = ()
    count: int = 0
    path: str = "any"


@cache
def fields_of(kind: type) -> tuple[OptionField, ...]:
    """Return the fields of an options class: its own in their order, and then those that it inherits.

    Raises
    ------
    TypeError
        When it is no options class, or a field has a type that no form knows.
    """
    sentences = _sentences(kind)
    own = inspect.get_annotations(kind)
    declared = sorted(_declared(kind), key=lambda item: item[0] not in own)
    return tuple(_field(name, *facts, sentences.get(name, "")) for name, facts in declared)


def words(name: str) -> str:
    """Return a name of an option in plain words, such as ``Learning rate``."""
    plain = _SUFFIX.sub("", name).replace("_", " ").strip()
    return plain[:1].upper() + plain[1:]


def _declared(kind: type) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """Yield the fields of a class: names, annotations with all that they hold, and defaults."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            default = REQUIRED if field.is_required() else field.get_default(call_default_factory=True)
            yield name, (Annotated[field.annotation, field], default)
        return
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind!r} is not an options class.")
    hints = get_type_hints(kind, include_extras=True)
    for item in dataclasses.fields(kind):
        default = REQUIRED if item.default is dataclasses.MISSING else item.default
        if item.default_factory is not dataclasses.MISSING:
            default = item.default_factory()
        yield item.name, (hints[item.name], default)


def _field(name: str, annotation: Any, default: Any, sentence: str) -> OptionField:
    """Return a field by what is declared of it."""
    bare, facts, optional = _stripped(annotation)
    extra = facts.extra
    kind, item, count, inner = _kind_of(bare)
    bounds = facts.bounds | inner.bounds
    least, most = bounds.get("ge"), bounds.get("le")
    if least is None and "gt" in bounds:
        least = bounds["gt"] + (1 if item is int else 0)
    if most is None and "lt" in bounds:
        most = bounds["lt"] - (1 if item is int else 0)
    titles = extra.get("titles", {})
    return OptionField(
        name=name,
        kind=kind,
        type=item,
        label=facts.title or words(name),
        sentence=facts.description or sentence,
        optional=optional,
        default=default,
        least=least,
        most=most,
        step=bounds.get("multiple_of"),
        unit=extra.get("unit", "" if kind == "group" else _unit(name)),
        none=extra.get("none", "none"),
        words=facts.words,
        choices=tuple((str(titles.get(value, _title(value))), value) for value in _values(item)),
        count=count,
        path=extra.get("path", "any"),
    )


@dataclass
class _Facts:
    """What the metadata of an annotation say."""

    title: str = ""
    description: str = ""
    bounds: dict[str, float] = dataclasses.field(default_factory=dict)
    extra: dict[str, Any] = dataclasses.field(default_factory=dict)
    words: tuple[str, ...] = ()

    def take(self, metadata: Iterable[Any]) -> None:
        """Read metadata; what was read first holds."""
        for item in metadata:
            if isinstance(item, FieldInfo):
                self.title = self.title or item.title or ""
                self.description = self.description or item.description or ""
                if isinstance(item.json_schema_extra, Mapping):
                    self.extra = dict(item.json_schema_extra) | self.extra
                self.take(item.metadata)
                continue
            for name in ("ge", "gt", "le", "lt", "multiple_of"):
                value = getattr(item, name, None)
                if value is not None:
                    self.bounds.setdefault(name, value)


def _stripped(annotation: Any) -> tuple[Any, _Facts, bool]:
    """Return a type without metadata and None, what the metadata say, and whether None is a value."""
    facts, optional = _Facts(), False
    while True:
        if get_origin(annotation) is Annotated:
            facts.take(annotation.__metadata__)
            annotation = annotation.__origin__
        elif get_origin(annotation) in (Union, UnionType):
            others = [part for part in get_args(annotation) if part is not type(None)]
            words = [part for part in others if get_origin(_bare(part)) is Literal]
            if words and len(others) == 1 + len(words):
                facts.words = tuple(str(word) for part in words for word in get_args(_bare(part)))
                others = [part for part in others if part not in words]
            if len(others) != 1:
                raise TypeError(f"No form knows the type {annotation!r}.")
            optional, annotation = optional or type(None) in get_args(annotation), others[0]
        else:
            return annotation, facts, optional


def _bare(annotation: Any) -> Any:
    """Return a type without metadata."""
    return annotation.__origin__ if get_origin(annotation) is Annotated else annotation


def _kind_of(bare: Any) -> tuple[Kind, Any, int, _Facts]:
    """Return how a type is entered, the type of one item, how many there are, and what their metadata say."""
    simple: dict[Any, Kind] = {bool: "flag", int: "whole", float: "decimal", str: "text", Path: "path"}
    if bare in simple:
        return simple[bare], bare, 0, _Facts()
    if _values(bare):
        return "choice", bare, 0, _Facts()
    if get_origin(bare) is dict:
        value, facts, _ = _stripped(get_args(bare)[1])
        return "entries", value, 0, facts
    if get_origin(bare) is tuple:
        item, facts, _ = _stripped(get_args(bare)[0])
        if Ellipsis not in get_args(bare):
            if item in (int, float):
                return "numbers", item, len(get_args(bare)), facts
        elif _values(item):
            return "choices", item, 0, facts
        elif item in (int, float, str):
            return "list", item, 0, facts
    if isinstance(bare, type) and (issubclass(bare, BaseModel) or dataclasses.is_dataclass(bare)):
        return "group", bare, 0, _Facts()
    raise TypeError(f"No form knows the type {bare!r}.")


def _values(bare: Any) -> Sequence[Any]:
    """Return the values of a type that has a few."""
    if get_origin(bare) is Literal:
        return get_args(bare)
    return tuple(bare) if isinstance(bare, type) and issubclass(bare, Enum) else ()


def _title(value: Any) -> str:
    return str(value.value if isinstance(value, Enum) else value)


def _unit(name: str) -> str:
    return next((unit for end, unit in _UNITS.items() if name.endswith(end)), "")


def _sentences(kind: type) -> dict[str, str]:
    """Return what the docstrings of a class and of those that it inherits from say about each field."""
    found: dict[str, str] = {}
    for part in reversed(kind.__mro__):
        text = part.__dict__.get("__doc__")
        for item in numpydoc.parse(text).params if text else ():
            for name in item.arg_name.split(","):
                found[name.strip()] = _plain(item.description or "")
    return found


def _plain(text: str) -> str:
    """Return the text of a docstring without markup, in one line."""
    return " ".join(_ROLE.sub(r"\1", text).replace("``", "").split())
