"""The user's own models: renamed and removed. Bundled models stay as they are."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.models import library
from napari_diatom.models.card import CARD_FILE, NAME, NAMED
from napari_diatom.models.library import ModelFolder


def is_own(model: ModelFolder) -> bool:
    """Return whether a model is one of the user's own."""
    return _resolved(model.folder.parent) == _resolved(library.user_folder())


def name_problem(name: str, model: ModelFolder | None = None) -> str | None:
    """Return why a model cannot have a name, as a sentence, or None if it can.

    Parameters
    ----------
    name : str
        The name.
    model : ModelFolder, optional
        The model that gets it, and may have it already.
    """
    if len(name) > 200 or not re.fullmatch(NAME, name):
        return f"A model cannot be called {name!r}: {NAMED}."
    own = None if model is None else model.card.name
    taken = {known.card.name.casefold() for known in library.available() if known.card.name != own}
    # On Windows and macOS, names that differ in capitals alone are one folder.
    return f"There is already a model {name}." if name.casefold() in taken else None


def rename_model(model: ModelFolder, name: str) -> ModelFolder:
    """Give one of the user's models another name, and return it.

    Raises
    ------
    InputError
        When it is bundled, the name is taken, or no model can have it.
    OutputError
        When its card cannot be written.
    """
    _require_own(model, "renamed")
    if problem := name_problem(name, model):
        raise InputError(problem)
    card = model.card.model_copy(update={"name": name})
    card.write(model.folder)
    home = model.folder.with_name(name)
    if not home.exists():
        # A model is known by its card. Windows keeps a folder whose files are in use.
        with suppress(OSError):
            model.folder.rename(home)
            return ModelFolder(card, home)
    return ModelFolder(card, model.folder)


def remove_model(model: ModelFolder) -> None:
    """Delete one of the user's models.

    Raises
    ------
    InputError
        When it is bundled.
    OutputError
        When it cannot be deleted.
    """
    _require_own(model, "removed")
    try:
        # Without its card it is not a model any more, whatever else cannot be deleted.
        (model.folder / CARD_FILE).unlink()
        shutil.rmtree(model.folder)
    except OSError as error:
        raise OutputError(f"{model.folder} cannot be deleted: {reason(error)}") from error


def _require_own(model: ModelFolder, what: str) -> None:
    if not is_own(model):
        raise InputError(f"{model.card.name} is not one of your own models and cannot be {what}.")


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except OSError:
        return path
