"""From a known outline into the picture along its box and back: nothing is lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_diatom.core import cropped_masks, geometry
from napari_diatom.core.box_frame import BOX_HEIGHT, BOX_WIDTH, HEIGHT, WIDTH, BoxFrame
from napari_diatom.core.cropped_masks import CroppedMask, draw_polygon
from napari_diatom.core.framed_masks import mask_in_image, own_parts
from napari_diatom.core.mask_polygons import fill

SIZE = 700, 900
"""Height and width of the image."""
BOXES = {
    "oriented": (400.0, 300.0, 200.0, 60.0, 0.7),
    "upright": (400.0, 300.0, 200.0, 80.0, 0.0),
    "standing": (400.0, 300.0, 200.0, 80.0, -np.pi / 2),
    "round": (400.0, 300.0, 90.0, 90.0, 0.0),
    "thirty times as long as wide": (450.0, 350.0, 600.0, 20.0, -0.5),
    "cut by the edge": (20.0, 690.0, 200.0, 60.0, 0.9),
    "small": (100.5, 90.2, 24.0, 9.0, 1.1),
}


def ellipse(box: tuple[float, ...], n: int = 200) -> NDArray[np.float64]:
    """Return a valve with pointed ends that fills a box."""
    cx, cy, length, width, angle = box
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    u, v = length / 2 * np.cos(t), width / 2 * np.sin(t) * np.abs(np.sin(t)) ** 0.3
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack([cx + cos * u - sin * v, cy + sin * u + cos * v])


def perfect(frame: BoxFrame, *outlines: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what a perfect network says of outlines in a frame."""
    import cv2

    fine = np.zeros((8 * HEIGHT, 8 * WIDTH), np.uint8)
    for outline in outlines:
        draw_polygon(fine, 8 * frame.to_picture(outline) - 0.5)
    return cv2.resize(fine.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def truth(outline: NDArray[np.float64]) -> CroppedMask:
    """Return the mask of an outline in the image."""
    return fill(((outline,),)).within(0, 0, SIZE[1], SIZE[0])


@pytest.mark.parametrize("name", BOXES)
@pytest.mark.parametrize("mirrored", [(False, False), (True, False), (True, True)])
def test_an_outline_comes_back_from_the_picture_of_its_box(name: str, mirrored: tuple[bool, bool]) -> None:
    frame = BoxFrame.of(BOXES[name], mirrored)
    found = mask_in_image(perfect(frame, ellipse(BOXES[name])), frame, *SIZE)
    # Of a specimen nine pixels wide, one pixel of its margin in ten is a tie.
    assert cropped_masks.mask_iou(found, truth(ellipse(BOXES[name]))) > (0.95 if name == "small" else 0.97)
    assert (found.x0 >= 0, found.y0 >= 0) == (True, True)
    assert found.bounds[2] <= SIZE[1]
    assert found.bounds[3] <= SIZE[0]


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi / 4, 1.2])
def test_a_slanting_outline_comes_back_from_the_picture_of_its_upright_box(turn: float) -> None:
    outline = ellipse((400.0, 300.0, 260.0, 50.0, turn))
    low, high = outline.min(axis=0), outline.max(axis=0)
    box = geometry.canonical([[*((low + high) / 2), *(high - low), 0.0]])[0]
    frame = BoxFrame.of(box)
    assert cropped_masks.mask_iou(mask_in_image(perfect(frame, outline), frame, *SIZE), truth(outline)) > 0.97


def test_every_box_fills_the_same_part_of_its_picture() -> None:
    left, top = (WIDTH - BOX_WIDTH) / 2, (HEIGHT - BOX_HEIGHT) / 2
    for box in BOXES.values():
        corners = BoxFrame.of(box).to_picture(geometry.corners([box])[0])
        wanted = [[left, top], [WIDTH - left, top], [WIDTH - left, HEIGHT - top], [left, HEIGHT - top]]
        np.testing.assert_allclose(corners, wanted, atol=1e-6)


def test_what_reaches_beyond_the_picture_is_cut() -> None:
    frame = BoxFrame.of(BOXES["oriented"])
    found = mask_in_image(np.ones((HEIGHT, WIDTH), np.float32), frame, *SIZE)
    assert cropped_masks.mask_iou(found, truth(frame.corners)) > 0.97


def test_neighbours_in_the_picture_and_holes_are_not_the_specimens() -> None:
    box = BOXES["oriented"]
    frame = BoxFrame.of(box)
    own = ellipse(box)
    # Apart from the specimen, and mostly outside its box.
    beside = ellipse((400 - 43 * np.sin(0.7), 300 + 43 * np.cos(0.7), 200.0, 20.0, 0.7))
    said = perfect(frame, own, beside)
    said[45:50, 150:170] = 0.1
    found = mask_in_image(said, frame, *SIZE)
    assert cropped_masks.mask_iou(found, truth(own)) > 0.97
    assert cropped_masks.shared_pixels(found, truth(beside)) < 0.02 * truth(beside).area


def test_both_halves_of_a_broken_specimen_are_its_own() -> None:
    frame = BoxFrame.of(BOXES["oriented"])
    said = perfect(frame, ellipse(BOXES["oriented"]))
    said[:, 150:156] = 0
    kept = own_parts(said)
    assert (kept[:, :150] >= 0.5).sum() > 0.9 * (said[:, :150] >= 0.5).sum()
    assert (kept[:, 156:] >= 0.5).sum() > 0.9 * (said[:, 156:] >= 0.5).sum()


@pytest.mark.parametrize("box", [(-500.0, 300.0, 90.0, 30.0, 0.3), (9e8, 9e8, 90.0, 30.0, 0.3)])
def test_a_box_beside_the_image_has_an_empty_mask(box: tuple[float, ...]) -> None:
    assert mask_in_image(np.ones((HEIGHT, WIDTH), np.float32), BoxFrame.of(box), *SIZE).area == 0


def test_a_box_over_more_than_any_specimen_takes_no_memory() -> None:
    said = np.ones((HEIGHT, WIDTH), np.float32)
    assert mask_in_image(said, BoxFrame.of((4e4, 4e4, 1e9, 1e9, 0.0)), 80_000, 80_000).area == 0


def test_nothing_likely_is_an_empty_mask() -> None:
    assert mask_in_image(np.full((HEIGHT, WIDTH), 0.4, np.float32), BoxFrame.of(BOXES["round"]), *SIZE).area == 0
