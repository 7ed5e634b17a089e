"""The figures, pictures, weights and settings of a training for TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.atomic_files import reason
from napari_diatom.core.errors import OutputError

if TYPE_CHECKING:
    import torch

WEIGHTS: Final = "weights"
"""Folder of the histograms: they cannot be written again, so a training that continues adds to them."""
BEST: Final = "best"
"""Folder of the settings and of what came of them: apart from the curves, which the tab *HParams* would list, too."""
MOST_HISTOGRAMS: Final = 24
"""Layers of a network whose weights are shown, evenly from the first to the last."""
_EVENTS: Final = "events.out.tfevents.*"
_CHARTS: Final = {
    "Curves": {
        "losses that are measured alike": ["Multiline", ["^loss/sample$", "^loss/val$", "^loss/constant$"]],
        "figures on the validation images": ["Multiline", ["^(?!loss/).+/val$"]],
    }
}
"""Scalars that are read together, each chart with several lines, for the tab *Custom scalars*."""


class Board:
    """Writes finished epochs for TensorBoard; one that continues a run writes figures and pictures from the start.

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
        self._weights: Any = None
        with self._writing():
            for old in (*folder.glob(_EVENTS), *(folder / BEST).glob(_EVENTS)):
                old.unlink()
            self._writer: Any = SummaryWriter(str(folder))
            self._writer.add_custom_scalars(_CHARTS)

    def show(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write the epochs that are new. Raises OutputError when they cannot be written."""
        with self._writing():
            for number in range(self._epochs, len(history)):
                for name, value in history[number].items():
                    part, _, what = name.partition("_")
                    self._writer.add_scalar(f"{what or 'rate'}/{part}", value, number + 1)
            self._epochs = len(history)
            self._writer.flush()

    def show_reading(self, text: str) -> None:
        """Write what the curves say after the last epoch, for the tab *Text*. Raises as :meth:`show`."""
        with self._writing():
            self._writer.add_text("reading", text, self._epochs)
            self._writer.flush()

    def show_picture(self, picture: NDArray[np.uint8], epoch: int) -> None:
        """Write validation crops with what is there and what was found, shape (H, W, 3). Raises as :meth:`show`."""
        with self._writing():
            self._writer.add_image("found/validation", picture, epoch, dataformats="HWC")

    def show_weights(self, network: torch.nn.Module, epoch: int) -> None:
        """Write histograms of the weights of some layers. Raises as :meth:`show`."""
        from torch.utils.tensorboard import SummaryWriter

        named = [(name, weights) for name, weights in network.named_parameters() if weights.ndim > 1]
        places = np.unique(np.linspace(0, len(named) - 1, min(MOST_HISTOGRAMS, len(named))).round().astype(int))
        with self._writing():
            if self._weights is None:
                # What a killed training wrote of this epoch and those after it does not count.
                self._weights = SummaryWriter(str(self._folder / WEIGHTS), purge_step=epoch)
            for place in places:
                name, weights = named[place]
                self._weights.add_histogram(name.replace(".", "/", 1), weights.detach().float().cpu(), epoch)
            self._weights.flush()

    def show_settings(self, settings: Mapping[str, object], figures: Mapping[str, float]) -> None:
        """Write the settings with the figures that came of them, for the tab *HParams*. Raises as :meth:`show`.

        Parameters
        ----------
        settings : mapping of str to object
            By their dotted names; numbers and booleans as they are, all else as text.
        figures : mapping of str to float
            Such as those of the best epoch.
        """
        from torch.utils.tensorboard import SummaryWriter, summary

        # torch leaves these without types.
        hparams: Any = summary.hparams
        writer_of: Any = SummaryWriter
        shown = {name: value if isinstance(value, int | float) else str(value) for name, value in settings.items()}
        # The first part says which settings and figures there are. TensorBoard would take those of one training, of
        # whatever task, for all; without it, it collects them from all trainings.
        _, *parts = hparams(shown, {})
        with self._writing(), contextlib.closing(writer_of(str(self._folder / BEST))) as writer:
            for part in parts:
                writer.file_writer.add_summary(part)
            for name, value in figures.items():
                writer.add_scalar(f"best/{name}", value, self._epochs)

    def close(self) -> None:
        """Finish the files; what cannot be written is missing until the training continues."""
        for writer in (self._writer, self._weights):
            with contextlib.suppress(OSError):
                if writer is not None:
                    writer.close()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say in words what keeps TensorBoard's writer from writing."""
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self._folder} cannot be written: {reason(error)}") from error


def flat_settings(entries: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return nested settings by their dotted names."""
    found: dict[str, object] = {}
    for name, value in entries.items():
        if isinstance(value, Mapping):
            found |= flat_settings(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
