"""What was found out about how a network sees a specimen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from diatom_training.explanation.specimen_views import ExplainedSpecimen, SpecimenView

DEPTHS: Final = ("shallow", "middle", "deep")
"""The layers whose feature maps are shown, from the picture inwards."""


@dataclass(frozen=True, eq=False)
class FeatureMaps:
    """Some of the feature maps of one layer.

    Attributes
    ----------
    depth : str
        ``"shallow"``, ``"middle"`` or ``"deep"``.
    cell : float
        Pixels of the picture to a cell of the maps.
    channels : tuple of int
        Which of the layer's channels these are, the one that varies most first.
    of : int
        Channels that the layer has.
    maps : ndarray of float32, shape (K, h, w)
        Their values.
    """

    depth: str
    cell: float
    channels: tuple[int, ...]
    of: int
    maps: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Where in the picture the reasons for a score lie.

    Attributes
    ----------
    method : str
        ``"Grad-CAM"`` or ``"attention roll-out"``.
    layer : str
        Name of the layer, in the library's words.
    values : ndarray of float32, shape (h, w)
        0 to 1, the highest being 1; all 0 where nothing in the layer speaks for the score.
    area : tuple of float, or None
        ``x0, y0, x1, y1``: the part of the picture that the layer looks at; None for all of it.
    """

    method: str
    layer: str
    values: NDArray[np.float32]
    area: tuple[float, float, float, float] | None = None

    def over(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the map as it is laid over a picture, shape (height, width): between cells it is interpolated."""
        x0, y0, x1, y1 = (round(value) for value in self.area or (0, 0, width, height))
        size = max(x1 - x0, 1), max(y1 - y0, 1)
        laid = np.zeros((max(height, y1, y0 + 1), max(width, x1, x0 + 1)), dtype=np.float32)
        laid[y0 : y0 + size[1], x0 : x0 + size[0]] = cv2.resize(self.values, size, interpolation=cv2.INTER_LINEAR)
        return laid[:height, :width].clip(0, 1)

    def cell(self, height: int, width: int) -> tuple[float, float]:
        """Return height and width of a cell of the layer, in pixels of a picture, shape (height, width)."""
        x0, y0, x1, y1 = self.area or (0, 0, width, height)
        rows, columns = self.values.shape
        return (y1 - y0) / rows, (x1 - x0) / columns

    def share_within(self, mask: NDArray[np.bool_]) -> float:
        """Return which share of the map's sum lies in a mask of the picture, grown by one cell of the layer.

        A layer cannot tell more finely than by its cells where something is. NaN for a map without values.
        """
        laid = self.over(*mask.shape)
        total = float(laid.sum())
        return float(laid[self.grown(mask)].sum()) / total if total > 0 else float("nan")

    def grown(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask of the picture, grown on all sides by one cell of the layer."""
        cell = max(self.cell(*mask.shape))
        outside = (~mask).astype(np.uint8)
        return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= cell)


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a network sees of one specimen.

    Attributes
    ----------
    specimen : ExplainedSpecimen
        The specimen.
    view : SpecimenView
        The picture that the network was given.
    model : str
        Name and version of the model.
    explained : str
        What the score is, such as ``"score of the box"``.
    score : float
        Of the network, 0 to 1.
    features : tuple of FeatureMaps
        Of a shallow, a middle and a deep layer.
    heat_maps : tuple of HeatMap
        Grad-CAM, and attention roll-out of transformers.
    remarks : tuple of str
        What could not be shown, and why.
    """

    specimen: ExplainedSpecimen
    view: SpecimenView
    model: str
    explained: str
    score: float
    features: tuple[FeatureMaps, ...]
    heat_maps: tuple[HeatMap, ...]
    remarks: tuple[str, ...] = ()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The specimen's outline, or else its box, in the picture, shape (h, w)."""
        return self.view.mask_of(self.specimen.ring)
