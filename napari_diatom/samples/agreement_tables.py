"""The tables of two counts of the same fields: how far they agree, by sample, taxon, names and specimen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from napari_diatom.core.detections import STATUSES
from napari_diatom.counting.workbook import TableSheet
from napari_diatom.samples.count_agreement import CountAgreement, SeenSpecimen
from napari_diatom.samples.table_files import Columns, table_sheet
from napari_diatom.samples.tally_tables import as_count, count_format
from napari_diatom.samples.taxon_counts import ranked

AGREEMENT_FILES: Final = ("agreement.csv", "agreement_taxa.csv", "agreement_names.csv", "agreement_specimens.csv")
"""Names of the files of :func:`agreement_sheets`."""
WHO_SAW_WHAT: Final = AGREEMENT_FILES[-1]
_FIGURE: Final = ".6f"
_SIDES: Final = ("first", "second")


def agreement_sheets(found: CountAgreement) -> dict[str, TableSheet]:
    """Return all tables by their files."""
    made = agreement_sheet(found), agreement_taxa_sheet(found), agreement_names_sheet(found), who_saw_what_sheet(found)
    return dict(zip(AGREEMENT_FILES, made, strict=True))


def agreement_sheet(found: CountAgreement) -> TableSheet:
    """Return a row for each sample, and one for all: fields, who saw how many, Bray-Curtis, and kappa of names."""
    spec = _spec(found)
    columns: Columns = (
        *((name, "") for name in ("sample", "first_person", "second_person")),
        *((f"fields_{name}", "d") for name in ("compared", "only_first", "only_second")),
        *((f"specimens_{name}", "d") for name in ("both", "only_first", "only_second", "counted_by_one")),
        ("seen_by_both", _FIGURE),
        *((f"count_{name}", spec) for name in _SIDES),
        *((f"taxa_{name}", "d") for name in _SIDES),
        *((name, _FIGURE) for name in ("bray_curtis", "bray_curtis_shares")),
        *((name, "d") for name in ("named_by_both", "same_name")),
        *((name, _FIGURE) for name in ("kappa", "kappa_low", "kappa_high")),
    )
    return table_sheet("agreement", columns, _agreement_rows(found, spec))


def _agreement_rows(found: CountAgreement, spec: str) -> Iterator[tuple[Any, ...]]:
    for one in found.by_sample():
        yield (
            *(one.sample, *found.persons),
            *one.fields,
            *(one.both, one.only_first, one.only_second, one.counted_by_one),
            one.share_of_both,
            *(as_count(units, spec) for units in one.counts),
            *one.taxa,
            *(one.bray_curtis, one.bray_curtis_shares),
            *(one.named, one.same_name),
            *(one.kappa, *one.kappa_bounds),
        )


def agreement_taxa_sheet(found: CountAgreement) -> TableSheet:
    """Return both lists: a row for each sample and taxon that one person or both counted, the commonest first."""
    spec = _spec(found)
    columns: Columns = (
        *(("sample", ""), ("taxon", "")),
        *((f"count_{name}", spec) for name in _SIDES),
        *((f"share_{name}", _FIGURE) for name in _SIDES),
    )
    return table_sheet("agreement_taxa", columns, _taxa_rows(found, spec))


def _taxa_rows(found: CountAgreement, spec: str) -> Iterator[tuple[Any, ...]]:
    for sample in found.first.samples:
        units, shares = found.units(sample), found.shares(sample)
        for t in ranked(units.sum(axis=0)):
            if units[:, t].any():
                counts = (as_count(float(value), spec) for value in units[:, t])
                yield (sample, found.all_taxa[t], *counts, *(float(value) for value in shares[:, t]))


def agreement_names_sheet(found: CountAgreement) -> TableSheet:
    """Return the names that are mixed up: how many specimens got which two names."""
    columns: Columns = (*((name, "") for name in ("sample", "name_first", "name_second")), ("specimens", "d"))
    return table_sheet("agreement_names", columns, found.mixed_up())


def who_saw_what_sheet(found: CountAgreement) -> TableSheet:
    """Return a row for each specimen that counts for one person or both: who has seen it, and as what."""
    columns: Columns = (
        *((name, "") for name in ("sample", "image", "seen_by")),
        *((f"{what}_{name}", "") for what in ("specimen", "name", "status") for name in _SIDES),
        *((f"count_{name}", _spec(found)) for name in _SIDES),
        *(("x_px", ".1f"), ("y_px", ".1f"), ("overlap", ".3f")),
    )
    return table_sheet("agreement_specimens", columns, (_seen_row(found, one) for one in found.seen))


def _seen_row(found: CountAgreement, one: SeenSpecimen) -> tuple[Any, ...]:
    sides = ((found.first, one.first), (found.second, one.second))
    spec = _spec(found)
    x, y = next((float(box[0]), float(box[1])) for box in found.boxes(one) if box is not None)
    return (
        *(one.sample, one.image, one.seen_by),
        *found.keys(one),
        *found.names(one),
        *("" if k is None else STATUSES[tally.specimens.status[k]] for tally, k in sides),
        *(None if k is None else as_count(tally.weights[k], spec) for tally, k in sides),
        *(x, y, one.overlap),
    )


def _spec(found: CountAgreement) -> str:
    """Return how counts of both are written."""
    return next((count_format(tally) for tally in (found.first, found.second) if not tally.is_whole), "d")
