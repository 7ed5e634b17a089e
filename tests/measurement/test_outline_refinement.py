"""Boxes take the size of their outlines, unless the two contradict each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import CroppedMask, united
from napari_diatom.core.mask_polygons import fill
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.measurement.outline_refinement import (
    BEYOND_BOX,
    IN_PARTS,
    NO_OUTLINE,
    TOO_SMALL,
    BoxOutlines,
    contradictions,
    refined_boxes,
)

SIZE = 800, 1000
VALVE = (500.0, 400.0, 200.0, 50.0, 0.6)


def rectangle(box: tuple[float, ...]) -> CroppedMask:
    return fill(((geometry.corners([box])[0],),)).within(0, 0, SIZE[1], SIZE[0])


def moved(box: tuple[float, ...], along: float = 0, across: float = 0, **sizes: float) -> tuple[float, ...]:
    cx, cy, length, width, angle = box
    cos, sin = np.cos(angle), np.sin(angle)
    shifted = cx + cos * along - sin * across, cy + sin * along + cos * across
    return (*shifted, sizes.get("length", length), sizes.get("width", width), sizes.get("angle", angle))


@pytest.mark.parametrize(
    "given",
    [
        VALVE,
        moved(VALVE, along=15, across=-6),
        moved(VALVE, length=170, width=62),
        moved(VALVE, angle=0.72),
    ],
    ids=["right", "shifted", "of another size", "turned"],
)
def test_a_box_that_is_a_little_off_takes_the_size_of_the_outline(given: tuple[float, ...]) -> None:
    mask = rectangle(VALVE)
    flag = contradictions(given, mask, *SIZE)
    refined = refined_boxes([given], BoxOutlines((mask,), np.array([flag], np.uint8)))[0]
    assert flag == 0
    # As the measurement says, and nearer to the truth than the box was.
    np.testing.assert_array_equal(refined, oriented_box(mask))
    np.testing.assert_allclose(refined[:4], VALVE[:4], atol=1.2)
    assert refined[4] == pytest.approx(VALVE[4], abs=0.02)


@pytest.mark.parametrize("angle", [0.3, np.pi / 4, -1.1])
def test_a_slanting_outline_does_not_contradict_its_upright_box(angle: float) -> None:
    needle = (500.0, 400.0, 300.0, 12.0, angle)
    x0, y0, x1, y1 = geometry.bounds([needle])[0]
    given = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, 0.0)
    assert contradictions(given, rectangle(needle), *SIZE) == 0


def halves(gap: float) -> CroppedMask:
    return united([rectangle(moved(VALVE, along=side * (50 + gap / 2), length=100 - gap / 2)) for side in (-1, 1)])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (CroppedMask(np.zeros((3, 3), bool), 500, 400), NO_OUTLINE),
        (rectangle(moved(VALVE, across=40)), BEYOND_BOX | TOO_SMALL),
        (rectangle(moved(VALVE, length=330)), BEYOND_BOX),
        (rectangle(moved(VALVE, along=60, length=60)), TOO_SMALL),
        (rectangle(moved(VALVE, across=15, width=18)), TOO_SMALL),
        (halves(20), IN_PARTS),
    ],
    ids=["nothing", "beside", "much longer", "much shorter", "much narrower", "two parts"],
)
def test_an_outline_that_contradicts_its_box_is_flagged_and_the_box_stays(mask: CroppedMask, expected: int) -> None:
    flag = contradictions(VALVE, mask, *SIZE)
    assert flag == expected
    refined = refined_boxes([VALVE], BoxOutlines((mask,), np.array([flag], np.uint8)))
    np.testing.assert_allclose(refined, [VALVE])


def test_a_small_second_part_is_no_contradiction() -> None:
    main, speck = rectangle(moved(VALVE, along=-20, length=160)), rectangle(moved(VALVE, along=85, length=20, width=20))
    assert contradictions(VALVE, united([main, speck]), *SIZE) == 0


def test_what_the_edge_cuts_off_is_not_missed() -> None:
    given = (0.0, 400.0, 200.0, 50.0, 0.0)
    assert contradictions(given, rectangle(given), *SIZE) == 0


def test_tiny_outlines_are_not_contradicted_by_a_pixel() -> None:
    given = (100.3, 100.4, 9.0, 4.0, 0.4)
    mask = rectangle((100.3, 100.4, 7.0, 2.0, 0.4))
    assert contradictions(given, mask, *SIZE) == 0


def test_the_outlines_of_nothing_have_no_boxes() -> None:
    empty: NDArray[np.float64] = refined_boxes(np.empty((0, 5)), BoxOutlines((), np.empty(0, np.uint8)))
    assert empty.shape == (0, 5)
