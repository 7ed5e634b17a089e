"""Many images at once: counted as ``napari-diatom count`` and the window do, and read again."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.api.inputs import AnyPath, progress_monitor
from napari_diatom.api.prediction import Model
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.counting import batch
from napari_diatom.counting.count_choices import CountChoices
from napari_diatom.counting.counted_specimens import CountedSpecimens

if TYPE_CHECKING:
    from pandas import DataFrame


def count_images(
    inputs: AnyPath | Sequence[AnyPath],
    out: AnyPath,
    model: Model,
    choices: CountChoices | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
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
        About each image that is skipped.

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
    given = [inputs] if isinstance(inputs, str | PathLike) else list(inputs)
    texts = tuple(str(given_path(item, "inputs")) for item in given)
    asked = (choices or CountChoices()).batch(texts, given_path(out, "out"), AnalysisOptions())
    networks = model.networks
    done = batch.count(
        replace(asked, resume=resume, overwrite=overwrite),
        lambda: networks.engine,
        progress_monitor(report),
        load_namer=None if (namer := networks.namer) is None else lambda: namer,
        load_outliner=None if (outliner := networks.outliner) is None else lambda: outliner,
    )
    for item in done.skipped:
        warnings.warn(f"{item.image} is skipped: {item.reason}", UserWarning, stacklevel=2)
    return read_count(asked.out)


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
