"""Something about an installation or a machine that its user should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["problem", "note"]
"""A problem keeps something from working. A note says what to expect where everything works."""


@dataclass(frozen=True)
class Advice:
    """Something about an installation or a machine that its user should know.

    Attributes
    ----------
    what : str
        What it is, and what follows from it.
    remedy : str
        What to do about it.
    level : Level
        How serious it is.
    """

    what: str
    remedy: str
    level: Level = "problem"
