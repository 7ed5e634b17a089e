"""Explanations drawn: the specimen, heat maps laid over it, and feature maps as small pictures."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.data.drawing import FOUND, draw_ring
from diatom_training.explanation.explanation import Explanation, HeatMap

_STRONGEST: Final = 0.7
"""Opacity of a heat map at its highest."""


def seen_picture(explanation: Explanation, side: int) -> NDArray[np.uint8]:
    """Return what the network was given, with the specimen's outline, its longer side of ``side`` pixels, as RGB."""
    return _with_outline(_enlarged(explanation.view.pixels, side), explanation)


def heat_picture(explanation: Explanation, heat: HeatMap, side: int) -> NDArray[np.uint8]:
    """Return a heat map over what the network was given, from clear through red to yellow, as :func:`seen_picture`."""
    picture = _enlarged(explanation.view.pixels, side)
    seen = heat.over(*explanation.view.pixels.shape[:2])
    laid = np.asarray(cv2.resize(seen, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    colours = cv2.applyColorMap(np.rint(255 * laid).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = (_STRONGEST * np.sqrt(laid))[..., None]
    blended = np.rint(picture * (1 - opacity) + colours * opacity).astype(np.uint8)
    return _with_outline(np.ascontiguousarray(blended), explanation)


def feature_picture(values: NDArray[np.float32], side: int) -> NDArray[np.uint8]:
    """Return a feature map, shape (h, w), from its lowest value, dark, to its highest, bright, as RGB."""
    low, high = float(values.min()), float(values.max())
    grey = np.rint(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
    coloured = cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    rows, columns = values.shape
    factor = side / max(rows, columns)
    size = max(round(columns * factor), 1), max(round(rows * factor), 1)
    # The cells of a layer are to be seen as such.
    return np.ascontiguousarray(cv2.resize(coloured, size, interpolation=cv2.INTER_NEAREST))


def to_png(picture: NDArray[np.uint8]) -> bytes:
    """Return an RGB picture as a PNG file."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    assert done, "OpenCV encodes any RGB picture"
    return data.tobytes()


def _enlarged(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a picture with a longer side of ``side`` pixels."""
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    return np.ascontiguousarray(cv2.resize(pixels, size, interpolation=how), dtype=np.uint8)


def _with_outline(picture: NDArray[np.uint8], explanation: Explanation) -> NDArray[np.uint8]:
    """Draw the specimen's outline, or its box, into an enlarged picture, and return it."""
    factor = picture.shape[1] / explanation.view.pixels.shape[1]
    draw_ring(picture, factor * explanation.view.to_picture(explanation.specimen.ring), FOUND, 2)
    return picture
