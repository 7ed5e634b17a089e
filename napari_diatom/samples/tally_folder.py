"""A folder with the tally of a project or of a results folder of ``count``: what ``napari-diatom tally`` writes."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom import __version__
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import either, first_few, many, printable
from napari_diatom.core.text_files import read_bytes
from napari_diatom.counting.workbook import TableSheet, write_sheets
from napari_diatom.images.image_files import RESULTS_MARK
from napari_diatom.project import clock
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.project.taxon_list import read_taxa
from napari_diatom.samples.agreement_tables import AGREEMENT_FILES, WHO_SAW_WHAT, agreement_sheets
from napari_diatom.samples.cell_shapes import biovolume_sheet, read_cell_shapes
from napari_diatom.samples.count_agreement import CountAgreement, SampleAgreement
from napari_diatom.samples.count_comparison import compare_counts
from napari_diatom.samples.counting_files import protocol_of_project, samples_file
from napari_diatom.samples.exchange.exported_counts import ExportedCounts
from napari_diatom.samples.exchange.exports import EXPORTS, export_files, exports_in, remove_exports, write_exports
from napari_diatom.samples.image_samples import samples_by_pattern, samples_by_table
from napari_diatom.samples.name_errors import name_errors_sheet, read_tested_names, report_of
from napari_diatom.samples.protocol import PROTOCOL_FILE, left_out_names, write_protocol
from napari_diatom.samples.protocol_presets import protocol_of
from napari_diatom.samples.sample_facts import SampleTable, read_samples
from napari_diatom.samples.sample_tables import concentration_sheet, samples_sheet
from napari_diatom.samples.specimen_sources import TallySource, read_source
from napari_diatom.samples.table_files import write_sheet
from napari_diatom.samples.tally import SampleTally, tally_specimens
from napari_diatom.samples.tally_options import TallyOptions
from napari_diatom.samples.tally_tables import (
    diversity_sheet,
    sample_taxon_sheet,
    sizes_sheet,
    specimens_sheet,
    wide_sheet,
)
from napari_diatom.samples.tally_taxa import TallyTaxa, taxa_sheet

WORKBOOK: Final = "tally.xlsx"
PROVENANCE: Final = "provenance.json"
SPECIMENS: Final = "tally_specimens.csv"
REPORTS: Final = "reports"
"""Folder of the pages of samples, where they are asked for."""
CONCENTRATION: Final = "concentration.csv"
TAXA: Final = "taxa.csv"
NAME_ERRORS: Final = "name_errors.csv"
BIOVOLUME: Final = "biovolume.csv"
_NOT_ALWAYS: Final = (CONCENTRATION, TAXA, NAME_ERRORS, BIOVOLUME, *AGREEMENT_FILES)
"""Tables that not every tally has."""
_SHOWN: Final = 20
"""Names that a remark lists."""
_CSV_FILES: Final = ("sample_taxon.csv", "diversity.csv", "sizes.csv", "samples.csv", SPECIMENS)
_FILES: Final = (*_CSV_FILES, *_NOT_ALWAYS, PROTOCOL_FILE, PROVENANCE, WORKBOOK)


@dataclass(frozen=True, eq=False)
class WrittenTally:
    """What was counted and written.

    Attributes
    ----------
    folder : Path
        Where to.
    files : tuple of str
        Names of the files.
    tally : SampleTally
        The counts.
    remarks : tuple of str
        What a person should know of them.
    source : TallySource
        Where the specimens are from.
    facts : dict
        What ``provenance.json`` says.
    table : SampleTable or None
        The table of samples.
    taxa : TallyTaxa
        The list of taxa, or what the classes of the project say.
    agreement : CountAgreement or None
        How far the count agrees with a second one, where one was given.
    """

    folder: Path
    files: tuple[str, ...]
    tally: SampleTally
    remarks: tuple[str, ...]
    source: TallySource
    facts: dict[str, Any]
    table: SampleTable | None
    taxa: TallyTaxa
    agreement: CountAgreement | None = None

    def exported(self) -> ExportedCounts:
        """Return the counts as exports need them."""
        return ExportedCounts(self.tally, {} if self.table is None else self.table.samples, self.taxa)

    def rows(self) -> list[tuple[str, int, int, str, str]]:
        """Return sample, fields, specimens counted, count of the target, and what is missing."""
        found = []
        for s, sample in enumerate(self.tally.samples):
            progress = self.tally.progress(sample)
            fields, specimens = len(self.tally.fields_of(sample)), int(self.tally.numbers[s].sum())
            done = f"{progress.counted:g} of {progress.target}"
            found.append((sample, fields, specimens, done, progress.missing or "may end"))
        return found

    def agreement_rows(self) -> list[tuple[str, int, int, int, int, str, str, str]]:
        """Return sample, fields, who saw how many, Bray-Curtis of shares, names that agree, and kappa with interval."""
        return [] if self.agreement is None else [_agreement_row(one) for one in self.agreement.by_sample()]


def write_tally(options: TallyOptions, monitor: ProgressMonitor = UNWATCHED) -> WrittenTally:
    """Count the specimens of a project, or of a results folder of ``count``, by sample and taxon, and write the tables.

    Parameters
    ----------
    options : TallyOptions
        What is tallied, and how.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When the source, the protocol, the table of samples, the list of taxa or the second count cannot be used, an
        export needs what is not known (every problem is named), or there is a tally already; nothing is written then.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; nothing is written then.
    """
    _check_folder(options.source, options.out, options.overwrite)
    protocol = protocol_of(options.protocol) if options.protocol else protocol_of_project(options.source)
    samples = options.samples or samples_file(options.source)
    table = None if samples is None else read_samples(samples)
    listed = None if options.taxa is None else read_taxa(options.taxa)
    shapes = None if options.shapes is None else read_cell_shapes(options.shapes)
    source = read_source(options.source, options.choices.proposals, monitor)
    taxa = TallyTaxa.of(source.classes if listed is None else listed, source.no_taxon, options.taxa)
    names = {field.name: field.sample for field in source.specimens.fields}
    if options.choices.pattern:
        names = samples_by_pattern(names, options.choices.pattern)
    if table is not None:
        names = samples_by_table(names, table.samples.values())
    merged = taxa.merged(source.specimens.taxa)
    tally = tally_specimens(source.specimens.called(merged), protocol, names, taxa.planktic)
    second = options.second_count
    agreement = None if second is None else compare_counts(options.source, second, protocol, names, taxa, monitor)
    evaluation = options.choices.evaluation
    tested = None if evaluation is None else read_tested_names(report_of(evaluation), taxa.merged)
    counts = ExportedCounts(tally, {} if table is None else table.samples, taxa)
    exports, remarks = export_files(counts, options.exports, options.export_choices)
    sheets = _sheets(counts, table, merged)
    if tested is not None:
        sheets[NAME_ERRORS] = name_errors_sheet(tally, tested, taxa.merged)
    if shapes is not None:
        sheets[BIOVOLUME] = biovolume_sheet(tally, shapes)
    facts = _provenance(options, samples, source, tally, merged)
    if agreement is not None:
        sheets |= agreement_sheets(agreement)
        facts["second_count"] = dict(agreement.facts)
        remarks = [*remarks, *agreement.remarks]
    written = _write(options, tally, sheets, facts)
    write_exports(options.out / EXPORTS, exports)
    told = (*_remarks(source, counts, table), *_remarks_of_taxa(counts, merged), *remarks)
    files = (*written, *(f"{EXPORTS}/{name}" for name in exports))
    return WrittenTally(options.out, files, tally, told, source, facts, table, taxa, agreement)


def _agreement_row(one: SampleAgreement) -> tuple[str, int, int, int, int, str, str, str]:
    low, high = one.kappa_bounds
    kappa = "" if math.isnan(one.kappa) else f"{one.kappa:.2f}"
    kappa += "" if math.isnan(low) else f" ({low:.2f} to {high:.2f})"
    distance = "" if math.isnan(one.bray_curtis_shares) else f"{one.bray_curtis_shares:.3f}"
    names = f"{one.same_name} of {one.named}"
    return one.sample, one.fields.both, one.both, one.only_first, one.only_second, distance, names, kappa


def _check_folder(source: Path, out: Path, overwrite: bool) -> None:
    """Refuse to write over something else."""
    if out.resolve() == source.resolve() or (out / RESULTS_MARK).exists() or (out / PROJECT_FILE).exists():
        raise InputError(f"{out} holds a project or the results of count: name another folder for the tally.")
    there = tally_files(out)
    if there and not overwrite:
        raise InputError(f"{out} already holds {there[0]}: have it replaced (--overwrite), or name another folder.")


def tally_files(folder: Path) -> list[str]:
    """Return the names of the files of a tally that are in a folder, its exports too."""
    exports = [path.relative_to(folder).as_posix() for path in exports_in(folder / EXPORTS)]
    return [*(name for name in _FILES if (folder / name).exists()), *exports]


def _sheets(counts: ExportedCounts, table: SampleTable | None, merged: Mapping[str, str]) -> dict[str, TableSheet]:
    """Return the tables by their files."""
    tally = counts.tally
    made = (
        sample_taxon_sheet(tally),
        diversity_sheet(tally),
        sizes_sheet(tally),
        samples_sheet(tally, table),
        specimens_sheet(tally),
    )
    sheets = dict(zip(_CSV_FILES, made, strict=True))
    if table is not None and (concentration := concentration_sheet(tally, table)) is not None:
        sheets[CONCENTRATION] = concentration
    if (taxa := taxa_sheet(tally, counts.taxa, merged)) is not None:
        sheets[TAXA] = taxa
    return sheets


def _write(
    options: TallyOptions, tally: SampleTally, sheets: dict[str, TableSheet], facts: dict[str, Any]
) -> tuple[str, ...]:
    """Write all files and return their names."""
    out = options.out
    if (out / PROVENANCE).is_file():
        # Pages and exports of the tally that is replaced.
        for page in (out / REPORTS).glob("*.html"):
            page.unlink()
        remove_exports(out / EXPORTS)
    for name, sheet in sheets.items():
        write_sheet(out / name, sheet, options.choices.csv)
    for name in _NOT_ALWAYS:
        if name not in sheets:
            # Of the tally that is replaced.
            (out / name).unlink(missing_ok=True)
    write_protocol(out / PROTOCOL_FILE, tally.protocol)
    write_atomically(out / PROVENANCE, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    in_book = [sheet for name, sheet in sheets.items() if name not in (SPECIMENS, WHO_SAW_WHAT)]
    named = [
        _named_values("protocol", tally.protocol.model_dump(mode="json")),
        _named_values("provenance", {name: value for name, value in facts.items() if name != "images"}),
    ]
    write_sheets(out / WORKBOOK, [wide_sheet(tally), wide_sheet(tally, shares=True), *in_book, *named])
    return (*sheets, PROTOCOL_FILE, PROVENANCE, WORKBOOK)


def _provenance(
    options: TallyOptions, samples: Path | None, source: TallySource, tally: SampleTally, merged: Mapping[str, str]
) -> dict[str, Any]:
    """Return who or which model found the specimens, when, and the hashes of all that the tally is made of."""
    protocol = hashlib.sha256(tally.protocol.to_text().encode()).hexdigest()
    return {
        "program": "napari-diatom",
        "version": __version__,
        "tallied": clock.now(),
        "source": {
            "folder": printable(str(source.folder)),
            "kind": source.kind,
            "when": source.when,
            "sha256": dict(source.files),
            "proposals_left_out": source.proposals,
        },
        "found_by": dict(sorted(Counter(source.specimens.by).items())),
        "models": [
            {name: model[name] for name in ("name", "version", "sha256") if name in model} for model in source.models
        ],
        "protocol": {"name": tally.protocol.name, "sha256": protocol},
        "samples": _file(samples),
        "evaluation": None if options.choices.evaluation is None else _file(report_of(options.choices.evaluation)),
        **({} if options.shapes is None else {"shapes": _file(options.shapes)}),
        "taxa": {"list": _file(options.taxa), "merged_into": dict(merged)},
        "images": [
            {"image": field.name, "sample": tally.samples[k], "sha256": field.sha256}
            for field, k in zip(tally.specimens.fields, tally.field_sample.tolist(), strict=True)
        ],
    }


def _file(path: Path | None) -> dict[str, str] | None:
    """Return name and hash of a file that somebody gave."""
    if path is None:
        return None
    return {"file": printable(str(path)), "sha256": hashlib.sha256(read_bytes(path)).hexdigest()}


def _named_values(title: str, data: dict[str, Any]) -> TableSheet:
    """Return nested entries as rows of name and value."""
    rows: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                add(f"{name}.{key}" if name else str(key), inner)
        elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
            for number, inner in enumerate(value, start=1):
                add(f"{name}.{number}", inner)
        elif isinstance(value, list):
            rows.append((name, ", ".join(map(str, value))))
        else:
            rows.append((name, "" if value is None or value == {} else str(value)))

    add("", data)
    return TableSheet(title, ("entry", "value"), ("", ""), rows)


def _remarks(source: TallySource, counts: ExportedCounts, table: SampleTable | None) -> Sequence[str]:
    """Return what a person should know of the counts."""
    tally = counts.tally
    remarks = []
    if source.proposals:
        left = many(source.proposals, "proposal")
        remarks.append(f"{left} not reviewed yet and left out (include them with --proposals)")
    if source.unwritten:
        fields = first_few(source.unwritten, _SHOWN)
        remarks.append(f"another window is at work: its last edits of {fields} are not written yet, and not counted")
    if table is not None:
        codes, present = list(table.samples), set(tally.samples)
        if absent := [code for code in codes if code not in present]:
            remarks.append(f"no image belongs to {', '.join(absent)}")
        if unknown := [sample for sample in tally.samples if sample not in table.samples]:
            remarks.append(f"the table of samples does not have {', '.join(unknown)}")
    if names := left_out_names(tally.taxa, tally.protocol):
        remarks.append(f"planktic taxa that were not found: {', '.join(names)}")
    if tally.protocol.target_of == "non_planktic" and not tally.knows_planktic:
        remarks.append("the protocol names no planktic taxa, so all taxa count towards the target")
    return remarks


def _remarks_of_taxa(counts: ExportedCounts, merged: Mapping[str, str]) -> Iterator[str]:
    """Yield which names were merged, and which a list does not have."""
    by_taxon: dict[str, list[str]] = {}
    for name, taxon in merged.items():
        by_taxon.setdefault(taxon, []).append(name)
    for taxon, names in by_taxon.items():
        yield f"{', '.join(names)} {either(len(names), 'is', 'are')} counted as {taxon}, the accepted name"
    counted = [counts.tally.taxa[t] for t in counts.counted_taxa()]
    unlisted = [name for name in counted if name not in counts.taxa.classes and counts.taxa.names.is_taxon(name)]
    if counts.taxa.file is not None and unlisted:
        yield f"the list of taxa does not have {first_few(unlisted, _SHOWN)}"
