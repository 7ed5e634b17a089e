"""What the curves of a training say, in plain words: the readings that a course teaches, with their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from diatom_training.evaluation.curve_advice import ADVICE, REMEDIES, Remedy, Verdict
from diatom_training.evaluation.curve_measures import CHANCE, LossCurve, LossPair, epoch_figures, losses_of
from diatom_training.evaluation.stated_figures import Merit, StatedFigures, merits_of, merits_text
from diatom_training.learning.lr_schedule import shortfalls
from napari_diatom.core.text import either, many

ENOUGH: Final = 4
"""Epochs before anything is said."""
NOTHING: Final = 0.9
"""Share of the loss of a constant answer above which a training has learnt nothing."""
RISE: Final = 0.05
"""Share by which the validation loss has to have risen above its lowest for the training to overfit."""
SEEN: Final = 0.005
"""Share from which such a rise is reported."""
STILL: Final = 0.05
"""Share of the loss by which it has to fall over the last third of the epochs to be still falling."""
SHAKE: Final = 0.22
"""Jump of a loss off its neighbours, as the logarithm of a factor, that makes an epoch shake: a quarter up, ..."""
SHAKEN: Final = 0.15
"""... and share of such epochs, two at least, above which a training is unstable."""
GAP: Final = 0.2
"""Share of the larger loss by which the validation is above the training from the first epochs on, for the parts to
differ."""
WIDE: Final = 0.4
"""Share of the validation loss from which a gap that has opened is overfitting, although the loss does not rise."""
OPENED: Final = 0.25
"""Share of the gap at the end that the rise of the validation loss has to be, for overfitting to outweigh the gap."""
BELOW: Final = 0.05
"""Share by which the validation loss is below that of the training in the later half."""
MOST: Final = 0.8
"""Share of those epochs in which it has to be so."""
HALF: Final = 0.5
"""Share of the loss of a constant answer above which a loss at rest is poor, where there is no figure."""


@dataclass(frozen=True)
class Diagnosis:
    """What the curves say.

    Attributes
    ----------
    verdict : Verdict
        In a word.
    text : str
        For a person: what is seen, with its numbers, and what to do.
    best_epoch : int
        Epoch of the lowest validation loss, of outlines that of the highest IoU, from 1; 0 while there is none.
    remedies : tuple of Remedy
        What helps, the most likely first.
    also : tuple of Verdict
        What is to be seen besides.
    """

    verdict: Verdict
    text: str
    best_epoch: int
    remedies: tuple[Remedy, ...] = ()
    also: tuple[Verdict, ...] = ()


def read(
    history: Sequence[Mapping[str, float]],
    classes: int = 0,
    specimens: int = 0,
    stated: StatedFigures | None = None,
) -> Diagnosis:
    """Read the curves of a training.

    Parameters
    ----------
    history : sequence of mapping
        One a finished epoch, with ``val_loss``; ``sample_loss``, or in histories of old runs only ``train_loss``;
        ``constant_loss``; and, as figures of merit, ``val_ap50``, ``val_dice``, ``val_accuracy`` or ``val_f1``, with
        ``start_ap50`` and so on of the network before its first step.
    classes : int
        Number of classes, 0 if not known: with two classes, chance names half correctly.
    specimens : int
        How many the validation part has, 0 where that is not known.
    stated : StatedFigures, optional
        What the figure of merit is held against.

    Notes
    -----
    Overfitting is a validation loss that has risen for good from its lowest while the training loss has not (Prechelt
    1998, "Early stopping - but when?", calls the rise generalization loss). Losses are smoothed over a few epochs, and
    every rise, fall and gap is held against the chance of single epochs.
    """
    val = epoch_figures(history, "val_loss")
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
        seen = f"Unstable: the validation loss is not a number in {which}. {ADVICE['unstable']}"
        return Diagnosis("unstable", f"{seen} Check the outlines for wrong sizes.", best, REMEDIES["unstable"])
    losses = losses_of(history)
    merits = merits_of(history[-1], classes, stated or StatedFigures())
    found = [(verdict, text) for verdict, rule in _RULES if (text := rule(losses, merits, best))]
    if not found:
        found = [_at_rest(losses, merits)]
    (verdict, text), *others = found
    also = tuple(dict.fromkeys(other for other, _ in others if other != verdict))
    advice = f" {ADVICE[verdict]}" if ADVICE[verdict] else ""
    besides = "".join(f" Besides: {said[:1].lower()}{said[1:]}" for other, said in others if other in also)
    return Diagnosis(verdict, f"{text}{advice}{besides}{merits_text(merits, specimens)}", best, REMEDIES[verdict], also)


def _nothing_learnt(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 1: the training loss is no better than an answer that is always the same, and does not fall."""
    lowest = float(losses.training.smooth.min())
    if not lowest > NOTHING * losses.constant or _falls(losses.training, len(losses)):
        return ""
    share = 100 * losses.training.end / losses.constant
    return (
        f"Underfitting, nothing learnt: the training loss of {losses.training.end:.3g} is {share:.0f} % of "
        f"{losses.constant:.3g}, the loss of an answer that is the same for every picture."
    )


