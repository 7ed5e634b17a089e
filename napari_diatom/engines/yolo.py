"""The YOLO engine: oriented or upright boxes from tiles.

On a CPU the network runs in OpenVINO, several tiles in flight; its graph is converted once, in a process of its own,
and kept in the cache, so neither the program nor the window ever pays for importing torch. On a GPU torch runs it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_diatom.detections import Detections
from napari_diatom.engines.base import Tile
from napari_diatom.engines.quiet import CACHE, silence_openvino
from napari_diatom.engines.yolo_decode import decode
from napari_diatom.errors import ModelError
from napari_diatom.models.library import ModelFolder
from napari_diatom.stitching import stitch

FILL: Final = 114
"""Grey value that tiles are padded with, the same as in training."""

STEP: Final = 64
"""Tiles are padded to multiples of this, so that a folder of fields needs few input shapes."""

GRAPH_FILE: Final = "network.xml"
SEAL_FILE: Final = "network.sha256"


class Backend(Protocol):
    """Computes a head's raw output for a stream of padded tiles."""

    device: str

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield an output, shape (channels, anchors), for each tile, shape (h, w, 3), in order."""
        ...


class YoloEngine:
    """A loaded YOLO model; see :class:`napari_diatom.engines.base.Engine`."""

    def __init__(self, model: ModelFolder, device: str = "auto") -> None:
        self.card = model.card
        kind = choose_device(device)
        self.backend: Backend = OpenVinoBackend(model) if kind == "cpu" else TorchBackend(model, kind)
        self.device = kind

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
    """Pad a tile at its right and bottom to multiples of :data:`STEP`."""
    height, width = pixels.shape[:2]
    missing = (-height % STEP, -width % STEP)
    if missing == (0, 0):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), constant_values=FILL)


def choose_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps``.

    Raises
    ------
    ModelError
        When the named device is not there.
    """
    if device == "cpu":
        return "cpu"
    if device not in ("auto", "cuda", "mps"):
        raise ModelError(f"There is no device {device!r}; choose auto, cpu, cuda or mps.")
    if device == "auto" and not _has_gpu_driver():
        return "cpu"
    import torch

    there = [
        name for name, ok in (("cuda", torch.cuda.is_available()), ("mps", torch.backends.mps.is_available())) if ok
    ]
    if device == "auto":
        return there[0] if there else "cpu"
    if device not in there:
        raise ModelError(f"This machine has no {device} device; choose auto or cpu.")
    return device


def _has_gpu_driver() -> bool:
    """Tell cheaply whether asking torch for a GPU can be worth its import."""
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    return shutil.which("nvidia-smi") is not None


class OpenVinoBackend:
    """The network as an OpenVINO graph on the CPU."""

    device = "cpu"

    def __init__(self, model: ModelFolder) -> None:
        silence_openvino()
        import openvino

        self._core = openvino.Core()
        self._graph = self._core.read_model(converted(model))
        self._compiled: dict[tuple[int, int], tuple[Any, int]] = {}

    def _for_shape(self, shape: tuple[int, int]) -> tuple[Any, int]:
        """Return the graph compiled for tiles of ``shape``, and how many tiles keep it busy."""
        if shape not in self._compiled:
            graph = self._graph.clone()
            graph.reshape([1, *shape, 3])
            # Single precision everywhere: the same numbers on every machine's instruction set, as near as can be.
            compiled = self._core.compile_model(
                graph, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
            )
            self._compiled[shape] = (compiled, int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")))
        return self._compiled[shape]

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs in order, with as many tiles in flight as the processor has streams."""
        flying: deque[tuple[tuple[int, int], Any]] = deque()
        idle: dict[tuple[int, int], list[Any]] = {}

        def landed() -> NDArray[np.float32]:
            shape, request = flying.popleft()
            request.wait()
            output = np.array(request.get_output_tensor().data[0])
            idle.setdefault(shape, []).append(request)
            return output

        for tile in tiles:
            height, width = tile.shape[:2]
            compiled, most = self._for_shape((height, width))
            spare = idle.setdefault((height, width), [])
            request = spare.pop() if spare else compiled.create_infer_request()
            request.start_async([tile[None]])
            flying.append(((height, width), request))
            if len(flying) > most:
                yield landed()
        while flying:
            yield landed()


class TorchBackend:
    """The network in torch, on a GPU."""

    BATCH: Final = 8

    def __init__(self, model: ModelFolder, device: str) -> None:
        from napari_diatom.engines import yolo_net
        from napari_diatom.engines.weights import read_weights

        self.device = device
        network = yolo_net.build(model.card.architecture, len(model.card.classes))
        read_weights(network, model.weights)
        self._network = yolo_net.RawOutput(network).to(device).eval()

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs in order, computed in batches of equal shape."""
        batch: list[NDArray[np.uint8]] = []
        for tile in tiles:
            if batch and (tile.shape != batch[0].shape or len(batch) == self.BATCH):
                yield from self._outputs(batch)
                batch = []
            batch.append(tile)
        if batch:
            yield from self._outputs(batch)

    def _outputs(self, batch: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Run one batch."""
        import torch

        with torch.inference_mode():
            images = torch.from_numpy(np.stack(batch)).to(self.device).permute(0, 3, 1, 2).float() / 255
            return np.asarray(self._network(images).float().cpu().numpy())


def converted(model: ModelFolder) -> Path:
    """Return the model's OpenVINO graph in the cache, converting it on first use.

    Raises
    ------
    ModelError
        When the conversion fails; the reason is the last line that it printed.
    """
    home = CACHE / "openvino" / f"{model.card.sha256[:32]}-{version('openvino')}"
    if not is_sound(home):
        # -P: what lies in the working folder must not pass for one of the converter's modules.
        command = [sys.executable, "-P", "-m", "napari_diatom.engines.yolo_convert", str(model.folder), str(home)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            raise ModelError(f"Model {model.card.name} could not be prepared for this processor: {reason}")
    return home / GRAPH_FILE


def is_sound(home: Path) -> bool:
    """Tell whether a folder holds a graph as it was converted: a damaged one may load and compute nonsense."""
    try:
        return (home / SEAL_FILE).read_text(encoding="utf-8") == seal(home)
    except (OSError, UnicodeDecodeError):
        return False


def seal(home: Path) -> str:
    """Return the SHA-256 of the graph in a folder, in hexadecimal."""
    graph = home / GRAPH_FILE
    return hashlib.sha256(graph.read_bytes() + graph.with_suffix(".bin").read_bytes()).hexdigest()
