"""The two clocks of a project: one that people read and that nothing is decided by, and one that only goes on."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now(timespec: str = "seconds") -> str:
    """Return the time of day, ISO 8601 in UTC; computers of one network may differ by hours."""
    return datetime.now(UTC).isoformat(timespec=timespec)


def running() -> float:
    """Return seconds of this computer's own that never go back; only differences mean something."""
    return time.monotonic()


def in_words(time_: str) -> str:
    """Return a time of :func:`now` as people write it, empty where it is none."""
    try:
        return f"{datetime.fromisoformat(time_).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, TypeError, OverflowError):
        return ""
