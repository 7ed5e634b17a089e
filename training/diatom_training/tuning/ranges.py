"""Values of a setting that a search chooses from."""

from __future__ import annotations

from typing import Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Value: TypeAlias = bool | int | float | str
"""A value of a setting; of a group of settings, such as ``augment``, the name of one of its presets."""


class Span(BaseModel):
    """Numbers between two bounds, both included.

    Attributes
    ----------
    low, high : float
        The bounds.
    log : bool
        Whether 0.001 is as far from 0.01 as that is from 0.1.
    whole : bool
        Whether only whole numbers are meant.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float
    high: float
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"{self.low:g} is not below {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {self.low:g}")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError(f"{self.low:g} to {self.high:g} is not a range of whole numbers")
        return self

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', logarithmic' if self.log else ''}"

    @property
    def ends(self) -> tuple[Value, Value]:
        """The bounds as values of the setting."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


class Choices(BaseModel):
    """Several values to choose from.

    Attributes
    ----------
    values : tuple of bool, int, float or str
        Two at least.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    values: tuple[bool | int | float | str, ...] = Field(min_length=2)

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(map(str, self.values))) < len(self.values):
            raise ValueError("a value is listed twice")
        return self

    def __str__(self) -> str:
        return ", ".join(map(text_of, self.values))

    @property
    def ends(self) -> tuple[Value, ...]:
        """All values."""
        return self.values


SearchRange: TypeAlias = Span | Choices


def text_of(value: Value) -> str:
    """Return a value as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def range_text(values: SearchRange) -> str:
    """Return a range as a person types it: ``0.0001:0.01``, or ``adamw,sgd``."""
    if isinstance(values, Choices):
        return ",".join(map(text_of, values.values))
    return f"{values.low:.6g}:{values.high:.6g}"


def written(value: Value) -> str:
    """Return a value as text that :func:`read_value` reads back as it is."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_value(text: str) -> Value:
    """Return a value that was written, or that a person types: a truth value, a number, or a text.

    Raises
    ------
    ValueError
        When there is none.
    """
    if not text:
        raise ValueError("a value is empty")
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
