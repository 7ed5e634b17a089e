"""Cut-outs of specimens, turned so that the apical axis stands upright."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import draw_polygon
from napari_diatom.core.errors import InputError
from napari_diatom.images.slide_image import ReadableImage

MARGIN: Final = 1.15
"""Sides of a picture over the specimen's length."""
CUTOUT_MARGIN: Final = 1.25
"""The same of the cut-outs that a classifier sees: room for a box that is a little off, and for background."""
KEPT: Final = 0.02
"""Share of a cut-out's side round the specimen that is shown as it is: outlines may be a little small."""
FADE: Final = 0.03
"""Share of a cut-out's side over which the picture then turns into its background."""
RING: Final = 0.15
"""Share of a cut-out's side up to which from the specimen the background is looked at."""
SPREAD: Final = 42.0
"""Standard deviation of a specimen's grey values in its standardized picture: three of them to either side fit in."""
FAINTEST: Final = 1.0
"""Standard deviation of a specimen's grey values, 0 to 255, below which its picture shows nothing."""

_GREY: Final = (128, 128, 128)
_SUBPIXEL_BITS: Final = 4


@dataclass(frozen=True)
class View:
    """How a specimen stands in its picture, other than upright, in the middle and of the usual size.

    Attributes
    ----------
    turn : float
        Angle in radians by which the apical axis is off the upright.
    zoom : float
        How many times as much is shown as usual, per side.
    shift : tuple of float
        To the right and down, in sides of the picture.
    mirrored : tuple of bool
        Left and right exchanged, top and bottom exchanged.
    """

    turn: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirrored: tuple[bool, bool] = (False, False)


UPRIGHT: Final = View()


@dataclass(frozen=True, eq=False)
class Cutout:
    """A specimen in a square picture of its own.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (size, size, 3)
        RGB; grey where the image ends.
    distance : ndarray of float32, shape (size, size)
        Pixels from each pixel to the specimen; 0 inside of it.
    inside : ndarray of bool, shape (size, size)
        What lies inside the image.
    """

    pixels: NDArray[np.uint8]
    distance: NDArray[np.float32]
    inside: NDArray[np.bool_]

    def shown(self) -> NDArray[np.bool_]:
        """Return what :meth:`masked` leaves as it is, shape (size, size): the specimen and a little round it."""
        return np.asarray((self.distance / len(self.pixels) <= KEPT) & self.inside)

    def masked(self) -> NDArray[np.uint8]:
        """Return the pixels, softly turned into the colour of the background round the specimen, outside of it.

        The colour is the median of the ring round the specimen, which a neighbour in it does not change as it does a
        mean.
        """
        size = len(self.pixels)
        cover = np.clip(1 - (self.distance / size - KEPT) / FADE, 0, 1) * self.inside
        around = (cover == 0) & self.inside
        ring = around & (self.distance < RING * size)
        shown = self.pixels[ring if ring.any() else around if around.any() else self.inside]
        background = np.median(shown, axis=0)
        blended = background + cover[..., None] * (self.pixels - background)
        return np.asarray(np.rint(blended), dtype=np.uint8)

    def standardized(self) -> NDArray[np.uint8] | None:
        """Return :meth:`masked` in grey, with the specimen at mean 128 and deviation :data:`SPREAD`.

        Colour, light and contrast of a slide are gone; those within the specimen stay.

        Returns
        -------
        ndarray of uint8, shape (size, size, 3), or None
            None where nothing of the specimen lies in the image, or its deviation is below :data:`FAINTEST`.
        """
        specimen = (self.distance == 0) & self.inside
        if not specimen.any():
            return None
        grey = self.masked().astype(np.float32).mean(axis=2)
        deviation = float(grey[specimen].std())
        if deviation < FAINTEST:
            return None
        stretched = 128 + (grey - grey[specimen].mean()) * np.float32(SPREAD / deviation)
        picture = np.rint(np.clip(stretched, 0, 255)).astype(np.uint8)
        return np.repeat(picture[..., None], 3, axis=2)


def upright_crop(image: ReadableImage, box: ArrayLike, size: int, margin: float = MARGIN) -> NDArray[np.uint8]:
    """Return a square picture of a specimen with its apical axis from top to bottom.

    Only the part of the image round the specimen is read, at about the resolution of the picture. What lies outside the
    image is grey.

    Parameters
    ----------
    image : ReadableImage
        The image.
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels of the image.
    size : int
        Side of the picture in pixels.
    margin : float
        Side of what is shown over the specimen's length.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)

    Raises
    ------
    InputError
        When the specimen lies outside the image, or the image cannot be read there.
    """
    return _picture(image, upright_placement(box, size, margin, UPRIGHT), (size, size))[0]


