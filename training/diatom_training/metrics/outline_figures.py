"""How good the outlines of specimens in given boxes are, as figures that can be resampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import NAN
from diatom_training.metrics.bootstrap import Figures
from diatom_training.metrics.definitions import OUTLINES, TRUE_BOX
from diatom_training.metrics.matching import Matches, average_precisions, concatenate
from diatom_training.metrics.test_cases import Units

OUTLINE_TITLES: Final[Mapping[str, str]] = {name: one.title for name, one in OUTLINES.items()}
"""What the figures of outlines are called."""
OUTLINE_ERRORS: Final = tuple(name for name in OUTLINE_TITLES if name.endswith(("error", "error_px", "flagged")))
"""Those of them of which less is better."""
_THREE_QUARTERS: Final = 5
"""Place of the overlap 0.75 among those of average precision."""


@dataclass(frozen=True, eq=False)
class OutlineErrors:
    """The outlines of S specimens of I images, beside the true ones.

    Attributes
    ----------
    images : ndarray of int, shape (S,)
        Index of each one's image.
    iou : ndarray of float64, shape (S,)
        Of the mask with the truth; 0 where there is no outline.
    boundary_px : ndarray of float64, shape (S,)
        See :func:`~diatom_training.metrics.boundary_distance.boundary_distance`.
    length, width, box_length, box_width : ndarray of float64, shape (S,)
        How far the box that the outline has refined, and the given box, are off, as a share of the truth; NaN of
        specimens that the image's edge cuts.
    flagged : ndarray of bool, shape (S,)
        Whether outline and box contradict each other.
    matches : Matches
        Masks matched with those of the truth, all equally sure.
    """

    images: NDArray[np.intp]
    iou: NDArray[np.float64]
    boundary_px: NDArray[np.float64]
    length: NDArray[np.float64]
    width: NDArray[np.float64]
    box_length: NDArray[np.float64]
    box_width: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    matches: Matches

    def joined(self, other: OutlineErrors) -> OutlineErrors:
        """Return the errors of two models on the same I images as of 2 I images, those of this one first."""
        both = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in ("iou", "boundary_px", "length", "width", "box_length", "box_width", "flagged")
        }
        images = np.concatenate([self.images, other.images + len(self.matches.truths)])
        return OutlineErrors(images=images, matches=concatenate(self.matches, other.matches), **both)


def figures_of_outlines(detected: OutlineErrors, true: OutlineErrors, units: Units) -> Figures:
    """Return the figures that are resampled, as a function of how often each unit is taken.

    Those of :data:`OUTLINE_TITLES`: of outlines in boxes that are off as detectors' are, and in the true boxes.
    """

    def figures(taken: NDArray[np.int64]) -> dict[str, float]:
        times = taken[units.of]
        ideal = {f"{TRUE_BOX}{name}": value for name, value in _figures(true, times).items()}
        return _figures(detected, times) | _of_boxes(detected, times) | ideal

    return figures


def outline_figures_of(errors: OutlineErrors) -> dict[str, float]:
    """Return the figures of outlines in boxes of one kind, and those of the boxes, each image taken once."""
    once = np.ones(len(errors.matches.truths), dtype=np.int64)
    return _figures(errors, once) | _of_boxes(errors, once)


def _of_boxes(errors: OutlineErrors, times: NDArray[np.int64]) -> dict[str, float]:
    """Return the figures of the given boxes."""
    return {
        "box_length_error": _median(errors.box_length, times[errors.images]),
        "box_width_error": _median(errors.box_width, times[errors.images]),
    }


def _figures(errors: OutlineErrors, times: NDArray[np.int64]) -> dict[str, float]:
    """Return the figures of one kind of boxes, given how often each image is taken."""
    weights = times[errors.images]
    precisions = average_precisions(errors.matches, times)
    return {
        "outline_dice": _mean(2 * errors.iou / (1 + errors.iou), weights),
        "outline_iou": _mean(errors.iou, weights),
        "mask_ap50": float(precisions[0]),
        "mask_ap75": float(precisions[_THREE_QUARTERS]),
        "boundary_error_px": _mean(errors.boundary_px, weights),
        "length_error": _median(errors.length, weights),
        "width_error": _median(errors.width, weights),
        "flagged": _mean(errors.flagged.astype(np.float64), weights),
    }


def _mean(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    """Return the weighted mean of what is not NaN, NaN of nothing."""
    there = np.isfinite(values) & (weights > 0)
    return float(np.average(values[there], weights=weights[there])) if there.any() else NAN


def _median(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    """Return the median of what is not NaN, each value as often as its weight says; NaN of nothing."""
    there = np.isfinite(values)
    repeated = np.repeat(values[there], weights[there])
    return float(np.median(repeated)) if len(repeated) else NAN
