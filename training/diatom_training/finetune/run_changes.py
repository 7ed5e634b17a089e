"""Changes to whole runs: another name, no run any more, and its model as one file."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from diatom_training.finetune import recent_runs
from diatom_training.finetune.fold_runs import fold_name
from diatom_training.finetune.run_folder import CONFIG, CONTENTS, MODEL, STATE, RunFolder, Stage, run_of
from diatom_training.finetune.work_folder import LOCK
from napari_diatom.core.atomic_files import reason, temporary_of, write_atomically
from napari_diatom.core.errors import DiatomError, InputError, OutputError
from napari_diatom.core.text import quoted
from napari_diatom.models.card import CARD_FILE, NAME, NAMED, ModelCard
from napari_diatom.models.library import ModelFolder, pack_model, resolve_model

_FOLD: Final = re.compile(re.escape(fold_name(0)).replace("0", r"\d+"))


def rename_run(folder: RunFolder, name: str) -> RunFolder:
    """Give a run another name: its folder, its settings and its model.

    Returns
    -------
    RunFolder
        The run in its new folder, beside where it was.

    Raises
    ------
    InputError
        When the name is none for a model or is taken, the run is in progress, belongs to a cross-validation, or an
        unfinished run starts from it.
    OutputError
        When the folder cannot be changed; it is then as it was.
    """
    if not re.match(NAME, name):
        raise InputError(f"{quoted(name)} is not a name for a run: {NAMED}.")
    if _FOLD.fullmatch(folder.path.name):
        raise InputError(f"{folder.path} is part of a cross-validation, which finds its runs by their names.")
    moved = RunFolder(folder.path.with_name(name))
    if name == folder.path.name:
        return folder
    # A file system that takes capitals for small letters finds the run itself.
    if moved.path.exists() and not moved.path.samefile(folder.path):
        raise InputError(f"{moved.path} exists already: choose another name.")
    config = folder.config().replace(name=name)
    with _reserved(folder) as restore:
        try:
            os.rename(folder.path, moved.path)
        except OSError as error:
            restore(folder)
            raise OutputError(f"{folder.path} cannot be renamed: {reason(error)}") from error
        restore(moved)
    recent_runs.put_in_place(folder, moved)
    config.write(moved / CONFIG)
    if (moved / MODEL / CARD_FILE).is_file():
        with contextlib.suppress(DiatomError):
            ModelCard.read(moved / MODEL).model_copy(update={"name": name}).write(moved / MODEL)
    return moved


def delete_run(folder: RunFolder) -> tuple[str, ...]:
    """Delete a run with its model, curves and report.

    Returns
    -------
    tuple of str
        Names of files in the folder that are not of the run. They stay, and so does the folder.

    Raises
    ------
    InputError
        When it is gone or in progress, or an unfinished run starts from it.
    OutputError
        When it cannot be deleted, or not as a whole.
    """
    if not folder.path.is_dir():
        raise InputError(f"{folder.path} does not exist any more.")
    with folder.alone():
        _check_unused(folder)
        # The settings make it a run: without them no window shows what is left.
        for name in (CONFIG, *CONTENTS):
            for path in (folder / name, temporary_of(folder / name)):
                _remove(path)
    _remove(folder / LOCK)
    left = tuple(sorted(item.name for item in folder.path.iterdir()))
    if not left:
        with contextlib.suppress(OSError):
            folder.path.rmdir()
    return left


def export_run(folder: RunFolder, path: Path) -> None:
    """Write the model of a run as one ``.diatom-model`` file, under the name of its run.

    Raises
    ------
    ModelError
        When it has no model, or a damaged one.
    OutputError
        When the file cannot be written.
    """
    pack_model(named_as_its_run(resolve_model(folder / MODEL)), path)


def named_as_its_run(model: ModelFolder) -> ModelFolder:
    """Return a model with the name of its run, if several runs have the same name and a number."""
    run, name = run_of(model), model.card.name
    if run is None or not re.fullmatch(rf"{re.escape(name)}-\d+", run.path.name):
        return model
    return replace(model, card=model.card.model_copy(update={"name": run.path.name}))


def _check_unused(folder: RunFolder) -> None:
    """Refuse to change a run that is in progress, or that an unfinished run starts from."""
    if _stage(folder) == "running":
        raise InputError(f"{folder.path} is being trained: stop the training first.")
    model = (folder.path.absolute(), (folder / MODEL).absolute())
    for run in recent_runs.list_runs():
        if run.path.absolute() == folder.path.absolute() or _stage(run) in ("finished", None):
            continue
        if _start_of(run) in model:
            raise InputError(f"{run.path} starts from {folder.path}, and is not finished: finish or delete it first.")


def _start_of(folder: RunFolder) -> Path | None:
    """Return the run or model that a run starts from, None where its settings are damaged."""
    try:
        return Path(folder.config().start)
    except InputError:
        return None


def _stage(folder: RunFolder) -> Stage | None:
    """Return how far a run is, None where its state is damaged: nobody can continue it then."""
    try:
        return folder.state().stage
    except InputError:
        return None


@contextlib.contextmanager
def _reserved(folder: RunFolder) -> Iterator[Callable[[RunFolder], None]]:
    """Keep other windows from beginning a run while its folder moves.

    The lock cannot do that: on Windows a folder with an open file cannot be renamed. So the run is said to be this
    process's, until the function that the block gets has put back what was said before.
    """
    with folder.alone():
        _check_unused(folder)
        before = (folder / STATE).read_bytes() if (folder / STATE).exists() else None
        folder.write_state("running", "The run is being renamed.")

    def restore(place: RunFolder) -> None:
        if before is None:
            (place / STATE).unlink()
        else:
            write_atomically(place / STATE, before)

    yield restore


def _remove(path: Path) -> None:
    """Delete a file or folder, if there is one. Raises OutputError when it cannot be deleted."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be deleted: {reason(error)}") from error
