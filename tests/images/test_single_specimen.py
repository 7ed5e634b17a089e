"""The one specimen in a picture of an atlas."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.valve_pictures import NITZSCHIA, TAXA, draw_valve
from napari_diatom.core import geometry
from napari_diatom.images.single_specimen import single_specimen
from napari_diatom.images.slide_image import from_array


@pytest.mark.parametrize("taxon", TAXA)
@pytest.mark.parametrize("background", [20, 90])
def test_the_valve_is_found_whatever_its_place_and_direction(taxon: str, background: int) -> None:
    field = np.full((120, 140), background, np.uint8)
    drawn = geometry.canonical([draw_valve(field, taxon, 75, 55, 0.4)])[0]
    noisy = np.clip(field + np.random.default_rng(0).normal(0, 3, field.shape), 0, 255).astype(np.uint8)
    box, outline = single_specimen(from_array(noisy, "plate"))
    np.testing.assert_allclose(box[:2], drawn[:2], atol=3)
    np.testing.assert_allclose(box[2:4], drawn[2:4], atol=8)
    if taxon == NITZSCHIA:
        assert box[4] == pytest.approx(drawn[4], abs=0.1)
    assert outline.shape[1] == 2


def test_where_nothing_stands_out_the_whole_picture_is_the_specimen() -> None:
    box, outline = single_specimen(from_array(np.full((60, 100), 128, np.uint8), "plain"))
    np.testing.assert_allclose(box, [50, 30, 100, 60, 0], atol=1e-6)
    assert len(outline) == 4
