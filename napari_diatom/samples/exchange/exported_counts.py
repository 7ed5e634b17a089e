"""The counts of a tally as exports need them, and what is missing for a format, all at once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import numpy as np

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import either, printable
from napari_diatom.project.taxon_codes import SCHEME_NAMES, CodeScheme
from napari_diatom.samples.sample_facts import SampleFacts
from napari_diatom.samples.tally import SampleTally
from napari_diatom.samples.tally_tables import as_count, count_format
from napari_diatom.samples.tally_taxa import TallyTaxa

_NEEDED: Final[Mapping[str, str]] = {"date": "date", "site": "site code"}
"""What facts are called in messages."""
_HINT: Final = (
    "Complete the list of taxa (--taxa) or the table of samples (--samples), or have what is incomplete left out "
    "(--leave-out-incomplete)."
)


@dataclass(frozen=True, eq=False)
class ExportedCounts:
    """A tally with what is known of its samples and taxa.

    Attributes
    ----------
    tally : SampleTally
        The counts.
    facts : dict of str to SampleFacts
        Facts of samples, by their codes.
    taxa : TallyTaxa
        What is known of the taxa.
    """

    tally: SampleTally
    facts: Mapping[str, SampleFacts]
    taxa: TallyTaxa

    def counted_taxa(self) -> list[int]:
        """Return the places of the taxa that were counted anywhere, by their names."""
        return [int(t) for t in np.flatnonzero(self.tally.units.any(axis=0))]

    def counted_samples(self) -> list[int]:
        """Return the places of the samples in which something was counted, in their order."""
        return [int(s) for s in np.flatnonzero(self.tally.units.any(axis=1))]

    def facts_of(self, sample: str) -> SampleFacts:
        """Return the facts of a sample; only its code where nothing is known."""
        return self.facts.get(sample) or SampleFacts(code=sample)

    def has(self, name: str, s: int) -> bool:
        """Return whether a fact of a sample is known."""
        return bool(getattr(self.facts_of(self.tally.samples[s]), name))

    def count(self, s: int, t: int) -> int | float:
        """Return the count of a taxon in a sample, whole where all counts are."""
        return as_count(float(self.tally.units[s, t]), count_format(self.tally))

    def own(self, s: int, column: str) -> str:
        """Return what a free column of the table of samples says, whatever capitals its heading has; empty for none."""
        other = self.facts_of(self.tally.samples[s]).other
        return next((text for name, text in other.items() if name.casefold().replace(" ", "_") == column), "")


@dataclass
class ExportCheck:
    """Collects what formats need and a tally does not have.

    Attributes
    ----------
    leave_out : bool
        Whether taxa and samples that lack something are left out.
    problems : list of str
        What makes an export impossible.
    remarks : list of str
        What was left out, or a person should know else.
    """

    leave_out: bool = False
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    _is_incomplete: bool = False

    def codes(self, counts: ExportedCounts, scheme: CodeScheme, program: str) -> dict[int, str]:
        """Return the codes of the counted taxa by their places; those without one are a problem, or left out."""
        names = counts.tally.taxa
        codes = {t: counts.taxa.code(names[t], scheme) for t in counts.counted_taxa()}
        label = SCHEME_NAMES[scheme]
        missing = [t for t, code in codes.items() if not code]
        self._without([names[t] for t in missing], f"no {label} code", program, counts.tally.units[:, missing].sum())
        owners: dict[str, int] = {}
        for t, code in codes.items():
            if code and owners.setdefault(code, t) != t:
                self.problems.append(f"{names[owners[code]]} and {names[t]} share the {label} code {code}")
        return {t: code for t, code in codes.items() if code}

    def complete(
        self,
        counts: ExportedCounts,
        program: str,
        needs: Sequence[str] = (),
        needed: Mapping[str, Callable[[int], bool]] | None = None,
    ) -> list[int]:
        """Return the places of the samples of which a format's facts are known; others are a problem, or left out.

        Parameters
        ----------
        counts : ExportedCounts
            The counts; samples without any are not exported.
        program : str
            For messages.
        needs : sequence of str
            Facts that every sample needs.
        needed : mapping of str to callable, optional
            Further ones by what they are called, each with a function that says whether a sample has it.
        """
        samples = counts.counted_samples()
        rules: dict[str, Callable[[int], bool]] = {_NEEDED[name]: partial(counts.has, name) for name in needs}
        lacking: set[int] = set()
        for what, is_known in (rules | dict(needed or {})).items():
            without = [s for s in samples if not is_known(s)]
            lacking.update(without)
            self._without([counts.tally.samples[s] for s in without], f"no {what}", program)
        return [s for s in samples if s not in lacking]

    def require_whole(self, counts: ExportedCounts, program: str) -> None:
        """Note a problem where counts are not whole numbers."""
        if not counts.tally.is_whole:
            self.problems.append(f"{program} takes whole counts, and the protocol counts parts: use another unit")

    def require_some(self, places: Iterable[Any], program: str, what: str) -> None:
        """Note a problem where nothing is left to be exported."""
        if not self.problems and not list(places):
            self.problems.append(f"there is no {what} to export for {program}")

    def finish(self) -> None:
        """Raise InputError with every problem, if there is one."""
        if self.problems:
            hint = f" {_HINT}" if self._is_incomplete else ""
            raise InputError(f"Nothing was exported: {'; '.join(dict.fromkeys(self.problems))}.{hint}")

    def _without(self, names: Sequence[str], what: str, program: str, units: float = 0) -> None:
        """Note which taxa or samples have not what a format needs."""
        if not names:
            return
        listed = f"{', '.join(names)} {either(len(names), 'has', 'have')} {what}, which {program} needs"
        if self.leave_out:
            counted = f" with {units:g} counted" if units else ""
            self.remarks.append(f"{listed}: left out{counted}")
        else:
            self.problems.append(listed)
            self._is_incomplete = True


def delimited(rows: Iterable[Sequence[Any]], separator: str, are_texts_quoted: bool = False) -> bytes:
    """Return rows as text with a separator, in UTF-8; all texts, but no numbers, are in quotes where that is asked."""
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=separator,
        lineterminator="\n",
        quoting=csv.QUOTE_NONNUMERIC if are_texts_quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerows([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    return text.getvalue().encode()
