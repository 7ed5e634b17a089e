"""Counts of taxa by sample, and plates of their specimens, as ``napari-diatom tally`` and ``plate`` make them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.core.text import quoted
from napari_diatom.reports.plate_choices import PlateChoices
from napari_diatom.samples.cell_shapes import biovolume_sheet, read_cell_shapes
from napari_diatom.samples.table_files import write_sheet
from napari_diatom.samples.tally_folder import BIOVOLUME, TallyOptions, WrittenTally, write_tally

if TYPE_CHECKING:
    from napari_diatom.reports.plates import WrittenPlate
    from napari_diatom.samples.table_files import CsvDialect


def tally(
    source: AnyPath,
    out: AnyPath,
    protocol: AnyPath = "plain",
    *,
    samples: AnyPath | None = None,
    pattern: str = "",
    proposals: bool = False,
    csv: CsvDialect = "standard",
    overwrite: bool = False,
    report: Report = silent,
) -> WrittenTally:
    """Count taxa by sample, and write the tables that ``napari-diatom tally`` writes.

    Parameters
    ----------
    source : path
        A project, or a results folder of ``count``.
    out : path
        Folder for the tables.
    protocol : str or path
        ``plain``, ``france``, ``germany``, ``uk``, ``us``, ``poland``, or a ``protocol.yaml``.
    samples : path, optional
        Table of samples, as CSV or XLSX.
    pattern : str
        Where the sample stands in the names of images, such as ``{sample}_*``. By default a project knows the samples,
        and ``count`` takes the folders.
    proposals : bool
        Whether proposals of a project that nobody has looked at count.
    csv : {"standard", "excel-eu"}
        How CSV files are written: ``excel-eu`` with semicolons, decimal commas and a byte-order mark.
    overwrite : bool
        Whether a tally that is there is replaced.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    WrittenTally
        ``tally`` has the counts: ``tally.units`` by sample and taxon, and ``tally.keys_of(sample, taxon)`` has the
        specimens that one of them is of.

    Raises
    ------
    InputError
        When the source, the protocol or a table cannot be used; every problem is named.
    OutputError
        When a file cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> found = nd.tally("season", "season-tally", "france", samples="samples.csv")  # doctest: +SKIP
    >>> found.tally.keys_of("R1", "Navicula gregaria")  # doctest: +SKIP
    """
    if not isinstance(pattern, str):
        raise InputError(f"pattern is {quoted(pattern)}; give text such as '{{sample}}_*'.")
    options = TallyOptions(
        given_path(source, "source"),
        given_path(out, "out"),
        str(given_path(protocol, "protocol")),
        optional_path(samples, "samples"),
        pattern,
        proposals,
        csv,
        overwrite,
    )
    return write_tally(options, progress_monitor(report))


def write_biovolume(found: WrittenTally, shapes: AnyPath) -> Path:
    """Write the volume and carbon of the cells of a tally, as ``napari-diatom tally --shapes`` does.

    Parameters
    ----------
    found : WrittenTally
        What :func:`tally` returned.
    shapes : path
        Table of the shape and the height ratio of the cells of each taxon, as CSV or XLSX.

    Returns
    -------
    Path
        ``biovolume.csv`` in the folder of the tally.

    Raises
    ------
    InputError
        When it is not a tally, or the table cannot be used; every problem is named.
    OutputError
        When the file cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.write_biovolume(nd.tally("season", "season-tally"), "cells.csv")  # doctest: +SKIP
    """
    if not isinstance(found, WrittenTally):
        raise InputError(f"found is {quoted(found)}; give what tally returned.")
    path = found.folder / BIOVOLUME
    write_sheet(path, biovolume_sheet(found.tally, read_cell_shapes(given_path(shapes, "shapes"))))
    return path


def write_reports(found: WrittenTally, *, report: Report = silent) -> list[Path]:
    """Write a page for each sample of a tally, as ``napari-diatom tally --report`` does.

    Parameters
    ----------
    found : WrittenTally
        What :func:`tally` returned.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    list of Path
        The pages, in the folder ``reports`` of the tally.

    Raises
    ------
    InputError
        When it is not a tally.
    OutputError
        When a page cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> nd.write_reports(nd.tally("season", "season-tally", "france"))  # doctest: +SKIP
    """
    from napari_diatom.reports.sample_report import write_sample_reports

    if not isinstance(found, WrittenTally):
        raise InputError(f"found is {quoted(found)}; give what tally returned.")
    return write_sample_reports(found, progress_monitor(report))


def plate(
    source: AnyPath,
    out: AnyPath,
    choices: PlateChoices | None = None,
    *,
    overwrite: bool = False,
    report: Report = silent,
) -> WrittenPlate:
    """Write a plate of specimens, as ``napari-diatom plate`` does: upright, at one scale, numbered, with a legend.

    Parameters
    ----------
    source : path
        A project, or a results folder of ``count``.
    out : path
        The plate, as ``.png``, ``.svg`` or ``.pdf``. The legend is written beside it, as ``.txt``.
    choices : PlateChoices, optional
        What it shows, and how: three typical specimens of each taxon on A4, at the largest scale at which they fit, by
        default.
    overwrite : bool
        Whether a plate that is there is replaced.
    report : callable
        Gets a :class:`~napari_diatom.core.progress.Progress` for each step.

    Returns
    -------
    WrittenPlate
        With ``caption``, ``specimens`` in the order of their numbers, ``magnification`` and ``bar_um``.

    Raises
    ------
    InputError
        When the source cannot be used, there is no such taxon, sample or specimen, none has a pixel size or an image
        that is found, or they do not fit on the page.
    OutputError
        When a file cannot be written.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> choices = nd.PlateChoices(taxa=["Navicula gregaria"], magnification=1500)
    >>> nd.plate("season", "plate.pdf", choices).caption  # doctest: +SKIP
    """
    from napari_diatom.reports.plates import write_plate

    chosen = PlateChoices() if choices is None else choices
    if not isinstance(chosen, PlateChoices):
        raise InputError(f"choices is {quoted(chosen)}; give nd.PlateChoices(...).")
    return write_plate(
        given_path(source, "source"), given_path(out, "out"), chosen, overwrite, progress_monitor(report)
    )
