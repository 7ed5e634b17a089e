"""Counts for the IBD of the SEEE (France): a long table with codes of SANDRE."""

from __future__ import annotations

from typing import Final

from napari_diatom.samples.exchange.export_choices import SEPARATORS, ExportChoices
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts, delimited

_PROGRAM: Final = "the IBD of the SEEE"
_COLUMNS: Final = ("CODE_OPERATION", "CODE_STATION", "DATE", "CODE_TAXON", "RESULTAT")


def seee_files(counts: ExportedCounts, choices: ExportChoices, check: ExportCheck) -> dict[str, bytes]:
    """Return ``seee_ibd.txt``: sample, site, date as dd/mm/yyyy, code of SANDRE and count, a row for each taxon."""
    codes = check.codes(counts, "sandre", _PROGRAM)
    samples = check.complete(counts, _PROGRAM, ("site", "date"))
    check.require_whole(counts, _PROGRAM)
    rows: list[tuple[str | int | float, ...]] = []
    for s in samples:
        facts = counts.facts_of(counts.tally.samples[s])
        day = "" if facts.date is None else f"{facts.date:%d/%m}/{facts.date.year:04d}"
        for t, code in codes.items():
            if counts.tally.units[s, t]:
                rows.append((facts.code, facts.site, day, code, counts.count(s, t)))
    check.require_some(rows, _PROGRAM, "count")
    return {"seee_ibd.txt": delimited([_COLUMNS, *rows], SEPARATORS[choices.seee_separator])}
