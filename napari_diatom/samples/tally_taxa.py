"""What is known of the taxa of a tally: accepted names, codes, authors, and which are planktic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np

from napari_diatom.counting.workbook import TableSheet
from napari_diatom.project.project_taxa import ProjectTaxa
from napari_diatom.project.settings import ProjectClass, Settings
from napari_diatom.project.taxon_codes import CODE_SCHEMES, CodeScheme, code_in
from napari_diatom.samples.table_files import table_sheet
from napari_diatom.samples.tally import SampleTally

_FACTS: Final = ("authors", *CODE_SCHEMES, "growth_form", "planktic")


@dataclass(frozen=True)
class TallyTaxa:
    """A list of taxa, or the classes of a project.

    Attributes
    ----------
    classes : dict of str to ProjectClass
        By their names.
    names : ProjectTaxa
        Which names are synonyms, and which say no taxon.
    file : Path or None
        The file of the list, None for the classes of a project.
    """

    classes: Mapping[str, ProjectClass] = field(default_factory=dict)
    names: ProjectTaxa = field(default_factory=ProjectTaxa)
    file: Path | None = None

    @classmethod
    def of(cls, classes: Iterable[ProjectClass], no_taxon: Iterable[str] = (), file: Path | None = None) -> Self:
        """Return what some classes say, read from a file where one is given; ``no_taxon`` are those that say none."""
        settings = Settings(classes=tuple(classes), no_taxon=tuple(no_taxon))
        return cls({item.name: item for item in settings.classes}, ProjectTaxa.of(settings), file)

    @property
    def planktic(self) -> dict[str, bool]:
        """Which taxa are planktic, of those of which that is known."""
        return {item.name: item.planktic == "yes" for item in self.classes.values() if item.planktic}

    def merged(self, taxa: Iterable[str]) -> dict[str, str]:
        """Return the accepted names of those of some taxa that are synonyms."""
        return {name: taxon for name in taxa if (taxon := self.names.taxon(name)) != name}

    def code(self, taxon: str, scheme: CodeScheme) -> str:
        """Return the code of a taxon in a scheme, empty where it has none."""
        item = self.classes.get(taxon)
        return "" if item is None else code_in(item, scheme)

    def authors(self, taxon: str) -> str:
        """Return the authors of a name, empty where they are not known."""
        item = self.classes.get(taxon)
        return "" if item is None else item.authors


def taxa_sheet(tally: SampleTally, taxa: TallyTaxa, merged: Mapping[str, str]) -> TableSheet | None:
    """Return a row for each counted taxon with what the list says of it, None where it says nothing."""
    counted = [tally.taxa[t] for t in np.flatnonzero(tally.units.any(axis=0)).tolist()]
    facts = {name: _facts(taxa, name) for name in counted}
    columns = [name for name in _FACTS if any(each[name] for each in facts.values())]
    synonyms: dict[str, list[str]] = {}
    for name, taxon in merged.items():
        synonyms.setdefault(taxon, []).append(name)
    if not columns and not synonyms:
        return None

    def rows() -> Iterator[Sequence[str]]:
        for name in counted:
            yield (name, *(facts[name][column] for column in columns), " | ".join(synonyms.get(name, ())))

    return table_sheet("taxa", tuple((name, "") for name in ("taxon", *columns, "merged_synonyms")), rows())


def _facts(taxa: TallyTaxa, name: str) -> dict[str, str]:
    """Return what is known of a taxon by the columns of the table."""
    item = taxa.classes.get(name)
    if item is None:
        return dict.fromkeys(_FACTS, "")
    return {column: str(getattr(item, column)) for column in _FACTS} | {"omnidia": code_in(item, "omnidia")}
