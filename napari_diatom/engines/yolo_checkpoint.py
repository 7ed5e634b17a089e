"""YOLO models on disk: from a network to a model folder, and from an Ultralytics file to one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from napari_diatom.core.errors import InputError, ModelError, OutputError
from napari_diatom.engines import model_writer, yolo_net
from napari_diatom.engines.weights import transfer
from napari_diatom.models import library
from napari_diatom.models.card import NAME
from napari_diatom.models.library import ModelFolder


def write_yolo_model(
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
        Side in pixels of the tiles that it will get.
    training, metrics, thresholds
        Recipe, figures on the test set, and tuned scores per class.
    """
    return model_writer.write_model(
        folder,
        network,
        name=name,
        version=version,
        task="oriented-boxes" if architecture.endswith("-obb") else "boxes",
        engine="yolo",
        architecture=architecture,
        classes=classes,
        tile_size=tile_size,
        thresholds=thresholds,
        summary=summary,
        licence=licence,
        training=training,
        metrics=metrics,
    )


def import_checkpoint(path: Path, name: str | None = None, licence: str = "") -> ModelFolder:
    """Make an Ultralytics ``.pt`` file one of the user's models.

    Parameters
    ----------
    path : Path
        A detector with upright or oriented boxes.
    name : str, optional
        The model's name; the file's by default.
    licence : str
        Of the weights, for the card.

    Raises
    ------
    InputError
        When the name is taken, or cannot be that of a folder.
    ModelError
        When the file is not a detector of a known architecture, or its weights are not numbers. Nothing in it is run.
    OutputError
        When the model cannot be written.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist.")
    name = name or path.stem
    if not re.fullmatch(NAME, name):
        raise InputError(
            f"A model cannot be called {name!r}; give a name of letters, digits, dots, dashes and underscores with "
            "--name."
        )
    if any(model.card.name == name for model in library.available()):
        raise InputError(f"There is already a model {name}; give another name with --name.")
    found = yolo_net.read_checkpoint(path)
    try:
        network = yolo_net.build(found.known_architecture(), len(found.classes))
        missing = set(network.state_dict()) - set(transfer(network, found.tensors))
    except (ModelError, RuntimeError) as error:
        raise ModelError(f"{path} is not a YOLO detector with upright or oriented boxes: {error}") from error
    if missing:
        raise ModelError(
            f"{path} is not a YOLO detector with upright or oriented boxes: {len(missing)} tensors do not "
            f"fit {found.architecture}."
        )
    folder = library.user_folder() / name
    try:
        return write_yolo_model(
            folder,
            network,
            name=name,
            version="1.0",
            architecture=found.architecture,
            classes=found.classes,
            tile_size=max(32, min(found.image_size // 32 * 32, 4096)),
            summary=f"Imported from {path.name}.",
            licence=licence,
            training={},
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OutputError(f"The model cannot be written to {folder}: {error.strerror or error}") from error
