"""What a person may choose for a plate."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.given_values import given_integer, given_number, given_path
from napari_diatom.core.text import quoted
from napari_diatom.reports.plate_layout import page_size
from napari_diatom.reports.plate_pictures import MM_PER_INCH
from napari_diatom.reports.plate_specimens import PLATE_ORDERS, PlateOrder

_DPI: Final = (50, 2400)
_MAGNIFICATIONS: Final = (1.0, 100_000.0)
_LARGEST_PLATE: Final = 400_000_000
"""Pixels of a plate; four bytes each are held while it is drawn."""


@dataclass(frozen=True)
class PlateChoices:
    """The choices; wrong ones are refused with an InputError.

    Attributes
    ----------
    taxa, samples : sequence of str
        Names of those to show; all where there are none.
    most : int
        Specimens of a taxon, at most. Their lengths stand for those of all whole specimens.
    ids : path or None
        A text file with the specimens to show, one a line, as ``tally_specimens.csv`` calls them. It says all: there
        are no taxa and samples then.
    order : {"name", "abundance"}
        How the taxa are ordered.
    magnification : float or None
        Length on paper over length of the specimen; without one, the largest round one at which all fit, up to 2000.
    page : str
        ``a4``, ``letter``, or width x height in mm, such as ``170x230``.
    dpi : int
        Pixels per inch.
    images : sequence of path
        Folders that images were moved to; they are found by their content.
    proposals : bool
        Whether proposals of a project that nobody has looked at are shown too.
    """

    taxa: Sequence[str] = ()
    samples: Sequence[str] = ()
    most: int = 3
    ids: str | os.PathLike[str] | None = None
    order: PlateOrder = "name"
    magnification: float | None = None
    page: str = "a4"
    dpi: int = 600
    images: Sequence[str | os.PathLike[str]] = ()
    proposals: bool = False

    def __post_init__(self) -> None:
        for names, what in ((self.taxa, "taxa"), (self.samples, "samples")):
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise InputError(f"{what} is {quoted(names)}; give a list of names.")
        _ = self.folders, self.page_mm
        if self.ids is not None:
            given_path(self.ids, "ids")
            if self.taxa or self.samples:
                raise InputError("A list of specimens says all: leave out taxa and samples, or the list.")
        if given_integer(self.most, "most") < 1:
            raise InputError(f"most is {self.most}; show at least one specimen of a taxon.")
        if self.order not in PLATE_ORDERS:
            raise InputError(f"order is {quoted(self.order)}; give one of {', '.join(PLATE_ORDERS)}.")
        if self.magnification is not None:
            low, high = _MAGNIFICATIONS
            if not low <= given_number(self.magnification, "magnification") <= high:
                raise InputError(f"magnification is {self.magnification:g}; give a number such as 1500.")
        if not _DPI[0] <= given_integer(self.dpi, "dpi") <= _DPI[1]:
            raise InputError(f"dpi is {self.dpi}; give {_DPI[0]} to {_DPI[1]}.")
        width, height = self.page_mm
        if width * height * (self.dpi / MM_PER_INCH) ** 2 > _LARGEST_PLATE:
            raise InputError(f"A page of {width:g} x {height:g} mm at {self.dpi} dpi is too large: take fewer dpi.")

    @property
    def page_mm(self) -> tuple[float, float]:
        """Width and height of the page in millimetres."""
        return page_size(self.page)

    @property
    def folders(self) -> list[Path]:
        """Folders that images were moved to."""
        given: Any = [self.images] if isinstance(self.images, str | os.PathLike) else self.images
        return [given_path(folder, "images") for folder in given]
