"""Counts for darleq3 (R): a sheet with a header block, samples in columns, and taxa by NBS codes or DiatCodes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, Final

from napari_diatom.counting.workbook import grid_bytes
from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts
from napari_diatom.samples.sample_facts import decimal_number

_PROGRAM: Final = "darleq3"
_LAKE_TYPES: Final = ("HA", "MA", "LA")
_FIRST_DAY: Final = datetime.date(1900, 3, 1)
"""Before it, spreadsheets disagree on dates."""


def darleq3_files(counts: ExportedCounts, choices: ExportChoices, check: ExportCheck) -> dict[str, bytes]:
    """Return ``darleq3.xlsx``.

    The header has SampleID, SiteID, SampleDate and Alkalinity, or LAKE_TYPE where the table of samples has a column
    ``lake_type``; Calcium and DOC where it has these columns. Its second column is empty: the first filled cell there
    tells darleq3 where the counts begin.
    """
    scheme = choices.darleq3_codes
    codes = check.codes(counts, scheme, _PROGRAM)
    lakes = any(counts.own(s, "lake_type") for s in counts.counted_samples())
    needed: dict[str, Callable[[int], bool]] = {}
    if lakes:
        needed["lake type (lake_type: HA, MA or LA)"] = lambda s: bool(counts.own(s, "lake_type"))
    samples = check.complete(counts, _PROGRAM, ("site", "date"), needed)
    header: list[list[Any]] = [
        ["SampleID", None, *(counts.tally.samples[s] for s in samples)],
        ["SiteID", None, *(counts.facts_of(counts.tally.samples[s]).site for s in samples)],
        ["SampleDate", None, *(_day(counts, s, check) for s in samples)],
        _lake_types(counts, samples, check) if lakes else _alkalinities(counts, samples, check),
    ]
    for name in ("Calcium", "DOC"):
        if any(counts.own(s, name.casefold()) for s in samples):
            header.append([name, None, *(_number(counts, s, name, check) for s in samples)])
    rows = [[code, counts.tally.taxa[t], *(counts.count(s, t) for s in samples)] for t, code in codes.items()]
    check.require_some(samples if rows else (), _PROGRAM, "count")
    return {"darleq3.xlsx": grid_bytes(_PROGRAM, [*header, *rows])}


def _day(counts: ExportedCounts, s: int, check: ExportCheck) -> datetime.date | None:
    day = counts.facts_of(counts.tally.samples[s]).date
    if day is not None and day < _FIRST_DAY:
        check.problems.append(f"the date of {counts.tally.samples[s]}, {day}, is before those that spreadsheets hold")
        return None
    return day


def _alkalinities(counts: ExportedCounts, samples: list[int], check: ExportCheck) -> list[Any]:
    """Return the row of alkalinities. Without one, darleq3 takes 100 mg/l."""
    found = [counts.facts_of(counts.tally.samples[s]).alkalinity_mg_l for s in samples]
    if unknown := [counts.tally.samples[s] for s, value in zip(samples, found, strict=True) if value is None]:
        check.remarks.append(f"{_PROGRAM} takes an alkalinity of 100 mg/l for {', '.join(unknown)}: none is given")
    return ["Alkalinity", None, *found]


def _lake_types(counts: ExportedCounts, samples: list[int], check: ExportCheck) -> list[Any]:
    found = [counts.own(s, "lake_type").upper() for s in samples]
    for s, value in zip(samples, found, strict=True):
        if value not in _LAKE_TYPES:
            check.problems.append(f"the lake type of {counts.tally.samples[s]} is {value}: give HA, MA or LA")
    return ["LAKE_TYPE", None, *found]


def _number(counts: ExportedCounts, s: int, name: str, check: ExportCheck) -> float | None:
    text = counts.own(s, name.casefold())
    value = decimal_number(text) if text else None
    if text and value is None:
        check.problems.append(f"{name} of {counts.tally.samples[s]} is {text}, which is not a number")
    return value
