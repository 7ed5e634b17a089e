"""Volumes of cells from length and width by their shape and height, and the carbon in them.

The formulae are those of the phytoplankton group of HELCOM (Olenina et al. 2006).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError

Sizes = NDArray[np.float64]


@dataclass(frozen=True)
class CellForm:
    """A geometric shape that cells are taken for.

    Attributes
    ----------
    name : str
        As tables have it.
    formula : str
        The volume by l, the length, w, the width, and h, the height.
    factor : float
        Of the product of the three sides.
    is_round : bool
        Whether the mean of length and width is its diameter.
    """

    name: str
    formula: str
    factor: float
    is_round: bool = False

    def volume(self, length: Sizes, width: Sizes, height: Sizes) -> Sizes:
        """Return volumes from sides of one unit."""
        if self.is_round:
            return np.asarray(self.factor * ((length + width) / 2) ** 2 * height)
        return np.asarray(self.factor * length * width * height)


CELL_FORMS: Final = {
    form.name: form
    for form in (
        CellForm("cylinder", "π/4 d² h, d = (l + w)/2", math.pi / 4, is_round=True),
        CellForm("oval cylinder", "π/4 l w h", math.pi / 4),
        CellForm("box", "l w h", 1.0),
        CellForm("half box", "1/2 l w h", 0.5),
        CellForm("spindle", "2/15 π l w h", 2 * math.pi / 15),
        CellForm("ellipsoid", "π/6 l w h", math.pi / 6),
    )
}
"""By their names. With a height ratio of 1, a spindle and an ellipsoid are as high as wide."""

CARBON_FORMULA: Final = "0.288 V^0.811 pg"


@dataclass(frozen=True)
class CellShape:
    """What the cells of a taxon are taken for.

    Attributes
    ----------
    form : str
        One of :data:`CELL_FORMS`.
    height_ratio : float
        Height over width; over the diameter for a cylinder. It is not seen on valves that lie flat.
    fill : float
        Share of that volume that the cells have, above 0 and at most 1.

    Raises
    ------
    InputError
        When there is no such form, or a number is out of range.
    """

    form: str
    height_ratio: float
    fill: float = 1.0

    def __post_init__(self) -> None:
        if self.form not in CELL_FORMS:
            raise InputError(f"there is no shape {self.form!r}; give one of {', '.join(CELL_FORMS)}")
        if not (math.isfinite(self.height_ratio) and 0 < self.height_ratio <= 20):
            raise InputError(f"a height ratio of {self.height_ratio:g} is not above 0 and at most 20")
        if not 0 < self.fill <= 1:
            raise InputError(f"a fill of {self.fill:g} is not above 0 and at most 1")

    @property
    def formula(self) -> str:
        """The volume by l and w, in words of a table."""
        of_width = "d" if CELL_FORMS[self.form].is_round else "w"
        filled = "" if self.fill == 1 else f", times {self.fill:g}"
        return f"{CELL_FORMS[self.form].formula}, h = {self.height_ratio:g} {of_width}{filled}"

    def volume_um3(self, length_um: ArrayLike, width_um: ArrayLike) -> Sizes:
        """Return the volumes of whole cells in µm³; NaN where a side is unknown.

        Parameters
        ----------
        length_um, width_um : array-like, shape (N,)
            Of valves or frustules.
        """
        length, width = (np.asarray(side, dtype=np.float64) for side in (length_um, width_um))
        form = CELL_FORMS[self.form]
        height = self.height_ratio * ((length + width) / 2 if form.is_round else width)
        return np.asarray(self.fill * form.volume(length, width, height))


def carbon_pg(volume_um3: ArrayLike) -> Sizes:
    """Return the carbon of diatoms in pg from their volumes in µm³, 0.288 V^0.811 (Menden-Deuer and Lessard, 2000)."""
    return np.asarray(0.288 * np.asarray(volume_um3, dtype=np.float64) ** 0.811)
