"""How it is written down what an option of a training acts on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from diatom_training.learning.options import LearningOptions
from napari_diatom.models.card import Task, TrainedTask

ActsOn = Literal["weights", "run", "nothing"]
"""``weights``: other weights come of it; ``run``: other figures or another end; ``nothing``: the same bytes."""
TASKS: Final[tuple[Task, ...]] = get_args(TrainedTask)


@dataclass(frozen=True)
class Idle:
    """Why an option has no effect.

    Attributes
    ----------
    reason : str
        The end of a sentence, such as ``this network has none``.
    instead : str
        What serves the same purpose; empty where nothing does.
    """

    reason: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; {f'use {self.instead}' if self.instead else 'leave it out'}"


@dataclass(frozen=True)
class Need:
    """What an option needs of the network or of the other options.

    Attributes
    ----------
    text : str
        What is needed, in Markdown, for the documentation.
    idle : Idle
        What is said where that is missing.
    met : callable
        Tells whether it is there, given the options, the task and the name of the network, which is empty while nobody
        knows it.
    of_network : bool
        Whether the network alone decides.
    """

    text: str
    idle: Idle
    met: Callable[[LearningOptions, Task, str], bool]
    of_network: bool = False


@dataclass(frozen=True)
class OptionEffect:
    """What an option acts on, and where it acts.

    Attributes
    ----------
    acts_on : {"weights", "run", "nothing"}
        What differs with it.
    seen : str
        What one sees of it, for the documentation; needed where no weights differ.
    idle : mapping of task to Idle
        Tasks on which it has no effect.
    needs : tuple of Need
        What it needs on the other tasks.
    """

    acts_on: ActsOn = "weights"
    seen: str = ""
    idle: Mapping[Task, Idle] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()


def but(*acting: Task, idle: Idle) -> dict[Task, Idle]:
    """Return that an option is idle on all tasks but some."""
    return dict.fromkeys((task for task in TASKS if task not in acting), idle)


def of_networks(text: str, idle: Idle, *prefixes: str) -> Need:
    """Return the need, for upright boxes, of a network whose name begins so."""
    return Need(
        text,
        idle,
        lambda options, task, network: task != "boxes" or not network or network.startswith(prefixes),
        of_network=True,
    )
