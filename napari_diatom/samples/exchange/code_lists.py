"""Counts as lists of codes, one file a sample, for OMNIDIA and other programs that take such lists."""

from __future__ import annotations

from typing import Final

from napari_diatom.counting.result_names import distinct_file_names
from napari_diatom.project.taxon_codes import SCHEME_NAMES
from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts, delimited

_PROGRAM: Final = "the generic list"


def code_list_files(counts: ExportedCounts, choices: ExportChoices, check: ExportCheck) -> dict[str, bytes]:
    """Return ``generic/SAMPLE.csv`` for each sample: columns ``code`` and ``count`` with a semicolon between them."""
    codes = check.codes(counts, choices.generic_codes, f"{_PROGRAM} of {SCHEME_NAMES[choices.generic_codes]} codes")
    samples = [s for s in counts.counted_samples() if any(counts.tally.units[s, t] for t in codes)]
    check.require_some(samples, _PROGRAM, "count")
    names = distinct_file_names([counts.tally.samples[s] for s in samples])
    files: dict[str, bytes] = {}
    for s, name in zip(samples, names, strict=True):
        rows = [(code, counts.count(s, t)) for t, code in codes.items() if counts.tally.units[s, t]]
        files[f"generic/{name}.csv"] = delimited([("code", "count"), *rows], ";")
    return files
