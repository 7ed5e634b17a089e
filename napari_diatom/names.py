"""What a classifier calls specimens: the taxon where it is sure, the genus where only that is sure, else nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.detections import Detections
from napari_diatom.errors import InputError

UNIDENTIFIED: Final = "unidentified"
"""Before the detector's class, what a specimen without a name is counted as."""
SPECIES: Final = "sp."
"""After a genus, for a specimen whose species is not sure."""

_GENUS: Final = re.compile(r"(?:(?:cf\.|aff\.)\s+)?([A-Z][a-z]+)\b")


def genus_of(name: str) -> str:
    """Return the genus in the name of a taxon, such as ``Navicula cf. gregaria``; empty where it begins with none."""
    found = _GENUS.match(name)
    return found[1] if found else ""


@dataclass(frozen=True)
class Name:
    """What one specimen is called.

    Attributes
    ----------
    taxon : str
        A class of the classifier, a genus with ``sp.``, or empty: unidentified.
    confidence : float
        Probability of that taxon; of the most probable class where there is none.
    genus : str
        Of the taxon; empty where it has none.
    others : tuple of str
        The two most probable classes other than ``taxon``; fewer where the classifier knows fewer.
    """

    taxon: str
    confidence: float
    genus: str
    others: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Names:
    """What N specimens may be called.

    Attributes
    ----------
    classes : tuple of str
        The C taxa that the classifier knows.
    probabilities : ndarray of float32, shape (N, C)
        Calibrated; each row adds up to 1.
    threshold : float
        Probability under which a name is not given.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    threshold: float

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or self.probabilities.shape[1] != len(self.classes):
            raise InputError(f"{len(self.classes)} classes have no probabilities of shape {self.probabilities.shape}.")

    def __len__(self) -> int:
        return len(self.probabilities)

    @cached_property
    def genera(self) -> tuple[str, ...]:
        """The genera of the classes, G of them."""
        return tuple(dict.fromkeys(filter(None, map(genus_of, self.classes))))

    @cached_property
    def genus_probabilities(self) -> NDArray[np.float32]:
        """Of each genus, the sum over its species, shape (N, G)."""
        own = [[genus_of(name) == genus for name in self.classes] for genus in self.genera]
        return np.asarray(self.probabilities @ np.reshape(own, (len(self.genera), len(self.classes))).T, np.float32)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of the most probable class, shape (N,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Whose confidence is under the threshold, shape (N,)."""
        return np.asarray(self.confidence < np.float32(self.threshold))

    def top(self, number: int) -> NDArray[np.intp]:
        """Return the most probable classes of each specimen, the best first, shape (N, number or C)."""
        return np.argsort(-self.probabilities, axis=1, kind="stable")[:, :number]

    @cached_property
    def verdicts(self) -> tuple[Name, ...]:
        """What each specimen is called: its taxon where that is sure, else its genus where that is, else nothing."""
        ranked, unknown, sums = self.top(3), self.unknown, self.genus_probabilities
        verdicts: list[Name] = []
        for i, order in enumerate(ranked.tolist()):
            best = self.classes[order[0]]
            taxon, genus, confidence = best, genus_of(best), float(self.probabilities[i, order[0]])
            if unknown[i]:
                taxon = genus = ""
                k = int(sums[i].argmax()) if self.genera else -1
                if k >= 0 and sums[i, k] >= np.float32(self.threshold):
                    genus, confidence = self.genera[k], float(sums[i, k])
                    taxon = f"{genus} {SPECIES}"
            others = tuple(name for name in (self.classes[k] for k in order) if name != taxon)
            verdicts.append(Name(taxon, confidence, genus, others[:2]))
        return tuple(verdicts)

    def taxa(self) -> tuple[str, ...]:
        """Return all that a specimen may be called: the classes, and each genus of several species with ``sp.``."""
        of_genera = [genus_of(name) for name in self.classes]
        loose = [f"{genus} {SPECIES}" for genus in self.genera if of_genera.count(genus) > 1]
        return tuple(dict.fromkeys([*self.classes, *loose]))


def named(found: Detections, names: Names | None) -> Detections:
    """Return specimens under the names of their taxa in place of the detector's classes; as they are without names.

    What has no name is ``unidentified`` with the detector's class.

    Raises
    ------
    InputError
        When there are not as many names as specimens.
    """
    if names is None:
        return found
    if len(names) != len(found):
        raise InputError(f"{len(names)} names do not go with {len(found)} specimens.")
    nameless = [f"{UNIDENTIFIED} {name}" for name in found.classes]
    classes = tuple(dict.fromkeys([*names.taxa(), *nameless]))
    number = {name: k for k, name in enumerate(classes)}
    called = (verdict.taxon or nameless[k] for verdict, k in zip(names.verdicts, found.class_ids.tolist(), strict=True))
    return replace(found, classes=classes, class_ids=np.array([number[name] for name in called], dtype=np.int32))


def tally(counts: dict[str, int], found: Sequence[str]) -> dict[str, int]:
    """Return the counts of the taxa that were found, and of the unidentified ones: not the zeros of a whole flora."""
    return {name: n for name, n in counts.items() if name in found or name.startswith(UNIDENTIFIED)}
