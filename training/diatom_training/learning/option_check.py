"""Options that are set and could not act, and the tables of what acts where.

``python -m diatom_training.learning.option_check`` prints the tables of ``docs/reference/training-options.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from diatom_training.learning.effect_kinds import TASKS, Idle
from diatom_training.learning.option_effects import OPTION_EFFECTS, RUN_EFFECTS
from diatom_training.learning.options import GAINS, LearningOptions
from napari_diatom.models.card import Task


def idle_reason(name: str, task: Task, options: LearningOptions, network: str = "") -> Idle | None:
    """Return why an option has no effect, None where it has one.

    Parameters
    ----------
    name : str
        Its dotted name.
    task : Task
        What the network gives.
    options : LearningOptions
        The options with which it is used.
    network : str
        Name of the network; empty while nobody knows it.
    """
    effect = OPTION_EFFECTS[name]
    if task in effect.idle:
        return effect.idle[task]
    return next((need.idle for need in effect.needs if not need.met(options, task, network)), None)


def idle_options(options: LearningOptions, task: Task, usual: LearningOptions, network: str = "") -> dict[str, str]:
    """Return what was set and could not act: sentences by the dotted names of the options.

    An option that is as it would be without being named is not set; :func:`idle_entries` knows what is named.

    Parameters
    ----------
    options : LearningOptions
        What a person asks for.
    task : Task
        What the network is to give.
    usual : LearningOptions
        What the options are where nobody names them.
    network : str
        Its name; empty while nobody knows it.
    """
    unnamed = dict(_values(usual))
    found = {}
    for name, value in _values(options, only_set=True):
        idle = idle_reason(name, task, options, network) if name in OPTION_EFFECTS else None
        if idle is not None and not (name in unnamed and unnamed[name] == value):
            found[name] = _no_effect(name, task, network, idle)
    return found


def idle_entries(entries: Mapping[str, Any], task: Task, network: str = "") -> dict[str, str]:
    """Return what somebody names and no network of a task, or not the named one, heeds, whatever its value.

    Parameters
    ----------
    entries : mapping of str to value
        Plain entries of learning options, as they stand in a file.
    task : Task
        What the network is to give.
    network : str
        Its name; empty while nobody knows it.

    Returns
    -------
    dict of str to str
        Sentences by the dotted names of the options.
    """
    usual, found = LearningOptions(), {}
    for name, _ in dotted_values(entries):
        if name in OPTION_EFFECTS and not acts(name, task, network):
            found[name] = _no_effect(name, task, network, idle_reason(name, task, usual, network))
    return found


def _no_effect(name: str, task: Task, network: str, idle: Idle | None) -> str:
    """Return the sentence on an option that has no effect."""
    where = f"in {network}" if network else f"in models for {task}"
    return f"{name.rpartition('.')[2]} has no effect {where}: {idle}"


def acting_entries(entries: Mapping[str, Any], task: Task, group: str = "", network: str = "") -> dict[str, Any]:
    """Return plain entries of learning options without those that no network of a task, or the named one, heeds."""
    found = {}
    for name, value in entries.items():
        place = f"{group}{name}"
        if acts(place, task, network):
            inner = isinstance(value, Mapping)
            found[name] = acting_entries(value, task, f"{place}.", network) if inner else value
    return found


def acting_values(options: LearningOptions) -> dict[str, Any]:
    """Return the options that act in their network, by their dotted names: two trainings with the same ones are one."""
    task, network = options.task, options.architecture
    return {
        name: value
        for name, value in _values(options)
        if name not in OPTION_EFFECTS or idle_reason(name, task, options, network) is None
    }


def dotted_values(entries: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """Yield plain entries of options with their dotted names, those of groups one by one."""
    for name, value in entries.items():
        if isinstance(value, Mapping):
            yield from dotted_values(value, f"{group}{name}.")
        else:
            yield group + name, value


def set_entries(entries: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain entries of options without those that are as they would be without being named."""
    found = {}
    for name, value in entries.items():
        unnamed = usual.get(name)
        if isinstance(value, Mapping) and isinstance(unnamed, Mapping):
            value = set_entries(value, unnamed)
            if not value:
                continue
        if name not in usual or value != unnamed:
            found[name] = value
    return found


def acts(name: str, task: Task, network: str = "") -> bool:
    """Tell whether any network of a task, or the named one, heeds an option or one of a group.

    An option that is not known is not judged.
    """
    inner = [effect for place, effect in OPTION_EFFECTS.items() if place == name or place.startswith(f"{name}.")]
    usual = LearningOptions()
    return not inner or any(
        task not in effect.idle and all(need.met(usual, task, network) for need in effect.needs if need.of_network)
        for effect in inner
    )


def option_names() -> list[str]:
    """Return the dotted names of all options; those of YOLO's gains are Ultralytics'."""
    plain = [name for name, _ in _values(LearningOptions())]
    gains = [f"loss_gains.{name}" for name in GAINS]
    place = plain.index("proposals")
    return [*plain[:place], *gains, *plain[place:]]


def option_places() -> list[str]:
    """Return the dotted names of the options and groups of a training in a form; network and classes are apart."""
    names = [name for name, _ in _values(LearningOptions()) if name not in ("architecture", "classes")]
    return [*dict.fromkeys(name.rpartition(".")[0] for name in names if "." in name), *names, "loss_gains"]


def _values(options: BaseModel, prefix: str = "", only_set: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield options with their dotted names, those of groups and entries one by one."""
    for name in type(options).model_fields:
        value = getattr(options, name)
        if only_set and name not in options.model_fields_set:
            continue
        if isinstance(value, BaseModel):
            yield from _values(value, f"{prefix}{name}.", only_set)
        elif isinstance(value, dict):
            yield from ((f"{prefix}{name}.{key}", item) for key, item in value.items())
        else:
            yield prefix + name, value


def effects_table() -> str:
    """Return what acts where as a Markdown table, options of equal effect in one row, at the place of the first."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, effect in {**OPTION_EFFECTS, **RUN_EFFECTS}.items():
        tasks = [task for task in TASKS if task not in effect.idle]
        where = "all" if len(tasks) == len(TASKS) else ", ".join(f"`{task}`" for task in tasks)
        needs = ", ".join(need.text for need in effect.needs)
        rows.setdefault((effect.acts_on, where, needs, effect.seen), []).append(name)
    header = ("option", "acts on", "tasks", "needs", "what one sees")
    return _table(header, [(_quoted(names), *cells) for cells, names in rows.items()])


def idle_table() -> str:
    """Return what is refused and what serves instead as a Markdown table."""
    rows: dict[tuple[Idle, tuple[Task, ...]], list[str]] = {}
    for name, effect in {**OPTION_EFFECTS, **RUN_EFFECTS}.items():
        for idle in dict.fromkeys(effect.idle.values()):
            tasks = tuple(task for task in TASKS if effect.idle.get(task) == idle)
            rows.setdefault((idle, tasks), []).append(name)
    cells = [
        (_quoted(names), ", ".join(f"`{task}`" for task in tasks), idle.reason, idle.instead)
        for (idle, tasks), names in rows.items()
    ]
    return _table(("option", "refused for", "because", "use instead"), cells)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows))


if __name__ == "__main__":
    print(effects_table(), idle_table(), sep="\n\n")
