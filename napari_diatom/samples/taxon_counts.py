"""The counts of the taxa of a sample with their shares, the commonest first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.proportions import wilson
from napari_diatom.samples.tally import COUNTED, SampleCounts
from napari_diatom.statistics.intervals import effective_number, lund_error, relative_error


@dataclass(frozen=True)
class TaxonCount:
    """The count of a taxon in a sample.

    Attributes
    ----------
    taxon : str
        Its name.
    is_planktic : bool
        Whether the protocol has it as planktic.
    specimens : int
        How many of its specimens count.
    units : float
        What they count, in the unit of the protocol.
    share : float
        Of all units; NaN where the taxon has no part in shares.
    low, high : float
        Wilson's interval of the share, 95 %.
    relative_error, lund_error : float
        Standard error of the share as a share of itself, and how uncertain the count is by Lund.
    left_out : tuple of int
        Specimens by why they do not count, as :data:`~napari_diatom.samples.tally.REASONS` has them.
    """

    taxon: str
    is_planktic: bool
    specimens: int
    units: float
    share: float
    low: float
    high: float
    relative_error: float
    lund_error: float
    left_out: tuple[int, ...]


def taxon_counts(counts: SampleCounts, sample: str) -> Iterator[TaxonCount]:
    """Yield the counts of all taxa that were seen in a sample, the commonest first."""
    s, is_shared = counts.samples.index(sample), counts.is_shared
    total = float(counts.units[s, is_shared].sum())
    number = effective_number(total, float(counts.squares[s, is_shared].sum()))
    for t in ranked(counts.units[s]):
        reasons = counts.by_reason[s, t]
        if not reasons.any():
            continue
        units = float(counts.units[s, t])
        share = units / total if total and is_shared[t] and reasons[COUNTED] else math.nan
        low, high = (math.nan, math.nan) if math.isnan(share) else wilson(share * number, number)
        yield TaxonCount(
            counts.taxa[t],
            bool(counts.is_planktic[t]),
            int(reasons[COUNTED]),
            units,
            share,
            low,
            high,
            math.nan if math.isnan(share) else relative_error(share, number),
            lund_error(int(reasons[COUNTED])),
            tuple(reasons.tolist()),
        )


def ranked(units: NDArray[np.float64]) -> list[int]:
    """Return the places of taxa, the commonest first, those of one count by name."""
    order: list[int] = np.argsort(-units, kind="stable").tolist()
    return order
