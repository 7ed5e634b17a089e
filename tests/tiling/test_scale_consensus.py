"""Scores that all scales have a say in."""

import numpy as np
import pytest

from napari_diatom.core.detections import Detections
from napari_diatom.tiling.scale_consensus import UNSEEN, WEIGHT, supported
from napari_diatom.tiling.stitching import stitch

SCALES = (1.0, 0.5, 0.25)


def seen(*copies: tuple[float, float, float]) -> tuple[Detections, np.ndarray]:
    """Return copies given as x, score and scale, each 100 px long."""
    boxes = [[x, 100, 100, 20, 0.3] for x, _, _ in copies]
    return Detections.of(boxes, scores=[score for _, score, _ in copies]), np.array([scale for _, _, scale in copies])


def test_a_specimen_that_every_scale_sees_keeps_its_score() -> None:
    copies, scales = seen((200, 0.8, 1.0), (200, 0.8, 0.5), (200, 0.8, 0.25))
    [score] = supported(stitch(copies), copies, scales, SCALES, 400).scores
    assert score == pytest.approx(0.8)


def test_one_that_one_scale_alone_sees_falls_behind() -> None:
    copies, scales = seen((200, 0.8, 1.0), (900, 0.75, 1.0), (900, 0.7, 0.5), (900, 0.7, 0.25))
    found = supported(stitch(copies), copies, scales, SCALES, 400)
    assert found.boxes[:, 0].tolist() == [900, 200]
    assert found.scores[1] == pytest.approx(0.8 ** (1 - WEIGHT) * ((0.8 + 2 * UNSEEN) / 3) ** WEIGHT)


def test_only_scales_that_a_specimen_fits_are_asked() -> None:
    # 100 px are too long for a reach of 60 at scale 1, and too short to be seen at 1/8 and 1/16.
    copies, scales = seen((200, 0.8, 0.5), (200, 0.8, 0.25))
    [score] = supported(stitch(copies), copies, scales, (1.0, 0.5, 0.25, 0.125, 0.0625), 60).scores
    assert score == pytest.approx(0.8)


def test_one_scale_and_no_specimen_leave_all_as_it_is() -> None:
    copies, scales = seen((200, 0.8, 1.0))
    assert supported(copies, copies, scales, (1.0,), 400) is copies
    nothing = Detections.empty()
    assert supported(nothing, nothing, np.empty(0), SCALES, 400) is nothing