def _unstable(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 7: a loss jumps up and down, or both rise."""
    for name, curve in (("validation", losses.validation), ("training", losses.training)):
        jumps = curve.jumps()
        shaken = jumps > SHAKE
        if shaken.sum() >= max(2, SHAKEN * len(jumps)):
            off = 100 * (float(np.exp(np.median(jumps[shaken]))) - 1)
            return (
                f"Unstable: the {name} loss jumps by {off:.0f} % or so off its neighbours in "
                f"{many(int(shaken.sum()), 'epoch')} of {len(jumps)}. With very few images, random jumps are normal."
            )
    if losses.validation.rises(RISE) and losses.training_worsens(RISE):
        before, now = losses.training.smooth[losses.validation.lowest], losses.training.smooth[-1]
        return (
            f"Unstable: both losses rise since epoch {losses.validation.lowest + 1}, that of the validation by "
            f"{100 * losses.validation.risen():.0f} %, that of the training from {before:.3g} to {now:.3g}. The "
            f"weights of epoch {best} are the best."
        )
    return ""


def _overfitting(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 3: the validation loss has risen for good, and that of the training has not."""
    curve = losses.validation
    if not curve.rises(RISE) or curve.lowest >= len(losses) - 2 or losses.training_worsens(RISE):
        return ""
    apart = float(curve.smooth[-1] - losses.training.smooth[-1])
    if float(curve.smooth[-1] - curve.smooth.min()) < OPENED * apart and _gap(losses, merits, best):
        # Overfitting opens with time; nearly all of this gap was there from the start.
        return ""
    before, now = losses.training.smooth[curve.lowest], losses.training.smooth[-1]
    return (
        f"Overfitting since epoch {curve.lowest + 1}: the validation loss has risen by {100 * curve.risen():.0f} % "
        f"while that of the training went from {before:.3g} to {now:.3g}. The network memorizes the training images. "
        f"The weights of epoch {best} are the best."
    )


def _opened(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 3 where the validation loss does not rise: a wide gap has opened since the start."""
    gaps = losses.gaps()
    if float(np.median(gaps[-max(len(gaps) // 5, 3) :])) < WIDE:
        return ""
    close = np.flatnonzero(gaps < GAP)
    since = int(close[-1]) + 2 if len(close) else 1
    return (
        f"Overfitting since epoch {since}: the training loss went on falling to {losses.training.end:.3g}, while that "
        f"of the validation stays at {losses.validation.end:.3g}. The network memorizes the training images."
    )


def _unfinished(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 2: the validation loss still falls at the end."""
    if not _falls(losses.validation, len(losses)):
        return ""
    window = _window(len(losses))
    fall, _ = losses.validation.fall(window)
    return f"Not finished: the validation loss still fell by {100 * fall:.0f} % over the last {window} epochs."


def _gap(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 5: the validation loss is above that of the training from the first epochs on."""
    gaps, few = losses.gaps(), max(len(losses) // 5, 3)
    # Before a network has learnt anything, all parts look alike to it.
    learns = losses.learns_from(NOTHING)
    first, last = float(np.median(gaps[learns : learns + few])), float(np.median(gaps[-few:]))
    if min(first, last) < GAP:
        return ""
    return (
        f"Gap from the start: the validation loss is above that of the training by {100 * first:.0f} % of it in the "
        f"first epochs and {100 * last:.0f} % in the last ones."
    )


def _below(losses: LossPair, merits: Sequence[Merit], best: int) -> str:
    """Say reading 6: the validation loss is below that of the training."""
    later = losses.gaps()[len(losses) // 2 :]
    if np.median(later) > -BELOW or np.mean(later < 0) < MOST:
        return ""
    why = (
        "Both were measured alike, so the validation slides are easier or few, or show what the training slides show."
        if losses.alike
        else "The training loss was measured on varied crops with dropout, which are harder; this is usual."
    )
    return (
        f"Validation below training: by {-100 * float(np.median(later)):.0f} % in the later half of the epochs. {why} "
        "Check that no slide is in both parts."
    )


_Rule = Callable[[LossPair, Sequence[Merit], int], str]
_RULES: Final[tuple[tuple[Verdict, _Rule], ...]] = (
    ("nothing-learnt", _nothing_learnt),
    ("unstable", _unstable),
    ("overfitting", _overfitting),
    ("unfinished", _unfinished),
    ("gap", _gap),
    ("below", _below),
    ("overfitting", _opened),
)
"""What is looked for, the gravest first; each rule says what it sees, or nothing."""


def _at_rest(losses: LossPair, merits: Sequence[Merit]) -> tuple[Verdict, str]:
    """Say reading 4 or 8: the losses are at rest, and the figures are poor or good."""
    curve = losses.validation
    rise = f" It has risen by {100 * curve.risen():.1f} % since epoch {curve.lowest + 1}." if curve.rises(SEEN) else ""
    poor = [f"{merit.name} {merit.value:.2f}, {merit.poor}" for merit in merits if merit.poor]
    if poor:
        which = " and ".join(poor)
        return "underfitting", f"Underfitting: training has stopped improving at {which}.{rise}"
    share = losses.training.end / losses.constant
    compared = f" at {100 * share:.0f} % of the loss of a constant answer" if np.isfinite(share) else ""
    if not merits and not np.isfinite(share):
        return "early", f"No longer improving: no figure shows how good the model is.{rise}"
    if not merits and share > HALF:
        return "underfitting", f"Underfitting: training has stopped improving{compared}.{rise}"
    fall, _ = losses.training.fall(_window(len(losses)))
    also = f", while the training loss still falls ({100 * fall:.0f} %)" if fall > STILL else ""
    return "good", f"Good fit: the validation loss has levelled off{compared}{also}.{rise}"


def _window(epochs: int) -> int:
    """Return how many of the last epochs tell whether a loss still falls."""
    return min(max(epochs // 3, ENOUGH), epochs)


def _falls(curve: LossCurve, epochs: int) -> bool:
    """Tell whether a loss still falls at the end, by more than chance."""
    fall, error = curve.fall(_window(epochs))
    return bool(fall > STILL and fall > CHANCE * error)
