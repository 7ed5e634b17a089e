"""Many images at once: counted as ``napari-diatom count`` and the window do, and read again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.api.inputs import AnyPath, progress_monitor
from napari_diatom.api.prediction import Model
from napari_diatom.core.given_values import given_integer, given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.counting import batch, merge
from napari_diatom.counting.batch_job import BatchJob
from napari_diatom.counting.batch_options import Batch, BatchResult
from napari_diatom.counting.cluster import count_divided, is_divided
from napari_diatom.counting.count_choices import CountChoices
from napari_diatom.counting.counted_specimens import CountedSpecimens
from napari_diatom.counting.shards import Shard
from napari_diatom.counting.workers import WorkerJob

if TYPE_CHECKING:
    from pandas import DataFrame

_Network = TypeVar("_Network")


def count_images(
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    model: Model,
    choices: CountChoices | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    scheduler: str | None = None,
    report: Report = silent,
) -> DataFrame:
    """Count the specimens in many images, into a folder that ``napari-diatom count`` and the window go on with.

    Parameters
    ----------
    inputs : path or sequence of path
        Files, folders (with their subfolders) and patterns.
    out : path
        Folder of the results.
    model : Model
        From :func:`load_model`, with a namer and an outliner if these are needed.
    choices : CountChoices, optional
        Pixel size, threshold, sample, focus planes, and which files are written.
    resume, overwrite : bool
        Go on with an interrupted run, or begin again, where ``out`` holds results.
    workers : int
        Processes that count at the same time and share the threads of the model, each with a copy of it. The results
        are the same with any number.
    scheduler : str, optional
        Address of a Dask scheduler whose workers count, or ``"local"``, which starts one with so many ``workers``; a
        script that does so needs ``if __name__ == "__main__":``.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each image and tile.

    Returns
    -------
    pandas.DataFrame
        As :func:`read_count`.

    Raises
    ------
    InputError
        When there is nothing to count, not one image can be read, the options do not fit the folder of results, or
        another run is writing there.
    OutputError
        When results cannot be written; those of finished images stay for ``resume``.

    Warns
    -----
    UserWarning
        About each image that is skipped, and about a process that died.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> import napari_diatom as nd
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "river").mkdir()
    ...     Image.new("L", (64, 64), 200).save(Path(folder) / "river" / "field.png")
    ...     found = nd.count_images(f"{folder}/river", f"{folder}/out", nd.load_model("diatom-obb"))
    >>> len(found)
    0
    """
    asked = replace(_asked(inputs, out, choices), resume=resume, overwrite=overwrite)
    number = given_integer(workers, "workers")
    if is_divided(number, scheduler):
        namer, outliner = (None if one is None else one.folder for one in model.others)
        part = WorkerJob(
            BatchJob(replace(asked, threads=model.threads), model.folder.folder, model.device, namer, outliner),
            model.engine.precision,
        )
        watch, warn = progress_monitor(report), partial(warnings.warn, stacklevel=2)
        asked = count_divided(part, number, scheduler, watch, warn)
    _warn(_counted(asked, model, report))
    return read_count(asked.out)


def count_shard(
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    model: Model,
    shard: str,
    choices: CountChoices | None = None,
    *,
    report: Report = silent,
) -> None:
    """Count a part of many images, while others count the rest into the same folder; :func:`merge_shards` ends it.

    A shard that was interrupted goes on where it stopped, and one that has ended does nothing more.

    Parameters
    ----------
    inputs, out, model, choices, report
        As for :func:`count_images`, the same for all shards.
    shard : str
        ``"I/N"``, such as ``"3/8"``; ``"auto"`` in a job array of SLURM, SGE or LSF, or ``"auto/N"``.

    Raises
    ------
    InputError
        When there is no such shard, the same one is being counted already, the options are not those of the other
        shards, or there is nothing to count.
    OutputError
        When results cannot be written.

    Warns
    -----
    UserWarning
        About each image that is skipped.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.count_shard("season", "results", nd.load_model("diatom-obb"), "3/8")  # doctest: +SKIP
    """
    _warn(_counted(replace(_asked(inputs, out, choices), shard=Shard.of_text(shard)), model, report))


def merge_shards(out: AnyPath, *, xlsx: bool = False) -> DataFrame:
    """Write the tables of all images that shards have counted into a folder.

    They are the same, byte for byte, as of one run on one kind of processor, whatever the number of shards.

    Parameters
    ----------
    out : path
        The folder of the results.
    xlsx : bool
        Whether to write the tables as XLSX, too.

    Returns
    -------
    pandas.DataFrame
        As :func:`read_count`.

    Raises
    ------
    InputError
        When images are missing (they are named), the shards did not see the same images, or none was counted.
    OutputError
        When the tables cannot be written.

    Warns
    -----
    UserWarning
        About each image that is skipped, and where shards were counted by different processors or packages.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.merge_shards("results")  # doctest: +SKIP
    """
    folder = given_path(out, "out")
    merged = merge.merge_shards(folder, xlsx)
    for warning in merged.warnings:
        warnings.warn(warning, UserWarning, stacklevel=2)
    _warn(merged.result)
    return read_count(folder)


def _asked(inputs: AnyPath | Sequence[AnyPath], out: AnyPath, choices: CountChoices | None) -> Batch:
    """Return what is to be counted."""
    given = [inputs] if isinstance(inputs, str | PathLike) else list(inputs)
    texts = tuple(str(given_path(item, "inputs")) for item in given)
    return (choices or CountChoices()).batch(texts, given_path(out, "out"), AnalysisOptions())


def _counted(asked: Batch, model: Model, report: Report) -> BatchResult:
    """Count images."""
    networks = model.networks
    return batch.count(
        asked,
        lambda: networks.engine,
        progress_monitor(report),
        load_namer=None if networks.namer is None else _given(networks.namer),
        load_outliner=None if networks.outliner is None else _given(networks.outliner),
    )


def _given(network: _Network) -> Callable[[], _Network]:
    """Return what loads a network that is loaded already."""
    return lambda: network


def _warn(done: BatchResult) -> None:
    """Warn of skipped images, where the caller was called."""
    for item in done.skipped:
        warnings.warn(f"{item.image} is skipped: {item.reason}", UserWarning, stacklevel=3)


def read_count(folder: AnyPath) -> DataFrame:
    """Read the specimens that ``napari-diatom count``, the window or :func:`count_images` have found in many images.

    Parameters
    ----------
    folder : path
        The folder of results.

    Returns
    -------
    pandas.DataFrame
        A row per specimen: its ``sample``, ``file`` and ``plane`` (NaN for files with one image), then the columns of
        ``specimens.csv``.

    Raises
    ------
    InputError
        When the folder holds no finished run, or its tables were changed.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.read_count("river-diatoms")  # doctest: +SKIP
    """
    return CountedSpecimens.of(given_path(folder, "folder")).frame()
