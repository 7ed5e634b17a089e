"""Annotations in other formats, and slides that are rendered or composed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.project import annotation_conversion
from napari_diatom.project.annotation_conversion import ConversionReport, ConvertOptions

if TYPE_CHECKING:
    from diatom_training.composing.compose_run import ComposeRun


def convert_annotations(
    source: AnyPath,
    out: AnyPath,
    format: str,
    source_format: str | None = None,
    images: AnyPath | None = None,
    split: AnyPath | None = None,
    *,
    report: Report = silent,
) -> ConversionReport:
    """Write a project, or annotations of any format, in another format; completely or not at all.

    Parameters
    ----------
    source : path
        A project, or a file or folder of annotations.
    out : path
        The new file; the new folder for formats with a file per image or with images.
    format : str
        Name of the format to write, such as ``"coco"`` or ``"yolo-obb"``.
    source_format : str, optional
        Name of the format to read; detected from the content by default.
    images : path, optional
        Folder of the images, for formats that need their names, their sizes or the images themselves.
    split : path, optional
        A table (CSV) with the columns ``image`` and ``split``, for datasets; a project has its own split.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    ConversionReport
        What was skipped, what the format does not keep, and what was written; ``lines()`` has it in sentences.

    Raises
    ------
    InputError
        When a format is unknown, the source cannot be read, or something is missing that the format needs.
    OutputError
        When a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import napari_diatom as nd
    >>> analysis = nd.load_model("diatom-obb").predict(np.full((64, 64), 200, np.uint8), name="empty.png")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nd.write_annotations(f"{folder}/found.geojson", analysis.annotations())
    ...     nd.convert_annotations(f"{folder}/found.geojson", f"{folder}/found.json", "coco").losses
    'COCO keeps everything.'
    """
    options = ConvertOptions(
        given_path(source, "source"),
        given_path(out, "out"),
        format,
        source_format,
        optional_path(images, "images"),
        optional_path(split, "split"),
    )
    return annotation_conversion.convert_annotations(options, progress_monitor(report))


def render_examples(folder: AnyPath, *, report: Report = silent) -> list[Path]:
    """Render the example slides, with their specimens.

    Parameters
    ----------
    folder : path
        A new or empty folder.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each slide.

    Returns
    -------
    list of pathlib.Path
        The files, each slide followed by its specimens as GeoJSON.

    Raises
    ------
    InputError
        When the folder is not empty.
    OutputError
        When a file cannot be written.
    """
    from diatom_training.synthesis.sample_slides import SampleOptions, write_new_samples

    return write_new_samples(SampleOptions(given_path(folder, "folder")), progress_monitor(report))


def compose_slides(run: ComposeRun | Mapping[str, Any], *, report: Report = silent) -> list[str]:
    """Compose slides of cut-outs of annotated slides or atlas images on emptied backgrounds, to train on.

    Parameters
    ----------
    run : ComposeRun or mapping
        The settings, such as ``{"coco": "slides.json", "images": "slides", "out": "composed", "count": 200}``; those of
        ``fields`` are the entries of :class:`~diatom_training.composing.options.ComposeOptions`.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    list of str
        What was used, what was left out, and what was written.

    Raises
    ------
    InputError
        With every problem of the settings, or when the material is too little or cannot be used.
    OutputError
        When a file cannot be written.
    """
    from diatom_training.composing import compose_run

    checked = run if isinstance(run, compose_run.ComposeRun) else compose_run.ComposeRun.of(run)
    return compose_run.compose_slides(checked, progress_monitor(report))
