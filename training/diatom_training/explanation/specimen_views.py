"""What a network is given of one specimen: a picture, and where it lies in the image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.analysis.pipeline import REACH, plan_map_scales, plan_scales
from napari_diatom.core import geometry
from napari_diatom.core.box_frame import BoxFrame
from napari_diatom.core.errors import InputError
from napari_diatom.engines import maps, yolo
from napari_diatom.images.framed_cutouts import framed_cutout
from napari_diatom.images.slide_image import ReadableImage
from napari_diatom.images.specimen_crops import CUTOUT_MARGIN, UPRIGHT, is_outside, upright_cutout, upright_placement
from napari_diatom.models.architecture_names import name_parts
from napari_diatom.models.card import ModelCard, NamingFacts
from napari_diatom.tiling.tiles import Window, source_window

AROUND: Final = 2.0
"""Side of the window that a finder is shown, over the specimen's length."""
LEAST_SIDE: Final = 128
"""Of the window, in pixels of the network."""
_STEP: Final = 64


@dataclass(frozen=True, eq=False)
class ExplainedSpecimen:
    """A specimen whose explanation is asked for.

    Attributes
    ----------
    number : int
        By which tables and layers call it.
    box : ndarray of float64, shape (5,)
        Oriented or upright, in pixels of the image.
    outline : ndarray of float64, shape (K, 2), or None
        x and y in pixels of the image.
    name : str
        Its class; empty where the network's own is asked for.
    """

    number: int
    box: NDArray[np.float64]
    outline: NDArray[np.float64] | None = None
    name: str = ""

    @property
    def ring(self) -> NDArray[np.float64]:
        """Its outline, or the corners of its box, shape (K, 2)."""
        return geometry.corners(self.box[None])[0] if self.outline is None else self.outline


@dataclass(frozen=True, eq=False)
class SpecimenView:
    """A picture as a network is given it; points count from the outer corner of the first pixel.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (h, w, 3)
        RGB.
    linear : ndarray of float64, shape (2, 2)
        Times a point of the picture, x and y, ...
    offset : ndarray of float64, shape (2,)
        ... plus this, is the point of the image.
    """

    pixels: NDArray[np.uint8]
    linear: NDArray[np.float64]
    offset: NDArray[np.float64]

    def to_picture(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return where points of the image, shape (N, 2), lie in the picture."""
        return np.asarray((np.asarray(points, dtype=np.float64) - self.offset) @ np.linalg.inv(self.linear).T)

    def to_image(self, points: ArrayLike) -> NDArray[np.float64]:
        """Return where points of the picture, shape (N, 2), lie in the image."""
        return np.asarray(np.asarray(points, dtype=np.float64) @ self.linear.T + self.offset)

    def mask_of(self, ring: ArrayLike) -> NDArray[np.bool_]:
        """Tell of each pixel of the picture whether it lies in a polygon of the image, shape (K, 2)."""
        drawn = np.zeros(self.pixels.shape[:2], dtype=np.uint8)
        # Centres of pixels count from 0 for OpenCV, and its points are whole numbers of 1/16 pixels here.
        points = np.rint((self.to_picture(ring) - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(drawn, [points], 1, shift=4)
        return drawn.astype(np.bool_)


def view_of(
    card: ModelCard, image: ReadableImage, specimen: ExplainedSpecimen, pixel_size_um: float | None
) -> SpecimenView:
    """Return what the network of a model is given of a specimen.

    A network that finds specimens is given a window round this one, at the scale of its runs; one that outlines or
    names them, the same picture as in its runs.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    image : ReadableImage
        The image.
    specimen : ExplainedSpecimen
        The specimen.
    pixel_size_um : float or None
        Micrometres per pixel of the image.

    Raises
    ------
    InputError
        When the specimen lies outside the image, or the image cannot be read there.
    """
    if is_outside(image, specimen.box):
        raise InputError(f"Specimen {specimen.number} lies outside the image.")
    if card.engine == "outline":
        frame = BoxFrame.of(specimen.box)
        return SpecimenView(framed_cutout(image, frame), frame.linear, frame.offset)
    if card.engine == "classifier":
        side = _picture_side(card)
        cutout = upright_cutout(image, specimen.box, side, specimen.outline)
        masked = (card.naming or NamingFacts()).masked
        placement = upright_placement(specimen.box, side, CUTOUT_MARGIN, UPRIGHT)
        return SpecimenView(cutout.masked() if masked else cutout.pixels, *placement)
    return _window(card, image, specimen.box, _scale(card, image, float(specimen.box[2]), pixel_size_um))


def _picture_side(card: ModelCard) -> int:
    """Return the side of the pictures of a classifier; known from its name, so that no network has to be loaded."""
    parts = name_parts(card.architecture)
    assert parts is not None, "a card names an architecture of its engine"
    return parts.number


def _scale(card: ModelCard, image: ReadableImage, length: float, pixel_size_um: float | None) -> float:
    """Return the finest scale of a run at which the network sees the specimen as a whole."""
    plan = plan_map_scales if card.task == "semantic" else plan_scales
    scales = plan(image.height, image.width, card.tile_size, pixel_size_um, card.pixel_size_um)
    fitting = [scale for scale in scales if length * scale <= REACH * card.tile_size]
    return fitting[0] if fitting else scales[-1]


def _window(card: ModelCard, image: ReadableImage, box: NDArray[np.float64], scale: float) -> SpecimenView:
    """Return a window round a specimen; as a tile does, it moves inwards at the edges of the image."""
    wanted = max(AROUND * float(box[2]) * scale, LEAST_SIDE)
    side = min(math.ceil(wanted / _STEP) * _STEP, card.tile_size)
    width, height = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    x0, y0 = (
        int(np.clip(round(float(middle) * scale - side / 2), 0, max(size - side, 0)))
        for middle, size in ((box[0], width), (box[1], height))
    )
    window = Window(x0, y0, min(x0 + side, width), min(y0 + side, height))
    area = source_window(window, scale, image.height, image.width)
    pixels = image.read(*area, scale)[: window.y1 - window.y0, : window.x1 - window.x0]
    pad = maps.pad if card.task == "semantic" else yolo.pad
    return SpecimenView(pad(pixels), np.eye(2) / scale, np.array([area.x0, area.y0], dtype=np.float64))
