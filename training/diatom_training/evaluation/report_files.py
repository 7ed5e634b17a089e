"""The files of a report, written whole or not at all, and what goes into them as JSON."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import OutputError

HTML: Final = "report.html"
JSON: Final = "report.json"


@contextlib.contextmanager
def ready(folder: Path) -> Iterator[None]:
    """Make the folder of a report and try to write there, before long work and not after it.

    Folders that were made are taken away again where the work comes to nothing.

    Raises
    ------
    OutputError
        When the folder cannot be made, or not be written into.
    """
    made = [part for part in (folder, *folder.parents) if not part.exists()]
    probe = folder / f".{HTML}.part"
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OutputError(f"The report cannot be written to {folder}: {reason(error)}") from error
        taken = [path for path in (folder / HTML, folder / JSON) if path.is_dir()]
        if taken:
            raise OutputError(f"The report cannot be written: {taken[0]} is a folder.")
        yield
    except BaseException:
        for part in made:
            with contextlib.suppress(OSError):
                part.rmdir()
        raise


def write_both(folder: Path, text: str, data: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write a page and the same as data, and return their paths. Raises OutputError when a file cannot be written."""
    paths = folder / HTML, folder / JSON
    write_atomically(paths[0], text)
    write_atomically(paths[1], json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return paths


def to_json_value(value: Any) -> Any:
    """Return dataclasses and arrays as values for :func:`json.dumps`; NaN and infinity become None."""
    if is_dataclass(value):
        return {part.name: to_json_value(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json_value(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_json_value(value.tolist())
    if isinstance(value, list | tuple):
        return [to_json_value(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
