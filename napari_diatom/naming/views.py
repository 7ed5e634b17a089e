"""Which specimens may teach one another: those that are seen in the same view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VALVES: Final = "valve"
"""The group of what is seen in valve view."""
GROUPS: Final[Mapping[str, str]] = {"girdle": "girdle view", "broken": "broken", "teratological": "teratological"}
"""Groups of other statuses."""


def group_of(status: str) -> str:
    """Return what specimens of a status may be compared with."""
    return GROUPS.get(status, VALVES)
