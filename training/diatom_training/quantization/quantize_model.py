"""Give a model its graph in 8 bits, and write on its card what was measured of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.data.examples import Example, example_truth
from diatom_training.quantization.graph import quantized_graph, write_graph
from diatom_training.quantization.loss import load_in, measure_loss, seen_in
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.engines.backends import Backend
from napari_diatom.models.library import ModelFolder
from napari_diatom.models.quantization import QuantizationFacts

CALIBRATION_TILES: Final = 160
"""Tiles that the ranges of a network's layers are taken from."""


def quantize_model(
    model: ModelFolder,
    calibration: Sequence[Example],
    known: Sequence[Example],
    most_tiles: int = CALIBRATION_TILES,
    monitor: ProgressMonitor = UNWATCHED,
) -> ModelFolder:
    """Make the graph in 8 bits of a model, measure what it loses, and return the model whose card says so.

    Where it loses too much, it is used only by those who ask for it.

    Parameters
    ----------
    model : ModelFolder
        Of an engine that runs graphs.
    calibration : sequence of Example
        Images that the network has learnt from.
    known : sequence of Example
        Other images with all their specimens, to measure on.
    most_tiles : int
        Tiles of the former to calibrate with.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"calibration"`` and ``"images"``.

    Raises
    ------
    InputError
        When NNCF is not installed, or there are no images.
    ModelError
        When the model cannot be converted.
    OutputError
        When its folder cannot be written.
    """
    tiles = calibration_tiles(model, calibration, most_tiles, monitor)
    sha256 = write_graph(model, quantized_graph(model, tiles))
    unproven = QuantizationFacts(sha256=sha256, ap50_loss=0.0, box_shift_px=0.0, specimens=0)
    made = ModelFolder(model.card.model_copy(update={"quantized": unproven}), model.folder)
    loss = measure_loss(made, known, monitor=monitor)
    facts = QuantizationFacts(
        sha256=sha256,
        ap50_loss=round(loss.ap50_loss, 4),
        box_shift_px=round(loss.box_shift_px, 3),
        specimens=loss.specimens,
    )
    card = model.card.model_copy(update={"quantized": facts})
    card.write(model.folder)
    return ModelFolder(card, model.folder)


def calibration_tiles(
    model: ModelFolder, examples: Sequence[Example], most: int, monitor: ProgressMonitor = UNWATCHED
) -> list[NDArray[np.uint8]]:
    """Return tiles as a model's network is given them in images, at most ``most``, as many of each image."""
    engine = load_in(model, "single")
    share = max(1, most // max(1, len(examples)))
    tiles: list[NDArray[np.uint8]] = []
    recorder = _Recorder(engine.backend)  # type: ignore[union-attr]
    engine.backend = recorder  # type: ignore[union-attr]
    for number, example in enumerate(examples[:most]):
        monitor.report(Progress("calibration", number, min(len(examples), most)))
        monitor.check()
        recorder.tiles.clear()
        seen_in(example, example_truth(example), engine)
        step = max(1, len(recorder.tiles) // share)
        tiles += recorder.tiles[::step][:share]
    return tiles


class _Recorder:
    """A backend that keeps what it is given."""

    def __init__(self, backend: Backend) -> None:
        self.tiles: list[NDArray[np.uint8]] = []
        self.device, self.precision = backend.device, backend.precision
        self._backend = backend

    def run(self, tiles: Iterable[NDArray[np.uint8]]) -> Iterator[NDArray[np.float32]]:
        """Yield the outputs of the backend."""

        def kept() -> Iterator[NDArray[np.uint8]]:
            for tile in tiles:
                self.tiles.append(np.array(tile))
                yield tile

        yield from self._backend.run(kept())
