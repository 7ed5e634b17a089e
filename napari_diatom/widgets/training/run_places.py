"""Where the folders of trainings, searches and cross-validations lie: beside the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diatom_training.finetune.config import TrainConfig


def free_folder(config: TrainConfig, kind: str = "runs") -> Path:
    """Return a new folder of a kind for a training: ``runs/NAME`` beside the data, with a number if it exists."""
    home = config.data if config.data.is_dir() else config.data.parent
    path, number = home.absolute() / kind / config.name, 1
    while path.exists() and any(path.iterdir()):
        number += 1
        path = home.absolute() / kind / f"{config.name}-{number}"
    return path
