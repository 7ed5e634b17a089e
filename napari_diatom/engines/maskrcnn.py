"""The Mask R-CNN engine: specimens with their masks from tiles, in torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.cropped_masks import least_box, of_probabilities
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.core.processor import usable_threads
from napari_diatom.engines.backends import choose_device
from napari_diatom.engines.parallel_inference import in_streams
from napari_diatom.models.library import ModelFolder
from napari_diatom.tiling.stitching import stitch
from napari_diatom.tiling.tiles import Tile

BATCH: Final = 2
"""Tiles at once on a GPU; on a CPU each thread computes one."""
BOX_NMS: Final = 0.7
"""Upright intersection over union up to which two boxes both get a mask: crossed needles share most of theirs, and
their masks tell them apart afterwards."""
LEAST_PIXELS: Final = 4
"""Pixels below which a mask is not a specimen."""


class MaskRcnnEngine:
    """A loaded Mask R-CNN model; see :class:`napari_diatom.engines.protocols.Engine`.

    Parameters
    ----------
    model : ModelFolder
        Of the engine ``maskrcnn``.
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
        self.device = choose_device(device)
        import torch

        from napari_diatom.engines import maskrcnn_net
        from napari_diatom.engines.weights import loaded

        network: Any = loaded(
            partial(maskrcnn_net.build, self.card.architecture, len(self.card.classes)), model.weights
        )
        network.roi_heads.nms_thresh = BOX_NMS
        self._network = network.to(self.device, memory_format=torch.channels_last).eval()
        self._mean = torch.tensor(self.card.mean, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(self.card.std, device=self.device).view(-1, 1, 1)

    def predict(self, tiles: Iterable[Tile], threshold: float) -> Iterator[tuple[int, Detections]]:
        """Yield ``(tile.index, detections)`` in the order of the tiles; boxes and masks are in the tile's own pixels.

        The box of a specimen is the oriented one of least area around its mask.
        """
        # Before all tiles: masks are computed only for what is wanted now.
        self._network.roi_heads.score_thresh = threshold
        with closing(in_streams(self._found, self._batches(tiles), self.device, self._threads)) as outputs:
            for found in outputs:
                yield from found

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
        return [(tile.index, decode(array, self.card.classes)) for tile, array in zip(tiles, arrays, strict=True)]


def decode(output: dict[str, NDArray[np.float32]], classes: tuple[str, ...]) -> Detections:
    """Return the specimens of one tile, without copies.

    Parameters
    ----------
    output : dict
        ``boxes`` (N, 4) as x0, y0, x1, y1 in pixels, ``labels`` (N,) from 1, ``scores`` (N,) and ``masks``
        (N, 1, M, M), each mask's probabilities evenly spread over its box.
    classes : tuple of str
        Class names.
    """
    boxes: list[NDArray[np.float64]] = []
    masks: list[CroppedMask] = []
    kept: list[int] = []
    for k, (corners, values) in enumerate(zip(output["boxes"].astype(np.float64), output["masks"], strict=True)):
        x0, y0, x1, y1 = corners.tolist()
        if not np.isfinite(corners).all() or x1 - x0 <= 1 or y1 - y0 <= 1:
            continue
        mask = of_probabilities(values[0], x0, y0, x1, y1)
        if mask.area >= LEAST_PIXELS:
            boxes.append(least_box(mask))
            masks.append(mask)
            kept.append(k)
    return stitch(
        Detections.of(
            np.reshape(boxes, (-1, 5)),
            output["labels"][kept].astype(np.int64) - 1,
            np.clip(output["scores"][kept], 0, 1),
            classes,
            masks,
        )
    )
