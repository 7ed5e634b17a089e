"""What the curves of a training say, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["early", "learning", "good", "overfitting", "underfitting", "unstable"]

ENOUGH: Final = 4
"""Epochs before anything is said."""
RISE: Final = 0.05
"""Share by which the validation loss has to have risen above its lowest for the training to overfit."""
GAIN: Final = 0.01
"""Share of the validation loss by which an epoch, on average, still has to gain for the training to be learning."""
SHAKE: Final = 0.25
"""Jumps of the validation loss, up and down in turn and as a share of it, above which a training is unstable."""
POOR: Final = 0.3
"""Figure of merit (AP50 or Dice) on the validation part under which a training that stands still underfits."""


@dataclass(frozen=True)
class Reading:
    """What the curves say.

    Attributes
    ----------
    verdict : Verdict
        In a word.
    text : str
        For a person: what is seen, and what to do.
    best_epoch : int
        Epoch of the lowest validation loss, from 1; 0 while there is none.
    """

    verdict: Verdict
    text: str
    best_epoch: int


def read(history: Sequence[Mapping[str, float]]) -> Reading:
    """Read the curves of a training.

    Parameters
    ----------
    history : sequence of mapping
        One a finished epoch, with ``train_loss``, ``val_loss`` and, as a figure of merit, ``val_ap50``, ``val_dice`` or
        ``val_accuracy``.

    Notes
    -----
    Overfitting is a validation loss that has risen for good from its lowest while the training loss went on falling
    (Prechelt 1998, "Early stopping - but when?", calls the rise generalization loss). The loss is smoothed over three
    epochs against the chance of single ones.
    """
    val = np.array([epoch.get("val_loss", np.nan) for epoch in history])
    train = np.array([epoch.get("train_loss", np.nan) for epoch in history])
    if len(val) < ENOUGH or not np.isfinite(val).all():
        left = max(ENOUGH - len(val), 0)
        return Reading(
            "early", f"Too early to tell: {left} more epochs." if left else "There is no validation loss.", 0
        )
    best = int(val.argmin())
    smooth, smooth_train = _smoothed(val), _smoothed(train)
    lowest = int(smooth.argmin())
    steps = np.diff(val[-6:])
    jumps = np.abs(steps) / np.maximum(np.abs(val[-6:-1]), 1e-9)
    turns = float(np.mean(np.sign(steps[1:]) != np.sign(steps[:-1])))
    recent = max(len(val) // 4, 2)
    gain = (smooth[-recent - 1] - smooth[-1]) / max(abs(smooth[-recent - 1]), 1e-9) / recent
    risen = (smooth[-1] - smooth[lowest]) / max(abs(smooth[lowest]), 1e-9)
    falls = smooth_train[-1] < smooth_train[lowest] - 1e-9
    merit, name = _merit(history)
    if np.median(jumps) > SHAKE and turns > 0.5:
        return Reading(
            "unstable",
            f"Unstable: the validation loss jumps by {100 * float(np.median(jumps)):.0f} % from epoch to epoch. Try a "
            "third of the learning rate, or a larger batch; with very few validation images, jumps are chance.",
            best + 1,
        )
    if risen > RISE and falls and lowest < len(val) - 2:
        return Reading(
            "overfitting",
            f"Overfitting since epoch {lowest + 1}: the network learns the training images by heart, and gets worse on "
            f"the validation images. The weights of epoch {best + 1} are the best. More annotated slides help most; "
            "else stop here, freeze the backbone for longer, or vary the images more.",
            best + 1,
        )
    if gain > GAIN:
        return Reading("learning", "Still learning: the validation loss is falling. Let it go on.", best + 1)
    if merit is not None and merit < POOR:
        return Reading(
            "underfitting",
            f"Underfitting: it stands still at {name} {merit:.2f}. Train for longer at a higher rate, let the backbone "
            "learn, or start from a model nearer to your slides; check that the outlines fit the images.",
            best + 1,
        )
    told = f" {name} on the validation images is {merit:.2f}." if merit is not None else ""
    return Reading("good", f"Good fit: both losses have come to rest, and neither rises.{told}", best + 1)


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means over three neighbours, of those that there are."""
    padded = np.pad(values, 1, mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _merit(history: Sequence[Mapping[str, float]]) -> tuple[float | None, str]:
    """Return the last figure of merit, and what it is called."""
    for key, name in (("val_ap50", "AP50"), ("val_dice", "Dice"), ("val_accuracy", "accuracy")):
        if key in history[-1]:
            return history[-1][key], name
    return None, ""
