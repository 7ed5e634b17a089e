"""What runs a network's graph: OpenVINO on a CPU, torch on a GPU; the same for every engine.

A graph reads padded RGB tiles, uint8, and gives one float array per tile.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import ModelError
from napari_diatom.core.processor import usable_threads
from napari_diatom.engines.inference_precision import choose_precision
from napari_diatom.engines.openvino_cache import converted
from napari_diatom.engines.quantized_graph import read_graph
from napari_diatom.engines.third_party import openvino_core
from napari_diatom.models.library import ModelFolder

STEP: Final = 64
"""Tiles are padded to multiples of this, so that a folder of fields needs few input shapes."""


class Backend(Protocol):
    """Computes a network's output for a stream of padded tiles."""

    device: str
    precision: str

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield an output, without its batch axis, for each tile, shape (h, w, 3), in order."""
        ...


def backend_of(model: ModelFolder, device: str, threads: int | None = None, precision: str = "auto") -> Backend:
    """Load a model's network for a device.

    Parameters
    ----------
    model : ModelFolder
        With sound weights.
    device : str
        ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``mps``.
    threads : int, optional
        Of the processor; all that there are by default.
    precision : str
        See :data:`napari_diatom.engines.inference_precision.Precision`.

    Raises
    ------
    ModelError
        When the device or the precision is not to be had, or the network cannot be built or converted.
    """
    kind = choose_device(device)
    if kind == "cpu":
        return OpenVinoBackend(model, threads or usable_threads(), precision)
    choose_precision(model.card, precision, kind)
    return TorchBackend(model, kind)


def missing(pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Return how many rows and columns a tile lacks to a multiple of :data:`STEP`."""
    height, width = pixels.shape[:2]
    return -height % STEP, -width % STEP


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


def compile_graph(core: Any, graph: Any, shape: tuple[int, int], threads: int, precision: str) -> Any:
    """Return a graph compiled for tiles of one height and width, each of which one of ``threads`` computes."""
    shaped = graph.clone()
    shaped.reshape({0: [1, *shape, 3]})
    options = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        # Nothing in less than single precision unasked: the same numbers with every processor's instructions,
        # as near as can be.
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
    }
    return core.compile_model(shaped, "CPU", options)


class OpenVinoBackend:
    """The network as an OpenVINO graph on the CPU.

    Parameters
    ----------
    model : ModelFolder
        With sound weights.
    threads : int
        Tiles that are computed at once, each by a thread of its own: sums within a tile that several threads shared
        would depend on how many there are.
    precision : str
        See :data:`napari_diatom.engines.inference_precision.Precision`.
    """

    device = "cpu"

    def __init__(self, model: ModelFolder, threads: int, precision: str = "auto") -> None:
        self._threads = threads
        self._name = model.card.name
        self._core = openvino_core()
        abilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = choose_precision(model.card, precision, self.device, abilities)
        whole = self.precision == "int8"
        self._graph = read_graph(self._core, model) if whole else self._core.read_model(converted(model))
        self._compiled: dict[tuple[int, int], tuple[Any, int]] = {}

    def _for_shape(self, shape: tuple[int, int]) -> tuple[Any, int]:
        """Return the graph compiled for tiles of ``shape``, and how many tiles keep it busy."""
        if shape not in self._compiled:
            compiled = compile_graph(self._core, self._graph, shape, self._threads, self.precision)
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
            _check_numbers(output, self._name)
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
    precision = "single"

    def __init__(self, model: ModelFolder, device: str) -> None:
        from napari_diatom.engines.network_builder import inference_network

        self.device = device
        self._name = model.card.name
        self._network = inference_network(model).to(device)

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
            output = np.asarray(self._network(images).float().cpu().numpy())
        _check_numbers(output, self._name)
        return output


def _check_numbers(output: NDArray[np.float32], name: str) -> None:
    """Raise ModelError when a network gives no numbers: that would pass for an image without specimens."""
    if not np.isfinite(output).all():
        raise ModelError(
            f"The network of model {name} computes values that are infinite or not numbers: its weights are damaged, "
            "or the training that made them went wrong. Choose another model."
        )
