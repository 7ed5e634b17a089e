"""The names that are suggested for one specimen, as a panel, a table or a file shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from napari_diatom.core.taxa import SPECIES
from napari_diatom.naming.ranking import Ranking
from napari_diatom.project.project_taxa import ProjectTaxa

SURE_FROM: Final = 0.5
"""Share from which a name is sure."""


@dataclass(frozen=True)
class SuggestedNames:
    """What a specimen may be called.

    Attributes
    ----------
    key : str
        The specimen.
    names : tuple of (str, float)
        Taxa with their shares, the best first; none where nothing was named in its group, or its vector is not known.
    genus : tuple of (str, float), or None
        The genus with ``sp.`` to offer, where one has a larger share than each of its species: *Navicula* sp.
    is_unlike : bool
        Whether it is unlike anything named so far.
    """

    key: str
    names: tuple[tuple[str, float], ...] = ()
    genus: tuple[str, float] | None = None
    is_unlike: bool = False

    @property
    def sure_genus(self) -> tuple[str, float] | None:
        """The genus to offer where it is sure, and no species is."""
        best = self.names[0][1] if self.names else 0.0
        is_wanted = self.genus is not None and best < SURE_FROM <= self.genus[1] and not self.is_unlike
        return self.genus if is_wanted else None

    @property
    def offered(self) -> tuple[tuple[str, float], ...]:
        """All names that a person is offered: the taxa, and last the genus where only that is sure."""
        return self.names if self.sure_genus is None else (*self.names, self.sure_genus)


def suggested_names(keys: Sequence[str], ranking: Ranking, taxa: ProjectTaxa, number: int = 3) -> list[SuggestedNames]:
    """Return the suggestions for specimens.

    Parameters
    ----------
    keys : sequence of str
        The specimens of the ranking.
    ranking : Ranking
        What they may be called.
    taxa : ProjectTaxa
        Of which genus each taxon is.
    number : int
        Names of each at most.
    """
    genera = [taxa.genus(name) for name in ranking.taxa]
    found = []
    for row, key in enumerate(keys):
        sums: dict[str, float] = {}
        species: dict[str, int] = {}
        for genus, share in zip(genera, ranking.shares[row].tolist(), strict=True):
            if genus and share > 0:
                sums[genus] = sums.get(genus, 0.0) + share
                species[genus] = species.get(genus, 0) + 1
        shared = {genus: share for genus, share in sums.items() if species[genus] > 1}
        best = max(shared, key=lambda genus: shared[genus]) if shared else ""
        offered = (f"{best} {SPECIES}", min(shared[best], 1.0)) if best else None
        found.append(SuggestedNames(key, ranking.suggestions(row, number), offered, bool(ranking.unlike[row])))
    return found
