"""The learning rate as a pure function of the step and of the history, so that a training resumes exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from diatom_training.learning.options import LearningOptions

ONE_CYCLE_CLIMB = 0.3
"""Share of the steps in which the one-cycle schedule climbs (Smith & Topin 2018)."""
ONE_CYCLE_START = 0.04
"""Share of the highest rate that the one-cycle schedule starts from."""
CLIMBING: Final = ("one-cycle", "cyclic")
"""Schedules that climb by themselves, without a warm-up."""


def rate(options: LearningOptions, step: int, steps: int, history: Sequence[Mapping[str, float]]) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    options : LearningOptions
        The schedule and its numbers.
    step, steps : int
        Steps taken, and steps of the whole training.
    history : sequence of mapping
        One a finished epoch; ``val_loss`` drives the plateau schedule.
    """
    progress = min(step / max(steps, 1), 1.0)
    if options.schedule == "one-cycle":
        if progress < ONE_CYCLE_CLIMB:
            return options.rate * _cosine(ONE_CYCLE_START, 1.0, progress / ONE_CYCLE_CLIMB)
        fall = (progress - ONE_CYCLE_CLIMB) / (1 - ONE_CYCLE_CLIMB)
        return options.rate * _cosine(1.0, options.final_rate, fall)
    if options.schedule == "cyclic":
        # Smith 2017, "Cyclical learning rates for training neural networks": his triangles.
        height = 1 - abs(2 * (progress * options.cycles % 1.0) - 1)
        return options.rate * (options.final_rate + (1 - options.final_rate) * height)
    climb = min((step + 1) / options.warmup, 1.0) if options.warmup else 1.0
    return options.rate * climb * _fallen(options, progress, history)


def _fallen(options: LearningOptions, progress: float, history: Sequence[Mapping[str, float]]) -> float:
    """Return the share of the highest rate that is left."""
    if options.schedule == "cosine":
        return _cosine(1.0, options.final_rate, progress)
    if options.schedule == "step":
        return max(options.step_factor ** int(progress * options.step_epochs), options.final_rate)
    if options.schedule == "plateau":
        return max(options.step_factor ** plateaus(history, options.plateau_patience), options.final_rate)
    return 1.0


def plateaus(history: Sequence[Mapping[str, float]], patience: int) -> int:
    """Return how often the validation loss stood still for ``patience`` epochs."""
    best, waited, found = math.inf, 0, 0
    for epoch in history:
        if epoch["val_loss"] < best:
            best, waited = epoch["val_loss"], 0
        else:
            waited += 1
            if waited == patience:
                found, waited = found + 1, 0
    return found


def epochs_since_best(history: Sequence[Mapping[str, float]]) -> int:
    """Return how many epochs ago the validation was best, as :func:`shortfalls` has it."""
    losses = shortfalls(history)
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0


def is_best(history: Sequence[Mapping[str, float]]) -> bool:
    """Return whether no epoch was better than the last one, as :func:`shortfalls` has it."""
    losses = shortfalls(history)
    return bool(losses) and losses[-1] == min(losses)


def shortfalls(history: Sequence[Mapping[str, float]]) -> list[float]:
    """Return what tells how bad each epoch is; what is not a number is never the lowest.

    The validation loss; of outlines, by how much their mean IoU falls short of 1.
    """
    bad = [1 - epoch["val_iou"] if "val_iou" in epoch else epoch.get("val_loss", math.nan) for epoch in history]
    return [value if math.isfinite(value) else math.inf for value in bad]


def _cosine(start: float, end: float, progress: float) -> float:
    """Go from ``start`` to ``end`` along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))