def upright_strip(
    image: ReadableImage, box: ArrayLike, shape: tuple[int, int], unit: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a picture of a specimen at a given scale, with its apical axis from top to bottom.

    Parameters
    ----------
    image : ReadableImage
        The image.
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels of the image.
    shape : tuple of int
        Height and width of the picture in pixels.
    unit : float
        Pixels of the image to a pixel of the picture.

    Returns
    -------
    pixels : ndarray of uint8, shape (height, width, 3)
        Grey where the image ends.
    inside : ndarray of bool, shape (height, width)
        What lies inside the image.

    Raises
    ------
    InputError
        When the specimen lies outside the image, or the image cannot be read there.
    """
    import cv2

    cx, cy, _, _, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
    linear = _turned(angle - math.pi / 2, unit)
    offset = np.array([cx, cy]) - linear @ (np.array(shape[::-1]) / 2)
    return _picture(image, (linear, offset), shape, cv2.INTER_CUBIC)


def upright_ends(image: ReadableImage, box: ArrayLike, size: int, aspect: float) -> NDArray[np.uint8]:
    """Return a square picture of both ends of a needle, one above the other, with a gap where its middle is left out.

    A whole needle would be a line of one pixel. The width of the specimen takes the same part of the picture for all.

    Parameters
    ----------
    image : ReadableImage
        The image.
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels of the image.
    size : int
        Side of the picture in pixels.
    aspect : float
        Length over width of a specimen that would just fill the picture. The needle is longer.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)

    Raises
    ------
    InputError
        When an end lies outside the image, or the image cannot be read there.
    """
    cx, cy, length, width, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
    shown = aspect * width
    off = (length - shown) / 2
    picture = np.empty((size, size, 3), dtype=np.uint8)
    for side, rows in ((-1, slice(0, size // 2)), (1, slice(size // 2, size))):
        middle = cx + side * off * math.cos(angle), cy + side * off * math.sin(angle)
        picture[rows] = upright_crop(image, (*middle, shown, width, angle), size)[rows]
    half = max(size // 50, 1)
    picture[size // 2 - half : size // 2 + half] = _GREY
    return picture


def upright_cutout(
    image: ReadableImage, box: ArrayLike, size: int, outline: ArrayLike | None = None, view: View = UPRIGHT
) -> Cutout:
    """Return a specimen as a classifier sees it: as :func:`upright_crop`, with a mask of what belongs to it.

    Parameters
    ----------
    image : ReadableImage
        The image.
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels of the image.
    size : int
        Side of the picture in pixels.
    outline : array-like, shape (K, 2), optional
        x and y of the specimen's outline; its box by default.
    view : View
        How it stands in the picture.

    Raises
    ------
    InputError
        When the specimen lies outside the image, or the image cannot be read there.
    """
    import cv2

    placement = upright_placement(box, size, CUTOUT_MARGIN, view)
    pixels, inside = _picture(image, placement, (size, size))
    points = np.asarray(geometry.corners(np.reshape(box, (1, 5)))[0] if outline is None else outline, dtype=np.float64)
    linear, offset = placement
    drawn = (points - offset) @ np.linalg.inv(linear).T - 0.5
    outside = np.ones((size, size), dtype=np.uint8)
    draw_polygon(outside, drawn, 0, _SUBPIXEL_BITS)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_5)
    return Cutout(pixels, np.asarray(distance, dtype=np.float32), inside)


def is_outside(image: ReadableImage, box: ArrayLike) -> bool:
    """Tell whether a specimen, by its oriented box, lies wholly outside an image."""
    x0, y0, x1, y1 = geometry.bounds(np.reshape(box, (1, 5)))[0].tolist()
    return bool(x1 <= 0 or y1 <= 0 or x0 >= image.width or y0 >= image.height)


def upright_placement(
    box: ArrayLike, size: int, margin: float, view: View
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what takes points of a picture to those of the image: a matrix, shape (2, 2), and an offset, shape (2,).

    Parameters
    ----------
    box : array-like, shape (5,)
        The specimen's oriented box, in pixels of the image.
    size : int
        Side of the picture in pixels.
    margin : float
        Side of what is shown over the specimen's length.
    view : View
        How it stands in the picture.
    """
    cx, cy, length, _, angle = np.asarray(box, dtype=np.float64).reshape(5).tolist()
    unit = margin * length * view.zoom / size
    linear = _turned(angle - math.pi / 2 + view.turn, unit) * np.where(view.mirrored, -1.0, 1.0)
    middle = size * (0.5 + np.array(view.shift))
    return linear, np.array([cx, cy]) - linear @ middle


def _turned(turn: float, unit: float) -> NDArray[np.float64]:
    """Return the matrix, shape (2, 2), that turns by an angle and enlarges."""
    cos, sin = math.cos(turn) * unit, math.sin(turn) * unit
    return np.array([[cos, -sin], [sin, cos]])


def _picture(
    image: ReadableImage,
    placement: tuple[NDArray[np.float64], NDArray[np.float64]],
    shape: tuple[int, int],
    interpolation: int | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a picture, shape (height, width, 3), and tell which of its pixels lie in the image, shape (height, width).

    OpenCV's ``interpolation`` is linear by default.
    """
    import cv2

    linear, offset = placement
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ linear.T + offset
    unit = math.sqrt(abs(float(np.linalg.det(linear))))
    # A pixel more on all sides, for the interpolation.
    pad = max(unit, 1.0)
    low, high = np.floor(corners.min(axis=0) - pad).astype(int), np.ceil(corners.max(axis=0) + pad).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    x1, y1 = min(int(high[0]), image.width), min(int(high[1]), image.height)
    if x1 <= x0 or y1 <= y0:
        raise InputError("The specimen lies outside the image.")
    window = image.read(x0, y0, x1, y1, min(1 / unit, 1.0))
    # From pixels of the picture to those of the window; the centre of pixel 0 lies at 0 for OpenCV, at 0.5 elsewhere.
    scale = np.array([window.shape[1] / (x1 - x0), window.shape[0] / (y1 - y0)])
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale[:, None] * linear
    matrix[:, 2] = scale * (linear @ np.full(2, 0.5) + offset - (x0, y0)) - 0.5
    picture = cv2.warpAffine(
        window,
        matrix,
        (width, height),
        flags=(cv2.INTER_LINEAR if interpolation is None else interpolation) | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_GREY,
    )
    centres = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1) @ linear.T + offset
    inside = ((centres >= 0) & (centres < (image.width, image.height))).all(axis=-1)
    return np.asarray(picture, dtype=np.uint8), np.asarray(inside, dtype=np.bool_)
