"""A run of ``count`` in several processes of one machine: each counts a part ahead, and the run takes it over.

The run itself then goes on as an interrupted one does, so its tables are the same bytes, and what a process that died
has not counted, it counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from napari_diatom.analysis.worker_process import call
from napari_diatom.analysis.worker_serving import LoadedNetworks
from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.counting.batch import count, make_room
from napari_diatom.counting.batch_job import BatchJob
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.results_folder import ResultsFolder
from napari_diatom.counting.shards import Shard
from napari_diatom.models import library

COUNT_PART: Final = "napari_diatom.counting.workers:count_part"
MOST: Final = 256
"""Processes of a run."""


@dataclass(frozen=True)
class WorkerJob:
    """What one of the processes counts.

    Attributes
    ----------
    job : BatchJob
        The batch, with its shard and the threads of this process, and the models.
    precision : str
        See :func:`napari_diatom.engines.load`.
    """

    job: BatchJob
    precision: str = "auto"


def checked_workers(workers: int, shard: Shard | None = None) -> int:
    """Return a number of processes.

    Raises
    ------
    InputError
        When it is below 1 or above :data:`MOST`, or a shard is to be divided.
    """
    if not 1 <= workers <= MOST:
        raise InputError(f"workers is {workers}; give 1 to {MOST}.")
    if workers > 1 and shard is not None:
        raise InputError("A shard is counted by one process: give more shards in place of --workers.")
    return workers


def count_ahead(part: WorkerJob, workers: int, monitor: ProgressMonitor, warn: Callable[[str], None]) -> Batch:
    """Have processes count the images of a batch, and return the batch that takes their results.

    Parameters
    ----------
    part : WorkerJob
        The whole batch; its threads are divided among the processes.
    workers : int
        How many processes, as :func:`checked_workers` takes them; each has its own copy of the model in memory.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.
    warn : callable
        Gets a sentence on each process that died. Its images are left to the run.

    Raises
    ------
    InputError, ModelError, OutputError
        As :func:`napari_diatom.counting.batch.count`.
    Stopped
        When a stop was asked for; finished images stay for ``resume``.
    """
    batch = part.job.batch
    images = len(make_room(batch))
    number = min(workers, images)
    stop, lock, done = threading.Event(), threading.Lock(), [0] * number

    def report(k: int, progress: Progress) -> None:
        if progress.stage != "images":
            return
        with lock:
            done[k] = progress.done
            monitor.report(Progress("images", sum(done), images, progress.message))

    def work(k: int) -> None:
        shard = Shard(k + 1, number)
        own = replace(batch, shard=shard, overwrite=False, threads=max(batch.threads // number, 1))
        watch = ProgressMonitor(partial(report, k), lambda: stop.is_set() or monitor.should_stop())
        call(COUNT_PART, replace(part, job=replace(part.job, batch=own)), watch, lambda news: None)

    with ThreadPoolExecutor(number) as pool:
        try:
            for ended in as_completed([pool.submit(work, k) for k in range(number)]):
                error = ended.exception()
                # A process that died has no error of its own.
                if error is not None and type(error) is not DiatomError:
                    raise error
                if error is not None:
                    warn(f"One of {number} processes was lost ({error}) Its images are counted now.")
        finally:
            stop.set()
    ResultsFolder(batch.out).forget_shards()
    return replace(batch, resume=True, overwrite=False)


def count_part(
    part: WorkerJob, networks: LoadedNetworks, monitor: ProgressMonitor, tell: Callable[[Any], None]
) -> None:
    """Count the part of one process, in that process; raises as :func:`napari_diatom.counting.batch.count`."""
    run_part(part, {}, monitor)


def run_part(part: WorkerJob, kept: dict[Hashable, Any], monitor: ProgressMonitor) -> None:
    """Count a part here.

    Parameters
    ----------
    part : WorkerJob
        What to count.
    kept : dict
        Networks that were loaded for other parts, and those of this one afterwards.
    monitor : ProgressMonitor
        The contract of long work.

    Raises
    ------
    DiatomError
        As :func:`napari_diatom.counting.batch.count`.
    """
    from napari_diatom import engines

    job = part.job
    given = {"device": job.device, "threads": job.batch.threads}
    more = given | {"precision": part.precision}

    def loads(load: Callable[..., Any], folder: Path | None, options: dict[str, Any]) -> Any:
        if folder is None:
            return None
        model = library.resolve_model(str(folder))
        key = (load.__name__, model.folder, model.card.sha256, *options.values())

        def loaded() -> Any:
            if key not in kept:
                kept[key] = load(model, **options)
            return kept[key]

        return loaded

    count(
        job.batch,
        loads(engines.load, job.model, more),
        monitor,
        load_namer=loads(engines.load_classifier, job.namer, given),
        load_outliner=loads(engines.load_outliner, job.outliner, more),
    )
