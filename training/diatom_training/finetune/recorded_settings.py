"""Settings that a run has noted, read without what could not act: an earlier version took such options silently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from diatom_training.finetune.presets import BUNDLED, LEARNING_OF_PRESETS, known_network, usual_entries, with_usual
from diatom_training.learning.augment_options import under_current_names
from diatom_training.learning.option_check import acting_entries, dotted_values, idle_options
from diatom_training.learning.options import LearningOptions
from napari_diatom.models.card import OUTLINING_TASK


def without_idle(entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return entries of a training without the options that have no effect, and sentences on these by their names.

    Without them the training is the same, to the byte. What is wrong otherwise is left for the check of all settings.
    """
    found = dict(entries)
    task, preset = found.get("task", "oriented-boxes"), found.get("preset", "standard")
    if task not in list(BUNDLED) or preset not in list(LEARNING_OF_PRESETS):
        return found, {}
    left_out = {}
    if task == OUTLINING_TASK and found.pop("pixel_size_um", None) is not None:
        left_out["pixel_size_um"] = "pixel_size_um has no effect on outlines"
    if not isinstance(found.get("learning"), Mapping):
        return found, left_out
    asked = dict(found["learning"])
    if isinstance(asked.get("augment"), Mapping):
        asked["augment"] = under_current_names(asked["augment"])
    network = known_network(task, found.get("architecture"), found.get("start") or BUNDLED[task])
    usual = usual_entries(task, preset)
    filled = {name: with_usual(usual.get(name), value) for name, value in asked.items()}
    try:
        options = LearningOptions.model_validate(usual | filled)
        idle = idle_options(options, task, LearningOptions.model_validate(usual), network)
    except ValidationError:
        idle = {}
    named = dict(dotted_values(asked))
    left_out |= {f"learning.{name}": text for name, text in idle.items() if name in named}
    kept = acting_entries(asked, task, network=network)
    found["learning"] = _without(kept, idle)
    return found, left_out


def _without(entries: Mapping[str, Any], names: Mapping[str, str], group: str = "") -> dict[str, Any]:
    """Return plain entries without some of them, by their dotted names."""
    return {
        name: _without(value, names, f"{group}{name}.") if isinstance(value, Mapping) else value
        for name, value in entries.items()
        if f"{group}{name}" not in names
    }
