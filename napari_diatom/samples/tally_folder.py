"""A folder with the tally of a project or of a results folder of ``count``: what ``napari-diatom tally`` writes."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom import __version__
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many, printable, quoted
from napari_diatom.core.text_files import read_bytes
from napari_diatom.counting.workbook import TableSheet, write_sheets
from napari_diatom.images.image_files import RESULTS_MARK
from napari_diatom.project import clock
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.samples.cell_shapes import biovolume_sheet, read_cell_shapes
from napari_diatom.samples.image_samples import samples_by_pattern, samples_by_table
from napari_diatom.samples.protocol import PROTOCOL_FILE, left_out_names, write_protocol
from napari_diatom.samples.protocol_presets import protocol_of
from napari_diatom.samples.sample_facts import SampleTable, read_samples
from napari_diatom.samples.sample_tables import concentration_sheet, samples_sheet
from napari_diatom.samples.specimen_sources import TallySource, read_source
from napari_diatom.samples.table_files import CSV_DIALECTS, CsvDialect, write_sheet
from napari_diatom.samples.tally import SampleTally, tally_specimens
from napari_diatom.samples.tally_tables import (
    diversity_sheet,
    sample_taxon_sheet,
    sizes_sheet,
    specimens_sheet,
    wide_sheet,
)

WORKBOOK: Final = "tally.xlsx"
PROVENANCE: Final = "provenance.json"
SPECIMENS: Final = "tally_specimens.csv"
REPORTS: Final = "reports"
"""Folder of the pages of samples, where they are asked for."""
CONCENTRATION: Final = "concentration.csv"
BIOVOLUME: Final = "biovolume.csv"
_OPTIONAL: Final = (CONCENTRATION, BIOVOLUME)
"""Tables that not every tally has."""
_CSV_FILES: Final = ("sample_taxon.csv", "diversity.csv", "sizes.csv", "samples.csv", SPECIMENS)
_FILES: Final = (*_CSV_FILES, *_OPTIONAL, PROTOCOL_FILE, PROVENANCE, WORKBOOK)


@dataclass(frozen=True)
class TallyOptions:
    """What is tallied, and how.

    Attributes
    ----------
    source : Path
        A project, or a results folder of ``count``.
    out : Path
        Folder for the tables, which is made.
    protocol : str
        Name of a preset, or the path of a ``protocol.yaml``.
    samples : Path or None
        A table of samples.
    pattern : str
        How the names of images begin with their sample, such as ``{sample}_*``; empty where the source says it.
    proposals : bool
        Whether proposals of a project that nobody has looked at are specimens too.
    csv : {"standard", "excel-eu"}
        How CSV files are written.
    overwrite : bool
        Whether a tally that is there is replaced.
    shapes : Path or None
        A table of the shapes of cells, for volumes and carbon.
    """

    source: Path
    out: Path
    protocol: str = "plain"
    samples: Path | None = None
    pattern: str = ""
    proposals: bool = False
    csv: CsvDialect = "standard"
    overwrite: bool = False
    shapes: Path | None = None


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
    """

    folder: Path
    files: tuple[str, ...]
    tally: SampleTally
    remarks: tuple[str, ...]
    source: TallySource
    facts: dict[str, Any]

    def rows(self) -> list[tuple[str, int, int, str, str]]:
        """Return sample, fields, specimens counted, count of the target, and what is missing."""
        found = []
        for s, sample in enumerate(self.tally.samples):
            progress = self.tally.progress(sample)
            fields, specimens = len(self.tally.fields_of(sample)), int(self.tally.numbers[s].sum())
            done = f"{progress.counted:g} of {progress.target}"
            found.append((sample, fields, specimens, done, progress.missing or "may end"))
        return found


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
        When the source, the protocol or the table of samples cannot be used (every problem is named), or there is a
        tally already.
    OutputError
        When a file cannot be written.
    Stopped
        When a stop was asked for; nothing is written then.
    """
    if options.csv not in CSV_DIALECTS:
        raise InputError(f"csv is {quoted(options.csv)}; give one of {', '.join(CSV_DIALECTS)}.")
    _check_folder(options.source, options.out, options.overwrite)
    protocol = protocol_of(options.protocol)
    table = None if options.samples is None else read_samples(options.samples)
    shapes = None if options.shapes is None else read_cell_shapes(options.shapes)
    source = read_source(options.source, options.proposals, monitor)
    names = {field.name: field.sample for field in source.specimens.fields}
    if options.pattern:
        names = samples_by_pattern(names, options.pattern)
    if table is not None:
        names = samples_by_table(names, table.samples.values())
    tally = tally_specimens(source.specimens, protocol, names)
    sheets = _sheets(tally, table)
    if shapes is not None:
        sheets[BIOVOLUME] = biovolume_sheet(tally, shapes)
    facts = _provenance(options, source, tally)
    written = _write(options, tally, sheets, facts)
    return WrittenTally(options.out, written, tally, tuple(_remarks(source, tally, table)), source, facts)


def _check_folder(source: Path, out: Path, overwrite: bool) -> None:
    """Refuse to write over something else."""
    if out.resolve() == source.resolve() or (out / RESULTS_MARK).exists() or (out / PROJECT_FILE).exists():
        raise InputError(f"{out} holds a project or the results of count: name another folder for the tally.")
    there = [name for name in _FILES if (out / name).exists()]
    if there and not overwrite:
        raise InputError(f"{out} already holds {there[0]}: have it replaced (--overwrite), or name another folder.")


def _sheets(tally: SampleTally, table: SampleTable | None) -> dict[str, TableSheet]:
    """Return the tables by their files."""
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
    return sheets


def _write(
    options: TallyOptions, tally: SampleTally, sheets: dict[str, TableSheet], facts: dict[str, Any]
) -> tuple[str, ...]:
    """Write all files and return their names."""
    out = options.out
    if (out / PROVENANCE).is_file():
        # Pages of the tally that is replaced.
        for page in (out / REPORTS).glob("*.html"):
            page.unlink()
    for name, sheet in sheets.items():
        write_sheet(out / name, sheet, options.csv)
    for name in _OPTIONAL:
        if name not in sheets and (out / name).is_file():
            # Of the tally that is replaced.
            (out / name).unlink()
    write_protocol(out / PROTOCOL_FILE, tally.protocol)
    write_atomically(out / PROVENANCE, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    in_book = [sheet for name, sheet in sheets.items() if name != SPECIMENS]
    named = [
        _named_values("protocol", tally.protocol.model_dump(mode="json")),
        _named_values("provenance", {name: value for name, value in facts.items() if name != "images"}),
    ]
    write_sheets(out / WORKBOOK, [wide_sheet(tally), wide_sheet(tally, shares=True), *in_book, *named])
    return (*sheets, PROTOCOL_FILE, PROVENANCE, WORKBOOK)


def _provenance(options: TallyOptions, source: TallySource, tally: SampleTally) -> dict[str, Any]:
    """Return who or which model found the specimens, when, and the hashes of all that the tally is made of."""
    protocol = hashlib.sha256(tally.protocol.to_text().encode()).hexdigest()
    table, shapes = options.samples, options.shapes
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
        "samples": None if table is None else _hashed(table),
        **({} if shapes is None else {"shapes": _hashed(shapes)}),
        "images": [
            {"image": field.name, "sample": tally.samples[k], "sha256": field.sha256}
            for field, k in zip(tally.specimens.fields, tally.field_sample.tolist(), strict=True)
        ],
    }


def _hashed(path: Path) -> dict[str, str]:
    """Return a file and its hash."""
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


def _remarks(source: TallySource, tally: SampleTally, table: SampleTable | None) -> Sequence[str]:
    """Return what a person should know of the counts."""
    remarks = []
    if source.proposals:
        left = many(source.proposals, "proposal")
        remarks.append(f"{left} not reviewed yet and left out (include them with --proposals)")
    if table is not None:
        codes, present = list(table.samples), set(tally.samples)
        if absent := [code for code in codes if code not in present]:
            remarks.append(f"no image belongs to {', '.join(absent)}")
        if unknown := [sample for sample in tally.samples if sample not in table.samples]:
            remarks.append(f"the table of samples does not have {', '.join(unknown)}")
    if names := left_out_names(tally.taxa, tally.protocol):
        remarks.append(f"planktic taxa that were not found: {', '.join(names)}")
    if tally.protocol.target_of == "non_planktic" and not tally.protocol.planktic_taxa:
        remarks.append("the protocol names no planktic taxa, so all taxa count towards the target")
    return remarks
