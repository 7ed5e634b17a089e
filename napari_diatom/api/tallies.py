"""Counts of taxa by sample, and plates of their specimens, as ``napari-diatom tally`` and ``plate`` make them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari_diatom.api.inputs import AnyPath, optional_path, progress_monitor
from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_integer, given_number, given_path
from napari_diatom.core.progress import Report, silent
from napari_diatom.core.text import quoted
from napari_diatom.samples.tally_folder import TallyOptions, WrittenTally, write_tally

if TYPE_CHECKING:
    from napari_diatom.reports.plate_specimens import PlateOrder
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
    reports: bool = False,
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
    reports : bool
        Whether a page for each sample is written into the folder ``reports``.
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
        When the source, the protocol or the table of samples cannot be used; every problem is named.
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
    monitor = progress_monitor(report)
    written = write_tally(options, monitor)
    if reports:
        from napari_diatom.reports.sample_report import write_sample_reports

        write_sample_reports(written, monitor)
    return written


def plate(
    source: AnyPath,
    out: AnyPath,
    *,
    taxa: Sequence[str] = (),
    samples: Sequence[str] = (),
    most: int = 3,
    ids: AnyPath | None = None,
    order: PlateOrder = "name",
    magnification: float | None = None,
    page: str = "a4",
    dpi: int = 600,
    images: Sequence[AnyPath] = (),
    proposals: bool = False,
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
    taxa, samples : sequence of str
        Names of taxa and samples to show; all by default.
    most : int
        Specimens of a taxon, at most. Their lengths are spread over those of all whole specimens.
    ids : path, optional
        A text file with the specimens to show, one a line, as ``tally_specimens.csv`` calls them.
    order : {"name", "abundance"}
        How the taxa are ordered.
    magnification : float, optional
        Size on paper over size of the specimen. By default the largest round one at which all fit, up to 2000.
    page : str
        ``a4``, ``letter``, or width x height in mm, such as ``170x230``.
    dpi : int
        Pixels per inch.
    images : sequence of path
        Folders that images were moved to; they are found by their content.
    proposals : bool
        Whether proposals of a project that nobody has looked at are shown too.
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
    >>> nd.plate("season", "plate.pdf", taxa=["Navicula gregaria"], magnification=1500).caption  # doctest: +SKIP
    """
    from napari_diatom.reports.plates import PlateOptions, write_plate

    options = PlateOptions(
        given_path(source, "source"),
        given_path(out, "out"),
        _names(taxa, "taxa"),
        _names(samples, "samples"),
        given_integer(most, "most"),
        optional_path(ids, "ids"),
        order,
        None if magnification is None else given_number(magnification, "magnification"),
        page,
        given_integer(dpi, "dpi"),
        tuple(given_path(folder, "images") for folder in ([images] if isinstance(images, str | Path) else images)),
        proposals,
        overwrite,
    )
    return write_plate(options, progress_monitor(report))


def _names(given: Sequence[str], what: str) -> tuple[str, ...]:
    """Return names; one alone, as text, is refused, because its letters would be taken for names."""
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise InputError(f"{what} is {quoted(given)}; give a list of names.")
    return tuple(given)
