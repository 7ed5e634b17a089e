"""The curves of two trainings in one plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from diatom_training.evaluation.training_curves import dress
from napari_diatom.plots.style import BLUE, INK, ORANGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOOKS: Final = ((BLUE, "o"), (ORANGE, "s"))
"""Colour and marker of each training: the colour is not the only sign."""


@dataclass(frozen=True)
class NamedHistory:
    """A training in a plot.

    Attributes
    ----------
    name : str
        What it is called.
    history : sequence of mapping
        One a finished epoch.
    best_epoch : int
        From 1; 0 while there is none.
    """

    name: str
    history: Sequence[Mapping[str, float]]
    best_epoch: int


def shared_merits(trainings: Sequence[NamedHistory]) -> list[str]:
    """Return the figures of the validation that all trainings have, without the loss."""
    names = [
        {key for epoch in training.history for key in epoch if key.startswith("val_") and key != "val_loss"}
        for training in trainings
    ]
    return sorted(set.intersection(*names)) if names else []


def plot_two(trainings: tuple[NamedHistory, NamedHistory], figure: Figure, ink: str = INK) -> None:
    """Draw the losses of two trainings, and below them a figure of merit that both have.

    Training losses are dashed, validation losses are solid lines with a marker at each epoch. A large marker shows the
    best epoch.

    Parameters
    ----------
    trainings : tuple of NamedHistory
        What to compare.
    figure : matplotlib.figure.Figure
        What is in it is replaced.
    ink : str
        Colour of axes and texts.
    """
    figure.clear()
    merit = next(iter(shared_merits(trainings)), None)
    losses, merits = figure.subplots(2, 1)
    for training, (colour, marker) in zip(trainings, _LOOKS, strict=True):
        epochs = range(1, len(training.history) + 1)

        def values(key: str, history: Sequence[Mapping[str, float]] = training.history) -> list[float]:
            return [epoch.get(key, float("nan")) for epoch in history]

        best = [training.best_epoch - 1] if training.best_epoch else []
        alike = all("sample_loss" in epoch for other in trainings for epoch in other.history)
        losses.plot(epochs, values("sample_loss" if alike else "train_loss"), "--", color=colour, lw=1)
        solid = {"color": colour, "marker": marker, "ms": 3, "label": training.name}
        for axes, key in ((losses, "val_loss"), (merits, merit)):
            if key is not None:
                axes.plot(epochs, values(key), "-", **solid)
                axes.plot(
                    [epochs[k] for k in best], [values(key)[k] for k in best], marker, color=colour, ms=9, mfc="none"
                )
    longest = max(len(training.history) for training in trainings)
    losses.set(xlabel="epoch", ylabel="loss (dashed: training)")
    merits.set(
        xlabel="epoch", ylabel="no figure in common" if merit is None else merit.removeprefix("val_"), ylim=(0, 1)
    )
    losses.legend(frameon=False, labelcolor=ink)
    for axes in (losses, merits):
        dress(axes, longest, ink)
