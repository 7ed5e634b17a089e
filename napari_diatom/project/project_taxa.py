"""What the classes of a project say of taxa: which name none, which are synonyms, of which genus each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from napari_diatom.core.taxa import UNKNOWN, UNNAMED, genus_of
from napari_diatom.project.settings import Settings

NO_TAXON: Final = frozenset({"diatom", "diatoms", UNKNOWN, UNNAMED, "unidentified"})
"""Names of classes, in small letters, that never say of which taxon a specimen is."""


@dataclass(frozen=True)
class ProjectTaxa:
    """The taxa of a project.

    Attributes
    ----------
    listed : frozenset of str
        Names of the classes in the list.
    no_taxon : frozenset of str
        Those that the project says are no taxa, in small letters.
    accepted : Mapping of str to str
        The accepted name by each synonym.
    genera : Mapping of str to str
        The genus of a taxon where the list states another one than its name begins with.
    handed : frozenset of str
        Taxa whose mirror image is another taxon.
    """

    listed: frozenset[str] = frozenset()
    no_taxon: frozenset[str] = frozenset()
    accepted: Mapping[str, str] = field(default_factory=dict)
    genera: Mapping[str, str] = field(default_factory=dict)
    handed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what the settings of a project say."""
        classes = settings.classes
        listed = frozenset(item.name for item in classes)
        unlisted = {name: item.name for item in classes for name in item.synonyms if name not in listed}
        return cls(
            listed,
            frozenset(name.casefold() for name in settings.no_taxon),
            unlisted | {item.name: item.synonym_of for item in classes if item.synonym_of},
            {item.name: item.genus for item in classes if item.genus},
            frozenset(item.name for item in classes if item.handed),
        )

    def is_taxon(self, name: str) -> bool:
        """Return whether a class says of which taxon a specimen is."""
        small = name.strip().casefold()
        return bool(small) and small not in NO_TAXON and small not in self.no_taxon

    def taxon(self, name: str) -> str:
        """Return the accepted name of a class; of synonyms that go round in a circle, the name itself."""
        seen = {name}
        found = name
        while found in self.accepted:
            found = self.accepted[found]
            if found in seen:
                return name
            seen.add(found)
        return found

    def synonyms_among(self, names: Iterable[str]) -> list[str]:
        """Return which of some names are learnt under other ones, a sentence each."""
        joined = {name: self.taxon(name) for name in sorted(set(names))}
        return [
            f"{name} is learnt as {taxon}, of which it is a synonym." for name, taxon in joined.items() if name != taxon
        ]

    def genus(self, name: str) -> str:
        """Return the genus of a taxon; empty where it has none."""
        return self.genera.get(name) or genus_of(name)
