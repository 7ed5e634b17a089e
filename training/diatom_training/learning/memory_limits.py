"""Trainings within the memory of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from diatom_training.learning.fitting import Fitting
from napari_diatom.core.errors import DiatomError
from napari_diatom.core.progress import Progress, ProgressMonitor

_Result = TypeVar("_Result")


def in_memory(task: Fitting, monitor: ProgressMonitor, work: Callable[[int], _Result]) -> _Result:
    """Return what work gives with as many crops at a time on each device as fit into memory.

    Raises
    ------
    DiatomError
        When not even one does.
    """
    batch = -(-task.plan.batch // task.devices)
    while True:
        try:
            return work(batch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            if batch == 1 or task.devices > 1:
                what = "Not even one crop" if batch == 1 else f"Not even one crop on each of {task.devices} devices"
                raise DiatomError(
                    f"{what} of {task.options.size} pixels fits into memory; choose smaller crops or a smaller network."
                ) from error
        batch //= 2
        if task.device == "cuda":
            torch.cuda.empty_cache()
        monitor.report(Progress("memory", message=f"Out of memory: continuing with {batch} crops at a time."))


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out: CPUs and other devices do not agree on its type."""
    text = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in text
        or "can't allocate memory" in text
    )
