"""Names of taxa taken apart: what a determination says, and how sure it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from napari_diatom.core.taxa import genus_of

DIATOMS: Final = "Bacillariophyceae"
"""The class of all diatoms, for those whose taxon nobody has said."""

_CONFER: Final = re.compile(r"(?:^|(?<=\s))(cf|aff)\.?\s+(?=\S)", re.IGNORECASE)
_OPEN: Final = re.compile(r"\s+((sp|spp|indet)\.?(?=\s|$).*)$", re.IGNORECASE)
_RANKS: Final = {"subsp.": "subspecies", "ssp.": "subspecies", "var.": "variety", "f.": "form", "fo.": "form"}


@dataclass(frozen=True)
class QualifiedName:
    """A determination.

    Attributes
    ----------
    name : str
        The name without a qualifier.
    qualifier : str
        ``cf.`` or ``aff.`` with the part of the name that it doubts, or ``sp.`` and what follows; empty where the
        determination is sure.
    rank : str
        Of the name: ``genus``, ``species``, ``subspecies``, ``variety`` or ``form``; ``class`` where there is none.
    genus : str
        Of the name, empty where it has none.
    """

    name: str
    qualifier: str
    rank: str
    genus: str

    @classmethod
    def of(cls, taxon: str, is_taxon: bool = True) -> Self:
        """Return what a name in a list says; without a genus, or where it is no taxon, only that it is a diatom.

        Parameters
        ----------
        taxon : str
            Such as ``Navicula cf. gregaria``, ``cf. Navicula gregaria`` or ``Fragilaria sp. 1``.
        is_taxon : bool
            Whether it says of which taxon a specimen is.
        """
        text = " ".join(taxon.replace("_", " ").split())
        genus = genus_of(text)
        if not is_taxon or not genus:
            return cls(DIATOMS, "", "class", "")
        if found := _OPEN.search(text):
            name = text[: found.start()]
            return cls(name, found[1], _rank(name), genus)
        if found := _CONFER.search(text):
            qualifier = f"{found[1].lower()}. {text[found.end() :]}"
            text = f"{text[: found.start()]}{text[found.end() :]}"
            return cls(text, qualifier, _rank(text), genus)
        return cls(text, "", _rank(text), genus)


def _rank(name: str) -> str:
    """Return the rank of a name by its words."""
    words = name.split()
    ranks = [_RANKS[word] for word in words if word in _RANKS]
    return ranks[-1] if ranks else "species" if len(words) > 1 else "genus"
