"""Size and shape beside the vectors: logarithms and ratios, NaN for what is unknown."""

from __future__ import annotations

import numpy as np

from napari_diatom.core.cropped_masks import CroppedMask
from napari_diatom.core.detections import CUT_BY_EDGE, Detections
from napari_diatom.measurement.measurements import measure
from napari_diatom.measurement.shape_columns import SHAPE_COLUMNS, shape_columns


def ellipse(length: float, width: float, bend: float = 0.0) -> tuple[list[float], CroppedMask]:
    y, x = np.mgrid[:120, :260] - np.array([60.0, 130.0])[:, None, None]
    pixels = (2 * x / length) ** 2 + (2 * (y - bend * (2 * x / length) ** 2) / width) ** 2 < 1
    return [130.5, 60.5, length, width, 0.0], CroppedMask(pixels, 0, 0)


def test_the_columns_of_an_ellipse_are_those_of_its_formula() -> None:
    box, mask = ellipse(200, 50)
    [row] = shape_columns(measure(Detections.of([box], masks=[mask]), 0.1))
    expected = [np.log(20), np.log(4), np.pi / 4, 0, 0, 0]
    np.testing.assert_allclose(row, expected, atol=0.02)
    assert len(SHAPE_COLUMNS) == len(row)


def test_bent_valves_are_curved_and_asymmetric() -> None:
    straight, bent = (ellipse(200, 30, bend) for bend in (0.0, 25.0))
    rows = shape_columns(measure(Detections.of([straight[0], bent[0]], masks=[straight[1], bent[1]]), 0.1))
    assert rows[1, 3] > rows[0, 3] + 0.01
    assert rows[1, 4] > rows[0, 4] + 0.1
    assert abs(rows[1, 5]) < 0.02


def test_what_is_unknown_is_nan() -> None:
    box, mask = ellipse(200, 50)
    unscaled = shape_columns(measure(Detections.of([box], masks=[mask]), None))[0]
    assert np.isnan(unscaled).tolist() == [True] + [False] * 5
    boxed = shape_columns(measure(Detections.of([box]), 0.1))[0]
    assert np.isnan(boxed).tolist() == [False] * 2 + [True] * 4
    cut = shape_columns(measure(Detections.of([box, box], masks=[mask, mask], cut=[CUT_BY_EDGE, 0]), 0.1))
    assert np.isnan(cut).all(axis=1).tolist() == [True, False]
    assert shape_columns(measure(Detections.empty(), 0.1)).shape == (0, 6)
    empty = CroppedMask(np.zeros((1, 1), dtype=np.bool_), 0, 0)
    hollow = shape_columns(measure(Detections.of([box], masks=[empty]), 0.1))[0]
    assert not np.isinf(hollow).any()
