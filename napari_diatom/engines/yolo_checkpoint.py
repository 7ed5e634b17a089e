"""From an Ultralytics file to a model folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from napari_diatom.core.errors import InputError, ModelError, OutputError
from napari_diatom.engines import yolo_net
from napari_diatom.engines.model_writer import write_model
from napari_diatom.engines.weights import transfer
from napari_diatom.models import library
from napari_diatom.models.card import NAME, ModelFacts, task_of
from napari_diatom.models.library import ModelFolder


def import_checkpoint(path: Path, name: str | None = None, licence: str = "", home: Path | None = None) -> ModelFolder:
    """Make an Ultralytics ``.pt`` file one of the user's models.

    Parameters
    ----------
    path : Path
        A detector with upright or oriented boxes.
    name : str, optional
        The model's name; the file's by default.
    licence : str
        Of the weights, for the card.
    home : Path, optional
        Folder that the model's folder is made in; that of the user's models by default.

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
    if home is None and any(model.card.name == name for model in library.available()):
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
    folder = (library.user_folder() if home is None else home) / name
    try:
        return write_model(
            folder,
            network,
            ModelFacts(
                name=name,
                version="1.0",
                task=task_of("yolo", found.architecture),
                engine="yolo",
                architecture=found.architecture,
                classes=found.classes,
                tile_size=max(32, min(found.image_size // 32 * 32, 4096)),
                summary=f"Imported from {path.name}.",
                licence=licence,
            ),
        )
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise OutputError(f"The model cannot be written to {folder}: {error.strerror or error}") from error
