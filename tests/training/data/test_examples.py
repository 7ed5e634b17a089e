import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from diatom_training.data import crops
from diatom_training.data.crop_geometry import CropGeometry
from diatom_training.data.examples import (
    Example,
    box_along_axis,
    example_truth,
    fitted,
    from_coco,
    load_truth,
    pixel_edge_outline,
    save_truth,
)
from diatom_training.data.rendered_examples import render_set
from diatom_training.learning.targets import box_batch
from napari_diatom.core import geometry
from napari_diatom.core.detections import CroppedMask
from napari_diatom.core.errors import InputError


def covered(box: np.ndarray, height: int, width: int, margin: float = 0.0) -> np.ndarray:
    """Return the pixels whose centres lie in an oriented box, widened by ``margin`` pixels."""
    y, x = np.mgrid[:height, :width] + 0.5
    along = (x - box[0]) * np.cos(box[4]) + (y - box[1]) * np.sin(box[4])
    across = (y - box[1]) * np.cos(box[4]) - (x - box[0]) * np.sin(box[4])
    return (abs(along) < box[2] / 2 + margin) & (abs(across) < box[3] / 2 + margin)


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """A dark needle and a square on grey."""
    image = np.full((200, 240, 3), 160, np.uint8)
    boxes = np.array([[120, 100, 150, 12, 0.4], [40, 160, 30, 29, 0.0]])
    for one in boxes:
        image[covered(one, 200, 240)] = (40, 60, 80)
    needle, square = geometry.corners(boxes).astype(np.float32)
    path = tmp_path / "field.png"
    cv2.imwrite(str(path), image)
    return Example(path, (needle, square), (0.4, 0.0), (0, 0), (0.5, 1.2))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-80, 180), st.floats(-80, 180)), min_size=3, max_size=3),
    st.floats(20, 120),
    st.floats(20, 120),
)
def test_clipping_agrees_with_shapely(points: list[tuple[float, float]], width: float, height: float) -> None:
    polygon = np.array(points)
    expected = Polygon(polygon).intersection(box(0, 0, width, height)).area
    clipped = geometry.clip_polygon(polygon, 0, 0, width, height)
    assert (geometry.polygon_area(clipped) if len(clipped) > 2 else 0.0) == pytest.approx(expected, abs=1e-6)


def test_a_crop_s_boxes_lie_on_what_it_shows(example: Example) -> None:
    for seed in range(12):
        crop = crops.random_crop(example, 128, np.random.default_rng(seed), CropGeometry(rotation=1))
        dark = crop.pixels.max(axis=2) < 110
        near, core = np.zeros_like(dark), np.zeros_like(dark)
        for one in crop.oriented:
            near |= covered(one, 128, 128, margin=1.0)
            whole = covered(one, 128, 128, margin=-1.5)
            core |= whole if one[2] > 3 * one[3] else False
        # At the crop's rim lie remains too short to be asked for.
        assert not (dark & ~near)[10:-10, 10:-10].any()
        assert (dark | ~core).mean() > 0.99
        assert ((crop.upright >= -1e-6) & (crop.upright <= 128 + 1e-6)).all()


def test_a_needle_cut_by_a_crop_keeps_its_direction(example: Example) -> None:
    image = crops.read_rgb(example.image)
    crop = crops.warp_to_crop(image, example, np.array([[1.0, 0, -100], [0, 1.0, -60]]), 64)
    assert len(crop.oriented) == 1
    assert crop.oriented[0, 4] == pytest.approx(0.4, abs=1e-6)
    assert crop.oriented[0, 3] == pytest.approx(12, abs=0.5)


def test_an_outline_has_the_area_of_its_mask() -> None:
    pixels = np.zeros((40, 60), bool)
    pixels[5:30, 10:50] = True
    outline = pixel_edge_outline(CroppedMask(pixels, 100, 200))
    np.testing.assert_allclose(outline.min(axis=0), [110, 205])
    np.testing.assert_allclose(outline.max(axis=0), [150, 230])
    assert geometry.polygon_area(outline) == pytest.approx(pixels.sum())


def test_a_fitted_outline_fills_its_box() -> None:
    pixels = np.zeros((40, 60), bool)
    pixels[5:30, 10:50] = True
    box = np.array([140.0, 220.0, 61.5, 20.25, 0.3])
    outline = fitted(pixel_edge_outline(CroppedMask(pixels, 100, 200)), box)
    np.testing.assert_allclose(box_along_axis(outline, 0.3), box, atol=1e-3)


def test_truth_survives_its_file(tmp_path: Path, example: Example) -> None:
    image = tmp_path / "a.jpg"
    save_truth(image.with_suffix(".npz"), example.outlines, example.angles, example.class_ids)
    back = load_truth(image)
    assert all(np.array_equal(a, b) for a, b in zip(back.outlines, example.outlines, strict=True))
    np.testing.assert_allclose(example_truth(back).boxes, example_truth(example).boxes)
    save_truth(image.with_suffix(".npz"), [], [], [])
    assert load_truth(image).outlines == ()


def test_coco_polygons_become_examples_by_station(tmp_path: Path) -> None:
    polygon = geometry.corners([[50, 40, 60, 10, 0.3]])[0].ravel().tolist()
    notes = {
        "images": [{"id": 1, "file_name": "x_A_1.jpg"}, {"id": 2, "file_name": "x_B_1.jpg"}],
        "annotations": [{"image_id": 1, "segmentation": [polygon]}, {"image_id": 2, "segmentation": [polygon]}],
    }
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(notes))
    (only,) = from_coco(path, tmp_path, groups=["B"])
    assert only.image.name == "x_B_1.jpg"
    np.testing.assert_allclose(example_truth(only).boxes[0], [50, 40, 60, 10, 0.3], atol=1e-3)
    path.write_text("{}")
    with pytest.raises(InputError, match=r"coco\.json"):
        from_coco(path, tmp_path)


def test_a_box_s_axis_can_be_given() -> None:
    outline = geometry.corners([[10, 20, 30, 6, 0.7]])[0]
    np.testing.assert_allclose(box_along_axis(outline, 0.7), [10, 20, 30, 6, 0.7])


def test_targets_keep_angles_within_the_network_s_range(example: Example) -> None:
    drawn = [
        crops.random_crop(example, 128, np.random.default_rng(seed), CropGeometry(rotation=1)) for seed in range(20)
    ]
    batch = box_batch(drawn, oriented=True)
    assert batch["bboxes"].shape == (sum(len(crop.class_ids) for crop in drawn), 5)
    angles = batch["bboxes"][:, 4]
    assert ((angles >= -np.pi / 4 - 1e-6) & (angles < 3 * np.pi / 4 + 1e-6)).all()
    assert box_batch(drawn, oriented=False)["bboxes"].shape[1] == 4


def test_rendered_sets_are_kept_and_completed(tmp_path: Path) -> None:
    first = render_set(tmp_path, 2, seed=5, size=96)
    stamp = first[0].image.stat().st_mtime_ns
    again = render_set(tmp_path, 3, seed=5, size=96)
    assert [item.image.name for item in again] == ["000000.jpg", "000001.jpg", "000002.jpg"]
    assert again[0].image.stat().st_mtime_ns == stamp
