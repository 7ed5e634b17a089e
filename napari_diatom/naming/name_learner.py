"""Learns each taxon from the specimens named so far, while more are named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.naming.discriminant import Discriminant
from napari_diatom.naming.group_sums import GroupSums
from napari_diatom.naming.method_choice import UNTRIED, GroupChoice, Method
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.ranking import Ranking
from napari_diatom.naming.rule_pair import RulePair, tempered_shares
from napari_diatom.naming.vectors import checked_sizes, checked_vectors

Floats = NDArray[np.float64]

_ONE_MORE: Final = 1.0
"""Added to how often each taxon was counted, so that one that was not counted yet can still be found."""


@dataclass(frozen=True, eq=False)
class _Specimen:
    vector: Floats
    sizes: Floats
    taxon: str
    group: str
    slide: str


@dataclass(frozen=True, eq=False)
class _Fitted:
    """The rules of a group as it is now."""

    plain: Discriminant
    rules: RulePair
    method: Method


class NameLearner:
    """What is known of the named specimens, and what it says of others.

    Only specimens of one group teach one another: each group (valves, girdle views, broken and teratological ones) has
    sums of its own, with its own means and scatter, and a specimen is ranked among the taxa that were named in its own
    group. In a group without names nothing is suggested. A name is any text: ``Navicula cf. gregaria`` and ``sp. 1``
    are taxa like others, and teach no one but themselves.

    Parameters
    ----------
    dimensions : int
        D, columns of a vector.
    sizes : int
        Q, columns of sizes, such as the logarithm of the length.
    """

    def __init__(self, dimensions: int, sizes: int = 0) -> None:
        self.dimensions = dimensions
        self.sizes = sizes
        self._specimens: dict[str, _Specimen] = {}
        self._sums: dict[str, GroupSums] = {}
        self._fitted: dict[str, _Fitted] = {}
        self._choices: Mapping[str, GroupChoice] = {}
        self._named: NamedVectors | None = None

    @classmethod
    def of(cls, named: NamedVectors) -> Self:
        """Return what has learnt from many specimens at once.

        Raises
        ------
        InputError
            When two have one key.
        """
        learner = cls(named.vectors.shape[1], named.sizes.shape[1])
        learner._named = named
        rows = zip(named.vectors, named.sizes, named.taxa, named.groups, named.slides, strict=True)
        learner._specimens = {key: _Specimen(*row) for key, row in zip(named.keys, rows, strict=True)}
        if len(learner._specimens) < len(named):
            raise InputError("Two named specimens have the same key.")
        learner._sums = {group: GroupSums.of(part) for group, part in named.by_group().items()}
        return learner

    def copy(self) -> Self:
        """Return what has learnt the same, and learns by itself from now on."""
        twin = self.__class__(self.dimensions, self.sizes)
        twin._specimens = dict(self._specimens)
        twin._sums = {group: sums.copy() for group, sums in self._sums.items()}
        twin._fitted, twin._choices, twin._named = dict(self._fitted), self._choices, self._named
        return twin

    def __len__(self) -> int:
        return len(self._specimens)

    def __contains__(self, key: object) -> bool:
        return key in self._specimens

    def taxon(self, key: str) -> str | None:
        """Return what a specimen was named; None where it was not."""
        found = self._specimens.get(key)
        return None if found is None else found.taxon

    def counts(self, group: str = "") -> Mapping[str, int]:
        """Return how many specimens of each taxon were named in a group."""
        return self._sums[group].plain.counts if group in self._sums else {}

    def name(
        self,
        key: str,
        taxon: str,
        vector: ArrayLike,
        *,
        sizes: ArrayLike | None = None,
        group: str = "",
        slide: str = "",
    ) -> None:
        """Learn from one specimen; one with this key that was named before is forgotten first.

        Parameters
        ----------
        key : str
            What the project calls the specimen.
        taxon : str
            Its name.
        vector : array-like, shape (D,)
            Its vector.
        sizes : array-like, shape (Q,), optional
            Its sizes; NaN where one is not known.
        group, slide : str
            What it may be compared with, and where it lies.

        Raises
        ------
        InputError
            When the name is empty, or the vector is not finite or has another shape. Nothing has changed then.
        """
        if not taxon:
            raise InputError(f"Specimen {key} has an empty name, from which nothing can be learnt.")
        [value] = checked_vectors(np.asarray(vector, dtype=np.float64)[None], self.dimensions, [key])
        [known] = self._checked_sizes(None if sizes is None else np.asarray(sizes, np.float64)[None], 1, [key])
        if not np.isfinite(known).all():
            known = np.full(self.sizes, np.nan)
        self.forget(key)
        self._specimens[key] = _Specimen(value.copy(), known.copy(), taxon, group, slide)
        self._sums_of(group).add(value, known, taxon)
        self._changed(group)

    def rename(self, key: str, taxon: str) -> None:
        """Give a named specimen another name.

        Raises
        ------
        InputError
            When it was not named.
        """
        if key not in self._specimens:
            raise InputError(f"Specimen {key} was not named, so it cannot be renamed.")
        old = self._specimens[key]
        self.name(key, taxon, old.vector, sizes=old.sizes, group=old.group, slide=old.slide)

    def forget(self, key: str) -> None:
        """Take back the name of a specimen; one that was not named stays so."""
        old = self._specimens.pop(key, None)
        if old is None:
            return
        sums = self._sums[old.group]
        sums.remove(old.vector, old.sizes, old.taxon)
        if not len(sums.plain):
            del self._sums[old.group]
        self._changed(old.group)

    def rename_taxon(self, former: str, taxon: str) -> None:
        """Give a taxon another name in all groups; where that has specimens too, both are joined, as synonyms are."""
        for key, old in self._specimens.items():
            if old.taxon == former:
                self._specimens[key] = _Specimen(old.vector, old.sizes, taxon, old.group, old.slide)
        for group, sums in self._sums.items():
            sums.rename_taxon(former, taxon)
            self._changed(group)

    def named(self) -> NamedVectors:
        """Return all named specimens as they are now, for work in the background."""
        if self._named is None:
            all_of = list(self._specimens.values())
            self._named = NamedVectors(
                tuple(self._specimens),
                np.array([one.vector for one in all_of]).reshape(-1, self.dimensions),
                np.array([one.sizes for one in all_of]).reshape(-1, self.sizes),
                tuple(one.taxon for one in all_of),
                tuple(one.group for one in all_of),
                tuple(one.slide for one in all_of),
            )
        return self._named

    def choose(self, choices: Mapping[str, GroupChoice]) -> None:
        """Name by these methods from now on, as :func:`~napari_diatom.naming.method_choice.choose_methods` found.

        A logistic regression is used while its taxa are those that are named; the discriminant, which learns at once,
        stands in for it otherwise.
        """
        self._choices = dict(choices)
        self._fitted.clear()

    def choice(self, group: str = "") -> GroupChoice:
        """Return how a group is named."""
        return self._choices.get(group, UNTRIED)

    def rank(
        self,
        vectors: ArrayLike,
        *,
        sizes: ArrayLike | None = None,
        groups: Sequence[str] | None = None,
        counted: Mapping[str, float] | None = None,
    ) -> Ranking:
        """Return what specimens may be called.

        Parameters
        ----------
        vectors : array-like, shape (N, D)
            One for each specimen.
        sizes : array-like, shape (N, Q), optional
            Their sizes, used where all of a specimen's are known, and for taxa of which a named specimen has them.
        groups : sequence of str, optional
            Their groups; all in one without a name otherwise.
        counted : mapping of str to float, optional
            How often each taxon was counted in this sample. How common a taxon is (one is added to each count) is used
            as a prior then; all are equally common otherwise.

        Raises
        ------
        InputError
            When a vector is not finite, or the parts are not of one number; the message names the specimens. When a
            count is negative or not finite; the message names the taxon.
        """
        values = checked_vectors(vectors, self.dimensions)
        known = self._checked_sizes(sizes, len(values), None)
        where = [""] * len(values) if groups is None else list(groups)
        if len(where) != len(values):
            raise InputError(f"{len(where)} groups do not match {len(values)} specimens.")
        taxa = tuple(sorted({name for sums in self._sums.values() for name in sums.plain.counts}))
        place = {name: k for k, name in enumerate(taxa)}
        shares, distances = np.zeros((len(values), len(taxa))), np.full(len(values), np.inf)
        unlike = np.zeros(len(values), dtype=bool)
        of_group = np.array(where, dtype=object)
        for group in set(where) & set(self._sums):
            rows = np.flatnonzero(of_group == group)
            fitted = self._fit(group)
            evidence = fitted.rules.log_shares(values[rows], known[rows])
            own = fitted.rules.taxa
            columns = np.array([place[name] for name in own])
            shares[np.ix_(rows, columns)] = tempered_shares(
                evidence, self._temperature(group, fitted), _log_prior(own, counted)
            )
            distances[rows] = np.sqrt(fitted.plain.squared_distances(values[rows]).min(axis=1))
            unlike[rows] = distances[rows] > self.choice(group).unlike_beyond
        return Ranking(taxa, shares, distances, unlike)

    def _fit(self, group: str) -> _Fitted:
        if group not in self._fitted:
            choice, sums = self.choice(group), self._sums[group]
            plain, sized = sums.discriminants(choice.method.shrinkage)
            rules, method = RulePair(plain, sized), choice.method
            if method is Method.LOGISTIC:
                if choice.logistic is not None and choice.logistic.taxa == plain.taxa:
                    rules = choice.logistic
                else:
                    method = Method.DISCRIMINANT
            distances = plain if choice.method.shrinkage is None else sums.plain.discriminant()
            self._fitted[group] = _Fitted(distances, rules, method)
        return self._fitted[group]

    def _temperature(self, group: str, fitted: _Fitted) -> float:
        """Return by what evidence is divided.

        Before it is calibrated, the covariance gets the divisor that makes it unbiased: specimens less taxa.
        """
        found, plain = self.choice(group).temperatures.get(fitted.method), fitted.plain
        if found is not None:
            return found
        degrees = plain.spectrum.degrees
        return plain.total / degrees if degrees and plain.spectrum.values.any() else 1.0

    def _sums_of(self, group: str) -> GroupSums:
        return self._sums.setdefault(group, GroupSums(self.dimensions, self.sizes))

    def _changed(self, group: str) -> None:
        self._fitted.pop(group, None)
        self._named = None

    def _checked_sizes(self, sizes: ArrayLike | None, number: int, keys: Sequence[str] | None) -> Floats:
        if sizes is None:
            return np.full((number, self.sizes), np.nan)
        return checked_sizes(sizes, number, self.sizes, keys)


def _log_prior(taxa: Iterable[str], counted: Mapping[str, float] | None) -> Floats | float:
    if counted is None:
        return 0.0
    for name, count in counted.items():
        if not 0 <= count < math.inf:
            raise InputError(f"{name} was counted {count} times, which is not a number of specimens.")
    return np.log([counted.get(name, 0.0) + _ONE_MORE for name in taxa])
