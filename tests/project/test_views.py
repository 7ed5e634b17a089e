"""What is shown of a project: the order of the review, upright pictures, shapes of a layer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.projects import blob, box, polygon
from napari_diatom.core import geometry
from napari_diatom.core.colours import PALETTE
from napari_diatom.core.detections import STATUSES
from napari_diatom.core.errors import InputError
from napari_diatom.images.specimen_crops import upright_crop, upright_ends
from napari_diatom.napari_layers import project_layer, shapes_layer
from napari_diatom.project import gallery_order
from napari_diatom.project.document import Document
from napari_diatom.project.edits import Contents
from napari_diatom.project.settings import classes_of
from napari_diatom.project.specimen import Specimen

WIDE = (200.0, 150.0, 80.0, 12.0)


class Picture:
    """An image in memory that remembers the windows it was asked for."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels
        self.height, self.width = pixels.shape[:2]
        self.windows: list[tuple[int, int, int, int]] = []

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> np.ndarray:
        import cv2

        assert 0 <= x0 < x1 <= self.width
        assert 0 <= y0 < y1 <= self.height
        self.windows.append((x0, y0, x1, y1))
        window = self.pixels[y0:y1, x0:x1]
        if scale == 1:
            return window
        size = max(round((x1 - x0) * scale), 1), max(round((y1 - y0) * scale), 1)
        return cv2.resize(window, size, interpolation=cv2.INTER_AREA)


def bar(found: tuple[float, ...], height: int = 300, width: int = 400) -> Picture:
    """Return a black image with a white box."""
    y, x = np.mgrid[:height, :width] + 0.5
    cos, sin = np.cos(found[4]), np.sin(found[4])
    along, across = (x - found[0]) * cos + (y - found[1]) * sin, (y - found[1]) * cos - (x - found[0]) * sin
    inside = (np.abs(along) < found[2] / 2) & (np.abs(across) < found[3] / 2)
    return Picture(np.repeat(inside[..., None] * np.uint8(255), 3, axis=2))


@pytest.mark.parametrize("angle", [-1.5, -0.9, 0.0, 0.4, 1.2])
@pytest.mark.parametrize("size", [92, 46, 184])
def test_the_apical_axis_stands_upright(angle, size):
    found = (*WIDE, angle)
    picture = upright_crop(bar(found), found, size)[..., 0] > 127
    scale = size / (1.15 * found[2])
    rows, columns = np.flatnonzero(picture.any(axis=1)), np.flatnonzero(picture.any(axis=0))
    assert len(rows) == pytest.approx(found[2] * scale, abs=2)
    assert len(columns) == pytest.approx(found[3] * scale, abs=2)
    assert rows.mean() == pytest.approx((size - 1) / 2, abs=1)
    assert columns.mean() == pytest.approx((size - 1) / 2, abs=1)


@pytest.mark.parametrize("angle", [-1.2, 0.0, 0.7])
def test_of_a_needle_both_ends_are_shown_as_wide_as_any_specimen(angle):
    found = (200.0, 150.0, 240.0, 6.0, angle)
    picture = upright_ends(bar(found), found, 104, 6)[..., 0] > 200
    rows = np.flatnonzero(picture.any(axis=1))
    assert rows[0] == pytest.approx(7, abs=2)
    assert rows[-1] == pytest.approx(96, abs=2)
    assert set(range(rows[0], rows[-1])) - set(rows.tolist()) == set(range(50, 54))
    assert picture[rows[10]].sum() == pytest.approx(104 / 1.15 / 6, abs=2)


