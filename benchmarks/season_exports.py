"""Counts read back from what ``napari-diatom tally --export`` wrote, by other means than those that wrote it.

``.[test]`` has the libraries: python-calamine for workbooks, python-dwca-reader for Darwin Core archives.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

Counts = Counter[tuple[str, str]]
"""Specimens by sample and taxon; those that are 0 are left out."""

_DWC: Final = "http://rs.tdwg.org/dwc/terms/"


def exported(exports: Path, taxa: Path) -> dict[str, Counts]:
    """Return what each export says, by its name on the command line.

    Parameters
    ----------
    exports : Path
        The folder ``exports`` of a tally.
    taxa : Path
        The list of taxa, with their codes.
    """
    return {name: +read(exports, taxa) for name, read in READERS.items()}


def rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Return the rows of a table."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def _names(taxa: Path, scheme: str) -> dict[str, str]:
    """Return the names of taxa by their codes."""
    return {row[scheme]: row["name"] for row in rows(taxa)}


def _diathor(exports: Path, taxa: Path) -> Counts:
    counts: Counts = Counter()
    for row in rows(exports / "diathor.csv"):
        taxon = _names(taxa, "omnidia")[row.pop("acronym")]
        assert taxon == row.pop("species")
        counts.update({(sample, taxon): int(cell) for sample, cell in row.items()})
    return counts


def _darleq3(exports: Path, taxa: Path) -> Counts:
    from python_calamine import CalamineWorkbook

    grid = CalamineWorkbook.from_path(exports / "darleq3.xlsx").get_sheet_by_index(0).to_python()
    # As read_DARLEQ does: the data begin where the second column does.
    first = next(k for k, row in enumerate(grid) if row[1] != "")
    names, counts = _names(taxa, "nbs"), Counter[tuple[str, str]]()
    for row in grid[first:]:
        cells = zip(grid[0][2:], row[2:], strict=True)
        counts.update({(str(sample), names[str(row[0])]): int(cell or 0) for sample, cell in cells})
    return counts


def _seee(exports: Path, taxa: Path) -> Counts:
    names = _names(taxa, "sandre")
    listed = rows(exports / "seee_ibd.txt", "\t")
    return Counter({(row["CODE_OPERATION"], names[row["CODE_TAXON"]]): int(row["RESULTAT"]) for row in listed})


def _generic(exports: Path, taxa: Path) -> Counts:
    names = _names(taxa, "omnidia")
    return Counter(
        {
            (path.stem, names[row["code"]]): int(row["count"])
            for path in (exports / "generic").iterdir()
            for row in rows(path, ";")
        }
    )


def _plankton_toolbox(exports: Path, taxa: Path) -> Counts:
    del taxa
    return Counter(
        {
            (place.name, row["scientific_full_name"]): int(row["counted_units"])
            for place in (exports / "plankton-toolbox").iterdir()
            for row in rows(place / "sample_data.txt", "\t")
        }
    )


def _darwin_core(exports: Path, taxa: Path) -> Counts:
    from dwca.read import DwCAReader

    del taxa
    counts: Counts = Counter()
    with DwCAReader(exports / "darwin-core.zip") as archive:
        for event in archive.rows:
            for row in event.extensions:
                if row.rowtype == f"{_DWC}Occurrence":
                    taxon = row.data[f"{_DWC}verbatimIdentification"]
                    counts[event.id, taxon] += int(row.data[f"{_DWC}individualCount"])
    return counts


READERS: Final[Mapping[str, Callable[[Path, Path], Counts]]] = {
    "diathor": _diathor,
    "darleq3": _darleq3,
    "seee": _seee,
    "generic": _generic,
    "plankton-toolbox": _plankton_toolbox,
    "darwin-core": _darwin_core,
}
"""What reads each export."""
