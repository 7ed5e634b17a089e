"""Training histories made up as a teacher draws them on the board: eight kinds of reading, five histories each.

Nothing here knows how the program reads curves. A history says what it shows because of how it was drawn, and the
comments below say why a teacher reads it so. Sources, by the names used below:

- Goodfellow: Goodfellow, Bengio, Courville, *Deep Learning*, MIT Press 2016. Chapter 5.2 capacity, over- and
  underfitting; 7.8 early stopping; 7.12 dropout; 8.2 and 8.3 what makes training hard, and the learning rate;
  11.2 baselines; 11.4 choosing hyperparameters.
- Prechelt: L. Prechelt, *Early stopping, but when?*, in: Neural Networks: Tricks of the Trade, Springer 1998.
- CS231n: Stanford's course notes, *Neural Networks Part 3* (checks before learning; loss and accuracy during it).
- Google: *Machine Learning Crash Course*, "Interpreting loss curves" and "Overfitting".
- Smith: L. N. Smith, *A disciplined approach to neural network hyper-parameters*, part 1, arXiv:1803.09820, 2018.

Why a teacher says so, kind by kind:

``nothing learnt``
    The training loss stays at that of an answer that never looks at the image, and only shakes. The first check is
    always against such a baseline (Goodfellow 11.2; CS231n: the loss to expect at chance). A network that cannot even
    lower its training loss underfits (Goodfellow 5.2).
``not finished``
    Both losses still fall when the run ends, beyond what the noise explains. Underfitting can be mere lack of steps:
    training is to go on until the error on the validation part no longer improves (Goodfellow 7.8; Prechelt).
``overfitting``
    The training loss goes on falling while the validation loss has passed its minimum and rises (Goodfellow 5.2, 7.8;
    Google). It has overfitted since that minimum (Prechelt, figure 1). Noise hides the exact epoch, so a teacher
    accepts any within `tolerance`.
``poor at rest``
    Both losses lie together and move no more, well under the baseline, but the figure of the task is much worse than
    what it is compared with. Small gap, high error: too little capacity, or a rate that is too low (Goodfellow 5.2,
    11.4.1).
``parts differ``
    The validation loss lies above the training loss from the first epochs on, by about the same amount, and does not
    rise. Overfitting opens with time; what is there from the start lies in the data: the two parts are not drawn
    alike (Google: the validation part does not represent the training part; Goodfellow 5.2, identically distributed).
``validation below training``
    The validation loss lies below the training loss for good. Dropout and augmentation make the training task harder
    (Goodfellow 7.12), a small validation part can be the easier one, wrong labels weigh on the training part only,
    and averages over an epoch are older than what is measured after it (CS231n: babysitting the learning process).
``unstable``
    The training loss jumps up again and again, swings ever more, or runs away (CS231n: a rate too high; Goodfellow
    8.2.4 cliffs and exploding gradients, 8.3.1; Google: oscillating loss, sudden jump). One lone spike is not that.
``good fit``
    Both losses fall, come to rest close together, and the figure of the task is what is usual: small training error,
    small gap (Goodfellow 5.2; Smith, the ideal curve that ends in a horizontal plateau).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from helpers.history_cases import CASES, KINDS, Case, Curve

SEEDS = range(5)


@dataclass(frozen=True)
class History:
    """The curves of one run, one value an epoch, and what a teacher reads from them.

    Both losses are in the same terms on fixed, unvaried samples; `figure` (0 to 1) is of the validation part.
    `segments` are ranges of epochs counted from 0. `since` is the epoch, counted from 1, of the lowest validation
    loss before noise, for overfitting only; any epoch within `tolerance` of it is right.
    """

    kind: str
    seed: int
    case: Case
    training: Curve
    validation: Curve
    figure: Curve
    segments: tuple[range, ...]
    since: int | None = None
    tolerance: int = 0

    @property
    def line(self) -> float:
        """Return the loss of the best constant answer."""
        return self.case.line

    @property
    def compared(self) -> dict[str, float]:
        """Return the stated figures by what they are of: constant, start, usual."""
        named = zip(("constant", "start", "usual"), self.case.compared, strict=True)
        return {name: value for name, value in named if value is not None}

    @property
    def expected(self) -> str:
        """Return the reading that is right."""
        return self.kind


def history(kind: str, seed: int) -> History:
    """Return one of the forty histories; the same each time."""
    index = KINDS.index(kind)
    rng = np.random.default_rng([18, index, seed])
    case = CASES[kind][seed]
    training, validation, since = DRAWN[kind](case, seed, rng)
    training = training * _noise(rng, training.size, case.shake[0])
    figure = _figure(case, validation, 0.9 if kind == "unstable" else 0.3, rng)
    validation = validation * _noise(rng, validation.size, case.shake[1])
    length = training.size
    if case.patience is not None:
        length = stopped(validation, case.patience)
    borders = np.minimum(np.cumsum((0, *case.segments)), length)
    segments = tuple(range(a, b) for a, b in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True) if b > a)
    tolerance = 0 if since is None else max(3, round(since / 5))
    curves = (training[:length], validation[:length], figure[:length])
    return History(kind, seed, case, *curves, segments, since, tolerance)


def histories() -> list[History]:
    """Return all forty, kind by kind."""
    return [history(kind, seed) for kind in KINDS for seed in SEEDS]


def stopped(validation: Curve, patience: int) -> int:
    """Return how many epochs a run has that stops `patience` epochs after the last lowest validation loss."""
    best = 0
    for epoch, loss in enumerate(validation):
        if loss < validation[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch + 1
    return validation.size


def _noise(rng: np.random.Generator, epochs: int, share: float) -> Curve:
    """Return factors about 1, slightly correlated, that calm down by half as the learning rate does."""
    white = rng.standard_normal(epochs)
    for epoch in range(1, epochs):
        white[epoch] = 0.25 * white[epoch - 1] + 0.97 * white[epoch]
    return np.exp(share * np.linspace(1.3, 0.65, epochs) * np.clip(white, -2.5, 2.5))


def _figure(case: Case, validation: Curve, felt: float, rng: np.random.Generator) -> Curve:
    """Return the figure of the task: it rises as the validation loss before noise falls.

    Of a later rise of the loss the figure feels the share `felt`. In overfitting that is little: wrong answers grow
    surer before right ones turn wrong. Where the weights themselves are thrown about it is nearly all.
    """
    first, best = case.figures
    lowest = np.minimum.accumulate(validation)
    course = lowest + felt * (validation - lowest)
    fallen = (course[0] - course) / max(float(course[0] - course.min()), 1e-9)
    wave = 0.6 * case.shake[1] * rng.standard_normal(validation.size) * max(best, 0.1)
    return np.clip(first + (best - first) * np.clip(fallen, 0, 1) ** 0.8 + wave, 0, 1)


def _exponential(t: Curve, first: float, last: float, pace: float) -> Curve:
    return last + (first - last) * np.exp(-t / pace)


def _power(t: Curve, first: float, pace: float, exponent: float) -> Curve:
    return first * (1 + t / pace) ** -exponent


def _step(t: Curve, at: float, width: float) -> Curve:
    """Return 0 before and 1 after `at`: a step of the rate, or the end of a plateau."""
    return 1 / (1 + np.exp(-(t - at) / width))


def _bump(t: Curve, at: float, width: float) -> Curve:
    return np.exp(-0.5 * ((t - at) / width) ** 2)


def _cosine_end(t: Curve, depth: float) -> Curve:
    """Return factors from 1 to 1 - depth, as the rate goes to 0 in the middle of the run; level at the end."""
    part = np.clip((t / t[-1] - 0.4) / 0.35, 0, 1)
    return 1 - depth * (1 - np.cos(np.pi * part)) / 2


Drawn = tuple[Curve, Curve, int | None]


def _nothing_learnt(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    above = (
        0.985 + 0.10 * np.exp(-t / 1.5),
        0.985 + 0.09 * np.exp(-t / 2) - 0.01 * t / t[-1],
        0.99 + 0.08 * _bump(t, 3, 2) - 0.015 * _step(t, 30, 2),
        1.0 + 0.05 * np.exp(-t / 3),
        0.97 + 0.06 * np.exp(-t / 4) - 0.015 * (t / t[-1]),
    )[seed]
    offset = (1.02, 1.005, 1.01, 1.03, 1.0)[seed]
    return case.line * above, case.line * above * offset, None


def _not_finished(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    share = (
        _exponential(t, 1.05, 0.30, 7.0),
        1.0 - 0.50 * (t / t[-1]) ** 0.85,
        1.08 * _power(t, 1.0, 14, 0.42) + 0.05 * _bump(t, 4, 2),
        1.0 - 0.62 * np.clip((t - 5) / 14, 0, None),
        1.02 - 0.023 * t - 0.06 * _step(t, 15, 0.7),
    )[seed]
    gap = (1.02, 1.06, 1.05, 1.03, 1.07)[seed]
    return case.line * share, case.line * (share + (gap - 1) * (1.1 - share)), None


def _overfitting(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    training = (
        _exponential(t, 1.0, 0.06, 13),
        _exponential(t, 0.95, 0.03, 4.5),
        0.95 * _power(t, 1.0, 16, 0.95) + 0.08 * _bump(t, 3, 2),
        _exponential(t, 0.92, 0.10, 16),
        _exponential(t, 1.0, 0.08, 9),
    )[seed]
    low, turn, before, after, rise = (
        (0.48, 17, 8.5, 16.0, 0.45),
        (0.44, 6, 3.0, 7.0, 0.75),
        (0.47, 49, 22.0, 45.0, 0.16),
        (0.40, 20, 9.5, 12.0, 0.10),
        (0.50, 13, 7.0, 12.0, 0.35),
    )[seed]
    falling = (training[0] * 1.03 - low) * np.clip(1 - t / turn, 0, None) ** (turn / before)
    past = np.clip(t - turn, 0, None) / after
    validation = low + falling + rise * past**2 / (past + 0.15) / (1 + 0.35 * past)
    if seed == 4:
        validation = validation + 0.35 * (t == 30)
    return case.line * training, case.line * validation, turn + 1


def _poor_at_rest(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    share = (
        _exponential(t, 1.05, 0.66, 4.5),
        _exponential(t, 1.0, 0.67, 3) * _cosine_end(t, 0.05),
        _exponential(t, 1.1, 0.70, 9) + 0.06 * _bump(t, 3, 1.5),
        _exponential(t, 1.0, 0.70, 4) - 0.06 * _step(t, 20, 0.7),
        _exponential(t, 1.0, 0.80, 3),
    )[seed]
    gap = (1.03, 1.02, 1.025, 1.04, 1.015)[seed]
    return case.line * share, case.line * share * gap, None


def _parts_differ(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    share = (
        _exponential(t, 0.95, 0.14, 5),
        _exponential(t, 0.85, 0.20, 3.2) * _cosine_end(t, 0.08),
        _exponential(t, 0.95, 0.34, 10),
        _exponential(t, 0.80, 0.22, 1.5),
        _exponential(t, 0.90, 0.30, 5) - 0.05 * _step(t, 25, 0.8),
    )[seed]
    gap = (
        0.36 + 0.03 * np.exp(-t / 8),
        0.30 + 0.0 * t,
        0.28 + 0.04 * np.exp(-t / 20),
        0.34 - 0.05 * np.exp(-t / 2),
        0.20 - 0.03 * np.exp(-t / 6),
    )[seed]
    spike = 0.25 * (t == 58) if seed == 2 else 0.0
    return case.line * (share + spike), case.line * (share + gap), None


def _validation_below(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs

    def share(t: Curve) -> Curve:
        return (
            _exponential(t, 0.98, 0.29, 7),
            _exponential(t, 0.92, 0.28, 3.5),
            _exponential(t, 1.0, 0.36, 10) + 0.05 * _bump(t, 3, 1.5),
            _exponential(t, 0.95, 0.33, 2.2),
            _exponential(t, 0.95, 0.30, 5) - 0.05 * _step(t, 25, 0.8),
        )[seed]

    below = (0.70, 0.66, 0.80, 0.62 + 0.30 * np.exp(-t / 2.5), 0.84)[seed]
    training, validation = share(t), share(t) * below
    if seed == 2:
        training, validation = (share(t) + share(t + 1)) / 2, share(t + 1) * below
    return case.line * training, case.line * validation, None


def _unstable(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    share = _exponential(t, 1.0, (0.45, 0.30, 0.38, 0.45, 0.36)[seed], t.size / 6)
    swings = np.abs(rng.standard_normal(t.size))
    if seed == 0:
        extra = np.exp(0.30 * rng.standard_normal(t.size))
    elif seed == 1:
        away = np.clip(t - 17, 0, None)
        extra = 1 + (3.6 + 0.6 * np.clip(swings, 0, 2)) * (1 - np.exp(-away / 1.6))
    elif seed == 2:
        extra = np.ones(t.size)
        for at in np.cumsum([9, 8, 10, 7, 11, 8, 9, 10]):
            extra += (0.9 + 0.5 * min(swings[at], 2.0)) * np.where(t >= at, np.exp(-(t - at) / 1.3), 0)
    elif seed == 3:
        extra = 1 + np.where(t % 2 == 1, 0.55 + 0.25 * np.clip(swings, 0, 1.5), 0.0)
    else:
        grown = np.clip((t - 55) / 45, 0, 1)
        extra = np.exp(grown * 0.95 * np.sin(t * 1.9) + 0.2 * grown)
    return case.line * share * extra, case.line * share * (1.04 * extra ** (1.1 if seed != 1 else 1.0)), None


def _good_fit(case: Case, seed: int, rng: np.random.Generator) -> Drawn:
    t = case.epochs
    share = (
        _exponential(t, 1.02, 0.14, 5.5) * _cosine_end(t, 0.08),
        _exponential(t, 0.95, 0.19, 2.6),
        _exponential(t, 1.0, 0.33, 12) + 0.10 * _bump(t, 4, 2),
        _exponential(t, 0.9, 0.25, 4) - 0.07 * _step(t, 24, 0.8) + 0.06 * _bump(t, 2, 1),
        _exponential(t, 1.0, 0.20, 6),
    )[seed]
    gap = (1.06, 1.05, 1.06, 1.05, 1.09)[seed]
    validation = share * gap
    if seed == 2:
        share, validation = share + 0.28 * (t == 71), validation + 0.36 * (t == 71)
    return case.line * share, case.line * validation, None


DRAWN: dict[str, Callable[[Case, int, np.random.Generator], Drawn]] = {
    "nothing learnt": _nothing_learnt,
    "not finished": _not_finished,
    "overfitting": _overfitting,
    "poor at rest": _poor_at_rest,
    "parts differ": _parts_differ,
    "validation below training": _validation_below,
    "unstable": _unstable,
    "good fit": _good_fit,
}
