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
from napari_diatom.core.text import either, printable, quoted
from napari_diatom.reports.plate_drawing import PLATE_SUFFIXES, draw_plate
from napari_diatom.reports.plate_layout import PlateLayout, lay_out, page_size
from napari_diatom.reports.plate_pictures import MM_PER_INCH, cut_pictures
from napari_diatom.reports.plate_specimens import (
    PLATE_ORDERS,
    PlateChoice,
    PlateOrder,
    PlateSpecimen,
    asked_specimens,
    choose_specimens,
    read_keys,
)
from napari_diatom.reports.specimen_images import find_specimen_images
from napari_diatom.samples.specimen_sources import read_source

MOST_OF_TAXON: Final = 3
"""Specimens of a taxon, unless another number is asked for."""

_TO: Final = "\N{EN DASH}"
_TIMES: Final = "\N{MULTIPLICATION SIGN}"
_DPI: Final = (50, 2400)
_LARGEST_PLATE: Final = 400_000_000
"""Pixels of a plate; four bytes each are held while it is drawn."""


@dataclass(frozen=True)
class PlateOptions:
    """What a plate shows, and how.

    Attributes
    ----------
    source : Path
        A project, or a results folder of ``count``.
    out : Path
        The file: PNG, SVG or PDF by its ending.
    taxa, samples : tuple of str
        These only; all where there are none.
    most : int
        Specimens of a taxon, at most.
    ids : Path or None
        A list of the specimens, instead of all these.
    order : {"name", "abundance"}
        How the taxa are ordered.
    magnification : float or None
        Length on paper over length of the specimen; None for the largest round one at which all fit.
    page : str
        ``a4``, ``letter``, or width x height in millimetres.
    dpi : int
        Pixels per inch.
    images : tuple of Path
        Folders in which moved images are looked for.
    proposals : bool
        Whether proposals of a project that nobody has looked at are shown too.
    overwrite : bool
        Whether a file that is there is replaced.
    """

    source: Path
    out: Path
    taxa: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    most: int = MOST_OF_TAXON
    ids: Path | None = None
    order: PlateOrder = "name"
    magnification: float | None = None
    page: str = "a4"
    dpi: int = 600
    images: tuple[Path, ...] = ()
    proposals: bool = False
    overwrite: bool = False

    @property
    def legend(self) -> Path:
        """The file of the legend."""
        return self.out.with_suffix(".txt")


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


def write_plate(options: PlateOptions, monitor: ProgressMonitor = UNWATCHED) -> WrittenPlate:
    """Write a plate of specimens, upright and at one scale, and its legend beside it.

    Parameters
    ----------
    options : PlateOptions
        What it shows, and how.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the source cannot be used, an option is wrong, no specimen can be shown, or the specimens do not fit.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; nothing is written then.
    """
    page = _checked(options)
    keys = () if options.ids is None else read_keys(options.ids)
    choice = PlateChoice(options.taxa, options.samples, options.most, keys, options.order)
    source = read_source(options.source, options.proposals, monitor)
    asked = asked_specimens(source.specimens, choice)
    images = find_specimen_images(source, options.images, monitor)
    specimens, remarks = choose_specimens(source.specimens, asked, choice, tuple(images))
    layout = lay_out([item.size_um for item in specimens], page, options.magnification)
    pictures = cut_pictures(specimens, layout, options.dpi, images, monitor)
    caption = plate_caption(specimens, layout)
    plate = draw_plate(layout, pictures, options.dpi, options.out.suffix.lower())
    write_atomically(options.legend, "\n".join((caption, "", *_lines(specimens))) + "\n")
    write_atomically(options.out, plate)
    return WrittenPlate(
        options.out,
        options.legend,
        caption,
        tuple(specimens),
        layout.magnification,
        layout.bar_um,
        tuple(remarks),
    )


def _checked(options: PlateOptions) -> tuple[float, float]:
    """Return the page in millimetres; raises InputError for what cannot be meant."""
    if options.out.suffix.lower() not in PLATE_SUFFIXES:
        raise InputError(f"{options.out}: a plate is a .png, .svg or .pdf file.")
    if options.order not in PLATE_ORDERS:
        raise InputError(f"order is {quoted(options.order)}; give one of {', '.join(PLATE_ORDERS)}.")
    if options.most < 1:
        raise InputError(f"most is {options.most}; show at least one specimen of a taxon.")
    if options.ids is not None and (options.taxa or options.samples):
        raise InputError("A list of specimens says all: leave out taxa and samples, or the list.")
    page = page_size(str(options.page))
    if not _DPI[0] <= options.dpi <= _DPI[1]:
        raise InputError(f"dpi is {options.dpi}; give {_DPI[0]} to {_DPI[1]}.")
    if page[0] * page[1] * (options.dpi / MM_PER_INCH) ** 2 > _LARGEST_PLATE:
        raise InputError(f"A page of {page[0]:g} x {page[1]:g} mm at {options.dpi} dpi is too large: take fewer dpi.")
    for path in (options.out, options.legend):
        if path.exists() and not options.overwrite:
            raise InputError(f"{path} is there already: have it replaced (--overwrite), or name another file.")
    return page


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
