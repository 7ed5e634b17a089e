"""Counts for DiaThor (R): a CSV file with a row for each species and a column for each sample."""

from __future__ import annotations

from typing import Final

from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts, delimited

_PROGRAM: Final = "DiaThor"
_RESERVED: Final = ("species", "acronym", "new_species")
"""Columns that are no samples to DiaThor."""


def diathor_files(counts: ExportedCounts, choices: ExportChoices, check: ExportCheck) -> dict[str, bytes]:
    """Return ``diathor.csv``.

    Counts are absolute, because the IPS takes no others. Names of species are each there once. The column ``acronym``,
    which DiaThor fills itself where it is missing, is written if every taxon has a code of OMNIDIA. Samples in which
    nothing was counted are left out, as DiaThor does.
    """
    taxa, samples, tally = counts.counted_taxa(), counts.counted_samples(), counts.tally
    codes = [counts.taxa.code(tally.taxa[t], "omnidia") for t in taxa]
    if wrong := [tally.samples[s] for s in samples if tally.samples[s].casefold() in _RESERVED]:
        check.problems.append(f"{', '.join(wrong)} cannot be the code of a sample for {_PROGRAM}")
    check.require_some(samples, _PROGRAM, "count")
    has_codes = all(codes)
    head = ["species", *(["acronym"] if has_codes else []), *(tally.samples[s] for s in samples)]
    rows = [
        [tally.taxa[t], *([code] if has_codes else []), *(counts.count(s, t) for s in samples)]
        for t, code in zip(taxa, codes, strict=True)
    ]
    return {"diathor.csv": delimited([head, *rows], ",", are_texts_quoted=True)}
