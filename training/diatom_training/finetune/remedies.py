"""What helps against what the curves show, as changes to the settings of the next training."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from diatom_training.evaluation.curve_advice import Remedy
from diatom_training.finetune.composed_config import ComposedConfig
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import MODEL, RunFolder
from diatom_training.learning.augment_options import UNVARIED, AugmentOptions
from diatom_training.learning.option_check import acts
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.models.card import CARD_FILE, ModelCard, Task

_NAMED: Final = 3
"""Entries that are named one by one; of more, their number is."""
_SIZES: Final = (
    ("n", "s", "m", "l", "x"),
    ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2", "tf_efficientnet_lite3"),
    ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4"),
    ("convnext_nano", "convnext_tiny", "convnext_small", "convnext_base"),
)
"""Networks of a family, from the smallest to the largest: of YOLO the letters."""
_YOLO: Final = re.compile(r"(yolo[a-z]*\d+)([nsmlx])(.*)")
_NARROWEST: Final = 32
"""Channels of a decoder that are not halved any more."""
_MOST_DROPOUT: Final = 0.5
_SHARES: Final = "60-25-15"


@dataclass(frozen=True)
class SettingsChange:
    """What a remedy changes.

    Attributes
    ----------
    task : Task
        Of the training.
    title : str
        For a button, such as ``Learning rate 0.0003``.
    entries : mapping of str to object
        New values of a :class:`~diatom_training.finetune.config.TrainConfig` by the dotted names of its entries.
    sentence : str
        What changes from what to what.
    """

    task: Task
    title: str
    entries: Mapping[str, Any]
    sentence: str


def change_of(remedy: Remedy, config: TrainConfig, architecture: str = "") -> SettingsChange | None:
    """Return what a remedy changes in the settings of a training, None where it cannot act or has acted already.

    Parameters
    ----------
    remedy : Remedy
        What helps.
    config : TrainConfig
        Settings of the training whose curves were read.
    architecture : str
        Its network, for a larger or smaller one; empty where that is not known.
    """
    if remedy in ("larger-network", "smaller-network"):
        other = _resized(config.architecture or architecture, 1 if remedy == "larger-network" else -1)
        title = "Larger network" if remedy == "larger-network" else "Smaller network"
        made = (title, {"architecture": other}) if other else None
    else:
        made = _CHANGES[remedy](config) if remedy in _CHANGES else None
    if made is None:
        return None
    title, entries = made
    plain = config.to_plain()
    # What has no effect in this network is no entry of its file.
    known = {name: _entry(plain, name) for name in entries}
    changed = {name: value for name, value in entries.items() if known[name] not in (_ABSENT, value)}
    if not changed or not _is_accepted(config, changed):
        return None
    parts = [f"{name}: {_told(known[name])} → {_told(value)}" for name, value in changed.items()]
    more = [f"and {len(parts) - _NAMED} more"] if len(parts) > _NAMED else []
    return SettingsChange(config.task, title, changed, ", ".join(parts[:_NAMED] + more))


_ABSENT: Final = object()
_Made = tuple[str, dict[str, Any]] | None


def _stronger(config: TrainConfig) -> _Made:
    wanted = AugmentOptions.model_validate("strong").model_dump(mode="json")
    return "Stronger augmentation", _augment(config, wanted)


def _weaker(config: TrainConfig) -> _Made:
    shown = config.learning.augment.model_dump(mode="json", exclude=set(UNVARIED))
    return "Weaker augmentation", _augment(config, {name: _rounded(value / 2) for name, value in shown.items()})


def _augment(config: TrainConfig, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return those entries of an augmentation that a task heeds."""
    places = {f"augment.{name}": value for name, value in wanted.items()}
    return {f"learning.{place}": value for place, value in places.items() if acts(place, config.task)}


def _more_decay(config: TrainConfig) -> _Made:
    decay = _rounded(max(5 * config.learning.weight_decay, 1e-3))
    return f"Weight decay {decay:g}", {"learning.weight_decay": decay}


def _more_dropout(config: TrainConfig) -> _Made:
    if not acts("dropout", config.task):
        return None
    dropout = max(config.learning.dropout, min(round(config.learning.dropout + 0.2, 2), _MOST_DROPOUT))
    return f"Dropout {dropout:g}", {"learning.dropout": dropout}


def _less_regularization(config: TrainConfig) -> _Made:
    entries = {"learning.weight_decay": _rounded(config.learning.weight_decay / 10), "learning.l1": 0.0}
    if acts("dropout", config.task):
        entries["learning.dropout"] = 0.0
    return "Less regularization", entries


