"""Figures of outlines: the distance of boundaries, and means and medians that are resampled by the image."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diatom_training.metrics.boundary_distance import boundary_distance
from diatom_training.metrics.matching import Matches
from diatom_training.metrics.outline_figures import OUTLINE_ERRORS, OUTLINE_TITLES, OutlineErrors, figures_of_outlines
from diatom_training.metrics.test_cases import Units
from napari_diatom.core.cropped_masks import CroppedMask


def disc(radius: float, x: int = 0, y: int = 0) -> CroppedMask:
    rows, columns = np.indices((101, 101)) - 50
    return CroppedMask(rows**2 + columns**2 <= radius**2, x, y)


def test_the_boundary_of_a_mask_is_as_far_off_as_it_was_grown_or_moved() -> None:
    assert boundary_distance(disc(30), disc(30)) == 0
    assert boundary_distance(disc(30), disc(35)) == pytest.approx(5, abs=0.25)
    assert boundary_distance(disc(30), disc(30, x=200)) > 100
    square = CroppedMask(np.ones((40, 40), dtype=np.bool_), 0, 0)
    larger = CroppedMask(np.ones((44, 44), dtype=np.bool_), -2, -2)
    assert boundary_distance(square, larger) == pytest.approx(2, abs=0.1)


def test_the_distance_of_boundaries_is_the_same_either_way_and_wherever_the_masks_lie() -> None:
    a, b = disc(20), disc(28, x=5)
    assert boundary_distance(a, b) == pytest.approx(boundary_distance(b, a))
    assert boundary_distance(a.shifted(-300, 70), b.shifted(-300, 70)) == pytest.approx(boundary_distance(a, b))


def test_what_has_no_outline_has_no_boundary() -> None:
    assert math.isnan(boundary_distance(CroppedMask(np.zeros((1, 1), dtype=np.bool_), 0, 0), disc(20)))


def errors(iou: list[float], images: list[int]) -> OutlineErrors:
    values, nothing = np.array(iou), np.full(len(iou), np.nan)
    return OutlineErrors(
        images=np.array(images),
        iou=values,
        boundary_px=nothing,
        length=1 - values,
        width=1 - values,
        box_length=nothing,
        box_width=nothing,
        flagged=values < 0.5,
        matches=Matches(
            scores=np.ones(len(iou)),
            images=np.array(images),
            hits=values >= (0.5 + 0.05 * np.arange(10))[:, None],
            truths=np.bincount(images),
        ),
    )


def test_an_image_that_is_taken_twice_counts_twice_and_one_that_is_not_does_not_count() -> None:
    units = Units.by(["a", "b"], ["1", "2"])
    good, poor = errors([1.0, 0.8, 0.2], [0, 0, 1]), errors([0.4, 0.4, 0.4], [0, 0, 1])
    figures = figures_of_outlines(poor, good, units)
    once, first = figures(np.array([1, 1])), figures(np.array([2, 0]))
    assert once["true_box_outline_iou"] == pytest.approx(2 / 3)
    assert first["true_box_outline_iou"] == pytest.approx(0.9)
    assert first["true_box_length_error"] == pytest.approx(0.1)
    assert once["true_box_flagged"] == pytest.approx(1 / 3)
    assert first["true_box_mask_ap75"] == pytest.approx(1.0)
    assert once["true_box_mask_ap50"] < 1
    assert once["mask_ap50"] == 0
    assert math.isnan(once["boundary_error_px"])
    assert set(once) == set(OUTLINE_TITLES)


def test_two_models_are_put_together_image_by_image() -> None:
    units = Units.by(["a", "b"], ["1", "2"])
    one, other = errors([1.0, 0.8, 0.2], [0, 0, 1]), errors([0.6, 0.6, 0.6], [0, 0, 1])
    both = figures_of_outlines(one.joined(other), one.joined(other), units.twice())
    assert both(np.array([1, 0, 0, 1]))["outline_iou"] == pytest.approx((1.0 + 0.8 + 0.6) / 3)
    assert both(np.array([0, 0, 1, 1]))["outline_iou"] == pytest.approx(0.6)


def test_less_is_better_of_errors_and_flags_alone() -> None:
    assert {"boundary_error_px", "length_error", "flagged", "true_box_width_error"} <= set(OUTLINE_ERRORS)
    assert not {"outline_dice", "mask_ap50", "true_box_outline_iou"} & set(OUTLINE_ERRORS)
