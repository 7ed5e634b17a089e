"""Volumes and carbon of cells by their shape, against calculations by hand and bodies of revolution."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_diatom.core.errors import InputError
from napari_diatom.measurement.biovolume import CELL_FORMS, CellShape, carbon_pg


@pytest.mark.parametrize(
    ("shape", "by_hand"),
    [
        (CellShape("cylinder", 0.5), math.pi / 4 * 15**2 * 7.5),
        (CellShape("oval cylinder", 0.8), math.pi / 4 * 20 * 10 * 8),
        (CellShape("box", 1.0), 2000),
        (CellShape("half box", 1.0), 1000),
        (CellShape("box", 1.0, fill=0.7), 1400),
        (CellShape("spindle", 1.0), 2 / 15 * math.pi * 10**2 * 20),
        (CellShape("ellipsoid", 1.0), math.pi / 6 * 10**2 * 20),
    ],
)
def test_volumes_by_hand(shape: CellShape, by_hand: float) -> None:
    assert shape.volume_um3(20, 10) == pytest.approx(by_hand, rel=1e-12)


@given(
    st.sampled_from(sorted(CELL_FORMS)),
    st.floats(1, 200),
    st.floats(1, 200),
    st.floats(0.1, 3),
)
def test_volumes_grow_with_the_cube_of_the_size(form: str, length: float, width: float, ratio: float) -> None:
    shape = CellShape(form, ratio)
    assert shape.volume_um3(2 * length, 2 * width) == pytest.approx(8 * shape.volume_um3(length, width))
    assert shape.volume_um3(length, width) <= max(length, width) ** 3 * max(ratio, 1) * 1.0001


def test_a_sphere_and_the_carbon_in_it() -> None:
    volume = CellShape("ellipsoid", 1.0).volume_um3([10.0, np.nan], [10.0, 5.0])
    assert volume[0] == pytest.approx(4 / 3 * math.pi * 5**3)
    assert np.isnan(volume[1])
    assert carbon_pg(volume)[0] == pytest.approx(0.288 * volume[0] ** 0.811)


def test_what_is_no_shape() -> None:
    for wrong in (("cone", 1.0, 1.0), ("box", 0.0, 1.0), ("box", math.nan, 1.0), ("box", 1.0, 0.0), ("box", 1.0, 2.0)):
        with pytest.raises(InputError):
            CellShape(*wrong)
    assert CellShape("box", 0.7, 0.5).formula == "l w h, h = 0.7 w, times 0.5"
