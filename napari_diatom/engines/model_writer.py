"""From a trained network to a model folder, whatever the engine."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import OutputError
from napari_diatom.engines.weights import write_weights
from napari_diatom.models.architecture_names import Engine
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard, NamingFacts, Task
from napari_diatom.models.library import ModelFolder


def write_model(
    folder: Path,
    network: torch.nn.Module,
    *,
    name: str,
    version: str,
    task: Task,
    engine: Engine,
    architecture: str,
    classes: Sequence[str],
    tile_size: int,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    thresholds: Mapping[str, float] | None = None,
    summary: str = "",
    licence: str = "",
    training: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    pixel_size_um: float | None = None,
    naming: NamingFacts | None = None,
) -> ModelFolder:
    """Write a network as a model folder with its card; weights go to half precision.

    Both are written beside the folder first, so that a full disk leaves the model that was there.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    network : torch.nn.Module
        As the ``build`` of its engine returns it, trained.
    name, version, task, engine, summary, licence
        What the card says of the model.
    architecture : str
        What the engine's ``build`` makes the network of.
    classes : sequence of str
        Class names, without the background.
    tile_size : int
        Side in pixels of the tiles that it will get.
    mean, std : sequence of float
        Per channel, of pixel values scaled to 0..1.
    thresholds, training, metrics
        Tuned scores per class, recipe, and figures on the test set.
    pixel_size_um : float, optional
        Micrometres per pixel of its training images; None where it saw many scales.
    naming : NamingFacts, optional
        Of classifiers.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    beside = folder.with_name(f".{folder.name}.part")
    try:
        beside.mkdir(parents=True, exist_ok=True)
        weights = beside / WEIGHTS_FILE
        write_weights(network, weights)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        with weights.open("rb+") as stream:
            os.fsync(stream.fileno())
        card = ModelCard(
            name=name,
            version=version,
            task=task,
            engine=engine,
            architecture=architecture,
            classes=tuple(classes),
            tile_size=tile_size,
            pixel_size_um=pixel_size_um,
            mean=tuple(mean),
            std=tuple(std),
            thresholds=dict(thresholds or {}),
            naming=naming,
            summary=summary,
            training=dict(training or {}),
            metrics=dict(metrics or {}),
            licence=licence,
            sha256=digest,
        )
        card.write(beside)
        folder.mkdir(exist_ok=True)
        for file in (WEIGHTS_FILE, CARD_FILE):
            (beside / file).replace(folder / file)
    except (OSError, SafetensorError) as error:
        why = reason(error) if isinstance(error, OSError) else f"{error}."
        raise OutputError(f"{folder} cannot be written: {why}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return ModelFolder(card, folder)
