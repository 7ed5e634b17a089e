"""Where models are found: bundled ones, the user's own, and any folder or file by its path."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import BinaryIO, Final

from platformdirs import user_cache_dir, user_data_dir

from napari_diatom.core.archives import chunks, opened_zip, regular
from napari_diatom.core.atomic_files import atomic, reason, write_atomically
from napari_diatom.core.errors import InputError, ModelError
from napari_diatom.models.card import (
    CARD_FILE,
    EMBEDDING_TASK,
    LARGEST_CARD,
    LARGEST_WEIGHTS,
    OUTLINING_TASK,
    WEIGHTS_FILE,
    ModelCard,
)
from napari_diatom.models.quantization import GRAPH_FILES, LARGEST_GRAPH, graph_fault

BUNDLED: Final = Path(__file__).parent / "bundled"
ARCHIVE_SUFFIX: Final = ".diatom-model"
DEFAULT: Final = "diatom-obb"
OUTLINER: Final = "diatom-outline"
"""The model that outlines specimens where none is named."""
EMBEDDER: Final = "diatom-embed"
"""The model that turns specimens into vectors where none is named."""


@dataclass(frozen=True)
class ModelFolder:
    """A model on disk.

    Attributes
    ----------
    card : ModelCard
        What it says of itself.
    folder : Path
        Where its card and weights lie.
    """

    card: ModelCard
    folder: Path

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.folder / WEIGHTS_FILE

    @property
    def graph(self) -> Path:
        """The graph in 8 bits, where the card tells of one."""
        return self.folder / GRAPH_FILES[0]

    def verify(self) -> None:
        """Check that the weights, and the graph in 8 bits where there is one, are the ones the card names.

        Raises
        ------
        ModelError
            When the file is missing, larger than weights may be, or its SHA-256 is another.
        """
        try:
            with regular(self.weights) as stream:
                digest = _digest(stream)
        except (InputError, OSError) as error:
            raise ModelError(f"Model {self.card.name} has no readable weights at {self.weights}: {error}") from None
        if digest != self.card.sha256:
            raise ModelError(
                f"The weights of model {self.card.name} ({self.weights}) are damaged or were changed: their SHA-256 is "
                f"{digest[:12]}..., the card says {self.card.sha256[:12]}... Install the model again."
            )
        if self.card.quantized is not None and (fault := graph_fault(self.card.quantized, self.folder)):
            raise ModelError(
                f"The graph in 8 bits of model {self.card.name} ({self.graph}) {fault}. Install the model again."
            )


def user_folder() -> Path:
    """Return the folder of the user's own models; ``NAPARI_DIATOM_MODELS`` overrides it."""
    return Path(
        os.environ.get("NAPARI_DIATOM_MODELS") or Path(user_data_dir("napari-diatom", appauthor=False)) / "models"
    )


def available() -> list[ModelFolder]:
    """Return the bundled and the user's models by name; a damaged one hides only itself."""
    return list_models()[0]


def list_models() -> tuple[list[ModelFolder], list[ModelError]]:
    """Return the bundled and the user's models by name, and the errors of those that cannot be used."""
    found: dict[str, ModelFolder] = {}
    wrong: list[ModelError] = []
    for home in (BUNDLED, user_folder()):
        for path in _cards(home):
            try:
                model = ModelFolder(ModelCard.read(path.parent), path.parent)
            except ModelError as error:
                wrong.append(error)
                continue
            found.setdefault(model.card.name, model)
    return [found[name] for name in sorted(found, key=lambda name: (name != DEFAULT, name))], wrong


def _cards(home: Path) -> list[Path]:
    """Return the cards in a folder of models, none where it cannot be looked into."""
    try:
        return sorted(home.glob(f"*/{CARD_FILE}"))
    except OSError:
        return []


