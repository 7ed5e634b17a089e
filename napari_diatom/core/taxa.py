"""What specimens are called: by a classifier the taxon where it is sure, the genus where only that is, else unknown."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import folded, quoted

UNKNOWN: Final = "unknown"
"""The taxon of a specimen that a classifier has looked at and is not sure of."""
UNNAMED: Final = "unnamed"
"""What a specimen is counted as that nobody has named."""
SPECIES: Final = "sp."
"""After a genus, for a specimen whose species is not sure."""

COLUMNS: Final = ("taxon", "taxon_confidence", "genus", "taxon_2", "taxon_3", "named_by")
"""What tables, features of layers and GeoJSON properties call the parts of a :class:`Name`."""

_GENUS: Final = re.compile(r"(?:(?:cf\.|aff\.)\s+)?([A-Z][a-z]+)\b")


def genus_of(name: str) -> str:
    """Return the genus in the name of a taxon, such as ``Navicula cf. gregaria``; empty where it begins with none."""
    found = _GENUS.match(name)
    return found[1] if found else ""


def written_alike(names: Iterable[str]) -> list[str]:
    """Return which names are the same but for capitals, spaces and underscores, a sentence for each group of them."""
    alike: dict[str, set[str]] = {}
    for name in names:
        alike.setdefault(folded(" ".join(name.replace("_", " ").split())), set()).add(name)
    groups = (", ".join(quoted(name) for name in sorted(group)) for group in alike.values() if len(group) > 1)
    return [f"{group} differ in capitals or spaces only, and are taken as different taxa." for group in groups]


@dataclass(frozen=True)
class Name:
    """What one specimen is called.

    Attributes
    ----------
    taxon : str
        A class of the classifier, a genus with ``sp.``, or :data:`UNKNOWN`.
    confidence : float
        Probability of that taxon, of the most probable class where it is unknown; 1 for what a person says.
    genus : str
        Of the taxon; empty where it has none.
    others : tuple of str
        The two most probable classes other than ``taxon``; fewer where the classifier knows fewer.
    by : str
        Name and version of the classifier, or :data:`~napari_diatom.core.detections.PERSON`.
    """

    taxon: str
    confidence: float
    genus: str
    others: tuple[str, ...] = ()
    by: str = ""

    @classmethod
    def by_person(cls, taxon: str) -> Self:
        """Return what a person calls a specimen."""
        return cls(taxon, 1.0, genus_of(taxon), by=PERSON)

    def cells(self) -> dict[str, Any]:
        """Return its parts by the names in :data:`COLUMNS`, empty where there is none."""
        parts = (self.taxon, self.confidence, self.genus, *(*self.others, "", "")[:2], self.by)
        return dict(zip(COLUMNS, parts, strict=True))

    @classmethod
    def of(cls, cells: Mapping[str, Any]) -> Self | None:
        """Return what :meth:`cells` gave; all but the taxon may be missing, and without a taxon there is no name.

        Raises
        ------
        InputError
            When the confidence is not a number of 0 to 1; the message continues after the specimen's name.
        """
        taxon, genus, second, third, by = (_text(cells.get(name)) for name in COLUMNS if name != COLUMNS[1])
        if not taxon:
            return None
        confidence = cells.get(COLUMNS[1], 1.0)
        if isinstance(confidence, bool) or not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
            raise InputError(f"has the {COLUMNS[1]} {confidence!r}, which is not within 0 and 1")
        return cls(taxon, float(confidence), genus, tuple(filter(None, (second, third))), by)


NO_CELLS: Final[Mapping[str, Any]] = {name: math.nan if name == COLUMNS[1] else "" for name in COLUMNS}
"""The cells of a specimen without a name."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, eq=False)
class Names:
    """What N specimens may be called.

    Attributes
    ----------
    classes : tuple of str
        The C taxa that the classifier knows.
    probabilities : ndarray of float32, shape (N, C)
        Calibrated. Each row adds up to 1, or has any sum where each class says yes or no for itself.
    threshold : float
        Probability under which a name is not given.
    by : str
        Name and version of the classifier.
    stated_genera : Mapping[str, str]
        The genus of a class where it is not the one that its name begins with; empty where it has none.
    unlike : ndarray of bool, shape (N,), or None
        Which are unlike everything that the classifier knows, and so unknown whatever their probabilities.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    threshold: float
    by: str = ""
    stated_genera: Mapping[str, str] = field(default_factory=dict)
    unlike: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.classes):
            raise InputError(f"{len(self.classes)} classes have no probabilities of shape {self.probabilities.shape}.")

    def __len__(self) -> int:
        return len(self.probabilities)

    @cached_property
    def class_genera(self) -> tuple[str, ...]:
        """The genus of each class; empty where it has none."""
        return tuple(self.stated_genera.get(name, genus_of(name)) for name in self.classes)

    @cached_property
    def genera(self) -> tuple[str, ...]:
        """The genera of the classes, G of them."""
        return tuple(dict.fromkeys(filter(None, self.class_genera)))

    @cached_property
    def genus_probabilities(self) -> NDArray[np.float32]:
        """Of each genus, the sum over its species, at most 1, shape (N, G)."""
        own = [[found == genus for found in self.class_genera] for genus in self.genera]
        sums = self.probabilities @ np.reshape(own, (len(self.genera), len(self.classes))).T
        return np.asarray(np.minimum(sums, 1), np.float32)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of the most probable class, shape (N,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Whose confidence is under the threshold, or who are unlike everything known, shape (N,)."""
        unsure = np.asarray(self.confidence < np.float32(self.threshold))
        return unsure if self.unlike is None else unsure | self.unlike

    def top(self, number: int) -> NDArray[np.intp]:
        """Return the most probable classes of each specimen, the best first, shape (N, number or C)."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")[:, :number]

    @cached_property
    def verdicts(self) -> tuple[Name, ...]:
        """What each specimen is called: its taxon where that is sure, else its genus where that is, else unknown.

        The first guess for one that is unknown is the first of its ``others``.
        """
        ranked, unknown, sums = self.top(3), self.unknown, self.genus_probabilities
        verdicts: list[Name] = []
        for i, order in enumerate(ranked.tolist()):
            if not self.probabilities[i].any():
                # No class can be what this specimen is, so none comes second or third.
                verdicts.append(Name(UNKNOWN, 0.0, "", by=self.by))
                continue
            best = self.classes[order[0]]
            taxon, genus, probability = best, self.class_genera[order[0]], self.probabilities[i, order[0]]
            if unknown[i]:
                taxon, genus = UNKNOWN, ""
                k = int(sums[i].argmax()) if self.genera else -1
                is_like = self.unlike is None or not self.unlike[i]
                if k >= 0 and is_like and sums[i, k] >= np.float32(self.threshold):
                    genus, probability = self.genera[k], sums[i, k]
                    taxon = f"{genus} {SPECIES}"
            others = tuple(name for name in (self.classes[k] for k in order) if name != taxon)
            # The shortest decimal of the same single precision: what files hold comes back.
            verdicts.append(Name(taxon, float(str(probability)), genus, others[:2], self.by))
        return tuple(verdicts)

    def taxa(self) -> tuple[str, ...]:
        """Return all that a specimen may be called: the classes, and each genus of several species with ``sp.``."""
        loose = [f"{genus} {SPECIES}" for genus in self.genera if self.class_genera.count(genus) > 1]
        return tuple(dict.fromkeys([*self.classes, *loose]))


def by_taxon(found: Detections, names: Sequence[Name | None]) -> Detections:
    """Return specimens with the taxa that were found, in their alphabet, and :data:`UNKNOWN` as classes.

    Those without a name are :data:`UNNAMED`.

    Raises
    ------
    InputError
        When there are not as many names as specimens.
    """
    if len(names) != len(found):
        raise InputError(f"{len(names)} names do not match {len(found)} specimens.")
    called = [UNNAMED if name is None else name.taxon for name in names]
    taxa = sorted({*called} - {UNKNOWN, UNNAMED})
    classes = (*taxa, UNKNOWN, *([UNNAMED] if UNNAMED in called else []))
    number = {name: k for k, name in enumerate(classes)}
    return replace(found, classes=classes, class_ids=np.array([number[name] for name in called], dtype=np.int32))
