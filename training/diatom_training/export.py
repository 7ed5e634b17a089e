"""From a trained network to a model folder, and to other programs' files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from napari_diatom.engines import yolo_net
from napari_diatom.models.card import WEIGHTS_FILE, ModelCard
from napari_diatom.models.library import ModelFolder


def write_model(
    folder: Path,
    network: torch.nn.Module,
    *,
    name: str,
    version: str,
    architecture: str,
    classes: Sequence[str],
    tile_size: int,
    summary: str,
    licence: str,
    training: Mapping[str, Any],
    metrics: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> ModelFolder:
    """Write a YOLO network as a model folder with its card; weights go to half precision.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    network : torch.nn.Module
        As :func:`napari_diatom.engines.yolo_net.build` returns it, trained.
    name, version, summary, licence
        What the card says of the model.
    architecture : str
        Ultralytics' name, such as ``yolo11n-obb``.
    tile_size : int
        Side in pixels of the tiles it is to be given.
    training, metrics, thresholds
        Recipe, figures on the test set, and tuned scores per class.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / WEIGHTS_FILE
    yolo_net.write_weights(network, weights)
    card = ModelCard(
        name=name,
        version=version,
        task="oriented-boxes" if architecture.endswith("-obb") else "boxes",
        engine="yolo",
        architecture=architecture,
        classes=tuple(classes),
        tile_size=tile_size,
        thresholds=dict(thresholds or {}),
        summary=summary,
        training=dict(training),
        metrics=dict(metrics or {}),
        licence=licence,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
    )
    card.write(folder)
    return ModelFolder(card, folder)


def to_ultralytics(model: ModelFolder, path: Path) -> Path:
    """Write a YOLO model as an Ultralytics ``.pt`` file and return its path."""
    network: Any = yolo_net.build(model.card.architecture, len(model.card.classes))
    yolo_net.read_weights(network, model.weights)
    network.names = dict(enumerate(model.card.classes))
    network.task = "obb" if model.card.task == "oriented-boxes" else "detect"
    network.args = {"task": network.task, "imgsz": model.card.tile_size, "model": f"{model.card.architecture}.yaml"}
    network.pt_path = str(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": network, "train_args": network.args, "epoch": -1, "date": None, "version": None}, path)
    return path
