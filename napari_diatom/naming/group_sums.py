"""The running sums of one group of specimens that teach one another: without sizes, and with them."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_diatom.naming.discriminant import Discriminant, TaxonSums
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.rule_pair import RulePair

Floats = NDArray[np.float64]


class GroupSums:
    """Sums over the vectors of all named specimens, and over vectors with sizes of those whose sizes are known.

    Parameters
    ----------
    dimensions : int
        D, columns of a vector.
    sizes : int
        Q, columns of sizes.
    """

    def __init__(self, dimensions: int, sizes: int = 0) -> None:
        self.plain = TaxonSums(dimensions)
        self.sized = TaxonSums(dimensions + sizes, sizes) if sizes else None

    @classmethod
    def of(cls, named: NamedVectors) -> Self:
        """Return the sums of many specimens, whatever their groups."""
        sums = cls(named.vectors.shape[1], named.sizes.shape[1])
        sums.plain = TaxonSums.of(named.vectors, named.taxa)
        if sums.sized is not None:
            rows = np.flatnonzero(named.sized)
            taxa = [named.taxa[row] for row in rows.tolist()]
            sums.sized = TaxonSums.of(named.with_sizes[rows], taxa, named.sizes.shape[1])
        return sums

    def copy(self) -> Self:
        """Return sums that change by themselves."""
        twin = self.__class__.__new__(self.__class__)
        twin.plain = self.plain.copy()
        twin.sized = None if self.sized is None else self.sized.copy()
        return twin

    def add(self, vector: Floats, sizes: Floats, taxon: str) -> None:
        """Take one more specimen: its vector, shape (D,), and its sizes, shape (Q,), with NaN where not known."""
        self.plain.add(vector, taxon)
        if self.sized is not None and np.isfinite(sizes).all():
            self.sized.add(np.concatenate([vector, sizes]), taxon)

    def remove(self, vector: Floats, sizes: Floats, taxon: str) -> None:
        """Take out a specimen that was added."""
        self.plain.remove(vector, taxon)
        if self.sized is not None and np.isfinite(sizes).all():
            self.sized.remove(np.concatenate([vector, sizes]), taxon)

    def rename_taxon(self, former: str, taxon: str) -> None:
        """Give all specimens of a taxon another name; where that has specimens too, both are joined."""
        self.plain.rename_taxon(former, taxon)
        if self.sized is not None:
            self.sized.rename_taxon(former, taxon)

    def discriminants(
        self, shrinkage: float | None = None, scale: Floats | None = None
    ) -> tuple[Discriminant, Discriminant | None]:
        """Return the discriminants without sizes and with them; see :meth:`TaxonSums.discriminant`.

        Parameters
        ----------
        shrinkage : float, optional
            Of both.
        scale : ndarray of shape (D + Q,), optional
            Of the one with sizes.
        """
        sized = None
        if self.sized is not None and len(self.sized):
            sized = self.sized.discriminant(shrinkage, scale)
        return self.plain.discriminant(shrinkage), sized

    def rules(self, shrinkage: float | None = None) -> RulePair:
        """Return both discriminants as a pair."""
        return RulePair(*self.discriminants(shrinkage))
