"""From values of single fields to an options object, and to entries as YAML has them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from napari_diatom.core.errors import InputError
from napari_diatom.widgets.forms.option_fields import REQUIRED, fields_of

Options = TypeVar("Options")


def built(kind: type[Options], values: Mapping[str, Any], base: Any) -> Options:
    """Return options with these values, and those of ``base`` in all other fields.

    Parameters
    ----------
    kind : type
        The options class.
    values : mapping of str to object
        Values of fields by their names; of a group, such a mapping again.
    base : object or None
        Options of this class, or None for the defaults.

    Raises
    ------
    ValidationError
        When a value is wrong, for pydantic models.
    InputError
        The same for dataclasses.
    """
    if issubclass(kind, BaseModel):
        return kind.model_validate(_joined(kind, values, base))
    given: dict[str, Any] = {}
    for field in fields_of(cast("type", kind)):
        old = REQUIRED if base is None else getattr(base, field.name)
        if field.name not in values:
            if old is not REQUIRED:
                given[field.name] = old
            elif field.default is REQUIRED:
                raise InputError(f"{field.label}: this is empty. Fill it in first.")
        elif field.kind == "group" and values[field.name] is not None:
            given[field.name] = built(field.type, values[field.name], None if old is REQUIRED else old)
        else:
            given[field.name] = values[field.name]
            if given[field.name] is None and not field.optional:
                raise InputError(f"{field.label}: this is empty. Fill it in first.")
    return kind(**given)


def _joined(kind: type[BaseModel], values: Mapping[str, Any], base: Any) -> dict[str, Any]:
    """Return entries for a model: these values, and of ``base`` what was set in all other fields."""
    found: dict[str, Any] = {}
    for field in fields_of(kind):
        old = getattr(base, field.name, None)
        if field.name not in values:
            if base is not None and field.name in base.model_fields_set:
                found[field.name] = old
        elif field.kind == "group" and values[field.name] is not None and issubclass(field.type, BaseModel):
            found[field.name] = _joined(field.type, values[field.name], old)
        else:
            found[field.name] = values[field.name]
    return found


def plain_entry(value: Any) -> Any:
    """Return a value as YAML has it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {name: plain_entry(item) for name, item in value.items()}
    return [plain_entry(item) for item in value] if isinstance(value, tuple | list) else value