def resolve_model(name_or_path: str | Path) -> ModelFolder:
    """Return a model by its name, or by the path of its folder or ``.diatom-model`` file.

    A name goes before a path: the working folder may well hold results that are called like a model.

    Raises
    ------
    ModelError
        When there is none; the known names are listed, a close one first.
    """
    known = available()
    for model in known:
        if model.card.name == name_or_path:
            return model
    path = Path(name_or_path)
    try:
        if path.is_dir():
            return ModelFolder(ModelCard.read(path), path)
        if path.is_file():
            if path.suffix == ".pt":
                raise ModelError(
                    f"{path} is an Ultralytics checkpoint: run `napari-diatom models import {path}` first."
                )
            return _unpack(path)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {reason(error)}") from error
    for card in (card for home in (BUNDLED, user_folder()) for card in _cards(home)):
        if card.parent.name == str(name_or_path):
            # There is one, but its card is damaged: say how.
            return ModelFolder(ModelCard.read(card.parent), card.parent)
    names = [model.card.name for model in known]
    close = get_close_matches(str(name_or_path), names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise ModelError(f"There is no model {str(name_or_path)!r}.{hint} Known models: {', '.join(names) or 'none'}.")


def outliners() -> list[ModelFolder]:
    """Return the bundled and the user's models that outline specimens, the default one first."""
    found = [model for model in available() if model.card.task == OUTLINING_TASK]
    return sorted(found, key=lambda model: model.card.name != OUTLINER)


def resolve_outliner(name_or_path: str | Path) -> ModelFolder:
    """Return a model that outlines specimens, as :func:`resolve_model` does.

    Raises
    ------
    ModelError
        When there is none, or it is for another task; the known ones are named, or where to get one.
    """
    known = outliners()
    if name_or_path == OUTLINER and OUTLINER not in {model.card.name for model in known}:
        names = ", ".join(model.card.name for model in known)
        todo = (
            f"name one of these: {names}"
            if names
            else "install one with `napari-diatom models import FILE`, or name the folder of one"
        )
        raise ModelError(f"The model {OUTLINER}, which outlines specimens, is not installed: {todo}.")
    model = resolve_model(name_or_path)
    if model.card.task != OUTLINING_TASK:
        raise ModelError(
            f"Model {model.card.name} is for {model.card.task} and does not outline specimens in boxes: choose a "
            f"model for {OUTLINING_TASK} (see `napari-diatom models list`)."
        )
    return model


def resolve_embedder(name_or_path: str | Path) -> ModelFolder:
    """Return a model that turns specimens into vectors, as :func:`resolve_model` does.

    Raises
    ------
    ModelError
        When there is none, or it is for another task.
    """
    model = resolve_model(name_or_path)
    if model.card.task != EMBEDDING_TASK:
        raise ModelError(
            f"Model {model.card.name} is for {model.card.task} and does not compare specimens: choose a model for "
            f"{EMBEDDING_TASK} (see `napari-diatom models list`)."
        )
    return model


def _unpack(path: Path) -> ModelFolder:
    """Unpack a ``.diatom-model`` file into the cache, once per content; what else it holds stays in it."""
    partial: Path | None = None
    try:
        with regular(path) as stream:
            digest = _digest(stream)
        home = Path(user_cache_dir("napari-diatom", appauthor=False)) / "unpacked" / digest
        if not home.exists():
            home.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix="part-", dir=home.parent))
            with opened_zip(path, f"a {ARCHIVE_SUFFIX} file") as archive:
                for name, largest in ((CARD_FILE, LARGEST_CARD), (WEIGHTS_FILE, LARGEST_WEIGHTS)):
                    with (partial / name).open("wb") as out:
                        out.writelines(chunks(archive, name, largest))
                quantized = ModelCard.read(partial).quantized
                for name, largest in zip(GRAPH_FILES, LARGEST_GRAPH, strict=True) if quantized else ():
                    with (partial / name).open("wb") as out:
                        out.writelines(chunks(archive, name, largest))
            # What cannot be used is found before anything is kept.
            with (partial / WEIGHTS_FILE).open("rb") as weights:
                if _digest(weights) != ModelCard.read(partial).sha256:
                    raise InputError("its weights do not match its card. Download the file again.")
            if quantized is not None and (fault := graph_fault(quantized, partial)):
                raise InputError(f"its graph in 8 bits {fault}. Download the file again.")
            _move(partial, home)
    except InputError as error:
        raise ModelError(f"{path} cannot be used as a model: {error}") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be unpacked: {error.filename or ''} {reason(error)}") from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
    return ModelFolder(ModelCard.read(home), home)


def _digest(stream: BinaryIO) -> str:
    """Return the SHA-256 of a file in hexadecimal. Raises InputError where it is larger than any model."""
    size = stream.seek(0, os.SEEK_END)
    if size > LARGEST_WEIGHTS + LARGEST_CARD:
        raise InputError(
            f"It has {size / 2**30:,.1f} GB, and weights of up to {LARGEST_WEIGHTS / 2**30:.0f} GB are read."
        )
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def _move(partial: Path, home: Path) -> None:
    """Move a folder to its place, unless another process was faster."""
    try:
        partial.replace(home)
    except OSError:
        if not home.exists():
            raise


def install(model: ModelFolder) -> ModelFolder:
    """Copy a model into the user's own ones, so that it is known by its name.

    Returns
    -------
    ModelFolder
        The copy. Where another model has that name, in capitals or not, a number is added to it. The same weights are
        not copied twice: the copy takes over what the card says of them now.

    Raises
    ------
    ModelError
        When the weights are damaged.
    OutputError
        When there is no room or no right to write.
    """
    model.verify()
    # On Windows and macOS, names that differ in capitals alone are one folder.
    models = {known.card.name.casefold(): known for known in available()}
    folders = {card.parent.name.casefold() for card in _cards(user_folder())}
    name, number = model.card.name, 1
    while name.casefold() in models.keys() | folders:
        known = models.get(name.casefold())
        if known is not None and known.card.sha256 == model.card.sha256:
            card = model.card.model_copy(update={"name": known.card.name})
            if card == known.card:
                return known
            if known.folder.parent != BUNDLED:
                _copy_graph(model, known.folder)
                card.write(known.folder)
                return ModelFolder(card, known.folder)
        number += 1
        name = f"{model.card.name}-{number}"
    home = user_folder() / name
    card = model.card.model_copy(update={"name": name})
    # The card makes it a model: it comes last.
    write_atomically(home / WEIGHTS_FILE, model.weights.read_bytes())
    _copy_graph(model, home)
    card.write(home)
    return ModelFolder(card, home)


def _copy_graph(model: ModelFolder, home: Path) -> None:
    """Copy the graph in 8 bits, where there is one, into another folder."""
    for name in GRAPH_FILES if model.card.quantized else ():
        write_atomically(home / name, (model.folder / name).read_bytes())


def pack_model(model: ModelFolder, path: Path) -> None:
    """Write a model as one ``.diatom-model`` file, whole or not at all; the same model gives the same bytes.

    Raises
    ------
    ModelError
        When the weights are damaged.
    OutputError
        When the file cannot be written.
    """
    model.verify()
    with atomic(path) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(CARD_FILE), model.card.text())
        for name in (WEIGHTS_FILE, *(GRAPH_FILES if model.card.quantized else ())):
            with (
                (model.folder / name).open("rb") as part,
                archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as out,
            ):
                shutil.copyfileobj(part, out)
