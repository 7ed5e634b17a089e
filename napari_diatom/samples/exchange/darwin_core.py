"""Counts as a Darwin Core archive: an event for each sample, an occurrence for each of its taxa, and measurements."""

from __future__ import annotations

import hashlib
import io
import math
import zipfile
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from napari_diatom.core.text import printable
from napari_diatom.samples.exchange.archive_metadata import (
    EVENTS,
    MEASUREMENTS,
    OCCURRENCES,
    ArchiveTable,
    eml_text,
    meta_text,
)
from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.exchange.exported_counts import ExportCheck, ExportedCounts
from napari_diatom.samples.exchange.qualified_names import QualifiedName
from napari_diatom.samples.sample_facts import decimal_number
from napari_diatom.samples.sample_tables import concentrations_of
from napari_diatom.samples.tally import COUNTED

_PROGRAM: Final = "a Darwin Core archive"
_FIRST_DAY: Final = (1980, 1, 1, 0, 0, 0)
"""The first that a zip file can hold: when the file was made is no part of it."""
_MEASURED: Final = (
    ("scraped_area_cm2", "scraped area", "cm²"),
    ("sample_volume_ml", "sample volume", "ml"),
    ("preservative_volume_ml", "preservative volume", "ml"),
    ("suspension_volume_ml", "suspension volume", "ml"),
    ("aliquot_volume_ml", "aliquot volume", "ml"),
    ("coverslip_area_mm2", "coverslip area", "mm²"),
    ("alkalinity_mg_l", "alkalinity", "mg/l CaCO3"),
)
"""Facts of a sample that are measurements of its event."""

_HUMAN, _MACHINE = "HumanObservation", "MachineObservation"
Row = tuple[str, ...]


def darwin_core_files(counts: ExportedCounts, choices: ExportChoices, check: ExportCheck) -> dict[str, bytes]:
    """Return ``darwin-core.zip``.

    Specimens of a taxon that people named, or looked at, are one occurrence, those that only a model named another:
    ``basisOfRecord`` is HumanObservation or MachineObservation. ``cf.`` and the like are identification qualifiers, not
    parts of the name.
    """
    for text, what in ((choices.dataset_title, "title"), (choices.dataset_owner, "owner")):
        if not text.strip():
            check.problems.append(f"{_PROGRAM} needs the {what} of the dataset: give it (--dataset-{what})")
    samples = check.complete(counts, _PROGRAM, ("date",))
    check.require_some(samples, _PROGRAM, "count")
    if check.problems:
        return {}
    events = [_event(counts, s) for s in samples]
    measured = [row for s in samples for row in _event_measurements(counts, s)]
    occurrences: list[Row] = []
    for s in samples:
        for t in np.flatnonzero(counts.tally.units[s]).tolist():
            for basis in (_HUMAN, _MACHINE):
                chosen = _specimens(counts, s, t, basis)
                if len(chosen):
                    occurrences.append(_occurrence(counts, s, t, basis, chosen))
                    measured += _occurrence_measurements(counts, s, occurrences[-1][1], chosen)
    tables = (EVENTS, OCCURRENCES, MEASUREMENTS)
    files = {
        table.file: _table(table, rows) for table, rows in zip(tables, (events, occurrences, measured), strict=True)
    }
    identity = hashlib.sha256(b"".join(files.values())).hexdigest()
    files["meta.xml"] = meta_text(tables).encode()
    days = [day for s in samples if (day := counts.facts_of(counts.tally.samples[s]).date)]
    files["eml.xml"] = eml_text(choices, identity, (min(days), max(days)), counts.tally.protocol).encode()
    return {"darwin-core.zip": _zipped(files)}


def _event(counts: ExportedCounts, s: int) -> Row:
    sample = counts.tally.samples[s]
    facts, fields = counts.facts_of(sample), len(counts.tally.fields_of(sample))
    area = concentrations_of(counts.tally, sample, facts).counted_area_mm2
    size = (str(fields), "microscope field") if math.isnan(area) else (f"{area:.10g}", "mm²")
    day = "" if facts.date is None else facts.date.isoformat()
    place = (_degrees(counts, s, "latitude"), _degrees(counts, s, "longitude"))
    protocol = counts.tally.protocol
    effort = f"{fields} fields, target {protocol.target}"
    method = f"counting protocol {protocol.name}: unit {protocol.unit}, edges {protocol.edges}"
    return (sample, day, facts.site, facts.site, facts.substrate, *place, *size, method, effort)


