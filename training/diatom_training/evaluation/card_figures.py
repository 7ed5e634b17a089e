"""The figures that a model has in its card, for a line or a window: with what they are of, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from napari_diatom.core.errors import InputError
from napari_diatom.core.proportions import FEWEST, wilson
from napari_diatom.core.text_files import read_json

_SHARES: Final = {"precision": "found", "recall": "specimens", "accuracy": "specimens", "flagged": "specimens"}
"""Figures that are shares, and the figure that says of how many."""
_IN_REPORT: Final = {"macro_f1": "f1"}
"""Names that the report has for those of the card, where they differ."""
_SAME: Final = 1e-3


@dataclass(frozen=True)
class CardFigure:
    """A figure of a test.

    Attributes
    ----------
    name : str
        As the card has it.
    value : float
        The figure.
    low, high : float
        Its 95 % interval; NaN where there is none.
    of : int
        Specimens or finds that it is of, 0 where that is not known.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    of: int = 0

    @property
    def few(self) -> bool:
        """Whether it is of too few to tell anything."""
        return 0 < self.of < FEWEST

    @property
    def sure(self) -> str:
        """How sure it is, in words; empty where that is not known."""
        parts = [f"{self.low:.3f} to {self.high:.3f}"] if self.low == self.low else []
        if self.of:
            parts.append(f"n = {self.of:,}")
        return ", ".join(parts)


def card_figures(metrics: Mapping[str, float], names: Sequence[str], report: Path) -> list[CardFigure]:
    """Return figures of a card by their names, those that it has.

    Parameters
    ----------
    metrics : mapping of str to float
        Of the card.
    names : sequence of str
        Which, in which order.
    report : Path
        The report (JSON) of the same test, for its intervals; without it shares have Wilson's.
    """
    intervals = _intervals(report)
    every = _whole(metrics.get("specimens"))
    rows = []
    for name in names:
        if name not in metrics:
            continue
        value, of = metrics[name], every
        low = high = math.nan
        if name in _SHARES:
            of = _whole(metrics.get(_SHARES[name]))
            low, high = wilson(round(value * of), of) if 0 <= value <= 1 else (low, high)
        found = intervals.get(_IN_REPORT.get(name, name))
        if found is not None and abs(found[0] - value) < _SAME:
            low, high = float(np.fmin(low, found[1])), float(np.fmax(high, found[2]))
        rows.append(CardFigure(name, value, low, high, of))
    return rows


def _whole(value: float | None) -> int:
    """Return a number of things, 0 where it is none."""
    return int(value) if value is not None and math.isfinite(value) and 0 < value < 1e12 else 0


def _intervals(report: Path) -> dict[str, tuple[float, float, float]]:
    """Return value, low and high of each figure of a report, none where it cannot be read."""
    found: dict[str, tuple[float, float, float]] = {}
    try:
        entries: Any = read_json(report, "the report of a test")["intervals"]
        for name, entry in entries.items():
            if None not in (parts := [entry[part] for part in ("value", "low", "high")]):
                value, low, high = map(float, parts)
                found[str(name)] = value, low, high
    except (InputError, KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return {}
    return found
