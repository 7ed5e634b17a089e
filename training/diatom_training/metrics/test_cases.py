"""What is evaluated: an image's truth, a model's results, and the slide of the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.detections import Detections
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many

NAMELESS: Final = "diatom of any kind"
"""The one class of a test set if the model knows none of its classes: detections are evaluated, not their names."""


Kind = Literal["slides", "images", "specimens"]
"""What is resampled."""


@dataclass(frozen=True, eq=False)
class Case:
    """An image of the test set.

    Attributes
    ----------
    image : str
        Its name; no two cases have the same.
    slide : str
        What it was taken of; the images of a slide are resampled together.
    truth : Detections
        What is there, as a person says.
    found : Detections
        What the model found, down to a score well below the threshold. Classes are matched by their names.
    height, width : int
        Of the image, in pixels.
    pixel_size_um : float or None
        Micrometres per pixel; None where it is unknown.
    table : ndarray of int64, shape (1 + C, 1 + C), or None
        Pixels by true (rows) and found class, the background first, then those of :func:`classes_of_truth`, as
        :func:`~diatom_training.metrics.mask_metrics.confusion` counts them; of models that give maps.
    """

    image: str
    slide: str
    truth: Detections
    found: Detections
    height: int
    width: int
    pixel_size_um: float | None = None
    table: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class ClassNames:
    """The classes of a test set.

    Attributes
    ----------
    known : tuple of str
        Those that the model can find, in its order; :data:`NAMELESS` alone where none of them occurs.
    unknown : tuple of str
        Those of the truth that it cannot. Their specimens count as specimens to be found, but there is no average
        precision of such a class.
    """

    known: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All, those known to the model first."""
        return self.known + self.unknown

    @property
    def nameless(self) -> bool:
        """Whether names cannot be evaluated."""
        return self.known == (NAMELESS,)


@dataclass(frozen=True, eq=False)
class Units:
    """What is resampled: whole slides or, where there is but one, its images, or the specimens that were named.

    Attributes
    ----------
    kind : {"slides", "images", "specimens"}
        Which of them.
    names : tuple of str
        Of the U units.
    of : ndarray of int, shape (I,)
        For each case the index of its unit.
    """

    kind: Kind
    names: tuple[str, ...]
    of: NDArray[np.intp]

    @classmethod
    def by(cls, slides: Sequence[str], images: Sequence[str], alone: Kind = "images") -> Units:
        """Return the units of images, or of what else is resampled ``alone``, given the slide and the name of each."""
        kind: Kind = "slides" if len(set(slides)) > 1 else alone
        labels = slides if kind == "slides" else images
        names = tuple(dict.fromkeys(labels))
        index = {name: k for k, name in enumerate(names)}
        return cls(kind, names, np.array([index[label] for label in labels], dtype=np.intp))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def description(self) -> str:
        """Their number with its noun, such as ``3 slides``."""
        return many(len(self), self.kind.removesuffix("s"))

    def twice(self) -> Units:
        """Return the units of two models' cases, those of the first one before those of the second."""
        return Units(self.kind, self.names * 2, np.concatenate([self.of, self.of + len(self)]))


def units_of(cases: Sequence[Case]) -> Units:
    """Return what is resampled of cases."""
    return Units.by([case.slide for case in cases], [case.image for case in cases])


def classes_of_truth(truth: Sequence[Detections], known: Sequence[str]) -> ClassNames:
    """Return the classes of a test set, given its truth and those that the model can find.

    A class that the truth names but has no specimen of is left out. Where the model knows none of the others, such as
    one that only finds diatoms, all specimens are of one class.
    """
    there = dict.fromkeys(item.classes[k] for item in truth for k in np.unique(item.class_ids))
    if not any(name in known for name in there):
        return ClassNames((NAMELESS,))
    return ClassNames(tuple(known), tuple(name for name in there if name not in known))


def classes_of_cases(cases: Sequence[Case]) -> ClassNames:
    """Return the classes of cases."""
    known = dict.fromkeys(name for case in cases for name in case.found.classes)
    return classes_of_truth([case.truth for case in cases], tuple(known))


def renamed(detections: Detections, names: Sequence[str]) -> Detections:
    """Return detections whose classes are ``names``; classes that are not among them become the first."""
    index = {name: k for k, name in enumerate(names)}
    ids = np.array([index.get(name, 0) for name in detections.classes], dtype=np.int32)
    return replace(detections, classes=tuple(names), class_ids=ids[detections.class_ids])


def check_truth(images: Sequence[str], truth: Sequence[Detections]) -> None:
    """Check that there is something to evaluate, given the names of the images and the truth of each.

    Raises
    ------
    InputError
        When there are no images, two have the same name, or there is no specimen in the truth of any.
    """
    if not images:
        raise InputError("There are no images to evaluate a model on.")
    twice = [name for name, number in Counter(images).items() if number > 1]
    if twice:
        raise InputError(f"Two images of the test set are called {twice[0]}: give each a different name.")
    if not any(len(part) for part in truth):
        raise InputError(
            f"The annotation of {many(len(images), 'image')} has no specimens, so there is nothing to find: "
            "annotate some first."
        )
