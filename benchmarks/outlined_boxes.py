"""Figures of a detector's boxes once a model has outlined the specimens in them, for ``accuracy.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from diatom_training.metrics.averages import mean, quantile
from diatom_training.metrics.bootstrap import Bootstrap, Figures, Interval, intervals
from diatom_training.metrics.detection_metrics import length_errors, match
from diatom_training.metrics.matching import Matches, average_precisions, match_cases
from diatom_training.metrics.test_cases import Case, Units, renamed
from napari_diatom.core import cropped_masks
from napari_diatom.core.detections import Detections

AT_75 = 5
"""Place of the overlap 0.75 among those of average precision."""
TITLES = {
    "mask_ap50": "mask AP50",
    "mask_ap75": "mask AP75",
    "median_iou": "median mask IoU of right finds",
    "dice": "mean Dice of right finds",
    "length_error": "median length error, refined",
    "box_length_error": "median length error, as found",
    "ap75": "AP75 of boxes over all scores, refined",
    "box_ap75": "AP75 of boxes over all scores, as found",
    "flagged": "share flagged, of right finds",
}


@dataclass(frozen=True, eq=False)
class OutlinedField:
    """A field whose specimens are outlined.

    Attributes
    ----------
    name, group : str
        Of the field; of photographs the group is the slide.
    truth : Detections
        Oriented boxes and masks.
    target : Detections
        The boxes, in the same order, that the detector's are compared with to say which are right.
    given, outlined : Detections
        What was found, down to a low score, and the same with masks, the boxes of these, and ``outline_flags``.
    size : tuple of int
        Height and width in pixels.
    """

    name: str
    group: str
    truth: Detections
    target: Detections
    given: Detections
    outlined: Detections
    size: tuple[int, int]


def outline_figures(
    fields: Sequence[OutlinedField], threshold: float, slides: bool, options: Bootstrap | None = None
) -> dict[str, Interval]:
    """Return the figures of :data:`TITLES` with their bootstrap intervals.

    Parameters
    ----------
    fields : sequence of OutlinedField
        With a specimen at least.
    threshold : float
        Score from which a find counts, for all figures but average precision. It is right if its box, as it was found,
        overlaps a true one by half: a poor outline makes no find wrong.
    slides : bool
        Whether groups are slides, which are resampled as a whole where there are several; else fields are resampled.
    options : Bootstrap, optional
        How to resample.
    """
    masks, refined, found = (
        _matches(fields, "masks", "outlined"),
        _matches(fields, "oriented-boxes", "outlined"),
        _matches(fields, "oriented-boxes", "given"),
    )
    numbers: list[int] = []
    rows: list[tuple[float, float, float, float]] = []
    for number, field in enumerate(fields):
        sure = np.flatnonzero(field.given.scores >= np.float32(threshold))
        which, whose = match(field.target, field.given[sure])
        which = sure[which]
        truth = field.truth[whose]
        overlaps = [
            cropped_masks.mask_iou(*pair)
            for pair in zip(field.outlined[which].masks or (), truth.masks or (), strict=True)
        ]
        after, before = (length_errors(truth, part[which]) for part in (field.outlined, field.given))
        rows += zip(overlaps, after, before, np.asarray(field.outlined.outline_flags)[which] > 0, strict=True)
        numbers += [number] * len(which)
    groups, names = [field.group for field in fields], [field.name for field in fields]
    units = Units.by(groups if slides else names, names)
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return intervals(_figures(masks, refined, found, np.array(numbers, dtype=np.intp), table, units), units, options)


def print_outlines(figures: dict[str, Interval]) -> None:
    """Print the figures, an interval beside each."""
    print(f"{'boxes and outlines':42}{'value':>8}{'95 % interval':>20}")
    for name, interval in figures.items():
        span = "-" if interval.low != interval.low else f"{interval.low:.3f} to {interval.high:.3f}"
        print(f"{TITLES[name]:42}{interval.value:8.3f}{span:>20}")


def to_json(figures: dict[str, Interval]) -> dict[str, list[float | None]]:
    """Return value, low and high of each figure; NaN becomes None."""
    return {
        name: [None if value != value else value for value in (interval.value, interval.low, interval.high)]
        for name, interval in figures.items()
    }


def _matches(fields: Sequence[OutlinedField], shape: str, part: str) -> Matches:
    """Match what was found, outlined or as given, with the truth."""
    cases = []
    for field in fields:
        truth, found = (renamed(some, ("diatom",)) for some in (field.truth, getattr(field, part)))
        cases.append(Case(field.name, field.group, truth, found, *field.size))
    return match_cases(cases, shape).overall


def _figures(
    masks: Matches,
    refined: Matches,
    found: Matches,
    numbers: NDArray[np.intp],
    table: NDArray[np.float64],
    units: Units,
) -> Figures:
    """Return the figures as a function of how often each unit is taken; ``table`` has a row for each right find."""

    def figures(taken: NDArray[np.int64]) -> dict[str, float]:
        times = taken[units.of]
        ious, after, before, flagged = np.repeat(table, times[numbers], axis=0).T
        of_masks = average_precisions(masks, times)
        return {
            "mask_ap50": float(of_masks[0]),
            "mask_ap75": float(of_masks[AT_75]),
            "median_iou": quantile(ious, 0.5),
            "dice": mean(2 * ious / (1 + ious)),
            "length_error": quantile(after, 0.5),
            "box_length_error": quantile(before, 0.5),
            "ap75": float(average_precisions(refined, times)[AT_75]),
            "box_ap75": float(average_precisions(found, times)[AT_75]),
            "flagged": mean(flagged),
        }

    return figures
