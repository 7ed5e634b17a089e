"""Concentrations are those of calculations by hand, three of each kind."""

from __future__ import annotations

import pytest

from napari_diatom.samples.concentration import CHAMBER_FORMULA, CHAMBERS, SLIDE_FORMULA, Chamber, ScrapedSlide


@pytest.mark.parametrize(
    ("chamber", "counted_area", "count", "per_litre"),
    [
        # Whole bottom of a 10 ml chamber, nothing added: 250 in 10 ml are 25,000 in a litre.
        (Chamber(500.0, 10.0, 100.0), 500.0, 250, 25_000.0),
        # A fiftieth of the bottom of 50 ml; 2 ml Lugol's in 100 ml: 120 x 50 x 20 x 1.02.
        (Chamber(500.0, 50.0, 100.0, 2.0), 10.0, 120, 122_400.0),
        # Sedgewick-Rafter: 20 squares of 1 mm2 and 1 mm depth are 20 ul; 42 in them are 2100 per ml.
        (Chamber(*CHAMBERS["sedgewick-rafter"], 250.0), 20.0, 42, 2_100_000.0),
    ],
)
def test_of_chambers(chamber: Chamber, counted_area: float, count: int, per_litre: float) -> None:
    assert count * chamber.per_litre(counted_area) == pytest.approx(per_litre, rel=1e-9)
    facts = {
        "count": count,
        "chamber_area_mm2": chamber.area_mm2,
        "chamber_volume_ml": chamber.volume_ml,
        "sample_volume_ml": chamber.sample_volume_ml,
        "preservative_volume_ml": chamber.preservative_volume_ml,
        "counted_area_mm2": counted_area,
    }
    assert eval(CHAMBER_FORMULA, {}, facts) == pytest.approx(per_litre, rel=1e-9)


@pytest.mark.parametrize(
    ("slide", "counted_area", "count", "per_cm2"),
    [
        # A tenth of the coverslip, all of the suspension, 1 cm2: ten times the count.
        (ScrapedSlide(324.0, 1.0, 1.0, 1.0), 32.4, 400, 4000.0),
        # 20 fields of 0.02 mm2 of 324; 0.5 of 50 ml; 20 cm2: 400 x 810 x 100 / 20.
        (ScrapedSlide(324.0, 50.0, 0.5, 20.0), 0.4, 400, 1_620_000.0),
        # The same, diluted 1 to 10 before.
        (ScrapedSlide(324.0, 50.0, 0.5, 20.0, 10.0), 0.4, 400, 16_200_000.0),
    ],
)
def test_of_slides(slide: ScrapedSlide, counted_area: float, count: int, per_cm2: float) -> None:
    assert count * slide.per_cm2(counted_area) == pytest.approx(per_cm2, rel=1e-9)
    facts = {
        "count": count,
        "coverslip_area_mm2": slide.coverslip_area_mm2,
        "suspension_volume_ml": slide.suspension_volume_ml,
        "aliquot_volume_ml": slide.aliquot_volume_ml,
        "scraped_area_cm2": slide.scraped_area_cm2,
        "dilution": slide.dilution,
        "counted_area_mm2": counted_area,
    }
    assert eval(SLIDE_FORMULA, {}, facts) == pytest.approx(per_cm2, rel=1e-9)
