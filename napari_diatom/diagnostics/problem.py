"""Something that is known to go wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Something that is known to go wrong.

    Attributes
    ----------
    what : str
        What was found, and what comes of it.
    remedy : str
        What to do about it.
    """

    what: str
    remedy: str