def test_the_picture_is_turned_and_not_mirrored():
    found = (*WIDE, 0.4)
    image = bar(found)
    # A white spot on the right-hand side of who looks along the axis (x to the right, y down).
    towards = np.array([np.cos(0.4), np.sin(0.4)]) * 20 + np.array([-np.sin(0.4), np.cos(0.4)]) * 15
    x, y = np.array(found[:2]) + towards
    image.pixels[...] = 0
    image.pixels[round(y) - 2 : round(y) + 2, round(x) - 2 : round(x) + 2] = 255
    rows, columns = np.nonzero(upright_crop(image, found, 92)[..., 0] > 127)
    # The end of the axis is at the bottom, and what lay clockwise of it at its left.
    assert rows.mean() == pytest.approx(45.5 + 20, abs=1.5)
    assert columns.mean() == pytest.approx(45.5 - 15, abs=1.5)


def test_only_what_is_shown_is_read_and_beyond_the_edge_all_is_grey():
    image = Picture(np.full((300, 400, 3), 255, np.uint8))
    picture = upright_crop(image, (0.0, 150.0, 80.0, 12.0, np.pi / 2), 92)
    assert (picture[:, :44] == 128).all()
    assert (picture[:, 48:] == 255).all()
    [(x0, y0, x1, y1)] = image.windows
    assert x0 == 0
    assert x1 - x0 < 80
    assert y1 - y0 < 160


def test_a_specimen_outside_the_image_has_no_picture():
    image = Picture(np.zeros((300, 400, 3), np.uint8))
    for place in ((-200.0, 150.0), (200.0, 900.0)):
        with pytest.raises(InputError, match="outside the image"):
            upright_crop(image, (*place, 80.0, 12.0, 0.3), 64)


def entries(
    *sizes: tuple[float, float], name: str = "Navicula", image: str = "a", um: float | None = None
) -> list[gallery_order.Entry]:
    return [
        gallery_order.Entry(
            image, f"{name}{i}", (0.0, 0.0, length, width, 0.0), name, STATUSES[0], 0.1 * (i % 7), pixel_size_um=um
        )
        for i, (length, width) in enumerate(sizes)
    ]


def test_the_least_like_their_class_come_first():
    usual = [(40.0 + i % 3, 8.0) for i in range(9)]
    some = entries(*usual, (120.0, 8.0), (41.0, 20.0)) + entries(*[(120.0, 8.0)] * 6, name="Nitzschia")
    first = gallery_order.ordered(some, "unlikeness")
    assert {entry.id for entry in first[:2]} == {"Navicula9", "Navicula10"}
    # What is rare in one class is usual in another.
    assert (gallery_order.unlikeness(some)[11:] == 0).all()
    assert gallery_order.unlikeness(entries(*usual[:4])).tolist() == [0] * 4
    assert gallery_order.unlikeness([]).shape == (0,)


def test_who_looks_like_another_class_is_least_sure_of_its_own():
    spread = [0.9, 0.95, 1.0, 1.05, 1.1]
    navicula = entries(*[(40.0 * k, 10.0 * k) for k in spread], (160.0, 8.0), (41.0, 10.0))
    nitzschia = entries(*[(160.0 * k, 8.0 * k) for k in spread], name="Nitzschia")
    rare = entries((40.0, 10.0), (160.0, 8.0), name="Cymbella")
    found = gallery_order.confidence(navicula + nitzschia + rare)
    assert found[5] < 1e-6
    assert (np.delete(found[:12], 5) > 0.99).all()
    # Of a class of two nobody knows what it looks like.
    assert np.isnan(found[12:]).all()
    listed = gallery_order.ordered(rare + navicula + nitzschia, "confidence")
    assert listed[0].id == "Navicula5"
    assert {entry.name for entry in listed[-2:]} == {"Cymbella"}


def test_two_classes_of_one_size_are_not_told_apart():
    sizes = [(40.0 + k, 10.0) for k in range(5)]
    both = entries(*sizes) + entries(*sizes, name="Nitzschia")
    np.testing.assert_allclose(gallery_order.confidence(both), 0.5)
    np.testing.assert_allclose(gallery_order.confidence(entries(*sizes)), 1)
    assert gallery_order.confidence([]).shape == (0,)


