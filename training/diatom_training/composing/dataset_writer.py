"""Training sets of composed fields: on disk, each with its outlines beside it."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from diatom_training.composing.compose import compose_field
from diatom_training.composing.material import NO_SPECIMEN, Material
from diatom_training.composing.options import ComposeOptions
from diatom_training.data.examples import Example, load_truth, save_truth
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import InputError, OutputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text_files import read_json

RECORD: Final = "composed.json"
"""File in a set's folder that says what its fields are composed of and how."""

GROUP: Final = "composed"
"""Group of the examples: a split keeps them together, for they share cut-outs."""


@dataclass(frozen=True, eq=False)
class _Set:
    """What every field of a set is made from."""

    material: Material
    options: ComposeOptions
    folder: Path
    seed: int


def compose_set(
    material: Material,
    options: ComposeOptions,
    folder: Path,
    count: int,
    seed: int = 0,
    processes: int = 1,
    scales: tuple[float, float] = (0.7, 1.25),
    monitor: ProgressMonitor = UNWATCHED,
) -> list[Example]:
    """Compose ``count`` fields and return them as examples.

    What an interrupted call left is kept and completed, and so is a smaller set of the same material, options and seed.
    Field ``i`` depends on these and on ``i`` alone.

    Parameters
    ----------
    material : Material
    options : ComposeOptions
    folder : Path
        Where the fields are kept, with their outlines and with :data:`RECORD`.
    count, seed : int
        How many fields, and what they are drawn from.
    processes : int
        Processes to compose with; each holds the material in memory.
    scales : tuple of float
        Scales at which training shows the fields.

    Raises
    ------
    InputError
        When there is no cut-out of a specimen, or the folder holds something else.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for.
    """
    problems = [
        f"{name} is {value}, and must be at least {least}"
        for name, value, least in (("count", count, 1), ("seed", seed, 0), ("processes", processes, 1))
        if value < least
    ]
    if not material.specimens:
        problems.append(NO_SPECIMEN)
    if problems:
        raise InputError(f"No fields were composed: {'; '.join(problems)}.")
    _record(material, options, folder, seed)
    paths: list[Path] = []
    with _composed(_Set(material, options, folder, seed), count, processes) as done:
        for path in done:
            paths.append(path)
            monitor.report(Progress("fields", len(paths), count))
            if len(paths) < count:
                monitor.check()
    return [replace(load_truth(path, scales=scales), group=GROUP) for path in paths]


@contextmanager
def _composed(made_from: _Set, count: int, processes: int) -> Iterator[Iterator[Path]]:
    """Give the fields' files one after the other, as they are there."""
    if processes == 1:
        yield map(partial(_write, made_from), range(count))
        return
    pool = multiprocessing.get_context("spawn").Pool(processes, _begin, (made_from,))
    with pool:
        yield pool.imap(_write_here, range(count))


_here: list[_Set] = []
"""In a process of a pool: what its fields are made from, which is sent to it once."""


def _begin(made_from: _Set) -> None:
    """Make a process ready to compose."""
    cv2.setNumThreads(1)
    _here[:] = [made_from]


def _write_here(index: int) -> Path:
    """Compose a field in a process of a pool."""
    return _write(_here[0], index)


def _write(made_from: _Set, index: int) -> Path:
    """Compose field ``index`` of a set unless it is there, and return its image file."""
    path = made_from.folder / f"{index:06d}.png"
    if path.exists():
        return path
    field = compose_field(made_from.material, made_from.options, (made_from.seed, index))
    try:
        save_truth(path.with_suffix(".npz"), field.outlines, field.angles, field.class_ids)
    except OSError as error:
        raise OutputError(f"{path.with_suffix('.npz')} cannot be written: {reason(error)}") from error
    _, data = cv2.imencode(".png", np.ascontiguousarray(field.image[..., ::-1]))
    write_atomically(path, data.tobytes())
    return path


def _record(material: Material, options: ComposeOptions, folder: Path, seed: int) -> None:
    """Write what a set is composed of into its folder, or see that it is what is there.

    Raises
    ------
    InputError
        When the folder holds other files, or fields that were composed otherwise.
    """
    path = folder / RECORD
    wanted: dict[str, Any] = {
        "options": options.model_dump(mode="json"),
        "seed": seed,
        "classes": list(material.classes),
        "groups": list(material.groups),
        "material": material.digest(),
    }
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} holds other files; name a new folder for composed fields.")
        write_atomically(path, json.dumps(wanted, indent=2, ensure_ascii=False) + "\n")
        return
    found = read_json(path, "a record of composed fields")
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a record of composed fields.")
    differing = [key for key in wanted if found.get(key) != wanted[key]]
    if differing:
        raise InputError(
            f"{folder} holds fields composed from other material or with other settings "
            f"({', '.join(differing)} differ{'s' if len(differing) == 1 else ''}); name a new folder."
        )
