"""The tables of a Darwin Core archive, and the two files that describe it: ``meta.xml`` and ``eml.xml``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree

from napari_diatom import __version__
from napari_diatom.core.text import printable
from napari_diatom.project import clock
from napari_diatom.samples.exchange.export_choices import ExportChoices
from napari_diatom.samples.protocol import SampleProtocol

_DWC: Final = "http://rs.tdwg.org/dwc/terms/"
_TEXT: Final = "http://rs.tdwg.org/dwc/text/"
_EML: Final = "eml://ecoinformatics.org/eml-2.1.1"


@dataclass(frozen=True)
class ArchiveTable:
    """A table of an archive.

    Attributes
    ----------
    file : str
        The name of its file.
    row_type : str
        The address of the type of its rows.
    columns : tuple of str
        The names of its columns, terms of Darwin Core; the first is the id of the event.
    """

    file: str
    row_type: str
    columns: tuple[str, ...]


EVENTS: Final = ArchiveTable(
    "event.txt",
    f"{_DWC}Event",
    (
        *("eventID", "eventDate", "locationID", "locality", "habitat", "decimalLatitude", "decimalLongitude"),
        *("sampleSizeValue", "sampleSizeUnit", "samplingProtocol", "samplingEffort"),
    ),
)
OCCURRENCES: Final = ArchiveTable(
    "occurrence.txt",
    f"{_DWC}Occurrence",
    (
        *("eventID", "occurrenceID", "basisOfRecord", "scientificName", "scientificNameAuthorship"),
        *("scientificNameID", "taxonRank", "kingdom", "genus", "identificationQualifier", "verbatimIdentification"),
        *("individualCount", "organismQuantity", "organismQuantityType", "occurrenceStatus", "identifiedBy"),
        "identificationRemarks",
    ),
)
MEASUREMENTS: Final = ArchiveTable(
    "extendedmeasurementorfact.txt",
    "http://rs.iobis.org/obis/terms/ExtendedMeasurementOrFact",
    ("eventID", "occurrenceID", "measurementType", "measurementValue", "measurementUnit", "measurementMethod"),
)


def meta_text(tables: Sequence[ArchiveTable]) -> str:
    """Return ``meta.xml``: which files there are, the first of them the core, and what their columns mean."""
    root = ElementTree.Element("archive", {"xmlns": _TEXT, "metadata": "eml.xml"})
    for k, table in enumerate(tables):
        form = {
            "encoding": "UTF-8",
            "fieldsTerminatedBy": "\\t",
            "linesTerminatedBy": "\\n",
            "fieldsEnclosedBy": "",
            "ignoreHeaderLines": "1",
            "rowType": table.row_type,
        }
        part = ElementTree.SubElement(root, "extension" if k else "core", form)
        ElementTree.SubElement(ElementTree.SubElement(part, "files"), "location").text = table.file
        ElementTree.SubElement(part, "coreid" if k else "id", {"index": "0"})
        for index, column in enumerate(table.columns):
            if index or not k:
                ElementTree.SubElement(part, "field", {"index": str(index), "term": f"{_DWC}{column}"})
    return _document(root)


def eml_text(
    choices: ExportChoices,
    identity: str,
    days: tuple[datetime.date, datetime.date],
    protocol: SampleProtocol,
) -> str:
    """Return ``eml.xml``: what the dataset is, and whose.

    Parameters
    ----------
    choices : ExportChoices
        With title, owner and licence.
    identity : str
        What tells this archive from others, made of its tables: the same counts are the same archive.
    days : tuple of date
        The first and the last day of sampling.
    protocol : SampleProtocol
        How was counted.
    """
    attributes = {"xmlns:eml": _EML, "packageId": identity, "system": "napari-diatom", "scope": "system"}
    root = ElementTree.Element("eml:eml", attributes)
    dataset = ElementTree.SubElement(root, "dataset")
    _add(dataset, "title", choices.dataset_title)
    for role in ("creator", "metadataProvider"):
        _add(ElementTree.SubElement(dataset, role), "organizationName", choices.dataset_owner)
    _add(dataset, "pubDate", clock.now()[:10])
    _add(dataset, "language", "eng")
    text = (
        f"Counts of diatoms by taxon and sample, counted by the protocol {protocol.name} "
        f"(unit {protocol.unit}, target {protocol.target}) with napari-diatom {__version__}."
    )
    _add(ElementTree.SubElement(dataset, "abstract"), "para", text)
    if choices.dataset_licence:
        _add(ElementTree.SubElement(dataset, "intellectualRights"), "para", choices.dataset_licence)
    coverage = ElementTree.SubElement(dataset, "coverage")
    dates = ElementTree.SubElement(ElementTree.SubElement(coverage, "temporalCoverage"), "rangeOfDates")
    for name, day in zip(("beginDate", "endDate"), days, strict=True):
        _add(ElementTree.SubElement(dates, name), "calendarDate", day.isoformat())
    _add(ElementTree.SubElement(dataset, "contact"), "organizationName", choices.dataset_owner)
    return _document(root)


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = printable(text)


def _document(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