def _degrees(counts: ExportedCounts, s: int, name: str) -> str:
    """Return what a free column says of where a sample was taken, empty where it is no number."""
    value = decimal_number(counts.own(s, name) or counts.own(s, f"decimal{name}"))
    return "" if value is None else f"{value:.10g}"


def _occurrence(counts: ExportedCounts, s: int, t: int, basis: str, chosen: Sequence[int]) -> Row:
    tally, found = counts.tally, counts.tally.specimens
    sample, taxon = tally.samples[s], tally.taxa[t]
    name = QualifiedName.of(taxon, counts.taxa.names.is_taxon(taxon))
    namers = " | ".join(sorted({found.namers[found.namer[k]] for k in chosen} - {""}))
    is_human = basis == _HUMAN
    aphia = counts.taxa.code(taxon, "aphiaid")
    return (
        sample,
        f"{sample}:{taxon}:{'human' if is_human else 'machine'}",
        basis,
        name.name,
        counts.taxa.authors(taxon) or counts.taxa.authors(name.name),
        f"urn:lsid:marinespecies.org:taxname:{aphia}" if aphia else "",
        name.rank,
        "Chromista",
        name.genus,
        name.qualifier,
        taxon,
        str(len(chosen)),
        f"{sum(tally.weights[k] for k in chosen):.10g}",
        f"{tally.protocol.unit}s",
        "present",
        namers if is_human else "",
        "" if is_human or not namers else f"Named by {namers}, not reviewed by a person.",
    )


def _specimens(counts: ExportedCounts, s: int, t: int, basis: str) -> list[int]:
    """Return the counted specimens of a taxon in a sample that were named in one of the two ways."""
    tally = counts.tally
    chosen = (tally.sample == s) & (tally.specimens.taxon == t) & (tally.reasons == COUNTED)
    by_person = tally.specimens.by_person
    return [int(k) for k in np.flatnonzero(chosen & (by_person if basis == _HUMAN else ~by_person))]


def _event_measurements(counts: ExportedCounts, s: int) -> list[Row]:
    sample = counts.tally.samples[s]
    facts, tally = counts.facts_of(sample), counts.tally
    rows: list[Row] = [(sample, "", "counted units", f"{tally.units[s].sum():.10g}", f"{tally.protocol.unit}s", "")]
    for name, kind, unit in _MEASURED:
        value = getattr(facts, name)
        if value is not None:
            rows.append((sample, "", kind, f"{value:.10g}", unit, ""))
    return rows


def _occurrence_measurements(counts: ExportedCounts, s: int, occurrence: str, chosen: Sequence[int]) -> list[Row]:
    """Return share, size and concentration of the specimens of an occurrence, where they are known."""
    tally = counts.tally
    sample, units = tally.samples[s], float(tally.weights[chosen].sum())
    rows: list[tuple[str, float, str, str]] = []
    total = float(tally.units[s, tally.is_shared].sum())
    if tally.is_shared[tally.specimens.taxon[chosen[0]]]:
        rows.append(("relative abundance", 100 * units / total, "%", "share of the counted units of the sample"))
    sizes = tally.specimens.sizes_um[chosen]
    whole = sizes[(tally.specimens.edges[chosen] == 0) & np.isfinite(sizes).all(axis=1)]
    for side, what in enumerate(("valve length", "valve width")):
        if len(whole):
            rows.append((what, float(whole[:, side].mean()), "µm", f"mean of {len(whole)}, none cut by an edge"))
    known = concentrations_of(tally, sample, counts.facts_of(sample))
    for value, unit in ((known.per_litre, "units/l"), (known.per_cm2, "units/cm²")):
        if not math.isnan(value):
            rows.append(("abundance", units * value, unit, ""))
    return [(sample, occurrence, what, f"{value:.10g}", unit, method) for what, value, unit, method in rows]


def _table(table: ArchiveTable, rows: Sequence[Row]) -> bytes:
    """Return rows, the first with the names of the columns, with tabs between the cells and no quotes."""
    lines: list[Sequence[str]] = [table.columns, *rows]
    return "".join("\t".join(map(printable, line)) + "\n" for line in lines).encode()


def _zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry: Any = zipfile.ZipInfo(name, _FIRST_DAY)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # as on Unix, whatever the system is
            archive.writestr(entry, data)
    return content.getvalue()
