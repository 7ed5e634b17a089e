"""Whether enough of a sample was counted, and in which order its fields are."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from napari_diatom.samples.protocol import FieldOrder, SampleProtocol
from napari_diatom.statistics.diversity import coverage
from napari_diatom.statistics.intervals import effective_number, relative_error


@dataclass(frozen=True)
class CountProgress:
    """How far the count of a sample is.

    Attributes
    ----------
    counted : float
        Units that the target is of.
    target : int
        How many are wanted.
    coverage : float
        Of the sample by the taxa seen; NaN where nothing was counted.
    relative_error : float
        Relative standard error of the commonest taxon's share; NaN where nothing was counted.
    missing : str
        What is missing until the count may end, empty where nothing is.
    """

    counted: float
    target: int
    coverage: float
    relative_error: float
    missing: str

    @property
    def may_stop(self) -> bool:
        """Whether the count may end."""
        return not self.missing


def count_progress(
    protocol: SampleProtocol, units: ArrayLike, specimens: ArrayLike, squares: ArrayLike, counted: float | None = None
) -> CountProgress:
    """Return how far a count is by the protocol's target and stop rule.

    Parameters
    ----------
    protocol : SampleProtocol
        With target and stop rule.
    units, specimens, squares : array-like, shape (S,)
        Of each taxon: units counted, specimens they are of, and the sum of the squares of what each specimen counts.
    counted : float, optional
        Units that the target is of, where it is not of all these.

    Returns
    -------
    CountProgress
        The count may end when the target is reached and, where the rule asks for them, the coverage or the relative
        error of the commonest taxon is good enough; one of the two is.
    """
    unit = np.asarray(units, dtype=np.float64)
    total = float(unit.sum())
    counted = total if counted is None else counted
    seen = coverage(specimens)
    number = effective_number(total, float(np.sum(squares)))
    error = relative_error(float(unit.max(initial=0)) / total, number) if total else math.nan
    wanted = []
    if counted < protocol.target:
        wanted.append(f"{protocol.target - counted:g} more")
    rule = protocol.stop
    reached = [] if rule.coverage is None else [seen >= rule.coverage]
    reached += [] if rule.relative_error is None else [error <= rule.relative_error]
    if reached and not any(reached):
        needs = [] if rule.coverage is None else [f"a coverage of {rule.coverage:g}"]
        needs += [] if rule.relative_error is None else [f"a relative error of {rule.relative_error:g}"]
        wanted.append(" or ".join(needs))
    return CountProgress(counted, protocol.target, seen, error, ", and ".join(wanted))


def ordered_fields(images: Iterable[str], order: FieldOrder) -> list[str]:
    """Return the fields of a sample in the order in which they are counted.

    A random order goes by a hash of seed and name: it is the same on any computer, and a field that comes later does
    not change that of the others.

    Parameters
    ----------
    images : iterable of str
        Names of the fields.
    order : FieldOrder
        Which order.
    """
    names = sorted(images, key=_natural)
    if order.kind == "random":
        return sorted(names, key=lambda name: hashlib.sha256(f"{order.seed}:{name}".encode()).digest())
    if order.kind == "systematic":
        return [name for start in range(order.step) for name in names[start :: order.step]]
    return names


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return what sorts names as people count: field 2 before field 10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