def test_lengths_of_unlike_magnifications_are_compared_in_micrometres():
    coarse = entries(*[(40.0 + k, 10.0) for k in range(6)], um=0.5)
    fine = entries(*[(200.0 + 5 * k, 50.0) for k in range(6)], image="b", um=0.1)
    odd = entries((200.0, 50.0), image="c", um=0.5)
    assert gallery_order.ordered(coarse + fine + odd, "unlikeness")[0] is odd[0]
    assert gallery_order.ordered(coarse + fine, "length")[:2] == [coarse[5], fine[5]]
    # One unknown pixel size, and no two lengths can be compared but in pixels.
    assert gallery_order.ordered(coarse + fine + entries((30.0, 10.0)), "length")[0] is fine[5]


@pytest.mark.parametrize("order", gallery_order.ORDERS)
def test_orders(order):
    some = entries((30.0, 10.0), (60.0, 30.0), (45.0, 5.0)) + entries((50.0, 10.0), image="b", name="Nitzschia")
    found = gallery_order.ordered(some, order)
    assert sorted(entry.id for entry in found) == sorted(entry.id for entry in some)
    keys = {
        "unlikeness": [0.0] * 4,
        "confidence": [0.0] * 4,
        "score": [entry.score for entry in found],
        "length": [-entry.box[2] for entry in found],
        "length/width": [-entry.box[2] / entry.box[3] for entry in found],
        "image": [entry.image_id for entry in found],
        "class": [entry.name for entry in found],
    }[order]
    assert keys == sorted(keys)


def test_one_class_or_status_of_all():
    doc = Document(Contents((box(), polygon(), box(2, status="girdle")), (box(3, score=0.4),)))
    some = gallery_order.entries("a", doc.contents, proposals=True)
    assert [entry.proposed for entry in some] == [False, False, False, True]
    assert len(gallery_order.entries("a", doc.contents)) == 3
    assert {entry.pixel_size_um for entry in gallery_order.entries("a", doc.contents, pixel_size_um=0.2)} == {0.2}
    assert [entry.name for entry in gallery_order.ordered(some, "image", name="Nitzschia")] == ["Nitzschia"]
    assert [entry.id for entry in gallery_order.ordered(some, "image", status="girdle")] == [some[2].id]
    assert gallery_order.by_image(some) == {"a": [*doc.specimens, *doc.proposals]}


sizes = st.floats(2, 500)


@settings(max_examples=60)
@given(
    st.tuples(st.floats(-50, 4000), st.floats(-50, 4000), sizes, sizes, st.floats(-3, 3)),
    st.lists(st.integers(0, 9), max_size=2),
)
def test_boxes_are_the_same_after_the_way_through_a_layer(numbers, plane):
    made = Specimen.rectangle(numbers, "Navicula", id="a")
    shape, kind = project_layer.to_shape(made, plane)
    assert shape.shape == (4, len(plane) + 2)
    assert (shape[:, : len(plane)] == plane).all()
    back = project_layer.from_shape(shape, kind, made.name, id=made.id)
    assert (back.shape, back.name, back.id) == ("rectangle", "Navicula", "a")
    ours, theirs = (geometry.corners(item.box)[0] for item in (made, back))
    assert np.linalg.norm(ours[:, None] - theirs[None], axis=2).min(axis=1).max() < 0.01


def test_outlines_come_back_and_of_several_parts_the_largest():
    made = polygon()
    shape, kind = project_layer.to_shape(made, (2,))
    back = project_layer.from_shape(shape, kind, made.name)
    np.testing.assert_allclose(back.polygons[0][0], made.polygons[0][0], atol=1e-12)
    far = np.array([[60.0, 60], [61, 60], [61, 61]])
    two = Specimen.polygon(((far,), (made.polygons[0][0],)), "Nitzschia")
    assert project_layer.is_same(*project_layer.to_shape(two, (2,)), shape, kind)
    masked, kind = project_layer.to_shape(blob())
    assert kind == "polygon"
    assert geometry.polygon_area(masked) > 30


