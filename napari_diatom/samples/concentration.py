"""From counts to concentrations: units per litre of a chamber, valves per cm² of substrate from a slide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHAMBERS: Final[Mapping[str, tuple[float, float]]] = {"sedgewick-rafter": (50.0 * 20.0, 1.0)}
"""Area (mm²) and volume (ml) of chambers by their names: the Sedgewick-Rafter cell has 50 x 20 mm and 1 ml."""

CHAMBER_FORMULA: Final = (
    "count * chamber_area_mm2 * (sample_volume_ml + preservative_volume_ml) * 1000 "
    "/ (counted_area_mm2 * chamber_volume_ml * sample_volume_ml)"
)
"""Units per litre, in the names of the columns."""
SLIDE_FORMULA: Final = (
    "count * (coverslip_area_mm2 / counted_area_mm2) * (suspension_volume_ml / aliquot_volume_ml) "
    "* dilution / scraped_area_cm2"
)
"""Units per cm² of substrate, in the names of the columns."""


@dataclass(frozen=True)
class Chamber:
    """A sedimentation chamber, Utermoehl's or another, of which some area was counted.

    Attributes
    ----------
    area_mm2, volume_ml : float
        Of the chamber: its bottom, and what was filled in.
    sample_volume_ml : float
        Water that was taken.
    preservative_volume_ml : float
        Added to it, such as Lugol's solution.
    """

    area_mm2: float
    volume_ml: float
    sample_volume_ml: float
    preservative_volume_ml: float = 0.0

    def per_litre(self, counted_area_mm2: float) -> float:
        """Return how many units per litre of water one counted unit stands for.

        Parameters
        ----------
        counted_area_mm2 : float
            Of all fields together.

        References
        ----------
        Plankton Toolbox (SMHI), counting module; EN 15204:2006.
        """
        diluted = (self.sample_volume_ml + self.preservative_volume_ml) / self.sample_volume_ml
        return self.area_mm2 * diluted * 1000 / (counted_area_mm2 * self.volume_ml)


@dataclass(frozen=True)
class ScrapedSlide:
    """A slide of material that was scraped off some substrate.

    Attributes
    ----------
    coverslip_area_mm2 : float
        Over which the aliquot has dried.
    suspension_volume_ml, aliquot_volume_ml : float
        Of the cleaned material, and what of it came on the coverslip.
    scraped_area_cm2 : float
        Of the substrate.
    dilution : float
        By which the suspension was diluted before the aliquot was taken: 10 for 1 to 10; 1 for none.
    """

    coverslip_area_mm2: float
    suspension_volume_ml: float
    aliquot_volume_ml: float
    scraped_area_cm2: float
    dilution: float = 1.0

    def per_cm2(self, counted_area_mm2: float) -> float:
        """Return how many units per cm² of substrate one counted unit stands for.

        Parameters
        ----------
        counted_area_mm2 : float
            Of all fields together.

        References
        ----------
        Battarbee 1986, in Berglund (ed.), Handbook of Holocene Palaeoecology and Palaeohydrology, chapter 26.
        """
        on_slide = self.coverslip_area_mm2 / counted_area_mm2
        in_suspension = self.suspension_volume_ml / self.aliquot_volume_ml * self.dilution
        return on_slide * in_suspension / self.scraped_area_cm2
