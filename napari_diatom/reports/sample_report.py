"""A page for each sample of a tally: what it is made of, how far its count is, and what its taxa look like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.core.text import many, printable, sentence
from napari_diatom.counting.result_names import distinct_file_names
from napari_diatom.reports import html
from napari_diatom.reports.plate_drawing import draw_plate
from napari_diatom.reports.plate_layout import lay_out
from napari_diatom.reports.plate_pictures import cut_pictures
from napari_diatom.reports.plate_specimens import SpecimenChoice, choose_specimens
from napari_diatom.reports.plates import plate_caption
from napari_diatom.reports.sample_plots import TaxonShare, composition_plot, lengths_plot, rarefaction_plot
from napari_diatom.reports.specimen_images import Opener, find_specimen_images
from napari_diatom.samples.specimen_sources import TallySource
from napari_diatom.samples.tally import COUNTED, SampleTally
from napari_diatom.samples.tally_folder import REPORTS, WrittenTally
from napari_diatom.samples.tally_tables import diversity_sheet
from napari_diatom.statistics.diversity import coverage
from napari_diatom.statistics.intervals import effective_number

_COMMONEST: Final = 10
"""Taxa with a histogram and a picture."""
_PLATE_MM: Final = (180.0, 90.0)
_PLATE_DPI: Final = 150
_COMPOSITION: Final = "Shares with 95 % intervals; taxa of less than 2 % are taken together."
_RAREFACTION: Final = "Taxa expected in smaller counts."
_INDICES: Final = (
    ("Taxa", "taxa"),
    ("Shannon (ln)", "shannon_ln"),
    ("Shannon (log2)", "shannon_log2"),
    ("Pielou", "pielou"),
    ("Simpson", "simpson"),
    ("N2", "n2"),
    ("Chao1", "chao1"),
    ("Coverage", "coverage"),
)


@dataclass(frozen=True)
class _Sheet:
    """What the page of a sample is made of: its row of ``diversity.csv`` is ``indices``."""

    written: WrittenTally
    sample: str
    images: Mapping[str, Opener]
    indices: Mapping[str, str]

    @property
    def tally(self) -> SampleTally:
        return self.written.tally

    @property
    def source(self) -> TallySource:
        return self.written.source

    @property
    def place(self) -> int:
        return self.tally.samples.index(self.sample)

    def commonest(self) -> list[int]:
        """Return the places of the commonest taxa that have a part in shares."""
        units = np.where(self.tally.is_shared, self.tally.units[self.place], 0)
        return [k for k in np.argsort(-units, kind="stable").tolist() if units[k] > 0]

    def is_of(self, taxon: int) -> NDArray[np.bool_]:
        """Return which specimens count for a taxon in this sample, shape (N,)."""
        found = self.tally.specimens
        chosen = (self.tally.sample == self.place) & (found.taxon == taxon) & (self.tally.reasons == COUNTED)
        return np.asarray(chosen, dtype=np.bool_)


def write_sample_reports(written: WrittenTally, monitor: ProgressMonitor = UNWATCHED) -> list[Path]:
    """Write a page for each sample of a tally into its folder ``reports``.

    Parameters
    ----------
    written : WrittenTally
        The tally.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Returns
    -------
    list of Path
        The pages, in the order of the samples.

    Raises
    ------
    OutputError
        When a page cannot be written.
    Stopped
        When a stop was asked for; pages of some samples may be there then.
    """
    folder = written.folder / REPORTS
    images = find_specimen_images(written.source, monitor=monitor)
    table = diversity_sheet(written.tally)
    samples = written.tally.samples
    pages = []
    for sample, name, row in zip(samples, distinct_file_names(samples), table.rows, strict=True):
        monitor.check()
        sheet = _Sheet(written, sample, images, dict(zip(table.columns, row, strict=True)))
        path = folder / f"{name}.html"
        write_atomically(path, _page(sheet, monitor))
        pages.append(path)
    return pages


def _page(sheet: _Sheet, monitor: ProgressMonitor) -> str:
    title = f"Sample {printable(sheet.sample)}"
    fields = len(sheet.tally.fields_of(sheet.sample))
    number = int(sheet.tally.numbers[sheet.place].sum())
    lead = f"{many(number, 'specimen')} in {many(fields, 'field')}, counted by the protocol {sheet.tally.protocol.name}"
    parts = [
        html.heading(title, sentence(lead)),
        html.paragraphs(_progress(sheet), "summary"),
        *(_figures(sheet, monitor) if sheet.commonest() else [html.paragraphs(["Nothing was counted."])]),
        html.paragraphs(_provenance(sheet), "small"),
    ]
    return html.document(title, parts)


def _progress(sheet: _Sheet) -> list[str]:
    """Return what the stop rule says."""
    progress = sheet.tally.progress(sheet.sample)
    of = "" if sheet.tally.protocol.target_of == "all" else " of taxa that are not planktic"
    known = [f"{progress.counted:g} of {progress.target}{of} counted"]
    if not math.isnan(progress.coverage):
        known.append(f"coverage {progress.coverage:.1%}")
    if not math.isnan(progress.relative_error):
        known.append(f"relative error of the commonest taxon {progress.relative_error:.1%}")
    verdict = "The count may end." if progress.may_stop else f"The count may not end yet. It needs {progress.missing}."
    return [f"{', '.join(known)}. {verdict}"]


def _figures(sheet: _Sheet, monitor: ProgressMonitor) -> list[str]:
    tally, place = sheet.tally, sheet.place
    total = float(tally.units[place, tally.is_shared].sum())
    effective = effective_number(total, float(tally.squares[place, tally.is_shared].sum()))
    shares = [TaxonShare(printable(tally.taxa[k]), float(tally.units[place, k]) / total) for k in sheet.commonest()]
    numbers = tally.numbers[place, tally.is_shared]
    return [
        html.side_by_side(
            html.subsection("Composition", html.figure(composition_plot(shares, effective), _COMPOSITION, 500)),
            html.subsection(
                "Rarefaction", html.figure(rarefaction_plot(numbers, coverage(numbers)), _RAREFACTION, 375)
            ),
        ),
        html.section("Diversity", html.table(("", *(title for title, _ in _INDICES)), _index_rows(sheet.indices))),
        html.section("Lengths", _lengths(sheet)),
        html.section("Plate", *_plate(sheet, monitor)),
    ]


def _index_rows(values: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Return the indices of a sample, and their intervals."""
    figures, bounds = ["value"], ["95 % interval"]
    for _, name in _INDICES:
        value, low, high = (values.get(f"{name}{end}", "") for end in ("", "_low", "_high"))
        figures.append(value if name == "taxa" or not value else f"{float(value):.3f}")
        bounds.append(f"{float(low):.2f} to {float(high):.2f}" if low and high else "")
    return [tuple(figures), tuple(bounds)]


