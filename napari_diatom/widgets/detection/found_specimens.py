"""All candidates of a run, down to the lowest score. A layer shows those that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import PERSON, Detections
from napari_diatom.measurement.measurements import Measurements, measure
from napari_diatom.napari_layers import shapes_layer
from napari_diatom.napari_layers.labels_layer import Drawn
from napari_diatom.napari_layers.result_facts import ResultFacts

UNMOVED: Final = 0.01
"""Pixels and radians within which a box counts as unmoved."""


@dataclass(frozen=True)
class FoundSpecimens:
    """The candidates of a model, numbered from 1 in their order.

    Attributes
    ----------
    candidates : Detections
        All that the model found, empty if the specimens were opened from a file.
    measured : Measurements or None
        Of the candidates, in their order. None while they are not measured.
    drawn : mapping of int to Drawn, or None
        The outlines of specimens with masks, by their numbers; None if all are boxes.
    """

    candidates: Detections
    measured: Measurements | None = None
    drawn: Mapping[int, Drawn] | None = None

    def __len__(self) -> int:
        return len(self.candidates)

    def at_or_above(self, threshold: float) -> NDArray[np.int64]:
        """Return the numbers of the candidates at or above a score."""
        return np.flatnonzero(self.candidates.scores >= np.float32(threshold)) + 1

    def best_first(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of candidates, the highest score first."""
        return numbers[np.argsort(-self.candidates.scores[numbers - 1], kind="stable")]

    def features(self, numbers: NDArray[np.int64], facts: ResultFacts) -> dict[str, NDArray[Any]]:
        """Return the features of candidates in the layer."""
        measured = None if self.measured is None else self.measured[numbers - 1]
        found = self.candidates[numbers - 1]
        return shapes_layer.to_features(found, numbers, facts.model or PERSON, facts.pixel_size_um, measured)

    def shapes(self, numbers: NDArray[np.int64], facts: ResultFacts) -> list[NDArray[np.float64]]:
        """Return the shapes of candidates in the data coordinates of the layer."""
        if self.drawn is None:
            return list(shapes_layer.to_quads(self.candidates.boxes[numbers - 1], facts.plane))
        return [self.drawn[number].shape for number in numbers.tolist()]

    def measurements(self, annotations: Annotations, numbers: NDArray[np.int64]) -> Measurements | None:
        """Return the measurements of specimens, and measure only those that do not show their own masks.

        None if nothing was measured before, or all are boxes.

        Parameters
        ----------
        annotations : Annotations
            The specimens.
        numbers : ndarray of int64, shape (N,)
            Their numbers, in their order.
        """
        if self.measured is None or self.drawn is None:
            return None
        drawn = [self.drawn.get(number) for number in numbers.tolist()]
        masks = annotations.detections.masks or ()
        # A specimen that still shows its own mask has that very object.
        known = np.array([item is not None and item.mask is mask for item, mask in zip(drawn, masks, strict=True)])
        rows = np.where(known, numbers - 1, 0)
        pixel_size = annotations.pixel_size_um
        fresh = measure(annotations.detections[~known], pixel_size)
        found = self.measured[rows].at(pixel_size) if len(self) else fresh
        found = found.with_rows(np.flatnonzero(~known), fresh)
        now = measure(replace(annotations.detections, masks=None), pixel_size)
        return replace(
            found, class_names=now.class_names, statuses=now.statuses, score=now.score, cut_by_edge=now.cut_by_edge
        )
