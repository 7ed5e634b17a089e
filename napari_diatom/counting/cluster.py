"""A run of ``count`` on Dask workers, of this machine or of others: they count ahead, and the run takes it over.

Images and results lie where all of them see them under the same path; only paths are sent. The run itself then goes on
as an interrupted one does, as in :mod:`napari_diatom.counting.workers`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.core.text import first_few, many
from napari_diatom.counting.batch import make_room
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.result_names import Source
from napari_diatom.counting.results_folder import ResultsFolder
from napari_diatom.counting.shards import MOST, Shard
from napari_diatom.counting.workers import WorkerJob, checked_workers, count_ahead

if TYPE_CHECKING:
    from distributed import Client

LOCAL: Final = "local"
"""A scheduler that is started for the run, and ends with it."""
EXTRA: Final = 'pip install "napari-diatom[cluster]"'
_IMAGES: Final = 8
"""Images of a task at most, unless there are very many."""
_TASKS_EACH: Final = 4
"""Tasks for each worker at least, so that all of them end at about the same time."""
_RETRIES: Final = 1
_ANSWER_SECONDS: Final = 20
_WORKERS_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.5
_LEAVE_SECONDS: Final = 30
_SCHEMES: Final = ("tcp://", "tls://")


def checked_scheduler(scheduler: str, workers: int = 1, shard: Shard | None = None) -> str:
    """Return the address of a scheduler.

    Raises
    ------
    InputError
        When it is none, or goes with something else that divides the work.
    """
    if scheduler != LOCAL and not (scheduler.startswith(_SCHEMES) and scheduler.partition("://")[2]):
        raise InputError(
            f"{scheduler!r} is no scheduler: give its address, such as tcp://host:8786 or tls://host:8786, or {LOCAL}, "
            "which starts one here."
        )
    if scheduler != LOCAL and workers != 1:
        raise InputError("The workers are those of the scheduler: leave out --workers, or give --scheduler local.")
    if shard is not None:
        raise InputError("The scheduler divides the images itself: leave out --shard.")
    return scheduler


def is_divided(workers: int, scheduler: str | None, shard: Shard | None = None) -> bool:
    """Return whether others than this process count first.

    Raises
    ------
    InputError
        As :func:`checked_scheduler` and :func:`~napari_diatom.counting.workers.checked_workers`.
    """
    if scheduler is not None:
        checked_scheduler(scheduler, workers, shard)
    return checked_workers(workers, shard) > 1 or scheduler is not None


def count_divided(
    part: WorkerJob, workers: int, scheduler: str | None, monitor: ProgressMonitor, warn: Callable[[str], None]
) -> Batch:
    """Have processes, or the workers of a scheduler, count ahead; as :func:`count_on_cluster`."""
    if scheduler is None:
        return count_ahead(part, workers, monitor, warn)
    return count_on_cluster(part, scheduler, workers, monitor, warn)


def count_on_cluster(
    part: WorkerJob, scheduler: str, workers: int, monitor: ProgressMonitor, warn: Callable[[str], None]
) -> Batch:
    """Have Dask workers count the images of a batch, and return the batch that takes their results.

    Parameters
    ----------
    part : WorkerJob
        The whole batch. The threads are those of each worker; on this machine they are divided among the workers.
    scheduler : str
        As :func:`checked_scheduler` takes it. With ``tls://``, certificates are those of Dask's configuration.
    workers : int
        Of a scheduler that is started here, each with its own copy of the model in memory; it listens on the loopback
        address alone.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.
    warn : callable
        Gets a sentence on parts whose workers died again and again. Their images are left to the run.

    Raises
    ------
    InputError
        When Dask is not installed, no scheduler answers, it has no workers, or these have other versions of what
        results depend on or do not see the images; and as :func:`napari_diatom.counting.batch.count`.
    ModelError, OutputError
        As :func:`napari_diatom.counting.batch.count`.
    Stopped
        When a stop was asked for; finished images stay for ``resume``.
    """
    try:
        import distributed
    except ImportError:
        raise InputError(f"--scheduler needs Dask: {EXTRA}.") from None
    batch = replace(
        part.job.batch,
        inputs=tuple(os.path.abspath(text) for text in part.job.batch.inputs),
        out=part.job.batch.out.absolute(),
    )
    sources = make_room(batch)
    images = len(sources)
    with _client_of(distributed, scheduler, min(workers, images), batch.threads) as client:
        _check_workers(client, _paths_of(part, batch, sources[0]), batch.out)
        _submit(distributed, client, replace(part, job=replace(part.job, batch=batch)), images, monitor, warn)
    ResultsFolder(batch.out).forget_shards()
    return replace(part.job.batch, resume=True, overwrite=False)


@contextlib.contextmanager
def _client_of(distributed: Any, scheduler: str, workers: int, threads: int) -> Iterator[Client]:
    """Connect to a scheduler, or start one."""
    import dask

    with contextlib.ExitStack() as stack:
        if scheduler == LOCAL:
            # A worker that was killed for its memory would be killed again: its images are tried once more.
            stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": _RETRIES}))
            scheduler = stack.enter_context(
                distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=max(threads // workers, 1),
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,
                )
            )
        try:
            client = distributed.Client(scheduler, timeout=_ANSWER_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            raise InputError(f"No scheduler answers at {scheduler}: {_words(error)}") from error
        stack.enter_context(client)
        stack.enter_context(client.as_current())
        try:
            client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
        except TimeoutError:
            raise InputError(f"The scheduler at {scheduler} has no workers: start some with dask worker.") from None
        yield client


def _paths_of(part: WorkerJob, batch: Batch, first: Source) -> tuple[str, ...]:
    """Return what all workers have to see; of the images, the first one stands for all."""
    models = (part.job.model, part.job.namer, part.job.outliner)
    return (str(first.path), str(batch.out), *(str(folder) for folder in models if folder is not None))


def _check_workers(client: Client, paths: tuple[str, ...], out: Path) -> None:
    """Refuse workers that would not give the results of this process."""
    from napari_diatom.counting.cluster_task import look_around

    own = look_around(paths, str(out))
    faults = []
    for address, facts in client.run(look_around, paths, str(out), on_error="return").items():
        if isinstance(facts, BaseException):
            faults.append(f"{address} cannot run napari-diatom ({_words(facts)})")
            continue
        other = _unlike(own.versions, facts.versions)
        if other:
            faults.append(f"{address} has {other}")
        elif facts.unseen:
            faults.append(f"{address} does not see {first_few(facts.unseen)}")
        elif not facts.is_writable:
            faults.append(f"{address} cannot write to {out}")
    if faults:
        raise InputError(f"Not all workers can count these images: {first_few(faults)}.")


def _unlike(own: Mapping[str, str], theirs: Mapping[str, str]) -> str:
    """Return which packages differ, empty where none does."""
    names = [name for name in {**own, **theirs} if own.get(name) != theirs.get(name)]
    return first_few([f"{name} {theirs.get(name, 'not installed')} (here {own.get(name, 'none')})" for name in names])


def _submit(
    distributed: Any,
    client: Client,
    part: WorkerJob,
    images: int,
    monitor: ProgressMonitor,
    warn: Callable[[str], None],
) -> None:
    """Have all parts counted."""
    from napari_diatom.counting.cluster_task import NetworksPlugin, count_task

    client.register_plugin(NetworksPlugin())
    there = len(client.scheduler_info(n_workers=-1)["workers"])
    number = min(images, MOST, max(-(-images // _IMAGES), _TASKS_EACH * there))
    run = f"napari-diatom-{secrets.token_hex(8)}"
    stop = distributed.Event(run, client=client)
    sizes: dict[Any, int] = {}
    for k in range(1, number + 1):
        shard = Shard(k, number)
        own = replace(part.job.batch, shard=shard, overwrite=False, resume=False)
        task = replace(part, job=replace(part.job, batch=own))
        future = client.submit(count_task, task, run, key=f"{run}-{k}", pure=False)
        sizes[future] = len(shard.picked(range(images)))
    done, pending = 0, set(sizes)
    try:
        while pending:
            monitor.check()
            try:
                ended, pending = distributed.wait(pending, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue
            for future in ended:
                _raise_error(distributed, future, sizes[future], warn)
                done += sizes[future]
            monitor.report(Progress("images", done, images))
    except BaseException:
        # Parts that have begun end between two tiles, and let go of their locks; the others end where they begin.
        with contextlib.suppress(Exception):
            stop.set()
            distributed.wait(pending, timeout=_LEAVE_SECONDS)
            client.cancel(list(pending))
        raise


def _raise_error(distributed: Any, future: Any, images: int, warn: Callable[[str], None]) -> None:
    """Raise the error of a part that was not counted; where its workers died, leave its images to the run."""
    if future.status == "cancelled":
        raise InputError("The scheduler was lost. Finished images are kept: count the others with --resume.")
    error = future.exception()
    if error is None:
        return
    if isinstance(error, distributed.KilledWorker):
        warn(f"The workers that counted {many(images, 'image')} were lost, also when tried again: these follow now.")
        return
    if isinstance(error, DiatomError):
        raise error
    raise InputError(f"A worker could not count its images: {_words(error)}") from error


def _words(error: BaseException) -> str:
    """Return what an error says, in one line, with its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__
