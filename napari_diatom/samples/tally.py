"""From specimens to counts of taxa by sample, by the rules of a protocol; each count knows its specimens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.cut_edges import LEFT, TOP
from napari_diatom.core.detections import STATUSES
from napari_diatom.samples.protocol import SampleProtocol
from napari_diatom.samples.stop_rule import CountProgress, count_progress, ordered_fields
from napari_diatom.samples.tallied_specimens import TalliedSpecimens

COUNTED, BY_STATUS, BY_EDGE, BY_NAME = range(4)
"""Places in :data:`REASONS`."""
REASONS: Final = ("", "status", "edge", "uncertain name")
"""Why a specimen does not count, empty where it does."""


class SampleCounts(ABC):
    """Counts of S samples and T taxa, and what follows from them; :class:`SampleTally` also knows the specimens."""

    protocol: SampleProtocol
    """The rules."""
    samples: tuple[str, ...]
    """Codes of the samples, in their order."""
    listed_planktic: Mapping[str, bool]
    """Which taxa are planktic as a list of taxa says it."""

    @property
    @abstractmethod
    def taxa(self) -> tuple[str, ...]:
        """Names of the taxa, sorted."""

    @property
    @abstractmethod
    def units(self) -> NDArray[np.float64]:
        """What was counted, in the unit of the protocol, shape (S, T)."""

    @property
    @abstractmethod
    def squares(self) -> NDArray[np.float64]:
        """Sums of the squares of what each specimen counts, shape (S, T)."""

    @property
    @abstractmethod
    def by_reason(self) -> NDArray[np.int64]:
        """All specimens by why they do not count, shape (S, T, reasons)."""

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Specimens that count, shape (S, T)."""
        return self.by_reason[..., COUNTED]

    @cached_property
    def is_planktic(self) -> NDArray[np.bool_]:
        """Which taxa are planktic, shape (T,)."""
        said = [self.protocol.is_planktic(taxon, self.listed_planktic) for taxon in self.taxa]
        return np.array(said, dtype=np.bool_)

    @property
    def knows_planktic(self) -> bool:
        """Whether the protocol or a list of taxa says of any taxon that it is planktic, or not."""
        return bool(self.protocol.planktic_taxa or self.listed_planktic)

    @cached_property
    def is_shared(self) -> NDArray[np.bool_]:
        """Which taxa have a part in shares and diversity, shape (T,): all, or all but planktic ones."""
        return ~self.is_planktic if self.protocol.planktic_apart else np.ones(len(self.taxa), dtype=np.bool_)

    @cached_property
    def is_target(self) -> NDArray[np.bool_]:
        """Which taxa the target is of, shape (T,)."""
        of_all = self.protocol.target_of == "all"
        return np.ones(len(self.taxa), dtype=np.bool_) if of_all else ~self.is_planktic

    @property
    def is_whole(self) -> bool:
        """Whether all counts are whole numbers."""
        return bool((self.units == np.floor(self.units)).all())

    def progress(self, sample: str) -> CountProgress:
        """Return how far the count of a sample is."""
        k, shared = self.samples.index(sample), self.is_shared
        counted = float(self.units[k][self.is_target].sum())
        parts = (self.units[k, shared], self.numbers[k, shared], self.squares[k, shared])
        return count_progress(self.protocol, *parts, counted)


