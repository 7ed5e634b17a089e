"""What a Dask worker does for ``count``: it keeps the networks, and counts one part of the images after the other."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from distributed import Event, Worker, WorkerPlugin, get_worker

from napari_diatom.core.errors import Stopped
from napari_diatom.core.progress import ProgressMonitor
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.results_folder import ResultsFolder
from napari_diatom.counting.run_record import package_versions
from napari_diatom.counting.workers import WorkerJob, run_part

PLUGIN: Final = "napari-diatom"
_ASK_SECONDS: Final = 1.0
"""Time between two questions whether the run was stopped: each goes to the scheduler."""


@dataclass(frozen=True)
class WorkerFacts:
    """What a worker has.

    Attributes
    ----------
    versions : dict of str to str
        Of Python and of the packages that results depend on.
    unseen : tuple of str
        Of the paths that were asked for, those that it does not see.
    is_writable : bool
        Whether it may write into the folder of results.
    """

    versions: dict[str, str]
    unseen: tuple[str, ...]
    is_writable: bool


def look_around(paths: tuple[str, ...], out: str) -> WorkerFacts:
    """Return what this process has, and which of some paths it does not see."""
    return WorkerFacts(
        {"python": ".".join(platform.python_version_tuple()[:2]), **package_versions()},
        tuple(path for path in paths if not Path(path).exists()),
        os.access(out, os.W_OK),
    )


class NetworksPlugin(WorkerPlugin):  # type: ignore[misc]
    """Keeps the networks of a worker from one part to the next."""

    name = PLUGIN

    def setup(self, worker: Worker) -> None:
        """Begin without networks."""
        self.threads = worker.state.nthreads
        self.kept: dict[Hashable, Any] = {}
        self.lock = threading.Lock()


class StopAsked:
    """Asks the scheduler now and then whether the run was stopped.

    Parameters
    ----------
    name : str
        Of the event that says so.
    """

    def __init__(self, name: str) -> None:
        self._event = Event(name)
        self._is_set = bool(self._event.is_set())
        self._asked = time.monotonic()

    def __call__(self) -> bool:
        """Return whether it was stopped."""
        if not self._is_set and time.monotonic() > self._asked + _ASK_SECONDS:
            self._is_set = bool(self._event.is_set())
            self._asked = time.monotonic()
        return self._is_set


def count_task(part: WorkerJob, stop: str) -> None:
    """Count a part on a worker, with all its threads.

    Parameters
    ----------
    part : WorkerJob
        What to count.
    stop : str
        Name of the event that says that the run was stopped.

    Raises
    ------
    DiatomError
        As :func:`napari_diatom.counting.batch.count`; Stopped where the run was stopped before.
    """
    plugin = get_worker().plugins[PLUGIN]
    # A worker begins as many tasks as it has threads, and here one task takes all of them.
    with plugin.lock:
        stopped = StopAsked(stop)
        if stopped():
            raise Stopped
        batch: Batch = replace(part.job.batch, threads=plugin.threads)
        part = replace(part, job=replace(part.job, batch=batch))
        run_part(part, plugin.kept, ProgressMonitor(should_stop=stopped))
        # Each record names all images of the run, and the run that takes the results over needs none.
        ResultsFolder(batch.out, batch.shard).record().unlink(missing_ok=True)
