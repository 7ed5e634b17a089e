"""Elliptic Fourier descriptors of outlines: what they must not depend on, and what they tell."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_diatom as nd
from helpers.shapes import ellipse, mask_of, placed
from napari_diatom.cli.app import main
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.measurement.outline_descriptors import outline_descriptors

pytest.importorskip("pyefd")
SILHOUETTES = Path(__file__).parents[3] / "shared" / "silhouettes"


def test_a_shape_with_two_mirror_lines_has_few_numbers() -> None:
    found = outline_descriptors(mask_of(placed(ellipse(200, 80), 0.4)), 10)
    assert found[0, 0] == pytest.approx(1)
    # No even harmonics without a difference between the ends, no b and c without one between the sides.
    assert np.abs(found[1::2]).max() < 0.005
    assert np.abs(found[:, 1:3]).max() < 0.005
    wider = outline_descriptors(mask_of(placed(ellipse(200, 120), 0.4)), 10)
    assert abs(found[0, 3]) < abs(wider[0, 3]) < 1


@settings(max_examples=10, deadline=None)
@given(angle=st.floats(-1.5, 1.5), size=st.floats(1, 2.5))
def test_size_and_direction_change_nothing(angle: float, size: float) -> None:
    def shape(size: float, angle: float) -> np.ndarray:
        t = np.linspace(0, 2 * math.pi, 400, endpoint=False)
        egg = np.column_stack([90 * np.cos(t), (30 + 9 * np.cos(t)) * np.sin(t)]) * size
        return outline_descriptors(mask_of(placed(egg, angle)), 8)

    one, other = shape(1.0, 0.0), shape(size, angle)
    # Half a turn changes the signs of every second harmonic.
    turned = other * np.where(np.arange(8) % 2, -1, 1)[:, None]
    assert min(np.abs(one - other).max(), np.abs(one - turned).max()) < 0.02


def test_the_table_has_all_outlines_and_no_boxes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = mask_of(placed(ellipse(80, 30), 0.3, 100, 100))
    found = Detections.of([oriented_box(mask), oriented_box(mask)], masks=[mask, mask], classes=("Navicula",))
    annotations = Annotations.of(found, image="a.jpg", height=200, width=200, shapes=["polygon", "rectangle"])
    table = nd.outline_descriptors(annotations, harmonics=3)
    assert list(table.columns) == ["image", "specimen", "class", *(f"{p}{n}" for n in (1, 2, 3) for p in "abcd")]
    assert len(table) == 1
    assert (table["class"][0], table["specimen"][0], table["a1"][0]) == ("Navicula", 1, 1)

    nd.write_annotations(tmp_path / "a.geojson", annotations)
    assert main(["descriptors", str(tmp_path / "a.geojson"), "-o", str(tmp_path / "a.csv"), "--harmonics", "3"]) == 0
    assert "1 specimen without an outline left out" in capsys.readouterr().err
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["d1"]) == pytest.approx(table["d1"][0], abs=0.01)
    with pytest.raises(InputError, match="harmonics is 0"):
        nd.outline_descriptors(annotations, harmonics=0)


@pytest.mark.skipif(not SILHOUETTES.is_dir(), reason="the silhouettes of real valves are not here")
def test_real_outlines_come_back_from_their_descriptors() -> None:
    import cv2
    from pyefd import reconstruct_contour

    for path in sorted(SILHOUETTES.glob("*.png"))[:8]:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        opacity = image[..., 3] / 255 if image.ndim == 3 and image.shape[2] == 4 else 1.0
        grey = (image[..., :3].mean(axis=-1) if image.ndim == 3 else image) * opacity + 255 * (1 - opacity)
        found = outline_descriptors(CroppedMask(grey < 128, 0, 0), 20)
        again = reconstruct_contour(found, num_points=400)
        length, width = np.ptp(again[:, 0]), np.ptp(again[:, 1])
        _, _, long, wide, _ = oriented_box(CroppedMask(grey < 128, 0, 0))
        assert width / length == pytest.approx(wide / long, abs=0.06)
