"""Functions of a configuration in a process of their own, so that no window has to load torch."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diatom_training.finetune.config import TrainConfig
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.processes import start, wait_or_stop
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor


def call_in_subprocess(module: str, function: str, config: TrainConfig, monitor: ProgressMonitor = UNWATCHED) -> Any:
    """Return what ``module.function(config)`` gives, called in a process that ends with it or with a stop.

    Raises
    ------
    Stopped
        When a stop was asked for.
    DiatomError
        What the function raised, or the last words of a process that died.
    """
    with tempfile.TemporaryDirectory(prefix="napari-diatom-") as folder:
        file, out, log = (Path(folder) / name for name in ("config.yaml", "out.pickle", "log.txt"))
        config.absolute().write(file)
        with log.open("wb") as stream:
            target = "diatom_training.finetune.subprocess_call:call_and_write"
            streams = {"stdin": subprocess.DEVNULL, "stdout": stream, "stderr": stream}
            process = start(target, module, function, str(file), str(out), apart=True, **streams)
        wait_or_stop(process, monitor)
        if not out.exists():
            words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise DiatomError(f"This could not be done: {words[-1] if words else process.returncode}")
        # Written by our own process, a moment ago, in a folder of this user alone.
        problem, result = pickle.loads(out.read_bytes())
    if problem is not None:
        raise InputError(problem)
    return result


def call_and_write(module: str, function: str, file: str, out: str) -> None:
    """Call a function with the configuration in a file, and write what it gives, or what is wrong."""
    # Whoever called deletes this folder, also when it ends this process in the middle of its work.
    tempfile.tempdir = str(Path(out).parent)
    call: Callable[[TrainConfig], Any] = getattr(importlib.import_module(module), function)
    try:
        said: tuple[str | None, Any] = (None, call(TrainConfig.read(Path(file))))
    except DiatomError as error:
        said = (str(error), None)
    Path(out).write_bytes(pickle.dumps(said))
