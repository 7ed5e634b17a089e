"""What the curves of a training say, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from diatom_training.learning.lr_schedule import shortfalls
from diatom_training.metrics.proportions import FEWEST
from napari_diatom.core.text import either, many

Verdict = Literal["early", "learning", "good", "overfitting", "worse", "underfitting", "unstable"]

ENOUGH: Final = 4
"""Epochs before anything is said."""
RISE: Final = 0.05
"""Share by which the validation loss has to have risen above its lowest for the training to overfit."""
SEEN: Final = 0.005
"""Share from which such a rise is reported."""
CHANCE: Final = 3.0
"""Standard deviations of single epochs by which smoothed losses differ by chance."""
GAIN: Final = 0.01
"""Share of the validation loss by which an epoch, on average, still has to gain for the training to be learning."""
SHAKE: Final = 0.25
"""Jumps of the validation loss, up and down in turn and as a share of it, above which a training is unstable."""
POOR: Final = 0.5
"""AP50 or Dice on the validation part under which a training that stands still underfits."""
POOR_SKILL: Final = 0.6
"""The same of names, as the share of the way from chance to all right: below it, agreement is moderate at best (Landis
& Koch 1977, "The measurement of observer agreement for categorical data")."""

_FIGURES: Final = (
    ("val_ap50", "AP50", False),
    ("val_dice", "Dice", False),
    ("val_accuracy", "accuracy", True),
    ("val_f1", "mean F1 of the classes", True),
)
"""Figures of merit, what they are called, and whether chance alone is right now and then."""


@dataclass(frozen=True)
class Diagnosis:
    """What the curves say.

    Attributes
    ----------
    verdict : Verdict
        In a word.
    text : str
        For a person: what is seen, and what to do.
    best_epoch : int
        Epoch of the lowest validation loss, of outlines that of the highest IoU, from 1; 0 while there is none.
    """

    verdict: Verdict
    text: str
    best_epoch: int


@dataclass(frozen=True)
class _Merit:
    """A figure of merit of the last epoch, what it is called, and whether it is a poor one."""

    name: str
    value: float
    poor: bool


def read(history: Sequence[Mapping[str, float]], classes: int = 0, specimens: int = 0) -> Diagnosis:
    """Read the curves of a training.

    Parameters
    ----------
    history : sequence of mapping
        One a finished epoch, with ``train_loss``, ``val_loss`` and, as figures of merit, ``val_ap50``, ``val_dice``,
        ``val_accuracy`` or ``val_f1``.
    classes : int
        Number of classes, 0 if not known: with two classes, chance names half correctly.
    specimens : int
        How many the validation part has, 0 where that is not known.

    Notes
    -----
    Overfitting is a validation loss that has risen for good from its lowest while the training loss went on falling
    (Prechelt 1998, "Early stopping - but when?", calls the rise generalization loss). The loss is smoothed over three
    epochs against the chance of single ones. What has come to rest is good only where the figures are.
    """
    val = np.array([epoch.get("val_loss", np.nan) for epoch in history], dtype=np.float64)
    train = np.array([epoch.get("train_loss", np.nan) for epoch in history], dtype=np.float64)
    finite = np.isfinite(val)
    best = int(np.argmin(shortfalls(history))) + 1 if finite.any() else 0
    if len(val) < ENOUGH:
        lacking = ENOUGH - len(val)
        needed = f"{many(lacking, 'more epoch')} {either(lacking, 'is', 'are')} needed"
        return Diagnosis("early", f"Too early to tell: at least {needed}.", best)
    if not best:
        return Diagnosis("early", "Not known: there is no validation loss.", 0)
    if not finite.all():
        without = [str(k) for k in np.flatnonzero(~finite) + 1]
        which = f"epoch {without[0]}" if len(without) == 1 else f"epochs {', '.join(without[:-1])} and {without[-1]}"
        return Diagnosis(
            "unstable",
            f"Unstable: the validation loss is not a number in {which}. Try a third of the learning rate, and check "
            "the outlines for wrong sizes.",
            best,
        )
    merits = _merits(history[-1], classes)
    figures = _told(merits, specimens)
    smooth, smooth_train = _smoothed(val), _smoothed(train)
    lowest = int(smooth.argmin())
    steps = np.diff(val[-6:])
    jumps = np.abs(steps) / np.maximum(np.abs(val[-6:-1]), 1e-9)
    turns = float(np.mean(np.sign(steps[1:]) != np.sign(steps[:-1])))
    recent = max(len(val) // 4, 2)
    gain = (smooth[-recent - 1] - smooth[-1]) / max(abs(smooth[-recent - 1]), 1e-9) / recent
    risen = (smooth[-1] - smooth[lowest]) / max(abs(smooth[lowest]), 1e-9)
    by_chance = smooth[-1] - smooth[lowest] <= CHANCE * _noise(val[-max(len(val) - lowest + 1, ENOUGH) :])
    falls = bool(smooth_train[-1] < smooth_train[lowest] - 1e-9)
    if np.median(jumps) > SHAKE and turns > 0.5:
        return Diagnosis(
            "unstable",
            f"Unstable: the validation loss jumps by {100 * float(np.median(jumps)):.0f} % from epoch to epoch. Try a "
            "third of the learning rate, or a larger batch; with very few validation images, random jumps are normal."
            f"{figures}",
            best,
        )
    if risen > RISE and not by_chance and falls and lowest < len(val) - 2:
        return Diagnosis(
            "overfitting",
            f"Overfitting since epoch {lowest + 1}: the network memorizes the training images, and gets worse on "
            f"the validation images. The weights of epoch {best} are the best. More annotated slides help most; "
            f"otherwise stop here, freeze the backbone for longer, or vary the images more.{figures}",
            best,
        )
    if risen > RISE and not by_chance:
        return Diagnosis(
            "worse",
            f"Getting worse since epoch {lowest + 1}: the validation loss has risen by {100 * risen:.0f} %. The "
            f"weights of epoch {best} are the best. Try a third of the learning rate, or wait for a few more epochs "
            f"to see whether it recovers.{figures}",
            best,
        )
    if gain > GAIN and smooth[-recent - 1] - smooth[-1] > CHANCE * _noise(val[-recent - 2 :]):
        return Diagnosis("learning", f"Still learning: the validation loss is falling. Let it continue.{figures}", best)
    rise, rest = "", " and does not rise" if risen <= SEEN else ", apart from random jumps"
    if risen > SEEN and not by_chance:
        rise, rest = f" The validation loss has risen by {100 * risen:.1f} % since epoch {lowest + 1}.", ""
    poor = [merit for merit in merits if merit.poor]
    if poor:
        which = " and ".join(f"{merit.name} {merit.value:.2f}" for merit in poor)
        return Diagnosis(
            "underfitting",
            f"Underfitting: training has stopped improving at {which}. {_advice(poor)}{rise}{figures}",
            best,
        )
    if not merits:
        return Diagnosis("early", f"No longer improving: no figure shows how good the model is.{rise}", best)
    also = ", while the training loss still falls" if _falls(smooth_train, recent) else ""
    return Diagnosis("good", f"Good fit: the validation loss has levelled off{rest}{also}.{rise}{figures}", best)


def _merits(epoch: Mapping[str, float], classes: int) -> list[_Merit]:
    """Return the figures of merit of an epoch, of map or boxes one, of names two."""
    chance = 1 / classes if classes > 1 else 0.0
    found = []
    for key, name, guessed in _FIGURES:
        value = epoch.get(key, np.nan)
        if np.isfinite(value):
            least = chance + POOR_SKILL * (1 - chance) if guessed else POOR
            found.append(_Merit(name, float(value), value < least))
    return found


def _told(merits: Sequence[_Merit], specimens: int) -> str:
    """Return the figures of merit as a sentence, with the number of specimens they are based on."""
    if not merits:
        return ""
    named = " and ".join(f"{merit.name} {merit.value:.2f}" for merit in merits)
    if not specimens:
        return f" On the validation images: {named}."
    few = f", which are too few to tell: at least {FEWEST} are needed" if specimens < FEWEST else ""
    return f" On the validation images: {named}, of {many(specimens, 'specimen')}{few}."


def _advice(poor: Sequence[_Merit]) -> str:
    """Return what helps a training that has come to rest too early."""
    usual = (
        "Train for longer at a higher rate, let the backbone learn, or start from a model trained on slides more like "
        "yours; check "
        "that the outlines fit the images."
    )
    if not any(name == merit.name and guessed for merit in poor for _, name, guessed in _FIGURES):
        return usual
    return (
        "Train for longer at a higher rate, let the backbone learn, or start from a model trained on slides more like "
        "yours; check "
        "that specimens have the right names, outline more specimens of the classes that it confuses, or treat these "
        "as "
        "one class."
    )


def _falls(smooth: NDArray[np.float64], recent: int) -> bool:
    """Tell whether a loss still fell in the last epochs."""
    return bool((smooth[-recent - 1] - smooth[-1]) / max(abs(smooth[-recent - 1]), 1e-9) / recent > GAIN)


def _noise(values: NDArray[np.float64]) -> float:
    """Return the standard deviation of single epochs about a smooth curve, estimated from second differences."""
    return float(1.4826 * np.median(np.abs(np.diff(values, 2))) / np.sqrt(6))


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means over three neighbours, of those that there are."""
    padded = np.pad(values, 1, mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)
