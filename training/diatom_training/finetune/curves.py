"""The curves of a training as a picture and for TensorBoard."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diatom_training.finetune.curve_diagnosis import Diagnosis
from napari_diatom.core.atomic_files import reason, write_atomically
from napari_diatom.core.errors import OutputError
from napari_diatom.plots.style import BLUE, INK, ORANGE, png, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_curves(history: Sequence[Mapping[str, float]], reading: Diagnosis, path: Path) -> None:
    """Write losses and figures of merit over the epochs as a PNG, with what they say above.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with styled(9, 3.6) as figure:
        plot(history, reading, figure)
        write_atomically(path, png(figure))


def plot(
    history: Sequence[Mapping[str, float]], reading: Diagnosis, figure: Figure, columns: int = 2, ink: str = INK
) -> None:
    """Draw losses and figures of merit over the epochs into a figure, with what they say above.

    Parameters
    ----------
    history : sequence of mapping
        One a finished epoch.
    reading : Diagnosis
        What they say.
    figure : matplotlib.figure.Figure
        What is in it is replaced.
    columns : int
        2 for two plots side by side, 1 for one above the other.
    ink : str
        Colour of axes and texts.
    """
    from matplotlib.ticker import MaxNLocator

    figure.clear()
    epochs = range(1, len(history) + 1)
    merits = [key for key in history[-1] if key.startswith("val_") and key != "val_loss"] if history else []
    left, right = figure.subplots(2 // columns, columns)
    for key, name, colour in (("train_loss", "training", BLUE), ("val_loss", "validation", ORANGE)):
        left.plot(epochs, [epoch.get(key, float("nan")) for epoch in history], "o-", label=name, color=colour, ms=3)
    if reading.best_epoch:
        left.axvline(reading.best_epoch, color="0.6", lw=1, ls=":")
    left.set(xlabel="epoch", ylabel="loss", title=reading.text.partition(":")[0])
    left.legend(frameon=False, labelcolor=ink)
    for key in merits:
        right.plot(
            epochs, [epoch.get(key, float("nan")) for epoch in history], "o-", ms=3, label=key.removeprefix("val_")
        )
    right.set(xlabel="epoch", ylabel="validation", ylim=(0, 1))
    if merits:
        right.legend(frameon=False, labelcolor=ink)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, max(len(history), 1) + 0.5)
        axes.set_facecolor("none")
        axes.tick_params(colors=ink)
        axes.spines[["left", "bottom"]].set_color(ink)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_color(ink)


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
