"""The count of a project's samples while it changes: only the image that changed is counted again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import STATUSES
from napari_diatom.project.edits import State
from napari_diatom.project.settings import ProjectImage
from napari_diatom.project.summary import Tally
from napari_diatom.samples.image_samples import sample_of
from napari_diatom.samples.protocol import SampleProtocol
from napari_diatom.samples.stop_rule import ordered_fields
from napari_diatom.samples.tally import COUNTED, REASONS, SampleCounts, fields_until, what_counts
from napari_diatom.samples.tally_taxa import TallyTaxa

_Columns = NDArray[np.int64]
"""Taxon, status, edges and number of the specimens of an image that are alike in these, shape (4, C)."""


@dataclass(frozen=True)
class FieldCount:
    """The count of one field.

    Attributes
    ----------
    image : ProjectImage
        The field.
    state : State
        How far it is.
    specimens : int
        How many count.
    units : float
        What they count.
    proposals : int
        How many are proposed besides.
    problem : str
        Why it could not be counted, empty where it could.
    """

    image: ProjectImage
    state: State
    specimens: int
    units: float
    proposals: int
    problem: str = ""

    @property
    def is_done(self) -> bool:
        """Whether a person has confirmed it."""
        return self.state == "done"


class CountedSample(SampleCounts):
    """The count of one sample as it is now; :meth:`LiveTally.counted` makes one.

    Parameters
    ----------
    protocol : SampleProtocol
        The rules.
    sample : str
        Its code.
    taxa : tuple of str
        Names of its taxa, sorted.
    sums : tuple of ndarray, shapes (1, T), (1, T) and (1, T, reasons)
        Units, their squares, and specimens by why they do not count.
    fields : tuple of FieldCount
        In the protocol's order.
    listed_planktic : dict of str to bool
        Which taxa are planktic as the classes of the project say it.

    Attributes
    ----------
    fields : tuple of FieldCount
        In the protocol's order.
    fields_to_target : int or None
        How many of them have the target between them; None where all have less.
    """

    def __init__(
        self,
        protocol: SampleProtocol,
        sample: str,
        taxa: tuple[str, ...],
        sums: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]],
        fields: tuple[FieldCount, ...],
        listed_planktic: Mapping[str, bool],
    ) -> None:
        self.protocol, self.listed_planktic = protocol, listed_planktic
        self.samples = (sample,)
        self._taxa = taxa
        self._units, self._squares, self._by_reason = sums
        self.fields = fields
        self.fields_to_target: int | None = None

    @property
    def taxa(self) -> tuple[str, ...]:
        """Names of the taxa, sorted."""
        return self._taxa

    @property
    def units(self) -> NDArray[np.float64]:
        """What was counted, in the unit of the protocol, shape (1, T)."""
        return self._units

    @property
    def squares(self) -> NDArray[np.float64]:
        """Sums of the squares of what each specimen counts, shape (1, T)."""
        return self._squares

    @property
    def by_reason(self) -> NDArray[np.int64]:
        """All specimens by why they do not count, shape (1, T, reasons)."""
        return self._by_reason

    def next_field(self, after: str = "", taken: Collection[str] = ()) -> str | None:
        """Return the id of the next field that is not done, None where all are.

        Parameters
        ----------
        after : str
            Id of the field that is open. If it is not done, the fields behind it come first.
        taken : collection of str
            Ids of fields that are open in other windows: these come last.
        """
        ids = [field.image.id for field in self.fields]
        left = [field.image.id for field in self.fields if not field.is_done and field.image.id != after]
        behind = set(ids[ids.index(after) :]) if after in ids and not self.fields[ids.index(after)].is_done else set()
        return min(left, key=lambda id_: (id_ in taken, id_ not in behind), default=None)


class LiveTally:
    """Counts samples from what each image has, by class, status and edges.

    The counts are those of :func:`~napari_diatom.samples.tally.tally_specimens`.

    Parameters
    ----------
    protocol : SampleProtocol
        The rules; they may be exchanged at any time.
    taxa : TallyTaxa, optional
        What the classes of the project say of synonyms, and of planktic taxa.
    """

    def __init__(self, protocol: SampleProtocol, taxa: TallyTaxa | None = None) -> None:
        self.protocol = protocol
        self._listed = TallyTaxa() if taxa is None else taxa
        self._tallies: dict[str, Tally] = {}
        self._columns: dict[str, _Columns] = {}
        self._taxa: dict[str, int] = {}

    def note(self, tallies: Iterable[Tally]) -> None:
        """Count images that are new or have changed."""
        for tally in tallies:
            self._tallies[tally.image.id] = tally
            self._columns[tally.image.id] = self._columns_of(tally)

    def keep(self, images: Iterable[ProjectImage]) -> None:
        """Forget all other images, and go by what these are of now, in their order."""
        known = self._tallies
        self._tallies = {image.id: known[image.id].of(image) for image in images if image.id in known}
        self._columns = {id_: self._columns[id_] for id_ in self._tallies}

    @property
    def samples(self) -> tuple[str, ...]:
        """Codes of the samples, in the order of their images."""
        return tuple(dict.fromkeys(sample_of(tally.image) for tally in self._tallies.values()))

    def sample_of(self, image_id: str) -> str:
        """Return the sample of an image, empty where it is not known."""
        tally = self._tallies.get(image_id)
        return "" if tally is None else sample_of(tally.image)

    def counted(self, sample: str) -> CountedSample:
        """Return the count of a sample as it is now."""
        by_id = {id_: tally for id_, tally in self._tallies.items() if sample_of(tally.image) == sample}
        ids = ordered_fields(by_id, self.protocol.field_order)
        parts = [self._columns[id_] for id_ in ids]
        columns = np.concatenate([np.zeros((4, 0), dtype=np.int64), *parts], axis=1)
        field = np.repeat(np.arange(len(ids)), [part.shape[1] for part in parts])
        everything = list(self._taxa)
        present = sorted((everything[k], k) for k in np.unique(columns[0]).tolist())
        place = np.zeros(len(everything), dtype=np.intp)
        place[[k for _, k in present]] = np.arange(len(present))
        taxa, taxon, number = tuple(name for name, _ in present), place[columns[0]], columns[3].astype(np.float64)
        weights, reasons = what_counts(self.protocol, taxa, taxon, columns[1], columns[2].astype(np.uint8))

        def sums(cells: NDArray[np.intp], values: NDArray[np.float64], *shape: int) -> NDArray[np.float64]:
            return np.bincount(cells, values, int(np.prod(shape))).astype(np.float64).reshape(shape)

        by_reason = sums(taxon * len(REASONS) + reasons, number, 1, len(taxa), len(REASONS)).astype(np.int64)
        totals = (
            sums(taxon, weights * number, 1, len(taxa)),
            sums(taxon, weights**2 * number, 1, len(taxa)),
            by_reason,
        )
        specimens = sums(field, number * (reasons == COUNTED), len(ids))
        units = sums(field, number * weights, len(ids))
        fields = tuple(
            FieldCount(tally.image, tally.state, int(specimens[k]), float(units[k]), tally.proposals, tally.problem)
            for k, tally in enumerate(by_id[id_] for id_ in ids)
        )
        found = CountedSample(self.protocol, sample, taxa, totals, fields, self._listed.planktic)
        towards = sums(field, number * weights * found.is_target[taxon], len(ids))
        found.fields_to_target = fields_until(towards, self.protocol.target)
        return found

    def _columns_of(self, tally: Tally) -> _Columns:
        """Return the specimens of an image that are alike as columns."""
        whole = Counter(dict(tally.counts))
        cells: list[tuple[str, str, int, int]] = []
        for (name, status, edges), number in tally.cut.items():
            whole[name, status] -= number
            cells.append((name, status, edges, number))
        cells += [(name, status, 0, number) for (name, status), number in whole.items()]
        accepted = self._listed.merged({name for name, *_ in cells})
        rows = [
            (
                self._taxa.setdefault(accepted.get(name, name), len(self._taxa)),
                STATUSES.index(status),
                edges,
                number,
            )
            for name, status, edges, number in cells
            # Damaged files have others; opening their images says so.
            if number > 0 and status in STATUSES
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 4).T