def test_many_specimens_become_the_shapes_that_each_becomes():
    some = [box(), polygon(), blob(), box(3)]
    for plane in ((), (2,)):
        made = project_layer.to_shapes(some, plane)
        for (shape, kind), (alone, its) in zip(made, (project_layer.to_shape(one, plane) for one in some), strict=True):
            assert kind == its
            np.testing.assert_array_equal(shape, alone)
    assert project_layer.to_shapes([]) == []
    assert [kind for _, kind in project_layer.to_shapes([polygon()])] == ["polygon"]


def test_whatever_is_drawn_becomes_a_specimen():
    ellipse = shapes_layer.to_points(geometry.corners((50, 40, 30, 10, 0.5))[0])
    assert project_layer.from_shape(ellipse, "ellipse", "a").shape == "rectangle"
    line = shapes_layer.to_points([[10.0, 10], [50, 30]])
    found = project_layer.from_shape(line, "line", "a")
    assert found.box[2] == pytest.approx(np.hypot(40, 20), abs=0.01)
    assert project_layer.bounding_box(np.array([[1.0, 1], [1.2, 1], [1.1, 1.3]])) is None
    flat = shapes_layer.to_points([[10.0, 10], [30, 30], [50, 50]])
    assert project_layer.from_shape(flat, "polygon", "a").shape == "rectangle"


def test_two_shapes_are_the_same_within_a_hundredth_of_a_pixel():
    shape, kind = project_layer.to_shape(box())
    assert project_layer.is_same(shape, kind, shape + 0.005, kind)
    assert not project_layer.is_same(shape, kind, shape + 0.02, kind)
    assert not project_layer.is_same(shape, kind, shape, "polygon")
    assert not project_layer.is_same(shape, kind, shape[:3], kind)


def test_features_have_sizes_where_the_pixel_size_is_known():
    items = [box(), polygon()]
    known, unknown = project_layer.feature_columns(items, 0.5), project_layer.feature_columns(items, None)
    assert tuple(known) == tuple(unknown) == project_layer.FEATURES
    assert known[shapes_layer.LENGTH_UM] == [item.box[2] / 2 for item in items]
    assert np.isnan(unknown[shapes_layer.LENGTH_UM]).all()
    assert known[shapes_layer.RATIO][0] == pytest.approx(12 / 5)
    assert known[project_layer.ID] == [item.id for item in items]


def test_colours_tell_class_status_or_score():
    classes = classes_of(["Navicula", "Nitzschia"])
    items = [
        box(score=0.0),
        box(name="Nitzschia", status="girdle"),
        box(name="unheard of", score=1.0, status="girdle"),
    ]
    by_class = project_layer.colours(items, classes)
    assert by_class.shape == (3, 4)
    assert by_class.dtype == np.float32
    np.testing.assert_allclose(by_class[:2, :3], np.array(PALETTE[:2]) / 255, atol=1e-3)
    assert by_class[2].tolist() == [1, 1, 1, 1]
    by_status = project_layer.colours(items, classes, "status")
    assert (by_status[1] == by_status[2]).all()
    assert (by_status[0] != by_status[1]).any()
    by_score = project_layer.colours(items, classes, "score")
    assert by_score[0, 0] > by_score[0, 1]
    assert by_score[2, 1] > by_score[2, 0]
    assert project_layer.colours([], classes, "status").shape == (0, 4)


def test_labels_tell_what_is_asked_and_the_length():
    item = box(status="broken", score=0.456)
    assert project_layer.label(item, None) == "Navicula  12 px"
    assert project_layer.label(item, 0.5, "status") == "broken  6.0 µm"
    assert project_layer.label(item, 0.5, "score") == "0.46  6.0 µm"
    assert project_layer.size_text(item.box, 0.5) == "6.0 x 2.5 µm"
