"""The figures of a training for TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import OutputError


class Board:
    """Writes the figures of finished epochs for TensorBoard; one that continues a run writes them from the start.

    Parameters
    ----------
    folder : Path
        Where TensorBoard is to look.

    Raises
    ------
    OutputError
        When it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder = folder
        self._epochs = 0
        with self._writing():
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer: Any = SummaryWriter(str(folder))

    def show(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write the epochs that are new. Raises OutputError when they cannot be written."""
        with self._writing():
            for number in range(self._epochs, len(history)):
                for name, value in history[number].items():
                    part, _, what = name.partition("_")
                    self._writer.add_scalar(f"{what or 'rate'}/{part}", value, number + 1)
            self._epochs = len(history)
            self._writer.flush()

    def close(self) -> None:
        """Finish the file; what cannot be written is missing until the training continues."""
        with contextlib.suppress(OSError):
            self._writer.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in words what keeps TensorBoard's writer from writing."""
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self._folder} cannot be written: {reason(error)}") from error