def _stop_early(config: TrainConfig) -> _Made:
    epochs = max(min(config.learning.epochs // 5, 8), 3)
    patience = config.learning.patience
    if patience is not None and patience <= epochs:
        return None
    return f"Early stopping after {epochs} epochs", {"learning.patience": epochs}


def _freeze_longer(config: TrainConfig) -> _Made:
    half = config.learning.epochs // 2
    if config.learning.frozen_epochs >= half:
        return None
    return f"Backbone frozen for {half} epochs", {"learning.frozen_epochs": half}


def _let_learn(config: TrainConfig) -> _Made:
    frozen = min(config.learning.frozen_epochs, 1)
    return "Backbone learns", {"learning.frozen_epochs": frozen, "learning.backbone_rate": 1.0}


def _rate(factor: float) -> Callable[[TrainConfig], _Made]:
    def made(config: TrainConfig) -> _Made:
        rate = _rounded(config.learning.rate * factor)
        return f"Learning rate {rate:g}", {"learning.rate": rate}

    return made


def _larger_batch(config: TrainConfig) -> _Made:
    batch = config.learning.batch
    return None if isinstance(batch, str) else (f"Batch size {2 * batch}", {"learning.batch": 2 * batch})


def _more_validation(config: TrainConfig) -> _Made:
    if config.split.parts or int(config.split.shares.split("-")[1]) >= 25:
        return None
    return f"Split {_SHARES}", {"split.shares": _SHARES}


def _other_split(config: TrainConfig) -> _Made:
    seed = config.split.seed + 1
    return None if config.split.parts else (f"Split with seed {seed}", {"split.seed": seed})


def _composed(config: TrainConfig) -> _Made:
    return None if config.composed is not None else ("Composed slides first", {"composed": {}})


_CHANGES: Final[Mapping[Remedy, Callable[[TrainConfig], _Made]]] = {
    "stronger-augmentation": _stronger,
    "weaker-augmentation": _weaker,
    "more-weight-decay": _more_decay,
    "more-dropout": _more_dropout,
    "less-regularization": _less_regularization,
    "early-stopping": _stop_early,
    "frozen-longer": _freeze_longer,
    "backbone-learns": _let_learn,
    "lower-rate": _rate(1 / 3),
    "higher-rate": _rate(3),
    "larger-batch": _larger_batch,
    "longer": lambda config: (f"{2 * config.learning.epochs} epochs", {"learning.epochs": 2 * config.learning.epochs}),
    "composed-slides": _composed,
    "other-split": _other_split,
    "more-validation": _more_validation,
}


def _resized(architecture: str, step: int) -> str | None:
    """Return the next larger or smaller network of the same family, None where there is none."""
    letters, *families = _SIZES
    if match := _YOLO.fullmatch(architecture):
        place = letters.index(match[2]) + step
        return f"{match[1]}{letters[place]}{match[3]}" if 0 <= place < len(letters) else None
    first, *parts = architecture.split("/")
    if not parts:
        return None
    prefix = "tu-" if parts[0].startswith("tu-") else ""
    for family in families:
        name = parts[0].removeprefix(prefix)
        if name in family and 0 <= family.index(name) + step < len(family):
            return "/".join((first, prefix + family[family.index(name) + step], *parts[1:]))
    narrow = step < 0 and not first.startswith("classifier") and len(parts) == 2 and parts[1].isdigit()
    if narrow and int(parts[1]) >= 2 * _NARROWEST:
        return "/".join((first, parts[0], str(int(parts[1]) // 2)))
    return None


def network_of(folder: RunFolder) -> str:
    """Return the network of a run: that of its model, or of its settings; empty where neither says it."""
    if (folder / MODEL / CARD_FILE).is_file():
        with contextlib.suppress(DiatomError):
            return ModelCard.read(folder / MODEL).architecture
    return folder.config().architecture or ""


def _is_accepted(config: TrainConfig, entries: Mapping[str, Any]) -> bool:
    """Tell whether the settings can be checked with these entries: one that could not act is refused there."""
    plain = config.to_plain()
    for name, value in entries.items():
        *groups, last = name.split(".")
        inner = plain
        for group in groups:
            inner = inner[group]
        inner[last] = value
    try:
        type(config).of(**plain)
    except InputError:
        return False
    return True


def _entry(plain: Mapping[str, Any], name: str) -> Any:
    """Return an entry by its dotted name; :data:`_ABSENT` where there is none."""
    value: Any = plain
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _told(value: object) -> str:
    """Return a value for a person."""
    if isinstance(value, Mapping):
        return f"{ComposedConfig().count} slides"
    return "off" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _rounded(value: float) -> float:
    """Return a value with two digits, as a person would write it."""
    return float(f"{value:.2g}")
