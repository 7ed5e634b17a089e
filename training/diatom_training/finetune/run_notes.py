"""What a run has found out about its data, kept in ``run.json`` beside how far it is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.core.text_files import read_json

STANDARDIZATION: Final = "standardization"
"""Stage of a progress that says by what images are standardized, and name of the note of it."""
EPOCH_PLAN: Final = "epoch-plan"
"""The same of how many crops and steps an epoch has, where the training part decides that."""
BATCH_SIZE: Final = "batch-size"
"""The same of how many crops go through the network at once, where memory decides that."""


def kept_notes(path: Path) -> dict[str, Any]:
    """Return the notes in the file of a run's state; none where it is not there or damaged."""
    if not path.exists():
        return {}
    with contextlib.suppress(InputError):
        data = read_json(path, "the state of a training")
        if isinstance(data, Mapping):
            notes = {name: data.get(name) for name in (STANDARDIZATION, EPOCH_PLAN, BATCH_SIZE)}
            return {name: dict(note) for name, note in notes.items() if isinstance(note, Mapping)}
    return {}


def noting(monitor: ProgressMonitor, path: Path) -> ProgressMonitor:
    """Return a monitor that also notes such facts in a run's state; raises OutputError."""

    def keep(name: str, note: Mapping[str, Any]) -> None:
        data = read_json(path, "the state of a training")
        write_atomically(path, json.dumps(data | {name: note}, indent=1) + "\n")

    def report(progress: Progress) -> None:
        if progress.stage == STANDARDIZATION and path.exists():
            numbers = {name: [progress.values[f"{name}_{channel}"] for channel in range(3)] for name in ("mean", "std")}
            keep(STANDARDIZATION, numbers | {"of": progress.message})
        elif progress.stage in (EPOCH_PLAN, BATCH_SIZE) and path.exists():
            keep(progress.stage, dict(progress.values))
        monitor.report(progress)

    return replace(monitor, report=report)
