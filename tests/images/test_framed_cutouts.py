"""The picture of a box shows what lies there, at every scale, and says what it reads."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.box_frame import BOX_HEIGHT, BOX_WIDTH, HEIGHT, WIDTH, BoxFrame
from napari_diatom.core.mask_polygons import fill
from napari_diatom.images.framed_cutouts import MOST_READ, framed_cutout
from napari_diatom.images.slide_image import from_array

BACKGROUND, SPECIMEN = (200, 190, 180), (40, 60, 90)


def drawn(boxes: list[tuple[float, ...]], height: int = 600, width: int = 800) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for corners in geometry.corners(boxes):
        mask = fill(((corners,),)).within(0, 0, width, height)
        image[mask.y0 : mask.y0 + mask.pixels.shape[0], mask.x0 : mask.x0 + mask.pixels.shape[1]][mask.pixels] = (
            SPECIMEN
        )
    return image


def shown(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which pixels of a picture are more of the specimen than of the background."""
    return np.asarray(
        np.abs(picture.astype(float) - SPECIMEN).sum(axis=2) < np.abs(picture.astype(float) - BACKGROUND).sum(axis=2)
    )


@pytest.mark.parametrize(
    "box",
    [
        (400.0, 300.0, 200.0, 60.0, 0.7),
        (400.0, 300.0, 200.0, 60.0, 0.0),
        (400.0, 300.0, 500.0, 200.0, -1.2),
        (400.0, 300.0, 600.0, 16.0, 0.4),
        (100.0, 100.0, 30.0, 12.0, 1.0),
    ],
    ids=["oriented", "upright", "larger than the picture", "thin", "small"],
)
def test_a_specimen_fills_the_part_of_the_picture_that_its_box_does(box: tuple[float, ...]) -> None:
    picture = framed_cutout(from_array(drawn([box]), "slide"), BoxFrame.of(box))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    wanted = np.zeros((HEIGHT, WIDTH), bool)
    left, top = (WIDTH - BOX_WIDTH) // 2, (HEIGHT - BOX_HEIGHT) // 2
    wanted[top:-top, left:-left] = True
    found = shown(picture)
    assert (found & wanted).sum() / (found | wanted).sum() > 0.93


def test_thin_specimens_are_averaged_along_and_not_skipped() -> None:
    # One pixel in four along a long valve is dark: whichever are sampled, the mean is the same.
    image = np.full((200, 2000, 3), 200, np.uint8)
    image[:, ::4] = 0
    picture = framed_cutout(from_array(image, "striae"), BoxFrame.of((1000.0, 100.0, 1500.0, 60.0, 0.0)))
    assert np.abs(picture[20:-20, 20:-20].astype(float) - 150).max() < 25


class Watched:
    """An image that keeps what was read of it."""

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.read_pixels: list[int] = []

    def read(self, x0: int, y0: int, x1: int, y1: int, scale: float = 1.0) -> NDArray[np.uint8]:
        size = max(round((y1 - y0) * scale), 1), max(round((x1 - x0) * scale), 1)
        self.read_pixels.append(size[0] * size[1])
        return np.full((*size, 3), 90, np.uint8)


@pytest.mark.parametrize("box", [(3e4, 3e4, 9000.0, 3000.0, 0.8), (3e4, 3e4, 2e4, 300.0, 0.8)])
def test_very_large_specimens_are_read_at_a_reduced_scale(box: tuple[float, ...]) -> None:
    image = Watched(60_000, 60_000)
    framed_cutout(image, BoxFrame.of(box))
    assert sum(image.read_pixels) < 1.05 * MOST_READ


def test_only_the_surroundings_of_a_specimen_are_read() -> None:
    image = Watched(60_000, 60_000)
    framed_cutout(image, BoxFrame.of((500.0, 500.0, 200.0, 60.0, 0.8)))
    assert sum(image.read_pixels) < 300 * 300


def test_beyond_the_edge_the_picture_has_the_mean_colour() -> None:
    image = np.full((100, 100, 3), (10, 120, 250), np.uint8)
    picture = framed_cutout(from_array(image, "slide"), BoxFrame.of((0.0, 50.0, 60.0, 30.0, 0.3)))
    assert (np.abs(picture.astype(int) - (10, 120, 250)) <= 1).all()
