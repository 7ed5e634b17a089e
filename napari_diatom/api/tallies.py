"""Counts of taxa by sample, and plates of their specimens, as ``napari-diatom tally`` and ``plate`` make them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.core.text import quoted
from napari_diatom.reports.plate_choices import PlateChoices
from napari_diatom.samples.cell_shapes import biovolume_sheet, read_cell_shapes
from napari_diatom.samples.exchange.export_choices import ExportChoices, ExportFormat, checked_formats
from napari_diatom.samples.exchange.exports import EXPORTS, export_files, write_exports
from napari_diatom.samples.table_files import write_sheet
from napari_diatom.samples.tally_folder import BIOVOLUME, WrittenTally, write_tally
from napari_diatom.samples.tally_options import TallyChoices, TallyOptions

if TYPE_CHECKING:
    from napari_diatom.reports.plates import WrittenPlate


def tally(
    source: AnyPath,
    out: AnyPath,
    protocol: AnyPath | None = None,
    *,
    samples: AnyPath | None = None,
    taxa: AnyPath | None = None,
    choices: TallyChoices | None = None,
    second_count: AnyPath | None = None,
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
    protocol : str or path, optional
        ``plain``, ``france``, ``germany``, ``uk``, ``us``, ``poland``, or a ``protocol.yaml``. By default that of the
        project, or ``plain``.
    samples : path, optional
        Table of samples, as CSV or XLSX. By default a project has the facts of its samples.
    taxa : path, optional
        List of taxa, as CSV: synonyms are counted as the accepted name, and it says which taxa are planktic. By default
        the classes of the project.
    choices : TallyChoices, optional
        Where the sample stands in the names of images, whether proposals count, and how CSV files are written.
    second_count : path, optional
        Another person's project of the same fields, as :func:`start_second_count` makes one. The tables then tell how
        far both agree.
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
    chosen = TallyChoices() if choices is None else choices
    if not isinstance(chosen, TallyChoices):
        raise InputError(f"choices is {quoted(chosen)}; give nd.TallyChoices(...).")
    options = TallyOptions(
        given_path(source, "source"),
        given_path(out, "out"),
        "" if protocol is None else str(given_path(protocol, "protocol")),
        optional_path(samples, "samples"),
        optional_path(taxa, "taxa"),
        chosen,
        overwrite,
        second_count=optional_path(second_count, "second_count"),
    )
    return write_tally(options, progress_monitor(report))


def export_tally(
    found: WrittenTally,
    formats: Sequence[ExportFormat] | ExportFormat,
    choices: ExportChoices | None = None,
    *,
    out: AnyPath | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a tally in the formats of other programs, as ``napari-diatom tally --export`` does.

    Parameters
    ----------
    found : WrittenTally
        What :func:`tally` returned.
    formats : sequence of str
        Some of ``diathor``, ``darleq3``, ``seee``, ``generic``, ``plankton-toolbox`` and ``darwin-core``.
    choices : ExportChoices, optional
        The codes, separators and descriptions that formats need, and whether what is incomplete is left out.
    out : path, optional
        The folder; ``exports`` in the folder of the tally by default.
    overwrite : bool
        Whether exports that are there are replaced.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    InputError
        When it is not a tally, or a taxon has no code, or a sample not a fact, that a format needs: everything is
        named. Or when an export is there already. Nothing is written then.
    OutputError
        When a file cannot be written.

    Warns
    -----
    UserWarning
        About what was left out.

    Examples
    --------
    >>> import napari_diatom as nd
    >>> found = nd.tally("season", "season-tally", "uk", samples="samples.csv", taxa="taxa.csv")  # doctest: +SKIP
    >>> nd.export_tally(found, ["diathor", "darleq3"], nd.ExportChoices(darleq3_codes="diatcode"))  # doctest: +SKIP
    """
    chosen = ExportChoices() if choices is None else choices
    if not isinstance(found, WrittenTally):
        raise InputError(f"found is {quoted(found)}; give what tally returned.")
    if not isinstance(chosen, ExportChoices):
        raise InputError(f"choices is {quoted(chosen)}; give nd.ExportChoices(...).")
    folder = found.folder / EXPORTS if out is None else given_path(out, "out")
    files, remarks = export_files(found.exported(), checked_formats(formats), chosen)
    there = [name for name in files if (folder / name).exists()]
    if there and not overwrite:
        raise InputError(f"{folder} already holds {there[0]}: pass overwrite=True, or name another folder.")
    for remark in remarks:
        warnings.warn(remark, stacklevel=2)
    return write_exports(folder, files)


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
