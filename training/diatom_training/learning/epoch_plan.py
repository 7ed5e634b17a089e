"""How many crops and steps an epoch has: the training part, or memory, decides where the options leave it to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from diatom_training.learning.options import ALL, AUTO, USUAL_BATCH, LearningOptions
from napari_diatom.core.text import many
from napari_diatom.models.card import Task

LARGEST_BATCH: Final = 128
"""The most crops at once that are chosen by memory."""
LEAST_BATCH: Final = 2
"""The fewest, where they fit: normalization over a batch needs two."""
FEWEST_STEPS: Final = 8
"""Steps of an epoch that such a choice leaves, however much memory there is."""


def crops_at_once(options: LearningOptions, task: Task) -> int:
    """Return how many crops go through the network at once, if memory allows; as usual where no number is known."""
    return USUAL_BATCH[task] if options.batch in (ALL, AUTO) else int(options.batch)


def largest_batch(options: LearningOptions, crops: int) -> int:
    """Return up to how many crops at once may be chosen by memory, if an epoch has so many."""
    most = min(LARGEST_BATCH, crops // (FEWEST_STEPS * options.accumulate))
    return power_of_two(max(most, LEAST_BATCH))


def power_of_two(number: float) -> int:
    """Return the largest power of two up to a number from 1 on."""
    return int(2 ** (int(number).bit_length() - 1))


@dataclass(frozen=True)
class EpochPlan:
    """The crops and steps of an epoch.

    Attributes
    ----------
    crops : int
        In an epoch.
    batch : int
        Crops that go through the network at once, on all devices together, if memory allows.
    accumulate : int
        Batches whose gradients are added up before a step.
    whole : bool
        Whether a step follows the gradient of all crops.
    """

    crops: int
    batch: int
    accumulate: int
    whole: bool = False

    @classmethod
    def of(cls, options: LearningOptions, task: Task, whole_pass: int) -> EpochPlan:
        """Return the plan of a training whose training part has ``whole_pass`` crops, of which only ``all`` makes use.

        The task is not taken from the options, whose network may not be known yet. A batch that memory is to choose
        counts as the usual one.
        """
        crops = whole_pass if options.crops == ALL else options.crops
        batch = crops_at_once(options, task)
        if options.batch != ALL:
            return cls(crops, batch, options.accumulate)
        batch = min(batch, crops)
        return cls(crops, batch, -(-crops // batch), whole=True)

    @property
    def steps(self) -> int:
        """Steps of the optimizer in an epoch."""
        return 1 if self.whole else -(-self.crops // (self.batch * self.accumulate))

    @property
    def batches(self) -> int:
        """Batches of an epoch, if memory allows."""
        return -(-self.crops // self.batch)

    def batches_in_step(self, at_once: int, devices: int) -> int:
        """Return how many batches of ``at_once`` crops on each device make a step."""
        if self.whole:
            return -(-(self.crops // devices) // at_once)
        return self.accumulate * -(-self.batch // (at_once * devices))

    def figures(self) -> dict[str, int]:
        """Return how many crops and steps an epoch has, and how many crops go through the network at once."""
        return {"crops": self.crops, "steps": self.steps, "at_once": self.batch}

    def sentence(self) -> str:
        """Return the same for a person."""
        return f"An epoch has {many(self.crops, 'crop')} and {many(self.steps, 'step')}."
