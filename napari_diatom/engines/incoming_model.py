"""A model that somebody else made, looked at before it becomes one of the user's own."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import DiatomError, InputError, ModelError
from napari_diatom.core.processes import start, wait_or_stop
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.models import library
from napari_diatom.models.library import ARCHIVE_SUFFIX, ModelFolder

CHECKPOINT_SUFFIX: Final = ".pt"
_SAID: Final = "said.json"


def incoming_model(path: Path, scratch: Path, monitor: ProgressMonitor = UNWATCHED) -> ModelFolder:
    """Return the model in a file or folder; it is not one of the user's own yet.

    An Ultralytics file is read in a child process, so that no window has to load torch. Nothing in it is run.

    Parameters
    ----------
    path : Path
        A ``.diatom-model`` file, the folder of a model or of a training's run, or an Ultralytics ``.pt`` file.
    scratch : Path
        An existing folder; a ``.pt`` file is converted there.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError, ModelError
        When there is no model, or it is damaged or of a kind that is not read.
    Stopped
        When a stop was asked for.
    """
    path = path.absolute()
    if path.suffix.lower() == CHECKPOINT_SUFFIX:
        return _converted(path, scratch, monitor)
    if path.is_dir() and (path / "model").is_dir():
        path = path / "model"
    elif path.is_file() and path.suffix != ARCHIVE_SUFFIX:
        raise InputError(
            f"{path} is not a model: choose a {ARCHIVE_SUFFIX} file, an Ultralytics {CHECKPOINT_SUFFIX} file, or the "
            "folder of a training."
        )
    model = library.resolve_model(path)
    model.verify()
    return model


def convert_and_tell(file: str, name: str, scratch: str) -> None:
    """Convert an Ultralytics file, and write whether that worked: what the child process does."""
    from napari_diatom.engines.yolo_checkpoint import import_checkpoint

    said: dict[str, str] = {}
    try:
        import_checkpoint(Path(file), name, "", Path(scratch))
    except DiatomError as error:
        said["problem"] = str(error)
    (Path(scratch) / _SAID).write_text(json.dumps(said), encoding="utf-8")


def _converted(path: Path, scratch: Path, monitor: ProgressMonitor) -> ModelFolder:
    """Return an Ultralytics file as a model in the scratch folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).lstrip("._-")[:100] or "model"
    quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    target = "napari_diatom.engines.incoming_model:convert_and_tell"
    try:
        process = start(target, str(path), name, str(scratch), **quiet)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: no process could be started ({error}).") from error
    wait_or_stop(process, monitor)
    said = scratch / _SAID
    if not said.is_file():
        raise ModelError(f"{path} cannot be read: the process that read it ended ({process.returncode}).")
    problem = json.loads(said.read_text(encoding="utf-8")).get("problem")
    if problem is not None:
        raise ModelError(problem)
    return library.resolve_model(scratch / name)
