"""The engines of torchvision's detectors: boxes, or specimens with their masks, from tiles, in torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.core.processor import usable_threads
from napari_diatom.engines.backends import choose_device
from napari_diatom.engines.parallel_inference import in_streams
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.stitching import stitch
from napari_diatom.tiling.tiles import Tile

BATCH: Final = 2
"""Tiles at once on a GPU; on a CPU each thread computes one."""


class TorchvisionEngine:
    """A loaded model of upright boxes; see :class:`napari_diatom.engines.protocols.Engine`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``boxes``, or of a subclass's.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor, each with a tile of its own; all that there are by default.

    Raises
    ------
    ModelError
        When the card asks for other than RGB images, the weights are not the architecture's, or there is no such
        device.
    """

    def __init__(self, model: ModelFolder, device: str = "auto", threads: int | None = None) -> None:
        self.card = model.card
        self._threads = threads or usable_threads()
        self.card.check_standardization()
        self.device, self.precision = choose_device(device), "single"
        import torch

        from napari_diatom.engines.networks import network_of_card
        from napari_diatom.engines.two_stages import BOX_NMS
        from napari_diatom.engines.weights import loaded

        network: Any = loaded(network_of_card(self.card), model.weights)
        _deciding(network).nms_thresh = BOX_NMS
        self._network = network.to(self.device, memory_format=torch.channels_last).eval()
        self._mean = torch.tensor(self.card.mean, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(self.card.std, device=self.device).view(-1, 1, 1)

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        """Yield ``(tile.index, detections)`` in the order of the tiles, in the tile's own pixels."""
        # Before all tiles: what comes after the scores, such as masks, is computed only for what is wanted now.
        _deciding(self._network).score_thresh = threshold
        with closing(in_streams(self._found, self._batches(tiles), self.device, self._threads)) as outputs:
            for found in outputs:
                yield from found

    def decoded(self, output: dict[str, NDArray[np.float32]]) -> Detections:
        """Return what a tile's output says."""
        return decode_boxes(output, self.card.classes)

    def _batches(self, tiles: Iterable[Tile]) -> Iterator[list[Tile]]:
        """Yield the tiles that are computed together, all of one size."""
        most = 1 if self.device == "cpu" else BATCH
        batch: list[Tile] = []
        for tile in tiles:
            # A batch is padded to one size: tiles of another size would see another border.
            if batch and (len(batch) == most or tile.pixels.shape != batch[0].pixels.shape):
                yield batch
                batch = []
            batch.append(tile)
        if batch:
            yield batch

    def _found(self, tiles: list[Tile]) -> list[tuple[int, Detections]]:
        """Run the network over tiles of one size."""
        import torch

        with torch.inference_mode():
            stack = np.ascontiguousarray(np.stack([tile.pixels for tile in tiles]))
            images = torch.from_numpy(stack).to(self.device).permute(0, 3, 1, 2).float() / 255
            images = (images - self._mean) / self._std
            outputs = self._network(list(images))
            arrays = [{name: value.float().cpu().numpy() for name, value in output.items()} for output in outputs]
        return [(tile.index, self.decoded(array)) for tile, array in zip(tiles, arrays, strict=True)]


def _deciding(network: Any) -> Any:
    """Return the part of a network that has its thresholds: networks of one stage have them themselves."""
    return getattr(network, "roi_heads", network)


def decode_boxes(output: dict[str, NDArray[np.float32]], classes: tuple[str, ...]) -> Detections:
    """Return the specimens of one tile, without copies.

    Parameters
    ----------
    output : dict
        ``boxes`` (N, 4) as x0, y0, x1, y1 in pixels, ``labels`` (N,) from 1, and ``scores`` (N,).
    classes : tuple of str
        Class names.
    """
    corners, labels = output["boxes"].astype(np.float64).reshape(-1, 4), output["labels"].astype(np.int64)
    x0, y0, x1, y1 = corners.T
    boxes = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros_like(x0)], axis=1)
    # Networks without a background have a class 0 that nothing is of.
    sound = np.isfinite(corners).all(axis=1) & (boxes[:, 2] > 1) & (boxes[:, 3] > 1) & (labels > 0)
    return stitch(Detections.of(boxes[sound], labels[sound] - 1, np.clip(output["scores"][sound], 0, 1), classes))