def _lengths(sheet: _Sheet) -> str:
    found = sheet.tally.specimens
    groups = []
    for taxon in sheet.commonest()[:_COMMONEST]:
        lengths = found.sizes_um[sheet.is_of(taxon) & (found.edges == 0), 0]
        if len(lengths := lengths[np.isfinite(lengths)]):
            groups.append((printable(found.taxa[taxon]), lengths))
    if not groups:
        return html.paragraphs(
            ["No specimen is whole and of an image with a pixel size, so there are no lengths."], "note"
        )
    return html.figure(lengths_plot(groups), "Lengths of whole specimens of the commonest taxa.")


def _plate(sheet: _Sheet, monitor: ProgressMonitor) -> list[str]:
    """Return a plate of the commonest taxa, or why there is none."""
    found = sheet.tally.specimens
    asked = np.any([sheet.is_of(taxon) for taxon in sheet.commonest()[:_COMMONEST]], axis=0)
    try:
        choice = SpecimenChoice(most=1, order="abundance")
        specimens, remarks = choose_specimens(found, asked, choice, tuple(sheet.images))
        layout = lay_out([item.size_um for item in specimens], _PLATE_MM).without_foot()
        pictures = cut_pictures(specimens, layout, _PLATE_DPI, sheet.images, monitor)
    except InputError as error:
        return [html.paragraphs([f"There is no plate. {error}"], "note")]
    data = draw_plate(layout, pictures, _PLATE_DPI, ".png")
    caption = plate_caption(specimens, layout, on_paper=False)
    return [html.figure(data, caption), html.paragraphs([sentence(line) for line in remarks], "small")]


def _provenance(sheet: _Sheet) -> list[str]:
    """Return the protocol, and who or what found the specimens."""
    protocol, facts = sheet.tally.protocol, sheet.written.facts
    statuses = ", ".join(f"{name} {weight:g}" for name, weight in protocol.statuses.items() if weight)
    stop = [] if protocol.stop.coverage is None else [f"coverage {protocol.stop.coverage:g}"]
    stop += [] if protocol.stop.relative_error is None else [f"relative error {protocol.stop.relative_error:g}"]
    rules = [
        f"unit {protocol.unit}",
        f"counted: {statuses}",
        f"fragments {protocol.fragments}",
        f"edges {protocol.edges}",
        f"uncertain names {protocol.uncertain_names}",
        f"target {protocol.target} of {protocol.target_of}",
        f"stop: {' or '.join(stop) or 'at the target'}",
    ]
    rules += ["planktic taxa apart"] if protocol.planktic_apart else []
    found_by = ", ".join(f"{name or 'unknown'} ({number})" for name, number in facts["found_by"].items())
    source = facts["source"]
    models = ", ".join(f"{model.get('name', '')} {model.get('version', '')}".strip() for model in facts["models"])
    lines = [
        f"Protocol {protocol.name}: {'; '.join(rules)}. SHA-256 {facts['protocol']['sha256']}.",
        f"Source: {source['kind']} {source['folder']}, {source['when'] or 'of an unknown time'}. Found by {found_by}."
        + (f" Models: {models}." if models else ""),
        f"Tallied {facts['tallied']} with napari-diatom {facts['version']}. Hashes of all files: provenance.json.",
    ]
    return [printable(line) for line in lines]
