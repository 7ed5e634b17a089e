"""Striae in 10 µm: densities that are known, and specimens on which none can be read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import napari_diatom as nd
from napari_diatom.core.detections import CUT_BY_EDGE, CroppedMask, Detections
from napari_diatom.core.errors import InputError
from napari_diatom.measurement.measurements import measure
from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.measurement.striae import Striae, StriaeProfile, measure_striae, striae_profile

SIZE = 240


def valve(
    density: float | tuple[float, float], angle: float = 0.4, pixel_size_um: float = 0.1, bend: float = 0.0
) -> tuple[NDArray[np.uint8], CroppedMask]:
    """Return an elliptic valve 190 px long in noise, and its mask; a pair of densities is that of left and right."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
    along = math.cos(angle) * x + math.sin(angle) * y
    across = math.cos(angle) * y - math.sin(angle) * x
    if bend:
        away = np.hypot(along, across + bend)
        along, across = bend * np.arctan2(along, across + bend), away - bend
    inside = (along / 95) ** 2 + (across / 30) ** 2 < 1
    left, right = density if isinstance(density, tuple) else (density, density)
    striae = np.cos(2 * math.pi * np.where(across < 0, left, right) * along * pixel_size_um / 10)
    noise = np.random.default_rng(3).normal(0, 4, x.shape)
    pixels = 150 + inside * (20 * striae - 25) * (np.abs(across) > 3) + noise
    return np.clip(pixels, 0, 255).astype(np.uint8), CroppedMask(inside, 0, 0).trimmed()


def read(density: float | tuple[float, float], pixel_size_um: float = 0.1, **more: float) -> Striae:
    pixels, mask = valve(density, pixel_size_um=pixel_size_um, **more)
    return measure_striae(pixels, [oriented_box(mask)], [mask], pixel_size_um)[0]


@settings(max_examples=12, deadline=None)
@given(density=st.floats(5, 35), angle=st.floats(-1.57, 1.57), straight=st.booleans())
def test_the_density_is_right_at_any_angle(density: float, angle: float, straight: bool) -> None:
    found = read(density, angle=angle, bend=0.0 if straight else 200.0)
    assert found.whole == pytest.approx(density, rel=0.02)
    assert found.left == pytest.approx(density, rel=0.03)
    assert found.right == pytest.approx(density, rel=0.03)
    assert found.reason == ""
    assert found.quality > 0.5


def test_left_and_right_have_their_own() -> None:
    found = read((12.0, 15.0))
    assert (found.left, found.right) == (pytest.approx(12, abs=0.4), pytest.approx(15, abs=0.4))


def test_a_box_alone_is_enough_for_a_straight_valve() -> None:
    pixels, mask = valve(14.0)
    (found,) = measure_striae(pixels, [oriented_box(mask)], [None], 0.1)
    assert found.whole == pytest.approx(14, rel=0.02)


def test_why_there_is_none() -> None:
    pixels, mask = valve(14.0)
    box = oriented_box(mask)
    beside = box + np.array([90, 0, 0, 0, 0])
    round_box = [120, 120, 60, 60, 0]
    plain = np.full_like(pixels, 120) + np.random.default_rng(0).integers(0, 8, pixels.shape, dtype=np.uint8)

    def reason(image=pixels, where=box, pixel_size_um: float | None = 0.1, aperture: float | None = None) -> str:
        (found,) = measure_striae(image, [where], [None], pixel_size_um, aperture)
        assert math.isnan(found.whole) == bool(found.reason)
        return found.reason

    assert reason() == ""
    assert reason(pixel_size_um=None) == "no pixel size"
    assert reason(where=round_box) == "no apical axis"
    assert reason(where=[120, 120, 24, 5, 0]) == "too small"
    # Of the finest striae that are looked for, fewer than five would lie on it.
    assert reason(pixel_size_um=0.002) == "too small"
    assert reason(where=beside) == "not whole in the image"
    assert reason(plain) == "no striae stand out"
    assert reason(pixel_size_um=1.0) == "finer than 2.5 px"
    assert reason(valve(45.0)[0]) == "finer than 2.5 px"
    assert reason(valve(30.0)[0], aperture=0.5) == "finer than the objective resolves"
    assert reason(valve(30.0)[0], aperture=1.3) == ""


def test_tables_have_them_and_follow_the_pixel_size() -> None:
    pixels, mask = valve(14.0)
    found = Detections.of([oriented_box(mask), [30, 30, 12, 12, 0]], masks=[mask, mask], cut=[0, CUT_BY_EDGE])
    table = nd.measure(found, pixel_size_um=0.1, image=pixels)
    assert table["striae_10um"][0] == pytest.approx(14, rel=0.02)
    assert table["striae_quality"][0] > 0.5
    assert list(table["striae_refused"]) == ["", "no apical axis"]

    measured = measure(found, 0.1, pixels)
    assert measured.at(0.2).striae_10um[0] == pytest.approx(measured.striae_10um[0] / 2)
    assert measured.at(None).striae_refused == ("no pixel size", "no apical axis")
    assert measure(found, 0.1).striae_refused == ("", "")


def test_the_profile_shows_what_was_read() -> None:
    pixels, mask = valve(14.0)
    profile = striae_profile(pixels, oriented_box(mask), mask, 0.1)
    assert isinstance(profile, StriaeProfile)
    assert profile.per_10um[profile.power.argmax()] == pytest.approx(14, rel=0.03)
    waves = np.fft.rfft(profile.brightness * np.hanning(len(profile.brightness)))
    frequency = np.fft.rfftfreq(len(profile.brightness), 0.1)[np.abs(waves).argmax()]
    assert 10 * frequency == pytest.approx(14, abs=0.7)
    refused = striae_profile(pixels, oriented_box(mask), mask, None)
    assert isinstance(refused, Striae)
    assert refused.reason == "no pixel size"


def test_the_profile_of_one_specimen_in_python() -> None:
    pixels, mask = valve(14.0)
    found = Detections.of([oriented_box(mask), [30, 30, 12, 12, 0]], masks=[mask, mask])
    profile = nd.striae_profile(found, 1, pixels, pixel_size_um=0.1)
    assert profile.striae.whole == pytest.approx(14, rel=0.02)
    with pytest.raises(InputError, match="Specimen 2 has no profile of striae: no apical axis"):
        nd.striae_profile(found, 2, pixels, pixel_size_um=0.1)
    with pytest.raises(InputError, match="from 1 to 2"):
        nd.striae_profile(found, 3, pixels)
    coarse = nd.measure(found, 0.1, pixels, numerical_aperture=0.3)
    assert coarse["striae_refused"][0] == "finer than the objective resolves"
    with pytest.raises(InputError, match="cannot be right"):
        nd.measure(found, 0.1, pixels, numerical_aperture=14)
