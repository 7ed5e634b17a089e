"""The curves of a training, drawn by one function for the window, the run's folder and the test report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from diatom_training.evaluation.curve_diagnosis import Diagnosis, read
from napari_diatom.models.card import ModelCard
from napari_diatom.plots.style import BLUE, INK, ORANGE, ink_axes, png, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_EPOCHS: Final = 100_000
MOST_FIGURES: Final = 100
"""Epochs, and figures of an epoch, above which the history in a card is not that of a training."""
LARGEST: Final = 1e12
"""Figure above which it is not one of a training either."""


@dataclass(frozen=True)
class TrainingCurves:
    """The curves that a model's card keeps of its training, and what they say.

    Attributes
    ----------
    history : tuple of mapping of str to float
        One a finished epoch.
    reading : Diagnosis
        What they say.
    """

    history: tuple[Mapping[str, float], ...]
    reading: Diagnosis


def curves_of(card: ModelCard) -> TrainingCurves | None:
    """Return the curves of the training that a model comes from; None where its card does not have them."""
    entries: Any = card.training.get("history")
    if not isinstance(entries, list) or not 0 < len(entries) <= MOST_EPOCHS:
        return None
    history = []
    for entry in entries:
        if not isinstance(entry, dict) or len(entry) > MOST_FIGURES or not all(map(_is_figure, entry, entry.values())):
            return None
        history.append({name: float(value) for name, value in entry.items()})
    if not any("train_loss" in epoch or "val_loss" in epoch for epoch in history):
        return None
    return TrainingCurves(tuple(history), read(history, len(card.classes), _validation_specimens(card)))


def _is_figure(name: object, value: object) -> bool:
    """Tell whether an entry of a card is a figure that a curve can show; a loss may have become NaN or infinite."""
    if not isinstance(name, str) or not name.isidentifier() or not isinstance(value, int | float):
        return False
    return not abs(value) > LARGEST or abs(value) == math.inf


def _validation_specimens(card: ModelCard) -> int:
    """Return how many specimens the validation part of a model's training had, 0 where its card does not say."""
    parts: Any = card.training.get("specimens")
    of_classes = parts.get("validation") if isinstance(parts, dict) else None
    if not isinstance(of_classes, dict) or not all(type(number) is int for number in of_classes.values()):
        return 0
    return max(sum(of_classes.values()), 0)


def drawn_curves(history: Sequence[Mapping[str, float]], reading: Diagnosis) -> bytes:
    """Return losses and figures of merit over the epochs as a PNG file, with what they say above."""
    with styled(9, 3.6) as figure:
        plot(history, reading, figure)
        return png(figure)


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
    figure.clear()
    epochs = range(1, len(history) + 1)
    merits = [key for key in history[-1] if key.startswith("val_") and key != "val_loss"] if history else []
    left, right = figure.subplots(2 // columns, columns)
    plot_losses(history, left)
    if reading.best_epoch:
        left.axvline(reading.best_epoch, color="0.6", lw=1, ls=":")
    left.set(xlabel="epoch", ylabel="loss", title=reading.text.partition(":")[0])
    left.legend(frameon=False, labelcolor=ink, fontsize="small")
    for key in merits:
        right.plot(
            epochs, [epoch.get(key, float("nan")) for epoch in history], "o-", ms=3, label=key.removeprefix("val_")
        )
    right.set(xlabel="epoch", ylabel="validation", ylim=(0, 1))
    if merits:
        right.legend(frameon=False, labelcolor=ink)
    for axes in (left, right):
        dress(axes, len(history), ink)


def plot_losses(history: Sequence[Mapping[str, float]], axes: Axes) -> None:
    """Draw the losses that were measured alike; that of the varied crops is thin beside them, and alone in old runs."""
    epochs = range(1, len(history) + 1)
    alike = any("sample_loss" in epoch for epoch in history)
    looks: list[tuple[str, str, str, dict[str, Any]]] = [
        ("val_loss", "validation", ORANGE, {"marker": "o", "ms": 3}),
        ("train_loss", "training, as it learns" if alike else "training", BLUE, {"marker": "o", "ms": 3}),
    ]
    if alike:
        looks[1] = (*looks[1][:3], {"lw": 0.8, "ls": ":"})
        looks.insert(0, ("sample_loss", "training", BLUE, {"marker": "o", "ms": 3}))
    for key, name, colour, look in looks:
        axes.plot(epochs, [epoch.get(key, float("nan")) for epoch in history], label=name, color=colour, **look)
    constants = [epoch["constant_loss"] for epoch in history if math.isfinite(epoch.get("constant_loss", math.nan))]
    if constants:
        axes.axhline(constants[0], color="0.5", lw=1, ls="--", label="same answer for all pictures")


def dress(axes: Axes, epochs: int, ink: str) -> None:
    """Give axes of curves over the epochs their range and colour."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, max(epochs, 1) + 0.5)
    ink_axes(axes, ink)
