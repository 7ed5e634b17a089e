"""Which settings of a training can be searched, and between which values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.presets import SCRATCH, augmentations_of, known_network, named_losses, usual_learning
from diatom_training.learning.option_check import acting_entries, acts, idle_options, idle_reason, option_names
from diatom_training.learning.option_effects import OPTION_EFFECTS
from diatom_training.learning.options import LearningOptions
from diatom_training.tuning.ranges import Choices, SearchRange, Span, Value, read_value, text_of
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted

NETWORK: Final = "architecture"
"""The setting that is no learning option: the network itself. It has no usual range."""
_GROUPS: Final = ("augment", "loss")
"""Groups of settings that are searched by the names of their presets."""
_MEASURING: Final = ("size", "validation_crops")
"""Settings that change what the validation looks at: figures of two trials could not be compared."""
_LOGARITHMIC: Final[Mapping[str, tuple[float, float]]] = {
    "final_rate": (0.001, 0.3),
    "weight_decay": (1e-5, 0.3),
    "l1": (1e-8, 1e-4),
    "backbone_rate": (0.01, 1.0),
    "clip": (0.5, 20.0),
    "loss_gains.box": (1.0, 30.0),
    "loss_gains.cls": (0.1, 4.0),
    "loss_gains.dfl": (0.2, 6.0),
    "loss_gains.angle": (0.1, 5.0),
}
"""Usual ranges of settings whose size counts, not their distance."""
_LINEAR: Final[Mapping[str, tuple[float, float]]] = {
    "momentum": (0.5, 0.98),
    "dropout": (0.0, 0.6),
    "average_decay": (0.9, 0.999),
    "loss.label_smoothing": (0.0, 0.3),
    "loss.weighting_beta": (0.9, 0.9999),
}
"""The same of those whose bounds alone would be too far apart."""
_FACTOR: Final = 10.0
"""How far the usual range of the learning rate reaches from that of the settings, both ways."""
_LESS: Final = 2.0
"""The same of whole numbers and other open ones."""
_INSIDE: Final = 0.01
"""Share of a range that it stays away from a bound that is no value itself."""


def searchable(config: TrainConfig) -> dict[str, SearchRange | None]:
    """Return the settings that can be searched for a training, with their usual ranges; None where one must be given.

    Left out are settings that have no effect on the task or its network, settings such as the number of workers that do
    not change the model, and those that change what the validation looks at.
    """
    found: dict[str, SearchRange | None] = {}
    network = known_network(config.task, config.architecture, config.start)
    for name in option_names():
        group = name.partition(".")[0]
        if group in _GROUPS and group not in found and _group_names(group, config):
            found[group] = Choices(values=_group_names(group, config))
        if name in _MEASURING or name == "seed" or not acts(name, config.task, network):
            continue
        if OPTION_EFFECTS[name].acts_on == "nothing" or name == "precision":
            continue
        if name == "initialization" and config.start != SCRATCH:
            continue
        if name.startswith("loss_gains.") or _kind(name) is not None:
            found[name] = _usual_range(name, config)
    return found | {NETWORK: None}


def checked_ranges(config: TrainConfig, ranges: Mapping[str, SearchRange]) -> None:
    """Refuse settings that cannot be searched, and ranges that hold values that a training would refuse.

    Raises
    ------
    InputError
        With every problem found.
    """
    known, problems = searchable(config), []
    for name, values in ranges.items():
        if name not in known:
            problems.append(f"{name} is not a setting that can be searched for {config.task}; see --list")
            continue
        if isinstance(values, Span) and name != NETWORK and _kind(name) is int and not values.whole:
            problems.append(f"{name}: it takes whole numbers")
            continue
        problems += [
            f"{name}: {text_of(value)}: {why}"
            for value in values.ends
            if (why := _refusal(config, ranges, name, value))
        ]
    if not ranges:
        problems.append("name at least one setting to search, such as rate; --list shows them")
    if problems:
        raise InputError(f"This cannot be searched: {'; '.join(problem.rstrip('.') for problem in problems)}.")


def with_values(config: TrainConfig, values: Mapping[str, Value]) -> TrainConfig:
    """Return a training with other values of some settings; what has no effect beside them is as usual.

    Raises
    ------
    InputError
        When a value cannot be used.
    """
    plain = config.to_plain()
    if NETWORK in values:
        plain[NETWORK] = values[NETWORK]
    network = plain[NETWORK] or ""
    learning: dict[str, Any] = acting_entries(plain["learning"], config.task, network=network)
    plain["learning"] = learning
    for name, value in sorted(values.items(), key=lambda item: "." in item[0]):
        if name == NETWORK:
            continue
        if name == "loss":
            losses = named_losses(config.task)
            if value not in losses:
                raise InputError(f"{text_of(value)} is not a loss; these are {', '.join(losses)}.")
            learning["loss"] = learning["loss"] | losses[str(value)]
        else:
            _put(learning, name, value)
    try:
        options = LearningOptions.model_validate(learning)
    except ValueError:
        # What is wrong is told with the names that a training file has.
        return TrainConfig.of(**plain)
    for name in idle_options(options, config.task, usual_learning(config.task, config.preset), network):
        if name not in values:
            _drop(learning, name)
    return TrainConfig.of(**plain)


def acting_names(config: TrainConfig, ranges: Mapping[str, SearchRange], chosen: Mapping[str, Value]) -> Iterator[str]:
    """Yield the settings to choose a value for, one by one: names first, then numbers; none that would have no effect.

    Parameters
    ----------
    config : TrainConfig
        The training.
    ranges : mapping of str to Span or Choices
        What is searched.
    chosen : mapping of str to value
        What is chosen so far; looked at again for each setting.
    """
    for name in sorted(ranges, key=lambda name: (isinstance(ranges[name], Span), name not in _GROUPS)):
        if name in OPTION_EFFECTS:
            made = with_values(config, chosen)
            if idle_reason(name, config.task, made.learning, made.architecture or "") is not None:
                continue
        yield name


def parsed_range(text: str, config: TrainConfig) -> tuple[str, SearchRange]:
    """Return the name and the range in a text such as ``rate``, ``rate=0.0001:0.01`` or ``optimizer=adamw,sgd``.

    Raises
    ------
    InputError
        When it cannot be read, or has no range and the setting has no usual one.
    """
    name, given, values = (part.strip() for part in text.partition("="))
    known = searchable(config)
    if name not in known:
        close = [other for other in known if name and name in other]
        hint = f"did you mean {', '.join(close)}?" if close else "--list shows those that can be"
        raise InputError(f"{name} is not a setting that can be searched for {config.task}; {hint}")
    usual = known[name]
    if not given:
        if usual is None:
            raise InputError(f"{name} has no usual range: give one, such as {name}=A,B or {name}=1:10.")
        return name, usual
    try:
        if ":" in values and name != NETWORK:
            low, high = (float(part) for part in values.split(":"))
            log = usual.log if isinstance(usual, Span) else False
            return name, Span(low=low, high=high, log=log and low > 0, whole=_kind(name) is int)
        return name, Choices(values=tuple(read_value(part.strip()) for part in values.split(",")))
    except ValueError as error:
        raise InputError(
            f"{quoted(text)} cannot be read: give {name}=LOW:HIGH or {name}=A,B,C ({_first(error)})."
        ) from None


def _usual_range(name: str, config: TrainConfig) -> SearchRange | None:
    """Return the range of a setting where nobody gives one."""
    for ranges, log in ((_LOGARITHMIC, True), (_LINEAR, False)):
        if name in ranges:
            return Span(low=ranges[name][0], high=ranges[name][1], log=log)
    kind = _kind(name)
    if kind is bool:
        return Choices(values=(False, True))
    if kind not in (int, float):
        taken = tuple(value for value in get_args(kind) if _is_taken(config, name, value))
        # Where only one is, the others may be with other values of other settings.
        return Choices(values=taken if len(taken) > 1 else get_args(kind))
    value = _value(config.learning, name)
    if value is None or isinstance(value, str):
        return None
    low, high = _bounds(name)
    if name == "frozen_epochs":
        return Span(low=0, high=max(config.learning.epochs // 2, 1), whole=True)
    if kind is int:
        least, most = max(low, value // _LESS), value * _LESS if value else low + 1
        return Span(low=least, high=min(max(most, least + 1), high), whole=True)
    if name == "rate":
        return Span(low=value / _FACTOR, high=value * _FACTOR, log=True)
    if math.isfinite(low) and math.isfinite(high):
        return Span(low=low, high=high)
    return Span(low=max(low, value / _LESS), high=min(value * _LESS, high)) if value else Span(low=low, high=low + 1)


def _refusal(config: TrainConfig, ranges: Mapping[str, SearchRange], name: str, value: Value) -> str:
    """Return why a training refuses a value beside any choice of the other settings; empty where it takes it."""
    beside = [(other, choice) for other, each in ranges.items() if other != name for choice in each.ends]
    why = ""
    for others in ({}, *({other: choice} for other, choice in beside)):
        try:
            with_values(config, {**others, name: value})
        except InputError as error:
            why = why or str(error)
        else:
            return ""
    return why


def _is_taken(config: TrainConfig, name: str, value: Value) -> bool:
    """Return whether a training takes a value."""
    try:
        with_values(config, {name: value})
    except InputError:
        return False
    return True


def _bounds(name: str) -> tuple[float, float]:
    """Return the least and the largest value of a number; a bound that is no value is kept a little away from."""
    low, high, open_low, open_high = -math.inf, math.inf, False, False
    for item in _declared(name)[1]:
        if isinstance(item, Ge | Gt):
            low, open_low = float(getattr(item, "ge", getattr(item, "gt", 0))), isinstance(item, Gt)
        elif isinstance(item, Le | Lt):
            high, open_high = float(getattr(item, "le", getattr(item, "lt", 0))), isinstance(item, Lt)
    room = _INSIDE * (high - low) if math.isfinite(high - low) else 0.0
    return low + room * open_low, high - room * open_high


def _kind(name: str) -> Any:
    """Return the type of a setting: bool, int, float or a Literal; None of one that has several values at once."""
    if name in _GROUPS or name == NETWORK or name.startswith("loss_gains."):
        return None
    bare, _ = _declared(name)
    return bare if bare in (bool, int, float) or get_origin(bare) is Literal else None


def _declared(name: str) -> tuple[Any, list[Any]]:
    """Return the type of a setting, without None and without a word in place of a number, and what bounds it."""
    field = _field(name)
    bare: Any = field.annotation
    metadata = list(field.metadata)
    while get_origin(bare) in (Annotated, Union, UnionType):
        if get_origin(bare) is Annotated:
            for fact in bare.__metadata__:
                metadata += fact.metadata if isinstance(fact, FieldInfo) else [fact]
            bare = bare.__origin__
            continue
        parts = [part for part in get_args(bare) if part is not NoneType]
        (bare,) = parts if len(parts) == 1 else [part for part in parts if get_origin(part) is not Literal]
    return bare, metadata


def _field(name: str) -> FieldInfo:
    """Return the field of a learning option by its dotted name."""
    kind: Any = LearningOptions
    *groups, last = name.split(".")
    for group in groups:
        kind = kind.model_fields[group].annotation
    field: FieldInfo = kind.model_fields[last]
    return field


def _value(options: BaseModel, name: str) -> Any:
    """Return the value of an option by its dotted name."""
    value: Any = options
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _group_names(group: str, config: TrainConfig) -> tuple[str, ...]:
    """Return the presets of a group for a task."""
    if group == "augment":
        return augmentations_of(config.task)
    return tuple(named_losses(config.task))


def _put(entries: dict[str, Any], name: str, value: Value) -> None:
    """Set an entry by its dotted name."""
    *groups, last = name.split(".")
    for group in groups:
        inner = entries.get(group)
        entries[group] = {"preset": inner} if isinstance(inner, str) else dict(inner or {})
        entries = entries[group]
    entries[last] = value


def _drop(entries: dict[str, Any], name: str) -> None:
    """Leave an entry out by its dotted name, where it is there."""
    *groups, last = name.split(".")
    for group in groups:
        entries = entries.get(group, {})
    entries.pop(last, None)


def _first(error: ValueError) -> str:
    """Return what is wrong in a few words."""
    errors: Sequence[Any] = getattr(error, "errors", list)()
    return str(errors[0]["msg"]).removeprefix("Value error, ") if errors else str(error)
