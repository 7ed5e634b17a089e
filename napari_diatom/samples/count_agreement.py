"""How far two persons' counts of the same fields agree: shares, names, and who saw what."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_diatom.samples.tally import SampleTally
from napari_diatom.samples.tally_taxa import TallyTaxa
from napari_diatom.statistics.agreement import bray_curtis, cohen_kappa, kappa_bounds

ALL_SAMPLES: Final = "all samples"
"""What the sample of figures of all samples is called."""


class FieldsConfirmed(NamedTuple):
    """How many fields of a sample were confirmed by whom."""

    both: int
    only_first: int
    only_second: int


@dataclass(frozen=True)
class SeenSpecimen:
    """A specimen that one person or both have seen, and that counts for one or both.

    Attributes
    ----------
    sample, image : str
        Where it is; the image as the first project calls it.
    first, second : int or None
        Its place among the specimens of each count, None where that person has not seen it.
    overlap : float
        Of both outlines or boxes (IoU), NaN where one person alone has seen it.
    """

    sample: str
    image: str
    first: int | None
    second: int | None
    overlap: float

    @property
    def seen_by(self) -> str:
        """Who has seen it: ``both``, ``first`` or ``second``."""
        return "second" if self.first is None else "first" if self.second is None else "both"


@dataclass(frozen=True)
class SampleAgreement:
    """How far the counts of a sample agree.

    Attributes
    ----------
    sample : str
        Its code, or ``all samples``.
    fields : FieldsConfirmed
        Those that both have confirmed are compared.
    both, only_first, only_second : int
        Specimens by who has seen them.
    counted_by_one : int
        Those seen by both that count for one person alone, by status, edge or name.
    counts : tuple of float
        What was counted, in the unit of the protocol.
    taxa : tuple of int
        Taxa that were counted.
    bray_curtis, bray_curtis_shares : float
        Dissimilarity of counts, and of shares of those taxa that have one.
    named, same_name : int
        Specimens seen by both to which both gave a taxon, and the same one.
    kappa : float
        Cohen's kappa of these names.
    kappa_bounds : tuple of float
        Its 95 % interval.
    """

    sample: str
    fields: FieldsConfirmed
    both: int
    only_first: int
    only_second: int
    counted_by_one: int
    counts: tuple[float, float]
    taxa: tuple[int, int]
    bray_curtis: float
    bray_curtis_shares: float
    named: int
    same_name: int
    kappa: float
    kappa_bounds: tuple[float, float]

    @property
    def share_of_both(self) -> float:
        """Share of all specimens that both have seen; NaN where nobody has seen any."""
        everything = self.both + self.only_first + self.only_second
        return self.both / everything if everything else math.nan


@dataclass(frozen=True, eq=False)
class CountAgreement:
    """Two counts of the same fields; ``compare_counts`` makes one.

    Attributes
    ----------
    folders : tuple of Path
        The projects.
    persons : tuple of str
        Who counted in each.
    first, second : SampleTally
        Both counts of the fields that both have confirmed, by one protocol and one list of taxa. They have the same
        samples.
    seen : tuple of SeenSpecimen
        The specimens, field by field.
    fields : dict of str to FieldsConfirmed
        By sample, those without a field that both have confirmed too.
    images : dict of str to str
        What the second project calls the images of the first one that were compared.
    remarks : tuple of str
        What a person should know of the comparison.
    facts : dict
        Where the second count is from, as ``provenance.json`` has it.
    taxa : TallyTaxa
        Says which names are of a taxon.
    """

    folders: tuple[Path, Path]
    persons: tuple[str, str]
    first: SampleTally
    second: SampleTally
    seen: tuple[SeenSpecimen, ...]
    fields: Mapping[str, FieldsConfirmed]
    images: Mapping[str, str]
    remarks: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    taxa: TallyTaxa = field(default_factory=TallyTaxa)

    @cached_property
    def all_taxa(self) -> tuple[str, ...]:
        """Names of the T taxa of both counts, sorted."""
        return tuple(sorted({*self.first.taxa, *self.second.taxa}))

    @cached_property
    def has_share(self) -> NDArray[np.bool_]:
        """Which of :attr:`all_taxa` have a part in shares, shape (T,)."""
        apart = {
            name for tally in self._both for name, shared in zip(tally.taxa, tally.is_shared, strict=True) if not shared
        }
        return np.array([name not in apart for name in self.all_taxa], dtype=np.bool_)

    def units(self, sample: str) -> NDArray[np.float64]:
        """Return what both persons counted of a sample, or of ``all samples``, shape (2, T) of :attr:`all_taxa`."""
        found = np.zeros((2, len(self.all_taxa)))
        for row, tally in zip(found, self._both, strict=True):
            places = [k for k, code in enumerate(tally.samples) if sample in (code, ALL_SAMPLES)]
            row[[self.all_taxa.index(name) for name in tally.taxa]] = tally.units[places].sum(axis=0)
        return found

    def shares(self, sample: str) -> NDArray[np.float64]:
        """Return the shares of both counts, shape (2, T); NaN for taxa without, and where nothing was counted."""
        units = np.where(self.has_share, self.units(sample), np.nan)
        totals = np.nansum(units, axis=1, keepdims=True)
        shares: NDArray[np.float64] = np.divide(units, totals, out=np.full(units.shape, np.nan), where=totals > 0)
        return shares

    def names(self, seen: SeenSpecimen) -> tuple[str, str]:
        """Return what each person called a specimen, empty where they have not seen it."""
        first, second = (
            "" if k is None else tally.taxa[tally.specimens.taxon[k]]
            for tally, k in zip(self._both, (seen.first, seen.second), strict=True)
        )
        return first, second

    def boxes(self, seen: SeenSpecimen) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Return the box of a specimen in both counts, shape (5,), in pixels; None where that person has none."""
        first, second = (
            None if k is None else tally.specimens.boxes[k]
            for tally, k in zip(self._both, (seen.first, seen.second), strict=True)
        )
        return first, second

    def keys(self, seen: SeenSpecimen) -> tuple[str, str]:
        """Return the keys of a specimen in both projects, empty where that person has not seen it."""
        first, second = (
            "" if k is None else tally.specimens.keys[k]
            for tally, k in zip(self._both, (seen.first, seen.second), strict=True)
        )
        return first, second

    def is_named(self, seen: SeenSpecimen) -> bool:
        """Return whether both have seen a specimen and given it a taxon."""
        return all(self.taxa.names.is_taxon(name) for name in self.names(seen))

    def mixed_up(self) -> list[tuple[str, str, str, int]]:
        """Return sample, both names and the number of specimens to which two names were given, most of them first."""
        found = Counter((one.sample, *self.names(one)) for one in self.seen if self.is_named(one))
        rows = [(*cell, number) for cell, number in found.items() if cell[1] != cell[2]]
        order = {sample: k for k, sample in enumerate(self.first.samples)}
        return sorted(rows, key=lambda row: (order[row[0]], -row[3], row[1:3]))

    def of_sample(self, sample: str) -> SampleAgreement:
        """Return how far the counts of a sample, or of ``all samples``, agree."""
        seen = [one for one in self.seen if sample in (one.sample, ALL_SAMPLES)]
        pairs = [(one.first, one.second) for one in seen if one.first is not None and one.second is not None]
        named = [self.names(one) for one in seen if self.is_named(one)]
        names = [name for name, _ in named], [name for _, name in named]
        units, shares = self.units(sample), self.shares(sample)[:, self.has_share]
        fields = [one for code, one in self.fields.items() if sample in (code, ALL_SAMPLES)]
        return SampleAgreement(
            sample=sample,
            fields=FieldsConfirmed(*(sum(one[k] for one in fields) for k in range(3))),
            both=len(pairs),
            only_first=sum(one.second is None for one in seen),
            only_second=sum(one.first is None for one in seen),
            counted_by_one=sum((self.first.weights[i] > 0) != (self.second.weights[k] > 0) for i, k in pairs),
            counts=(float(units[0].sum()), float(units[1].sum())),
            taxa=(int((units[0] > 0).sum()), int((units[1] > 0).sum())),
            bray_curtis=bray_curtis(*units),
            bray_curtis_shares=bray_curtis(*shares),
            named=len(named),
            same_name=sum(name == other for name, other in named),
            kappa=cohen_kappa(*names),
            kappa_bounds=kappa_bounds(*names),
        )

    def by_sample(self) -> Iterator[SampleAgreement]:
        """Yield the agreement of each sample, then that of all together where there are several."""
        codes = list(self.fields)
        for code in codes if len(codes) == 1 else (*codes, ALL_SAMPLES):
            yield self.of_sample(code)

    @property
    def _both(self) -> tuple[SampleTally, SampleTally]:
        return self.first, self.second
