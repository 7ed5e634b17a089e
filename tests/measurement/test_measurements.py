"""Sizes in µm and the counting protocol."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from helpers.shapes import ellipse, mask_of, placed
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CUT_BY_EDGE, CUT_BY_TILE, STATUSES, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import from_array
from napari_diatom.measurement import intensity
from napari_diatom.measurement.counting_protocol import Protocol
from napari_diatom.measurement.measurements import measure, measure_annotations
from napari_diatom.measurement.morphometry import oriented_box


def test_sizes():
    found = Detections.of(
        [[10, 20, 40, 10, np.pi / 4], [50, 60, 8, 80, 0]], cut=[CUT_BY_TILE, CUT_BY_EDGE], status=[0, 3]
    )
    table = measure(found, 0.25)
    np.testing.assert_allclose(table.length_um, [10, 20])
    np.testing.assert_allclose(table.width_um, [2.5, 2])
    np.testing.assert_allclose(table.area_um2, [25, 40])
    np.testing.assert_allclose(table.area_px, [400, 640])
    np.testing.assert_allclose(table.angle_deg, [45, -90])
    np.testing.assert_allclose(table.length_width_ratio, [4, 10])
    assert table.cut_by_edge.tolist() == [False, True]
    assert table.statuses == ("valve", "broken")
    assert table.class_names == ("diatom", "diatom")


def test_unknown_pixel_size_and_masks():
    mask = CroppedMask(np.ones((4, 5), bool), 0, 0)
    table = measure(Detections.of([[3, 3, 6, 5, 0]], masks=[mask]), None)
    assert table.area_px.tolist() == [20]
    assert np.isnan(table.length_um).all()
    assert np.isnan(table.area_um2).all()
    assert len(measure(Detections.empty(), 0.1)) == 0
    with pytest.raises(InputError, match="pixel size"):
        measure(Detections.empty(), 1e6)


def test_protocol():
    found = Detections.of(
        [[9, 9, 5, 5, 0]] * 7, [0, 0, 1, 1, 1, 0, 0], classes=("a", "b", "c"), status=[0, 1, 2, 3, 4, 5, 3]
    )
    assert Protocol().counts(found) == {"a": 3, "b": 2, "c": 0}
    assert Protocol.of(["broken", "valve"]).counted == ("valve", "broken")
    assert Protocol.of(["broken", "valve"]).counts(found) == {"a": 2, "b": 1, "c": 0}
    assert sum(Protocol.of(STATUSES).counts(found).values()) == 7
    with pytest.raises(InputError, match="Unknown status girdles"):
        Protocol.of(["girdles"])
    with pytest.raises(InputError, match="At least one"):
        Protocol.of([])


def test_masks_are_measured_in_both_units():
    masks = [mask_of(placed(ellipse(80, 30), angle)) for angle in (0.2, 1.1)]
    masks.append(CroppedMask(np.zeros((3, 3), bool), 0, 0))
    boxes = [*(oriented_box(mask) for mask in masks[:2]), [5, 5, 4, 3, 0]]
    table = measure(Detections.of(boxes, masks=masks), 0.5)
    np.testing.assert_allclose(table.area_px[:2], np.pi * 600, rtol=0.01)
    assert table.area_px[2] == 0
    for name in ("midline_length", "width_max", "width_centre", "perimeter", "feret", "min_feret"):
        values = getattr(table, f"{name}_px")
        np.testing.assert_allclose(getattr(table, f"{name}_um"), values * 0.5)
        assert np.isfinite(values[:2]).all()
        assert np.isnan(values[2])
    assert np.isnan(table.intensity_mean).all()
    boxes_only = measure(Detections.of(boxes), 0.5)
    assert np.isnan(boxes_only.circularity).all()
    np.testing.assert_array_equal(boxes_only.length_px, table.length_px)


@pytest.mark.parametrize("masks_known", [True, False])
def test_annotations_know_which_outlines_are_real(masks_known: bool):
    outline = placed(ellipse(60, 20), 0.4)
    mask = mask_of(outline)
    found = Detections.of([oriented_box(mask), [30, 30, 20, 8, 0.3]], masks=[mask, mask] if masks_known else None)
    drawn = Annotations.of(found, shapes=("polygon", "rectangle"), outlines=[((outline,),), None], pixel_size_um=0.1)
    table = measure_annotations(drawn)
    assert table.area_px.tolist() == [mask.area, pytest.approx(160)]
    assert np.isfinite(table.perimeter_um[0])
    assert np.isnan(table.perimeter_um[1])


def test_brightness_inside():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4000, (90, 120), dtype=np.uint16)
    mask = mask_of(placed(ellipse(60, 30), 0.4, 40, 40))
    outside, partly = mask.shifted(500, 0), mask.shifted(-30, 0)
    found = Detections.of([[9, 9, 9, 3, 0]] * 3, masks=[mask, outside, partly])
    table = measure(found, None, values)
    rows, columns = np.nonzero(mask.pixels)
    inside = values[rows + mask.y0, columns + mask.x0].astype(float)
    assert table.intensity_mean[0] == pytest.approx(inside.mean())
    assert table.intensity_sd[0] == pytest.approx(inside.std(ddof=1))
    assert np.isnan(table.intensity_mean[1])
    seen = columns + partly.x0 >= 0
    shown = values[rows[seen] + partly.y0, columns[seen] + partly.x0]
    assert table.intensity_mean[2] == pytest.approx(shown.mean())
    with pytest.raises(InputError, match="Brightness needs"):
        measure(found, None, values[None, None])


def test_brightness_of_an_image_is_the_mean_of_its_colours_and_banding_changes_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    mask = mask_of(placed(ellipse(150, 80), 0.4, 100, 100))
    found = Detections.of([[9, 9, 9, 3, 0]], masks=[mask])
    table = measure(found, None, from_array(colours, "layer"))
    assert table.intensity_mean[0] == pytest.approx(measure(found, None, colours.mean(axis=2)).intensity_mean[0])
    monkeypatch.setattr(intensity, "BAND_PIXELS", 2000)
    banded = measure(found, None, from_array(colours, "layer"))
    assert banded.intensity_mean[0] == pytest.approx(table.intensity_mean[0], rel=1e-12)
    assert banded.intensity_sd[0] == pytest.approx(table.intensity_sd[0], rel=1e-12)


def test_striae_are_told_from_an_empty_band_by_the_inner_deviation():
    mask = mask_of(placed(ellipse(80, 40), 0, 60, 40))
    plain = np.full((80, 120), 120.0)
    # A bright margin, as the halo of a band has it.
    depth = cv2.distanceTransform(np.pad(mask.pixels, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    margin = np.s_[mask.y0 : mask.y0 + mask.pixels.shape[0], mask.x0 : mask.x0 + mask.pixels.shape[1]]
    plain[margin][depth <= 3] = 255
    striate = plain + 20 * (np.arange(120) // 2 % 2)
    found = Detections.of([[60, 40, 80, 40, 0]], masks=[mask])
    band, valve = measure(found, None, plain), measure(found, None, striate)
    assert band.intensity_sd[0] > 40
    assert band.intensity_sd_inner[0] == 0
    assert valve.intensity_sd_inner[0] == pytest.approx(10, abs=0.5)
