"""The tables of a tally: sample by taxon, diversity, sizes, and what each specimen counts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import STATUSES
from napari_diatom.counting.workbook import TableSheet
from napari_diatom.samples.table_files import Columns, table_sheet
from napari_diatom.samples.tally import BY_EDGE, BY_NAME, BY_STATUS, COUNTED, REASONS, SampleTally
from napari_diatom.samples.taxon_counts import ranked, taxon_counts
from napari_diatom.statistics import diversity
from napari_diatom.statistics.intervals import effective_number
from napari_diatom.statistics.rarefaction import rarefied_richness

_SHARE: Final = ".6f"
_INDEX: Final = ".6f"
_SIZE: Final = ".3f"

SIZE_FIGURES: Final = ("mean", "sd", "median", "min", "max")
"""What :func:`size_figures` returns."""


def count_format(tally: SampleTally) -> str:
    """Return how counts are written: whole, or with decimals where a specimen counts a part of one."""
    return "d" if tally.is_whole else ".4f"


def as_count(value: float, spec: str) -> int | float:
    """Return a count as its format needs it."""
    return int(value) if spec == "d" else float(value)


def sample_taxon_sheet(tally: SampleTally) -> TableSheet:
    """Return a row for each sample and taxon that was seen there: counts, shares with intervals, what was left out."""
    spec = count_format(tally)
    columns: Columns = (
        *((name, "") for name in ("sample", "taxon", "planktic")),
        ("specimens", "d"),
        ("count", spec),
        *((name, _SHARE) for name in ("share", "share_low", "share_high", "relative_error", "lund_error")),
        *((f"left_out_by_{REASONS[k].replace(' ', '_')}", "d") for k in (BY_STATUS, BY_EDGE, BY_NAME)),
    )
    return table_sheet("sample_taxon", columns, _sample_taxon_rows(tally, spec))


def _sample_taxon_rows(tally: SampleTally, spec: str) -> Iterator[tuple[Any, ...]]:
    for sample in tally.samples:
        for row in taxon_counts(tally, sample):
            yield (
                *(sample, row.taxon, "yes" if row.is_planktic else ""),
                row.specimens,
                as_count(row.units, spec),
                *(row.share, row.low, row.high, row.relative_error, row.lund_error),
                *(row.left_out[k] for k in (BY_STATUS, BY_EDGE, BY_NAME)),
            )


def wide_sheet(tally: SampleTally, shares: bool = False) -> TableSheet:
    """Return taxa in rows, the commonest first, and samples in columns: counts, or shares of those that have one."""
    spec = _SHARE if shares else count_format(tally)
    taxa = [t for t in ranked(tally.units.sum(axis=0)) if tally.units[:, t].any()]
    if shares:
        taxa = [t for t in taxa if tally.is_shared[t]]
        totals = tally.units[:, tally.is_shared].sum(axis=1, keepdims=True)
        values = np.divide(tally.units, totals, out=np.full(tally.units.shape, np.nan), where=totals > 0)
    else:
        values = tally.units
    columns: Columns = (("taxon", ""), *((sample, spec) for sample in tally.samples))
    rows = ((tally.taxa[t], *(float(v) if shares else as_count(v, spec) for v in values[:, t])) for t in taxa)
    return table_sheet("shares" if shares else "counts", columns, rows)


def diversity_sheet(tally: SampleTally) -> TableSheet:
    """Return a row for each sample: indices with 95 % intervals, coverage, and taxa rarefied to the smallest count."""
    spec = count_format(tally)
    bounded = ("shannon_ln", "pielou", "simpson", "n2", "chao1")
    columns: Columns = (
        *(("sample", ""), ("specimens", "d"), ("count", spec), ("taxa", "d")),
        *((f"{name}{end}", _INDEX) for name in bounded for end in ("", "_low", "_high")),
        *(("shannon_log2", _INDEX), ("coverage", _INDEX), ("rarefied_to", "d"), ("rarefied_taxa", _INDEX)),
    )
    numbers = tally.numbers[:, tally.is_shared]
    smallest = int(min((total for total in numbers.sum(axis=1).tolist() if total), default=0))
    return table_sheet("diversity", columns, _diversity_rows(tally, spec, smallest))


def _diversity_rows(tally: SampleTally, spec: str, smallest: int) -> Iterator[tuple[Any, ...]]:
    for s, sample in enumerate(tally.samples):
        units, numbers = tally.units[s, tally.is_shared], tally.numbers[s, tally.is_shared]
        total, specimens = float(units.sum()), int(numbers.sum())
        # As many as were seen independently: the two valves of a frustule were not.
        effective = effective_number(total, float(tally.squares[s, tally.is_shared].sum()))
        scaled = units * (effective / total) if total else units
        yield (
            *(sample, specimens, as_count(total, spec), int((numbers > 0).sum())),
            *(diversity.shannon(units), *diversity.shannon_bounds(scaled)),
            *(diversity.pielou(units), *diversity.pielou_bounds(scaled)),
            *(diversity.simpson(units), *diversity.simpson_bounds(scaled)),
            *(diversity.hill_n2(units), *diversity.hill_n2_bounds(scaled)),
            *(diversity.chao1(numbers) if specimens else math.nan, *diversity.chao1_bounds(numbers)),
            *(diversity.shannon(units, 2), diversity.coverage(numbers)),
            smallest if specimens else None,
            float(rarefied_richness(numbers, smallest)[0]) if specimens else math.nan,
        )


def sizes_sheet(tally: SampleTally) -> TableSheet:
    """Return length and width of the counted specimens of each sample and taxon that no edge cuts, in micrometres.

    Striae in 10 µm follow, with the number of those of the specimens on which they could be read.
    """
    columns: Columns = (
        *(("sample", ""), ("taxon", ""), ("n", "d")),
        *((f"{side}_um_{figure}", _SIZE) for side in ("length", "width") for figure in SIZE_FIGURES),
        ("striae_10um_n", "d"),
        *((f"striae_10um_{figure}", _SIZE) for figure in SIZE_FIGURES),
    )
    return table_sheet("sizes", columns, _size_rows(tally))


def _size_rows(tally: SampleTally) -> Iterator[tuple[Any, ...]]:
    found = tally.specimens
    measured = (tally.reasons == COUNTED) & (found.edges == 0) & np.isfinite(found.sizes_um).all(axis=1)
    chosen = np.flatnonzero(measured)
    cells = tally.sample[chosen] * max(len(tally.taxa), 1) + found.taxon[chosen]
    order = np.argsort(cells, kind="stable")
    for group in np.split(chosen[order], np.flatnonzero(np.diff(cells[order])) + 1):
        if len(group):
            place = (tally.samples[tally.sample[group[0]]], tally.taxa[found.taxon[group[0]]], len(group))
            striae = found.striae_10um[group]
            striae = striae[np.isfinite(striae)]
            sizes = (figure for side in (0, 1) for figure in size_figures(found.sizes_um[group, side]))
            yield (*place, *sizes, len(striae), *size_figures(striae))


def size_figures(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return mean, standard deviation of a sample, median and range; NaN where there is nothing."""
    if not len(values):
        return (math.nan,) * len(SIZE_FIGURES)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    return float(values.mean()), deviation, float(np.median(values)), float(values.min()), float(values.max())


def specimens_sheet(tally: SampleTally) -> TableSheet:
    """Return what each specimen counts, or why it does not."""
    found = tally.specimens
    columns: Columns = (
        *((name, "") for name in ("specimen", "image", "sample", "taxon", "status")),
        ("count", count_format(tally)),
        *((name, "") for name in ("left_out_by", "from")),
    )
    spec = count_format(tally)
    rows = (
        (
            found.keys[k],
            found.fields[found.field[k]].name,
            tally.samples[tally.sample[k]],
            tally.taxa[found.taxon[k]],
            STATUSES[found.status[k]],
            as_count(tally.weights[k], spec),
            REASONS[tally.reasons[k]],
            found.by[k],
        )
        for k in range(len(found))
    )
    return table_sheet("specimens", columns, rows)
