"""Specimens with their vectors and the names that people gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_diatom.core.errors import InputError
from napari_diatom.naming.vectors import checked_sizes, checked_vectors

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NamedVectors:
    """N named specimens. Nothing in it changes, so that work in the background may read it.

    Attributes
    ----------
    keys : tuple of str
        What the project calls each specimen.
    vectors : ndarray, shape (N, D)
        One for each.
    sizes : ndarray, shape (N, Q)
        Logarithms of sizes and the like; NaN where one is not known.
    taxa : tuple of str
        The name of each, as it was given: ``Navicula cf. gregaria`` is not ``Navicula gregaria``.
    groups : tuple of str
        What may be compared with each other, such as valves, girdle views and broken valves.
    slides : tuple of str
        The slide of each; empty where it is not known.
    """

    keys: tuple[str, ...]
    vectors: Floats
    sizes: Floats
    taxa: tuple[str, ...]
    groups: tuple[str, ...]
    slides: tuple[str, ...]

    @classmethod
    def of(
        cls,
        vectors: ArrayLike,
        taxa: Sequence[str],
        *,
        keys: Sequence[str] | None = None,
        sizes: ArrayLike | None = None,
        groups: Sequence[str] | None = None,
        slides: Sequence[str] | None = None,
    ) -> Self:
        """Return named specimens, of no known sizes, one group and no known slide unless given.

        Raises
        ------
        InputError
            When a vector is not finite or a name is empty, or the parts are not of one number; the message names the
            specimens.
        """
        values = checked_vectors(vectors, keys=keys)
        number = len(values)
        columns = 0 if sizes is None else np.shape(sizes)[-1]
        known = checked_sizes(np.empty((number, 0)) if sizes is None else sizes, number, columns, keys)
        if columns:
            # A size without the others is not used, so that the scatter of one set of columns is enough.
            known = np.where(np.isfinite(known).all(axis=1, keepdims=True), known, np.nan)
        parts = {
            "keys": map(str, range(number)) if keys is None else keys,
            "names": taxa,
            "groups": [""] * number if groups is None else groups,
            "slides": [""] * number if slides is None else slides,
        }
        given = {name: tuple(part) for name, part in parts.items()}
        for name, part in given.items():
            if len(part) != number:
                raise InputError(f"{len(part)} {name} do not match {number} specimens.")
        for key, taxon in zip(given["keys"], given["names"], strict=True):
            if not taxon:
                raise InputError(f"Specimen {key} has an empty name, from which nothing can be learnt.")
        return cls(given["keys"], values, known, given["names"], given["groups"], given["slides"])

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: slice | NDArray[np.integer | np.bool_]) -> NamedVectors:
        """Return some of the specimens, by their numbers, by a mask or by a slice."""
        chosen = np.arange(len(self))[rows]

        def pick(part: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(part[row] for row in chosen.tolist())

        texts = (pick(self.taxa), pick(self.groups), pick(self.slides))
        return NamedVectors(pick(self.keys), self.vectors[chosen], self.sizes[chosen], *texts)

    @cached_property
    def sized(self) -> NDArray[np.bool_]:
        """Whose sizes are all known, shape (N,); none where there are no columns of sizes."""
        return np.asarray(np.isfinite(self.sizes).all(axis=1) & (self.sizes.shape[1] > 0))

    @cached_property
    def with_sizes(self) -> Floats:
        """Vectors and sizes in one row, shape (N, D + Q)."""
        return np.hstack([self.vectors, self.sizes])

    @cached_property
    def known_taxa(self) -> tuple[str, ...]:
        """The K names that were given, in their alphabet."""
        return tuple(sorted(set(self.taxa)))

    @cached_property
    def taxon_ids(self) -> NDArray[np.intp]:
        """The place of each name among them, shape (N,)."""
        place = {name: k for k, name in enumerate(self.known_taxa)}
        return np.array([place[name] for name in self.taxa], dtype=np.intp)

    @cached_property
    def slide_ids(self) -> NDArray[np.intp]:
        """A number for the slide of each, shape (N,). Specimens of no known slide are on one together."""
        place = {name: k for k, name in enumerate(dict.fromkeys(self.slides))}
        return np.array([place[name] for name in self.slides], dtype=np.intp)

    def by_group(self) -> dict[str, NamedVectors]:
        """Return the specimens of each group, in the alphabet of the groups."""
        of_group = np.array(self.groups, dtype=object)
        return {group: self[of_group == group] for group in sorted(set(self.groups))}
