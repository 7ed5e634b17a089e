"""The engine of maps: the probability of each class in each pixel of a tile.

On a CPU the network runs in OpenVINO, several tiles in flight; on a GPU torch runs it. Standardization and
activation are part of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from napari_diatom.engines.backends import backend_of, missing
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.tiles import Tile


class MapsEngine:
    """A loaded model of maps, DeepLabV3+ or another; see :class:`napari_diatom.engines.protocols.MapEngine`.

    Raises
    ------
    ModelError
        When the model was trained on images of other than three channels, its encoder is unknown, its weights do not
        fit, or the device is not there.
    """

    def __init__(
        self, model: ModelFolder, device: str = "auto", threads: int | None = None, precision: str = "auto"
    ) -> None:
        self.card = model.card
        self.card.check_standardization()
        self.backend = backend_of(model, device, threads, precision)
        self.device, self.precision = self.backend.device, self.backend.precision

    def predict_maps(self, tiles: Iterable[Tile]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield ``(tile.index, probabilities)``, shape (1 + classes, h, w), in the order of the tiles."""
        waiting: deque[tuple[int, tuple[int, int]]] = deque()

        def padded() -> Iterator[NDArray[np.uint8]]:
            for tile in tiles:
                height, width = tile.pixels.shape[:2]
                waiting.append((tile.index, (height, width)))
                yield pad(tile.pixels)

        for probabilities in self.backend.run(padded()):
            index, (height, width) = waiting.popleft()
            yield index, probabilities[:, :height, :width]


def pad(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad a tile at its right and bottom to what a backend takes, by reflection: edges look like outlines."""
    rows, columns = missing(pixels)
    if (rows, columns) == (0, 0):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="symmetric")
