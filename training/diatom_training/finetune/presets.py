"""What a training starts from and how it learns where nothing else is asked for, by task and preset."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

from diatom_training.learning.augment_options import AUGMENTATIONS, TURNING_PRESET
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
        "classes": "diatom-deeplab",
        "outlines": "diatom-outline",
    }
)
"""Model of each task that a training starts from where nothing else is asked for; a classifier takes its backbone."""
Preset = Literal["few", "standard", "thorough"]
PRESET_TEXTS: Final[Mapping[Preset, str]] = MappingProxyType(
    {
        "few": "Few images (5 to 20): backbone frozen for half the training, low learning rates, strong variation.",
        "standard": "Standard (20 to 200 images): all layers learn, the backbone slowly; stops on overfitting.",
        "thorough": "Thorough (more images, or a night): many epochs, slow to stop early.",
    }
)
_MAPS: Final[tuple[Task, ...]] = ("semantic", "outlines")
_CUT_OUT: Final[tuple[Task, ...]] = ("classes",)
_CROPPED: Final[tuple[Task, ...]] = ("oriented-boxes", "boxes", "semantic", "instances")
TASKS_OF_OPTIONS: Final[Mapping[str, tuple[Task, ...]]] = MappingProxyType(
    {
        "pixel_size_um": (*_CROPPED, "classes"),
        "learning.size": _CROPPED,
        "learning.loss.cross_entropy": _MAPS,
        "learning.loss.dice": _MAPS,
        "learning.loss.focal": _MAPS,
        "learning.loss.focal_gamma": _MAPS,
        "learning.loss.class_weights": (*_MAPS, "classes"),
        "learning.loss.label_smoothing": _CUT_OUT,
        "learning.dropout": ("semantic", "instances", "classes", "outlines"),
        "learning.loss": (*_MAPS, "classes"),
        "learning.loss_gains": ("oriented-boxes", "boxes"),
        "learning.proposals": ("instances",),
        "learning.positives": ("instances",),
        "learning.balance": _CUT_OUT,
        "learning.masked": _CUT_OUT,
        "learning.augment.rotation": _CROPPED,
        "learning.augment.rotation_deg": _CROPPED,
        "learning.augment.scale": _CROPPED,
        "learning.augment.shear_deg": _CROPPED,
        "learning.augment.random_crop": _CROPPED,
        "learning.augment.aimed": _CROPPED,
        "learning.augment.translation": _CROPPED,
        "learning.augment.cutout_rotation_deg": _CUT_OUT,
        "learning.augment.cutout_scale": _CUT_OUT,
        "learning.augment.cutout_translation": _CUT_OUT,
        "learning.augment.boxed": _CUT_OUT,
        "learning.augment.box_errors": ("outlines",),
        "learning.augment.upright_boxes": ("outlines",),
    }
)
"""Tasks that an entry of a training has an effect on, by its dotted name; all others have one on every task."""
LOSSES: Final[Mapping[str, Mapping[str, float]]] = MappingProxyType(
    {
        "cross-entropy + Dice": {"cross_entropy": 1.0, "dice": 1.0, "focal": 0.0},
        "cross-entropy": {"cross_entropy": 1.0, "dice": 0.0, "focal": 0.0},
        "Dice": {"cross_entropy": 0.0, "dice": 1.0, "focal": 0.0},
        "focal + Dice": {"cross_entropy": 0.0, "dice": 1.0, "focal": 1.0},
    }
)
"""Losses of class maps and outlines to choose from, as weights of their parts."""
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
        "oriented-boxes": {"size": 640, "batch": 8, "weight_decay": 5e-4},
        "boxes": {"size": 640, "batch": 8, "weight_decay": 5e-4},
        "semantic": {"size": 384, "batch": 8},
        "instances": {"size": 448, "batch": 4, "proposals": 96, "positives": 0.125, "dropout": 0.0},
        "classes": {"batch": 16, "validation_crops": 500, "warmup": 20, "dropout": 0.2},
        "outlines": {"batch": 16, "validation_crops": 160, "warmup": 20},
    }
)


def augmentations_of(task: Task) -> tuple[str, ...]:
    """Return the names of the augmentations that there are for a task."""
    return tuple(name for name in AUGMENTATIONS if task != NAMING_TASK or name != TURNING_PRESET)