@dataclass(frozen=True, eq=False)
class SampleTally(SampleCounts):
    """The count of S samples and T taxa; ``tally_specimens`` makes one.

    Attributes
    ----------
    protocol : SampleProtocol
        The rules.
    specimens : TalliedSpecimens
        All N specimens, those that do not count too.
    samples : tuple of str
        Codes of the samples, in their order.
    field_sample : ndarray of intp, shape (F,)
        The sample of each field.
    weights : ndarray of float64, shape (N,)
        How much each specimen counts.
    reasons : ndarray of uint8, shape (N,)
        Why it does not: 0 where it does, 1 for its status, 2 for the edge, 3 for an uncertain name.
    listed_planktic : dict of str to bool
        Which taxa are planktic as a list of taxa says it.
    """

    protocol: SampleProtocol
    specimens: TalliedSpecimens
    samples: tuple[str, ...]
    field_sample: NDArray[np.intp]
    weights: NDArray[np.float64]
    reasons: NDArray[np.uint8]
    listed_planktic: Mapping[str, bool] = field(default_factory=dict)

    @property
    def taxa(self) -> tuple[str, ...]:
        """Names of the taxa."""
        return self.specimens.taxa

    @cached_property
    def sample(self) -> NDArray[np.intp]:
        """The sample of each specimen, shape (N,)."""
        return self.field_sample[self.specimens.field]

    @cached_property
    def units(self) -> NDArray[np.float64]:
        """What was counted, in the unit of the protocol, shape (S, T)."""
        return self._sums(self.weights)

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """Sums of the squares of what each specimen counts, shape (S, T)."""
        return self._sums(self.weights**2)

    @cached_property
    def by_reason(self) -> NDArray[np.int64]:
        """All specimens by why they do not count, shape (S, T, reasons)."""
        reasons = range(len(REASONS))
        parts = [self._sums((self.reasons == k).astype(np.float64)).astype(np.int64) for k in reasons]
        return np.stack(parts, axis=-1)

    def keys_of(self, sample: str, taxon: str) -> list[str]:
        """Return the keys of the specimens that a count is of. Raises ValueError for an unknown sample or taxon."""
        chosen = self.sample == self.samples.index(sample)
        chosen &= self.specimens.taxon == self.taxa.index(taxon)
        chosen &= self.reasons == COUNTED
        return [self.specimens.keys[k] for k in np.flatnonzero(chosen).tolist()]

    def fields_of(self, sample: str) -> list[int]:
        """Return the places of a sample's fields, in the protocol's order."""
        places = np.flatnonzero(self.field_sample == self.samples.index(sample)).tolist()
        by_name = {self.specimens.fields[k].name: k for k in places}
        return [by_name[name] for name in ordered_fields(by_name, self.protocol.field_order)]

    def fields_to_target(self, sample: str) -> int | None:
        """Return how many fields, in the protocol's order, have the target between them; None where all have less."""
        weights = self.weights * self.is_target[self.specimens.taxon]
        by_field = np.bincount(self.specimens.field, weights, len(self.specimens.fields)).astype(np.float64)
        return fields_until(by_field[self.fields_of(sample)], self.protocol.target)

    def _sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums of values by sample and taxon, shape (S, T)."""
        shape = (len(self.samples), len(self.taxa))
        cells = self.sample * shape[1] + self.specimens.taxon
        sums: NDArray[np.float64] = np.bincount(cells, values, shape[0] * shape[1]).astype(np.float64)
        return sums.reshape(shape)


def tally_specimens(
    specimens: TalliedSpecimens,
    protocol: SampleProtocol,
    samples: Mapping[str, str] | None = None,
    planktic: Mapping[str, bool] | None = None,
) -> SampleTally:
    """Count specimens by sample and taxon.

    Parameters
    ----------
    specimens : TalliedSpecimens
        What was found.
    protocol : SampleProtocol
        What counts.
    samples : mapping of str to str, optional
        The sample of each field by its name, where it is another one than the field has.
    planktic : mapping of str to bool, optional
        Which taxa are planktic as a list of taxa says it.
    """
    given = {} if samples is None else samples
    field_samples = [given.get(field.name, field.sample) for field in specimens.fields]
    codes = tuple(dict.fromkeys(field_samples))
    number = {code: k for k, code in enumerate(codes)}
    columns = (specimens.taxon, specimens.status, specimens.edges)
    weights, reasons = what_counts(protocol, specimens.taxa, *columns)
    places = np.array([number[code] for code in field_samples], dtype=np.intp)
    return SampleTally(protocol, specimens, codes, places, weights, reasons, planktic or {})


def what_counts(
    protocol: SampleProtocol,
    taxa: Sequence[str],
    taxon: NDArray[np.intp],
    status: NDArray[np.intp],
    edges: NDArray[np.uint8],
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return how much specimens count, and why they do not, each of shape (N,).

    Parameters
    ----------
    protocol : SampleProtocol
        What counts.
    taxa : sequence of str
        Names of the taxa.
    taxon, status, edges : ndarray, shape (N,)
        Of each specimen, as :class:`~napari_diatom.samples.tallied_specimens.TalliedSpecimens` has them.
    """
    reasons = np.zeros(len(taxon), dtype=np.uint8)
    if protocol.edges != "all":
        wanted = LEFT | TOP if protocol.edges == "not_top_left" else 0xFF
        reasons[(edges & wanted) > 0] = BY_EDGE
    is_apart = np.array([protocol.is_apart(name) for name in taxa], dtype=np.bool_)
    if is_apart.any():
        reasons[is_apart[taxon]] = BY_NAME
    by_status = np.array([protocol.weight(name) for name in STATUSES])
    weights = by_status[status]
    reasons[weights == 0] = BY_STATUS
    weights[reasons != COUNTED] = 0
    return weights, reasons


def fields_until(units: NDArray[np.float64], target: float) -> int | None:
    """Return how many of some fields, in their order, have a target between them; None where all have less."""
    reached = np.flatnonzero(np.cumsum(units) >= target)
    return int(reached[0]) + 1 if len(reached) else None
