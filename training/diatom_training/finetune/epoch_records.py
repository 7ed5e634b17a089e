"""What a training leaves on disk after every epoch: figures, curves, pictures, and all of it for TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from diatom_training.data import drawing
from diatom_training.evaluation.curve_diagnosis import Diagnosis
from diatom_training.evaluation.training_curves import drawn_curves
from diatom_training.finetune.config import TrainConfig
from diatom_training.finetune.run_folder import BOARD, CURVES, RunFolder
from diatom_training.finetune.tensorboard_figures import Board, flat_settings
from diatom_training.learning.lr_schedule import shortfalls
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError


class EpochRecords:
    """Writes the finished epochs of a run.

    Parameters
    ----------
    folder : RunFolder
        The run.
    config : TrainConfig
        Its settings, shown beside its figures.
    reading : callable
        Gives what the curves say.

    Raises
    ------
    OutputError
        When TensorBoard's files cannot be written.
    """

    def __init__(
        self, folder: RunFolder, config: TrainConfig, reading: Callable[[Sequence[Mapping[str, float]]], Diagnosis]
    ) -> None:
        self._folder, self._config, self._reading = folder, config, reading
        self._board = Board(folder / BOARD)
        known = self.known()
        self._show(known)
        for epoch in range(1, len(known) + 1):
            self._show_again(epoch)

    def known(self) -> list[dict[str, float]]:
        """Return the figures that are written down; none where somebody spoilt them: the checkpoint has them too."""
        try:
            return self._folder.history()
        except InputError:
            return []

    def write(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write figures and curves. Raises OutputError when they cannot be written."""
        self._folder.write_history(history)
        write_atomically(self._folder / CURVES, drawn_curves(history, self._reading(history)))
        self._show(history)

    def write_pictures(self, pictures: Sequence[NDArray[np.uint8]], epoch: int) -> None:
        """Write validation crops side by side. Raises OutputError when they cannot be written."""
        row = drawing.concatenate_horizontally(pictures)
        write_atomically(self._folder.example(epoch), drawing.encode_jpeg(row))
        self._board.show_picture(row, epoch)

    def write_weights(self, network: torch.nn.Module, epoch: int) -> None:
        """Write histograms of the weights that are kept. Raises OutputError when they cannot be written."""
        self._board.show_weights(network, epoch)

    def finish(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write what is missing, and the settings beside the figures of the best epoch. Raises as :meth:`write`."""
        if len(self.known()) < len(history):
            # It was ended after the last checkpoint and before the figures were written.
            self.write(history)
        if history:
            best = history[int(np.argmin(shortfalls(history)))]
            plain = self._config.to_plain()
            names = ("task", "preset", "start", "architecture", "learning")
            self._board.show_settings(flat_settings({name: plain[name] for name in names}), best)

    def close(self) -> None:
        """Close TensorBoard's files."""
        self._board.close()

    def _show(self, history: Sequence[Mapping[str, float]]) -> None:
        """Show the epochs that are new, and what the curves say."""
        self._board.show(history)
        if history:
            self._board.show_reading(self._reading(history).text)

    def _show_again(self, epoch: int) -> None:
        """Show the pictures of an epoch that was done before, where they are still there."""
        path = self._folder.example(epoch)
        if not path.is_file():
            return
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if pixels is not None:
            self._board.show_picture(np.ascontiguousarray(pixels[:, :, ::-1]).astype(np.uint8), epoch)
