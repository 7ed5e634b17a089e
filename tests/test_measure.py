"""Sizes in µm and the counting protocol."""

from __future__ import annotations

import numpy as np
import pytest

from napari_diatom.detections import CUT_BY_EDGE, CUT_BY_TILE, STATUSES, CroppedMask, Detections
from napari_diatom.errors import InputError
from napari_diatom.measure import Protocol, measure


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
