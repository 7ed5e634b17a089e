"""What a classifier's mistakes mean for a tally: true shares of taxa, with intervals, from the test of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.counting.workbook import TableSheet
from napari_diatom.samples.table_files import Columns, table_sheet
from napari_diatom.samples.tally import COUNTED, SampleTally
from napari_diatom.statistics.classifier_errors import corrected_shares, share_bounds

REPORT: Final = "report.json"
"""What ``napari-diatom evaluate`` writes into its folder."""
_KIND: Final = "the report of a test"
_SHARE: Final = ".6f"
_LEAST: Final = 0.0005
"""Upper end of the likely share from which a taxon that nothing was called is listed."""


@dataclass(frozen=True, eq=False)
class NameConfusion:
    """The confusion matrix of a model's test.

    Attributes
    ----------
    names : tuple of str
        K taxa, each tested with at least one specimen.
    table : ndarray of int64, shape (K, K)
        Test specimens by true taxon (row) and by what they were called (column).
    """

    names: tuple[str, ...]
    table: NDArray[np.int64]

    @classmethod
    def of(cls, names: Sequence[str], table: NDArray[np.int64], merged: Mapping[str, str]) -> NameConfusion:
        """Return a matrix with synonyms merged, by their accepted names, and without taxa that were never tested."""
        called = [merged.get(name, name) for name in names]
        kept = tuple(dict.fromkeys(called))
        member = np.array([[name == one for name in called] for one in kept], dtype=np.int64)
        whole = member @ table @ member.T
        tested = np.flatnonzero(whole.sum(axis=1) > 0)
        while len(tested) and (whole[np.ix_(tested, tested)].sum(axis=1) == 0).any():
            # Called nothing but taxa that were not tested themselves.
            tested = tested[whole[np.ix_(tested, tested)].sum(axis=1) > 0]
        return cls(tuple(kept[k] for k in tested), whole[np.ix_(tested, tested)])


def report_of(evaluation: str | PathLike[str]) -> Path:
    """Return the report in a folder of ``napari-diatom evaluate``, or the one that is named itself."""
    place = Path(evaluation)
    return place / REPORT if place.is_dir() else place


def read_tested_names(path: Path, merged: Callable[[Iterable[str]], Mapping[str, str]]) -> NameConfusion:
    """Read the confusion matrix of a model's test.

    Parameters
    ----------
    path : Path
        The ``report.json`` of ``napari-diatom evaluate``.
    merged : callable
        Returns the accepted names of those of some names that are synonyms.

    Raises
    ------
    InputError
        When it cannot be read, or is not the report of a test with names.
    """
    data: Any = read_json(path, _KIND)
    try:
        if data["detection"] is not None:
            names, found = list(data["detection"]["names"]["known"]), data["detection"]["confusion"]
            # First what is nothing, or was missed; then the classes that the model knows, then others.
            table = np.array(found, dtype=np.float64)[1 : len(names) + 1, 1 : len(names) + 1]
        else:
            names = [part["name"] for part in data["naming"]["classes"]]
            table = np.array(data["naming"]["confusion"], dtype=np.float64)
        whole = table.astype(np.int64)
        if table.shape != (len(names), len(names)) or (whole != table).any() or (whole < 0).any():
            raise ValueError("the numbers do not fit the names")
        names = [str(name) for name in names]
        tested = NameConfusion.of(names, whole, merged(names))
    except (KeyError, TypeError, ValueError, IndexError):
        raise InputError(
            f"{path} has no confusion matrix of names: give the folder of napari-diatom evaluate for the model that "
            "named the specimens."
        ) from None
    if len(tested.names) < 2:
        raise InputError(f"{path} has a test of fewer than two taxa, so it says nothing of names that were mixed up.")
    return tested


def name_errors_sheet(
    tally: SampleTally, tested: NameConfusion, merged: Callable[[Iterable[str]], Mapping[str, str]]
) -> TableSheet:
    """Return a row for each sample and taxon: its share as it was named, and the likely true one with its interval.

    The specimens that a person named, or looked at, are taken as right, and so are those called what the test does not
    have. Those of which a model was not sure have its first choice, as they have in the test. Shares are of all that
    was counted.

    Parameters
    ----------
    tally : SampleTally
        The count.
    tested : NameConfusion
        What the test of the model says.
    merged : callable
        As of :func:`read_tested_names`.
    """
    columns: Columns = (
        *(("sample", ""), ("taxon", ""), ("specimens", "d"), ("named_by_model", "d"), ("share_of_all", _SHARE)),
        *((name, _SHARE) for name in ("corrected_share", "corrected_share_low", "corrected_share_high")),
    )
    return table_sheet("name_errors", columns, _rows(tally, tested, merged(tally.specimens.first_choices)))


def _rows(tally: SampleTally, tested: NameConfusion, merged: Mapping[str, str]) -> Iterator[tuple[Any, ...]]:
    taxa = (*tally.taxa, *(name for name in tested.names if name not in tally.taxa))
    columns = [taxa.index(name) for name in tested.names]
    found = tally.specimens
    place = dict(zip(tested.names, columns, strict=True))
    chosen = [place.get(merged.get(name, name), -1) for name in found.first_choices]
    first = np.where(np.isin(found.taxon, columns), found.taxon, np.array(chosen, dtype=np.intp))
    by_model = (tally.reasons == COUNTED) & ~found.by_person & (first >= 0)
    for s, sample in enumerate(tally.samples):
        mine = by_model & (tally.sample == s)
        others = ~by_model & (tally.sample == s)
        called = np.bincount(first[mine], minlength=len(taxa))
        if not called.any():
            continue
        known = np.bincount(found.taxon[others], tally.weights[others], len(taxa))
        units = float(tally.weights[mine].sum())
        total = known.sum() + units
        likely = np.stack([known] * 3, axis=1).astype(np.float64)
        shares, bounds = corrected_shares(called[columns], tested.table), share_bounds(called[columns], tested.table)
        likely[columns] += units * np.column_stack([shares, bounds])
        for t, name in enumerate(taxa):
            count = float(tally.units[s, t]) if t < len(tally.taxa) else 0.0
            number = int(tally.numbers[s, t]) if t < len(tally.taxa) else 0
            if number or likely[t, 2] / total >= _LEAST:
                yield (sample, name, number, int(called[t]), count / total, *(likely[t] / total).tolist())
