"""From a trained network to a model folder, whatever the engine."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import OutputError
from napari_diatom.engines.weights import write_weights
from napari_diatom.models.card import CARD_FILE, WEIGHTS_FILE, ModelCard, ModelFacts
from napari_diatom.models.library import ModelFolder


def write_model(folder: Path, network: torch.nn.Module, facts: ModelFacts) -> ModelFolder:
    """Write a network as a model folder with its card; weights go to half precision.

    Both are written beside the folder first, so that a full disk leaves the model that was there.

    Parameters
    ----------
    folder : Path
        Created where it is missing.
    network : torch.nn.Module
        As the ``build`` of its engine returns it, trained.
    facts : ModelFacts
        What the card says of the model.

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
        card = ModelCard(**dict(facts), sha256=digest)
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
