"""Plates of specimens with their legend: what ``napari-diatom plate`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import either, printable
from napari_diatom.reports.plate_choices import PlateChoices
from napari_diatom.reports.plate_drawing import PLATE_SUFFIXES, draw_plate
from napari_diatom.reports.plate_layout import PlateLayout, lay_out
from napari_diatom.reports.plate_pictures import cut_pictures
from napari_diatom.reports.plate_specimens import (
    PlateSpecimen,
    SpecimenChoice,
    asked_specimens,
    choose_specimens,
    read_keys,
)
from napari_diatom.reports.specimen_images import find_specimen_images
from napari_diatom.samples.specimen_sources import read_source

_TO: Final = "\N{EN DASH}"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class WrittenPlate:
    """A plate that was written.

    Attributes
    ----------
    file, legend_file : Path
        The plate, and the text that explains it.
    caption : str
        Which numbers are which taxon, and the scale.
    specimens : tuple of PlateSpecimen
        The specimens in the order of their numbers.
    magnification : float
        Length on paper over length of the specimen.
    bar_um : float
        Length of the scale bar in micrometres.
    remarks : tuple of str
        What was left out, and why.
    """

    file: Path
    legend_file: Path
    caption: str
    specimens: tuple[PlateSpecimen, ...]
    magnification: float
    bar_um: float
    remarks: tuple[str, ...]


def write_plate(
    source: Path,
    out: Path,
    choices: PlateChoices,
    overwrite: bool = False,
    monitor: ProgressMonitor = UNWATCHED,
) -> WrittenPlate:
    """Write a plate of specimens, upright and at one scale, and its legend beside it.

    Parameters
    ----------
    source : Path
        A project, or a results folder of ``count``.
    out : Path
        The file: PNG, SVG or PDF by its ending.
    choices : PlateChoices
        What it shows, and how.
    overwrite : bool
        Whether files that are there are replaced.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the source cannot be used, no specimen can be shown, they do not fit, or there is a file already.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; nothing is written then.
    """
    legend = out.with_suffix(".txt")
    _check_files(out, legend, overwrite)
    keys = () if choices.ids is None else read_keys(Path(choices.ids))
    wanted = SpecimenChoice(tuple(choices.taxa), tuple(choices.samples), choices.most, keys, choices.order)
    found = read_source(source, choices.proposals, monitor)
    asked = asked_specimens(found.specimens, wanted)
    images = find_specimen_images(found, choices.folders, monitor)
    specimens, remarks = choose_specimens(found.specimens, asked, wanted, tuple(images))
    layout = lay_out([item.size_um for item in specimens], choices.page_mm, choices.magnification)
    pictures = cut_pictures(specimens, layout, choices.dpi, images, monitor)
    plate = draw_plate(layout, pictures, choices.dpi, out.suffix.lower())
    caption = plate_caption(specimens, layout)
    write_atomically(legend, "\n".join((caption, "", *_lines(specimens))) + "\n")
    write_atomically(out, plate)
    return WrittenPlate(out, legend, caption, tuple(specimens), layout.magnification, layout.bar_um, tuple(remarks))


def _check_files(out: Path, legend: Path, overwrite: bool) -> None:
    """Refuse a file that is no plate, or would be replaced unasked."""
    if out.suffix.lower() not in PLATE_SUFFIXES:
        raise InputError(f"{out}: a plate is a .png, .svg or .pdf file.")
    for path in (out, legend):
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already: have it replaced (--overwrite), or name another file.")


def plate_caption(specimens: Sequence[PlateSpecimen], layout: PlateLayout, on_paper: bool = True) -> str:
    """Return the legend of a figure: numbers with their taxa, and the scale, with the magnification on paper."""
    parts = []
    for taxon, group in groupby(enumerate(specimens, start=1), key=lambda item: item[1].taxon):
        numbers = [number for number, _ in group]
        span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}{_TO}{numbers[-1]}"
        parts.append(f"{span} {printable(taxon)}")
    times = f" ({_TIMES}{layout.magnification:g})" if on_paper else ""
    figures = either(len(specimens), "Fig.", "Figs")
    return f"{figures} {'; '.join(parts)}. Scale bar {layout.bar_um:g} µm{times}."


def _lines(specimens: Sequence[PlateSpecimen]) -> list[str]:
    """Return which specimen each number is."""
    return [
        f"{number}\t{printable(item.taxon)}\t{printable(item.key)}\t{printable(item.sample)}\t"
        f"{item.size_um[0]:.1f} x {item.size_um[1]:.1f} µm"
        for number, item in enumerate(specimens, start=1)
    ]
