"""Overlays: boxes where the specimens are, small enough to look at, the valve itself untouched."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_diatom.core.colours import PALETTE, class_colour
from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import OutputError
from napari_diatom.counting.overlays import draw_overlay, write_overlay
from napari_diatom.images.slide_image import from_array, open_images

GREY = from_array(np.full((300, 400), 128, np.uint8), "grey")


def test_boxes_are_drawn_in_the_colours_of_their_classes():
    found = Detections.of([[100, 150, 60, 20, 0], [300, 150, 80, 30, np.pi / 2]], [0, 1], classes=("a", "b"))
    picture = draw_overlay(GREY, found)
    assert picture.shape == (300, 400, 3)
    np.testing.assert_allclose(picture[140, 100], PALETTE[0], atol=60)
    np.testing.assert_allclose(picture[150, 285], PALETTE[1], atol=60)
    assert (picture[145:155, 75:125] == 128).all()
    assert (picture[200:] == 128).all()
    assert class_colour(len(PALETTE)) == PALETTE[0]


def test_large_images_are_made_smaller(tmp_path):
    image = from_array(np.zeros((1000, 3000), np.uint8), "wide")
    found = Detections.of([[1500, 500, 900, 90, 0.2]])
    write_overlay(tmp_path / "wide.jpg", image, found, longest_side=600)
    with Image.open(tmp_path / "wide.jpg") as picture:
        assert picture.size == (600, 200)
    bright = np.argwhere(draw_overlay(image, found, 600).max(axis=2) > 100)
    assert np.abs(bright[:, 1].mean() - 300) < 15


def test_the_pixels_of_a_small_colour_image_are_not_drawn_on(tmp_path):
    Image.new("RGB", (120, 90), (128, 128, 128)).save(tmp_path / "small.png")
    [image] = open_images(tmp_path / "small.png")
    assert draw_overlay(image, Detections.of([[60, 45, 40, 20, 0]])).max() > 128
    assert (image.read(0, 0, 120, 90) == 128).all()


def test_numbers_stay_within_the_picture():
    corners = Detections.of([[1, 1, 8, 4, 0], [399, 299, 8, 4, 0], [399, 1, 8, 4, 0.4]])
    assert draw_overlay(GREY, corners).shape == (300, 400, 3)
    assert (draw_overlay(GREY, Detections.empty()) == 128).all()


def test_unwritable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_overlay(tmp_path / "file" / "a.jpg", GREY, Detections.empty())
