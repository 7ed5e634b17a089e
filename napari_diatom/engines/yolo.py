"""The YOLO engine: oriented or upright boxes from tiles.

On a CPU the network runs in OpenVINO, several tiles in flight; on a GPU torch runs it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.engines.backends import Backend, backend_of, missing
from napari_diatom.engines.yolo_decode import decode
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.stitching import stitch
from napari_diatom.tiling.tiles import Tile

FILL: Final = 114
"""Grey value that tiles are padded with, the same as in training."""


class YoloEngine:
    """A loaded YOLO model; see :class:`napari_diatom.engines.protocols.Engine`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``yolo``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor; all that there are by default.
    backend : Backend, optional
        What runs the network, in place of what the device asks for.
    precision : str
        See :data:`napari_diatom.engines.inference_precision.Precision`.
    """

    def __init__(
        self,
        model: ModelFolder,
        device: str = "auto",
        threads: int | None = None,
        backend: Backend | None = None,
        precision: str = "auto",
    ) -> None:
        self.card = model.card
        self.card.check_standardization()
        self.backend = backend or backend_of(model, device, threads, precision)
        self.device, self.precision = self.backend.device, self.backend.precision

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        """Yield ``(tile.index, detections)`` in the order of the tiles; boxes are in the tile's own pixels."""
        waiting: deque[tuple[int, tuple[int, int]]] = deque()

        def padded() -> Iterator[NDArray[np.uint8]]:
            for tile in tiles:
                pixels = pad(tile.pixels)
                waiting.append((tile.index, pixels.shape[:2]))
                yield pixels

        oriented = self.card.task == "oriented-boxes"
        for raw in self.backend.run(padded()):
            index, (height, width) = waiting.popleft()
            found = decode(raw, height, width, self.card.classes, oriented, threshold)
            yield index, stitch(found)


def pad(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad a tile at its right and bottom to what a backend takes."""
    rows, columns = missing(pixels)
    if (rows, columns) == (0, 0):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, rows), (0, columns), (0, 0)), constant_values=FILL)
