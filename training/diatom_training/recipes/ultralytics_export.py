"""From a model folder to other programs' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from napari_diatom.core.errors import ModelError
from napari_diatom.engines import yolo_net
from napari_diatom.engines.weights import read_weights
from napari_diatom.models.library import ModelFolder


def to_ultralytics(model: ModelFolder, path: Path) -> Path:
    """Write a YOLO model as an Ultralytics ``.pt`` file and return its path.

    Raises
    ------
    ModelError
        When its images are standardized: Ultralytics gives every network values of 0 to 1.
    """
    if any(model.card.mean) or any(value != 1 for value in model.card.std):
        raise ModelError(
            f"{model.card.name} was trained on standardized images, and Ultralytics only scales values to 0 to 1: "
            "train it with standardize: 0 to 1 to export it."
        )
    network: Any = yolo_net.build(model.card.architecture, len(model.card.classes))
    read_weights(network, model.weights)
    network.names = dict(enumerate(model.card.classes))
    network.task = "obb" if model.card.task == "oriented-boxes" else "detect"
    network.args = {"task": network.task, "imgsz": model.card.tile_size, "model": f"{model.card.architecture}.yaml"}
    network.pt_path = str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network, "train_args": network.args, "epoch": -1, "date": None, "version": None}, path)
    return path
