"""What a training starts from and how it learns where nothing else is asked for, by task and preset."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from diatom_training.learning.augment_options import AUGMENTATIONS, TURNING_PRESET
from diatom_training.learning.option_check import acting_entries
from diatom_training.learning.options import LOSS_PARTS, USUAL_BATCH, LearningOptions
from napari_diatom.engines import architectures
from napari_diatom.models.card import NAMING_TASK, Task

SCRATCH: Final = "scratch"
"""Start from weights drawn by chance."""
IMAGENET: Final = "imagenet"
"""Start from a backbone trained on ImageNet, downloaded once by its library."""
ARCHITECTURES: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "oriented-boxes": "yolo11n-obb",
        "boxes": "yolo11n",
        "semantic": architectures.DEEPLAB,
        "instances": architectures.MASK_RCNN,
        "classes": architectures.CLASSIFIER,
        "outlines": architectures.OUTLINE,
    }
)
"""Network of each task where neither the start nor the user names another one."""
BUNDLED: Final[Mapping[Task, str]] = MappingProxyType(
    {
        "oriented-boxes": "diatom-obb",
        "boxes": "diatom-box",
        "semantic": "diatom-deeplab",
        "instances": "diatom-maskrcnn",
        "classes": "diatom-embed",
        "outlines": "diatom-outline",
    }
)
"""Model of each task that a training starts from where nothing else is asked for; a classifier takes a backbone."""
Preset = Literal["few", "standard", "thorough"]
PRESET_TEXTS: Final[Mapping[Preset, str]] = MappingProxyType(
    {
        "few": "Few images (5 to 20): backbone frozen for half the training, low learning rates, strong variation.",
        "standard": "Standard (20 to 200 images): all layers learn, the backbone slowly; stops on overfitting.",
        "thorough": "Thorough (more images, or a night): many epochs, slow to stop early.",
    }
)
LOSSES: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        name: dict.fromkeys(LOSS_PARTS, 0.0) | dict.fromkeys(parts, 1.0)
        for name, parts in {
            "cross-entropy + Dice": ("cross_entropy", "dice"),
            "cross-entropy": ("cross_entropy",),
            "binary cross-entropy": ("binary_cross_entropy",),
            "binary cross-entropy + Dice": ("binary_cross_entropy", "dice"),
            "Dice": ("dice",),
            "Jaccard": ("jaccard",),
            "Tversky": ("tversky",),
            "focal": ("focal",),
            "focal + Dice": ("focal", "dice"),
            "Lovász": ("lovasz",),
            "cross-entropy + Lovász": ("cross_entropy", "lovasz"),
        }.items()
    }
)
"""Losses of maps and outlines to choose from, as weights of their parts; :func:`named_losses` has those of a task."""
LEARNING_OF_PRESETS: Final[Mapping[Preset, Mapping[str, Any]]] = MappingProxyType(
    {
        "few": {
            "epochs": 12,
            "frozen_epochs": 6,
            "rate": 5e-4,
            "backbone_rate": 0.1,
            "patience": 5,
            "crops": 160,
            "augment": {"preset": "strong"},
        },
        "standard": {"epochs": 30, "frozen_epochs": 2, "rate": 8e-4, "backbone_rate": 0.3, "patience": 8, "crops": 400},
        "thorough": {
            "epochs": 80,
            "frozen_epochs": 2,
            "rate": 1e-3,
            "backbone_rate": 0.5,
            "patience": 15,
            "crops": 800,
        },
    }
)
LEARNING_OF_TASKS: Final[Mapping[Task, Mapping[str, Any]]] = MappingProxyType(
    {
        "oriented-boxes": {"size": 640, "weight_decay": 5e-4},
        "boxes": {"size": 640, "weight_decay": 5e-4},
        "semantic": {"size": 384},
        "instances": {"size": 448, "proposals": 96, "positives": 0.125, "dropout": 0.0},
        "classes": {"validation_crops": 500, "warmup": 20, "dropout": 0.2},
        "outlines": {"validation_crops": 160, "warmup": 20},
    }
)
FEW_SPECIMENS: Final[Mapping[str, Any]] = MappingProxyType(
    {"epochs": 16, "frozen_epochs": 8, "rate": 4e-3, "patience": 8, "crops": 240}
)
"""What a classifier has otherwise in the preset ``few``: its one new layer comes from nothing, and must learn fast."""


def known_network(task: Task, architecture: str | None, start: str) -> str:
    """Return the name of the network of a training, empty where only its start knows it."""
    if architecture:
        return architecture
    return ARCHITECTURES[task] if start in (SCRATCH, IMAGENET, BUNDLED[task]) else ""


def augmentations_of(task: Task) -> tuple[str, ...]:
    """Return the names of the augmentations that there are for a task."""
    return tuple(name for name in AUGMENTATIONS if task != NAMING_TASK or name != TURNING_PRESET)


def named_losses(task: Task) -> dict[str, dict[str, Any]]:
    """Return the losses to choose from for a task, as entries that act there; none where the network has its own."""
    found = {}
    for title, parts in LOSSES.items():
        acting = acting_entries(parts, task, "loss.")
        if acting and sum(acting.values()) == sum(parts.values()):
            found[title] = acting
    return found


def usual_entries(task: Task, preset: Preset) -> dict[str, Any]:
    """Return the learning options that a task and a preset give, as entries; the others have their defaults."""
    both = FEW_SPECIMENS if (task, preset) == (NAMING_TASK, "few") else {}
    return {"batch": USUAL_BATCH[task]} | dict(LEARNING_OF_TASKS[task]) | dict(LEARNING_OF_PRESETS[preset]) | dict(both)


def with_usual(usual: object, asked: object) -> object:
    """Return what is asked for; a group of entries keeps the usual ones that it does not name."""
    return dict(usual) | dict(asked) if isinstance(usual, Mapping) and isinstance(asked, Mapping) else asked


def usual_learning(task: Task, preset: Preset) -> LearningOptions:
    """Return the learning options of a task and a preset where nobody names any."""
    return LearningOptions.model_validate(usual_entries(task, preset))
