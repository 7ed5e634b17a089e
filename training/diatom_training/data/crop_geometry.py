"""Where a crop lies in its image, and how it is flipped, turned, scaled and sheared: one matrix for all of it.

Image, outlines, masks and boxes follow the same matrix, so they cannot come apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import Example, Outline

_QUARTERS: Final = (
    np.array([[1.0, 0.0], [0.0, 1.0]]),
    np.array([[0.0, -1.0], [1.0, 0.0]]),
    np.array([[-1.0, 0.0], [0.0, -1.0]]),
    np.array([[0.0, 1.0], [-1.0, 0.0]]),
)
"""Turns by 0, 90, 180 and 270 degrees from +x towards +y, in whole numbers, shape (2, 2)."""


@dataclass(frozen=True)
class CropGeometry:
    """How crops are varied, as :class:`~diatom_training.learning.augment_options.AugmentOptions` describes it.

    Attributes
    ----------
    flip_horizontal, flip_vertical : float
        Shares of crops whose left and right, and whose top and bottom, are exchanged.
    quarter_turns : float
        Share of crops turned by 0, 90, 180 or 270 degrees, each as often.
    rotation : float
        Share of crops rotated by any angle up to the largest one.
    rotation_deg : float
        Largest angle of the rotation in degrees.
    scale : float
        Share of an example's range of scales over which crops are scaled.
    shear_deg : float
        Largest angle in degrees by which crops are sheared.
    random_crop : float
        Share of crops that lie anywhere; the others are tiles of a fixed grid.
    aimed : float
        Share of crops placed at a specimen instead.
    translation : float
        Farthest that such a specimen is moved from the middle of its crop, in sides of the crop.
    """

    flip_horizontal: float = 0.5
    flip_vertical: float = 0.5
    quarter_turns: float = 1.0
    rotation: float = 0.0
    rotation_deg: float = 180.0
    scale: float = 1.0
    shear_deg: float = 0.0
    random_crop: float = 1.0
    aimed: float = 0.5
    translation: float = 0.3


USUAL_GEOMETRY: Final = CropGeometry()


def flips_and_turn(
    rng: np.random.Generator, flip_horizontal: float, flip_vertical: float, quarter_turns: float, turns: int = 4
) -> tuple[bool, bool, int]:
    """Draw whether left and right, and top and bottom, are exchanged, and which of ``turns`` equal turns is made.

    As many numbers are drawn whatever the shares are, so that an option that is turned off changes nothing else.
    """
    horizontal, vertical, turned = (rng.random(3) < (flip_horizontal, flip_vertical, quarter_turns)).tolist()
    turn = int(rng.integers(turns))
    return horizontal, vertical, turn if turned else 0


def crop_matrix(
    example: Example,
    shape: tuple[int, int],
    size: int,
    rng: np.random.Generator,
    geometry: CropGeometry,
    target: int | None = None,
    middle: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return what takes points of an image to those of a random crop, shape (2, 3).

    Parameters
    ----------
    example : Example
        The specimens, and the scales at which the network is to see them.
    shape : tuple of int
        Width and height of the image in pixels.
    size : int
        Side of the crop in pixels.
    rng : numpy.random.Generator
        The only source of chance; as many numbers are drawn whatever the options are.
    geometry : CropGeometry
        What is varied.
    target : int, optional
        Index of a specimen that the crop is placed at, in place of chance.
    middle : ndarray, shape (2,), optional
        Point of the image that the crop is placed at, in place of chance and specimens.

    Notes
    -----
    A crop that is neither scaled, sheared nor rotated shows whole pixels of the image, unchanged.
    """
    scale = example.scale_between(rng.random(), geometry.scale)
    horizontal, vertical, quarters = flips_and_turn(
        rng, geometry.flip_horizontal, geometry.flip_vertical, geometry.quarter_turns
    )
    rotated = bool(rng.random() < geometry.rotation)
    angle, shear = np.deg2rad(rng.uniform(-1, 1, 2) * (geometry.rotation_deg, geometry.shear_deg)).tolist()
    linear = scale * (_QUARTERS[quarters] @ np.diag([-1.0 if horizontal else 1.0, -1.0 if vertical else 1.0]))
    if rotated:
        cos, sin = np.cos(angle), np.sin(angle)
        linear = np.array([[cos, -sin], [sin, cos]]) @ linear
    if shear:
        linear[:, 1] += np.tan(shear) * linear[:, 0]
    centre = _centre(example, shape, size / scale, rng, geometry, 1.2 if rotated else 1.0, target, middle)
    moved = size / 2 - linear @ centre
    if scale == 1 and not rotated and not shear:
        moved = np.round(moved)
    return np.column_stack([linear, moved])


def _centre(
    example: Example,
    shape: tuple[int, int],
    reach: float,
    rng: np.random.Generator,
    geometry: CropGeometry,
    room: float,
    target: int | None,
    middle: NDArray[np.float64] | None,
) -> NDArray[np.float64]:
    """Choose where in the image a crop is centred that spans ``reach`` image pixels, ``room`` times that if turned."""
    half = reach / 2 * room
    low = np.array([min(half, extent / 2) for extent in shape])
    high = np.array([max(extent - half, extent / 2) for extent in shape])
    aimed, anywhere = (rng.random(2) < (geometry.aimed, geometry.random_crop)).tolist()
    chosen = int(rng.integers(max(len(example.outlines), 1))) if target is None else target
    place, off = rng.random(2), rng.uniform(-geometry.translation, geometry.translation, 2)
    if middle is not None:
        return np.asarray(np.clip(middle, low, high))
    if example.outlines and (aimed or target is not None):
        outline: Outline = example.outlines[chosen]
        return np.asarray(np.clip(outline.mean(axis=0) + off * reach, low, high))
    if not anywhere:
        # As many tiles as cover the image, spread evenly over it.
        tiles = np.ceil(np.array(shape) / reach)
        place = np.floor(place * tiles) / np.maximum(tiles - 1, 1)
    return np.asarray(low + place * (high - low))
