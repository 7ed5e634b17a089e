"""In which settings a training differs from another one, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from diatom_training.finetune.config import TrainConfig
from diatom_training.learning.options import AUTO
from napari_diatom.core.text import many

_MACHINE: Final[Mapping[str, Any]] = {"device": "auto", "devices": 1}
"""Entries in which a training may change while it is the same training."""
_UNSET: Final[tuple[object, ...]] = (None, "", [], {})
_NAMED: Final = 8
"""Changes that are told one by one."""


def changed_settings(run: TrainConfig, now: TrainConfig) -> tuple[str, ...]:
    """Return what has changed since a run began, but for its devices.

    Parameters
    ----------
    run : TrainConfig
        The settings of the run.
    now : TrainConfig
        The settings of today.

    Returns
    -------
    tuple of str
        One for each setting, by its dotted name, such as ``learning.rate was 0.001, is 0.0003``.
    """
    if now.learning.batch == AUTO:
        # The run keeps the number that memory has chosen for it.
        now = now.with_batch(run.learning.batch)
    before, after = (config.absolute().replace(**_MACHINE).to_plain() for config in (run, now))
    if (before["composed"] is None) != (after["composed"] is None):
        for plain in (before, after):
            plain["composed"] = plain["composed"] and many(plain["composed"]["count"], "slide")
    before, after = dict(_entries(before)), dict(_entries(after))
    # A setting that only one of two tasks has follows from the task.
    return tuple(
        f"{name} was {_told(before.get(name))}, is {_told(after.get(name))}"
        for name in {**before, **after}
        if before.get(name) != after.get(name) and (run.task == now.task or not name.startswith("learning."))
    )


def told_changes(changes: Sequence[str]) -> list[str]:
    """Return the first of many changes, and how many more there are."""
    more = len(changes) - _NAMED
    return [*changes[:_NAMED], *([f"and {more} more"] if more > 0 else [])]


def _entries(plain: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """Yield entries by their dotted names."""
    for name, value in plain.items():
        if isinstance(value, Mapping) and value:
            yield from _entries(value, f"{group}{name}.")
        else:
            yield f"{group}{name}", value


def _told(value: Any) -> str:
    """Return a setting in a few words."""
    if value in _UNSET:
        return "not set"
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
