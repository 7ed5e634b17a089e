"""The one contract of long work: a function takes a ``monitor``, reports each step to it, and stops when it asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from napari_diatom.core.errors import Stopped


@dataclass(frozen=True)
class Progress:
    """A step of long work, ready to be shown or sent as JSON.

    Attributes
    ----------
    stage : str
        What is going on, in a word or two: ``"tiles"``, ``"images"``, ``"epoch"``.
    done, total : int
        Units finished and units in all; ``total`` is 0 while it is not known.
    message : str
        One line for a person.
    values : Mapping[str, float]
        Numbers that belong to the step, such as losses and metrics.
    """

    stage: str
    done: int = 0
    total: int = 0
    message: str = ""
    values: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain data for :func:`json.dumps`."""
        return asdict(self) | {"values": dict(self.values)}


Report = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


def silent(progress: Progress) -> None:
    """Take a report and show nothing."""


def never() -> bool:
    """Never ask for a stop."""
    return False


@dataclass(frozen=True)
class ProgressMonitor:
    """Watches long work: gets each step, and may ask it to stop.

    Attributes
    ----------
    report : callable
        Gets a :class:`Progress` for each step.
    should_stop : callable
        Whether to stop; asked at every step.
    """

    report: Report = silent
    should_stop: ShouldStop = never

    def check(self) -> None:
        """Raise :class:`~napari_diatom.core.errors.Stopped` when a stop was asked for."""
        if self.should_stop():
            raise Stopped("Stopped as asked.")


UNWATCHED: Final = ProgressMonitor()
"""For work that nobody watches: its steps are not shown, and it is never stopped."""
