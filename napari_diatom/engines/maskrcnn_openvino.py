"""The Mask R-CNN engine on a CPU: the whole network is one OpenVINO graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.core.processor import usable_threads
from napari_diatom.engines.backends import compile_graph
from napari_diatom.engines.maskrcnn import decode
from napari_diatom.engines.openvino_cache import converted
from napari_diatom.engines.parallel_inference import in_order
from napari_diatom.engines.third_party import openvino_core
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.tiles import Tile

STEP: Final = 32
"""Tiles are padded to multiples of this, as torch's network pads them."""
_OUTPUTS: Final = ("boxes", "labels", "scores", "masks")


class OpenVinoMaskRcnn:
    """A loaded Mask R-CNN model; see :class:`napari_diatom.engines.protocols.Engine`.

    Masks are computed of what is kept after the suppression of copies alone. Each tile is computed by one thread, from
    its pixels to its specimens.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``maskrcnn``.
    threads : int, optional
        Of the processor, each with a tile of its own; all that there are by default.

    Raises
    ------
    ModelError
        When the card asks for other than RGB images, or the network cannot be built or converted.
    """

    device = "cpu"
    precision = "single"

    def __init__(self, model: ModelFolder, threads: int | None = None) -> None:
        self.card = model.card
        self.card.check_standardization()
        self._threads = threads or usable_threads()
        self._core = openvino_core()
        self._graph = self._core.read_model(converted(model))
        self._compiled: dict[tuple[int, int], Any] = {}
        self._idle: dict[tuple[int, int], list[Any]] = {}
        self._lock = Lock()

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        """Yield ``(tile.index, detections)`` in the order of the tiles, in the tile's own pixels."""
        found = partial(self._found, threshold=threshold)
        with closing(in_order(found, tiles, self._threads)) as outputs:
            yield from outputs

    def _found(self, tile: Tile, threshold: float) -> tuple[int, Detections]:
        """Run the network over a tile."""
        height, width = tile.pixels.shape[:2]
        pixels = np.pad(tile.pixels, ((0, -height % STEP), (0, -width % STEP), (0, 0)))
        shape = pixels.shape[:2]
        request = self._request(shape)
        size = np.array([height, width], dtype=np.float32)
        request.start_async([pixels[None], size, np.array([threshold], dtype=np.float32)])
        request.wait()
        output: dict[str, NDArray[Any]] = {
            name: np.array(request.get_output_tensor(k).data) for k, name in enumerate(_OUTPUTS)
        }
        self._idle[shape].append(request)
        return tile.index, decode(output, self.card.classes)

    def _request(self, shape: tuple[int, int]) -> Any:
        """Return what computes one tile of a padded shape, and nothing else at the moment."""
        with self._lock:
            if shape not in self._compiled:
                self._compiled[shape] = compile_graph(self._core, self._graph, shape, self._threads, self.precision)
            idle = self._idle.setdefault(shape, [])
            return idle.pop() if idle else self._compiled[shape].create_infer_request()
