"""Segments of a training: epochs that were added to those it was begun with, each with a rate of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from diatom_training.learning.lr_schedule import epochs_since_best, rate
from diatom_training.learning.options import LearningOptions

NEXT_RATE: Final = 0.3
"""Highest rate of the next segment where nothing else is asked for, as a share of the segment before.

A schedule that has come to its end is begun anew, as in warm restarts (Loshchilov & Hutter 2017, "SGDR"), from a lower
rate, so that less is lost of what has been learnt.
"""


class Segment(BaseModel):
    """Epochs that were added to a training.

    Attributes
    ----------
    first : int
        How many epochs there were before.
    epochs : int
        How many are added.
    rate : float
        Highest learning rate; it falls over these epochs as the options say, without a warm-up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    first: int = Field(ge=1)
    epochs: int = Field(ge=1)
    rate: float = Field(gt=0)


def total_epochs(options: LearningOptions, segments: Sequence[Segment]) -> int:
    """Return after how many epochs a training ends."""
    return segments[-1].first + segments[-1].epochs if segments else options.epochs


def segment_of(segments: Sequence[Segment], epoch: int) -> Segment | None:
    """Return the segment that an epoch, from 0, is in; None in those that the training was begun with."""
    return next((segment for segment in reversed(segments) if segment.first <= epoch), None)


def segment_rate(
    options: LearningOptions,
    segments: Sequence[Segment],
    step: int,
    history: Sequence[Mapping[str, float]],
    each: int,
) -> float:
    """Return the learning rate of a step, with ``each`` steps in an epoch.

    See :func:`~diatom_training.learning.lr_schedule.rate`.
    """
    segment = segment_of(segments, step // each)
    if segment is None:
        return rate(options, step, each * options.epochs, history)
    own = options.model_copy(update={"rate": segment.rate, "warmup": 0})
    return rate(own, step - each * segment.first, each * segment.epochs, history[segment.first :])


def next_rate(options: LearningOptions, segments: Sequence[Segment]) -> float:
    """Return the usual highest rate of the segment that is added next."""
    before = segments[-1].rate if segments else options.rate
    return before if options.schedule == "constant" else float(f"{NEXT_RATE * before:.3g}")


def is_over(options: LearningOptions, segments: Sequence[Segment], history: Sequence[Mapping[str, float]]) -> bool:
    """Tell whether early stopping has ended the training; each segment has its own patience."""
    if options.patience is None:
        return False
    segment = segment_of(segments, len(history))
    begun = 0 if segment is None else segment.first
    return min(epochs_since_best(history), len(history) - begun) >= options.patience
