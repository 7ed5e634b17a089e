"""The tables of samples: how far each count is, their facts, and concentrations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from napari_diatom.counting.workbook import TableSheet
from napari_diatom.samples.concentration import CHAMBER_FORMULA, SLIDE_FORMULA
from napari_diatom.samples.sample_facts import COLUMNS, SampleFacts, SampleTable
from napari_diatom.samples.table_files import Columns, table_sheet
from napari_diatom.samples.tally import COUNTED, SampleTally
from napari_diatom.samples.tally_tables import as_count, count_format
from napari_diatom.statistics.intervals import effective_number, per_field_bounds

_FACTS: Final = tuple(name for name in COLUMNS if name not in ("code", "images"))
_TEXTS: Final = ("site", "date", "substrate", "chamber")


@dataclass(frozen=True)
class Concentrations:
    """What one counted unit of a sample stands for.

    Attributes
    ----------
    counted_area_mm2 : float
        Of all fields of the sample; NaN where it is not known.
    per_litre, per_cm2 : float
        NaN where a fact is missing.
    """

    counted_area_mm2: float
    per_litre: float
    per_cm2: float

    @property
    def is_known(self) -> bool:
        """Whether there is a concentration at all."""
        return not (math.isnan(self.per_litre) and math.isnan(self.per_cm2))


def concentrations_of(tally: SampleTally, sample: str, facts: SampleFacts | None) -> Concentrations:
    """Return what one counted unit of a sample stands for.

    The counted area is that of one field, where the facts have it, times their number; else the sum over the images.
    """
    places = tally.fields_of(sample)
    areas = [tally.specimens.fields[k].area_mm2 for k in places]
    if facts is not None and facts.field_area_mm2 is not None:
        area = facts.field_area_mm2 * len(places)
    else:
        area = math.fsum(math.nan if one is None else one for one in areas) if areas else math.nan
    if facts is None or math.isnan(area):
        return Concentrations(area, math.nan, math.nan)
    chamber, slide = facts.sedimented(), facts.slide()
    return Concentrations(
        area,
        math.nan if chamber is None else chamber.per_litre(area),
        math.nan if slide is None else slide.per_cm2(area),
    )


def samples_sheet(tally: SampleTally, table: SampleTable | None) -> TableSheet:
    """Return a row for each sample: how far its count is, the mean count of a field, and its facts."""
    spec = count_format(tally)
    free = () if table is None else table.other_columns
    columns: Columns = (
        *(("sample", ""), ("fields", "d"), ("specimens", "d"), ("left_out", "d"), ("count", spec)),
        *(("planktic_share", ".6f"), ("target", "d"), ("counted_to_target", spec), ("may_stop", ""), ("missing", "")),
        *(("fields_to_target", "d"), ("coverage", ".6f"), ("relative_error_of_commonest", ".6f")),
        *((name, ".4f") for name in ("count_per_field", "count_per_field_low", "count_per_field_high")),
        ("counted_area_mm2", ".6f"),
        *((name, "" if name in _TEXTS else ".6f") for name in (_FACTS if table is not None else ())),
        *((name, "") for name in free),
    )
    return table_sheet("samples", columns, _sample_rows(tally, table, spec, free))


def _sample_rows(
    tally: SampleTally, table: SampleTable | None, spec: str, free: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    known: Mapping[str, SampleFacts] = {} if table is None else table.samples
    for s, sample in enumerate(tally.samples):
        facts, progress = known.get(sample), tally.progress(sample)
        fields, total = len(tally.fields_of(sample)), float(tally.units[s].sum())
        planktic = float(tally.units[s, tally.is_planktic].sum())
        specimens = int(tally.numbers[s].sum())
        yield (
            *(sample, fields, specimens, int(tally.by_reason[s].sum()) - specimens, as_count(total, spec)),
            planktic / total if total and tally.knows_planktic else math.nan,
            *(progress.target, as_count(progress.counted, spec), "yes" if progress.may_stop else "no"),
            *(progress.missing, tally.fields_to_target(sample), progress.coverage, progress.relative_error),
            *(total / fields, *_per_field(tally, s, fields)),
            concentrations_of(tally, sample, facts).counted_area_mm2,
            *((None if facts is None else _fact(facts, name)) for name in (_FACTS if table is not None else ())),
            *("" if facts is None else facts.other.get(name, "") for name in free),
        )


def _per_field(tally: SampleTally, s: int, fields: int) -> tuple[float, float]:
    """Return the interval of the mean count of a field; specimens, not the valves of one, are strewn at random."""
    total = float(tally.units[s].sum())
    number = effective_number(total, float(tally.squares[s].sum()))
    low, high = per_field_bounds(number, fields)
    return (low * total / number, high * total / number) if number else (low, high)


def _fact(facts: SampleFacts, name: str) -> Any:
    value = getattr(facts, name)
    return value.isoformat() if name == "date" and value is not None else value


def concentration_sheet(tally: SampleTally, table: SampleTable) -> TableSheet | None:
    """Return concentrations of taxa in samples whose facts allow it, None where none do; the headings say how."""
    found = {sample: concentrations_of(tally, sample, table.samples.get(sample)) for sample in tally.samples}
    found = {sample: each for sample, each in found.items() if each.is_known}
    if not found:
        return None
    spec = count_format(tally)
    columns: Columns = (
        *(("sample", ""), ("taxon", ""), ("count", spec), ("counted_area_mm2", ".6f")),
        *((f"units_per_litre = {CHAMBER_FORMULA}", ".4f"), (f"units_per_cm2 = {SLIDE_FORMULA}", ".4f")),
    )

    def rows() -> Iterator[tuple[Any, ...]]:
        for sample, each in found.items():
            s = tally.samples.index(sample)
            for t in np.flatnonzero(tally.by_reason[s, :, COUNTED]).tolist():
                count = float(tally.units[s, t])
                area = each.counted_area_mm2
                yield sample, tally.taxa[t], as_count(count, spec), area, count * each.per_litre, count * each.per_cm2

    return table_sheet("concentration", columns, rows())
