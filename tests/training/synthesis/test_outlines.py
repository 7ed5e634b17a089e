"""Outlines of all families: closed polygons that do not cross themselves, near those of real valves."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from diatom_training.synthesis import CLASSIC_FAMILIES, FAMILIES
from diatom_training.synthesis.families import draw_valve_outline, draw_width
from diatom_training.synthesis.outlines import Outline, broken, deformed
from helpers import REPOSITORY

NEW = [family for family in FAMILIES if family not in CLASSIC_FAMILIES]
SILHOUETTES = Path(os.environ.get("DIATOM_SILHOUETTES", REPOSITORY.parent / "shared" / "silhouettes"))

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, family: str, length: float = 300.0) -> Outline:
    rng = np.random.default_rng(seed)
    return draw_valve_outline(rng, family, length, draw_width(rng, family, length))


@given(SEEDS, st.sampled_from(NEW), st.floats(20, 900))
@settings(max_examples=80, deadline=None)
def test_new_families_are_simple_polygons_of_the_length_asked_for(seed: int, family: str, length: float) -> None:
    outline = drawn(seed, family, length)
    polygon = shapely.Polygon(outline.polygon())
    assert polygon.is_valid
    assert np.ptp(outline.polygon()[:, 0]) == pytest.approx(length, rel=0.01)
    assert (outline.top >= outline.bottom).all()
    # It is one piece with a body: no arm thinner than a hair, no slit.
    assert not polygon.buffer(-0.004 * length).is_empty


@given(SEEDS, st.sampled_from(NEW))
@settings(max_examples=40, deadline=None)
def test_envelopes_reach_as_far_as_the_polygon(seed: int, family: str) -> None:
    outline = drawn(seed, family)
    _, y = outline.polygon().T
    assert outline.top.max() == pytest.approx(y.max(), abs=0.02 * outline.width + 0.1)
    assert outline.bottom.min() == pytest.approx(y.min(), abs=0.02 * outline.width + 0.1)
    ring = shapely.Polygon(outline.polygon()).buffer(0.5)
    # Along the whole axis the margins lie on the outline.
    assert all(ring.boundary.distance(shapely.Point(x, t)) < 1.5 for x, t in zip(outline.x, outline.top, strict=True))
    assert abs(outline.x[0] + outline.x[-1]) < 1e-6


@given(SEEDS, st.sampled_from(FAMILIES))
@settings(max_examples=40, deadline=None)
def test_the_other_side_is_a_mirror_image(seed: int, family: str) -> None:
    outline = drawn(seed, family)
    mirrored = outline.mirrored()
    assert shapely.Polygon(mirrored.polygon()).area == pytest.approx(shapely.Polygon(outline.polygon()).area)
    ours = {(round(x, 6), round(-y, 6)) for x, y in outline.polygon()}
    assert {(round(x, 6), round(y, 6)) for x, y in mirrored.polygon()} == ours


@given(SEEDS, st.sampled_from(FAMILIES))
@settings(max_examples=40, deadline=None)
def test_broken_and_deformed_valves_stay_polygons(seed: int, family: str) -> None:
    outline = drawn(seed, family)
    rng = np.random.default_rng(seed)
    piece, odd = broken(rng, outline, 0.7), deformed(rng, outline)
    assert piece.length == pytest.approx(0.7 * outline.length, rel=0.05)
    for other in (piece, odd):
        assert np.isfinite(other.polygon()).all()
        assert 0 < shapely.Polygon(other.polygon()).area < 1.6 * shapely.Polygon(outline.polygon()).area


def hollows(family: str, seed: int) -> float:
    """Share of the convex hull that the outline leaves free."""
    polygon = shapely.Polygon(drawn(seed, family).polygon())
    return float(1 - polygon.area / polygon.convex_hull.area)


def test_crosses_have_four_arms_and_triangles_three() -> None:
    for family, least in (("cross-shaped", 4), ("three-armed", 3)):
        for seed in range(8):
            corners = drawn(seed, family).polygon()
            away = np.hypot(*(corners - corners.mean(axis=0)).T)
            ahead, behind = np.roll(away, -25), np.roll(away, 25)
            peaks = [
                i
                for i in range(len(away))
                if away[i] == max(away.take(range(i - 25, i + 26), mode="wrap")) and away[i] > min(ahead[i], behind[i])
            ]
            assert len(peaks) == least
    assert np.mean([hollows("cross-shaped", seed) for seed in range(20)]) > 0.15


def test_diploneis_often_has_a_waist_and_bows_are_bent() -> None:
    waists = []
    for seed in range(40):
        outline = drawn(seed, "diploneioid")
        across = outline.top - outline.bottom
        waists.append(across[len(across) // 2] / across.max() < 0.92)
    assert 10 <= sum(waists) <= 36
    bent = [drawn(seed, "arcuate") for seed in range(20)]
    assert all(abs(np.interp(0, o.x, o.top + o.bottom) - (o.top + o.bottom)[[1, -2]].mean()) > 2 for o in bent)


def test_apices_of_sigmoid_valves_turn_to_opposite_sides() -> None:
    for seed in range(20):
        outline = drawn(seed, "sigmoid")
        middle = 0.5 * (outline.top + outline.bottom)
        t = outline.x / (0.5 * outline.length)
        left, right = np.interp(-t[100:170], t, middle), middle[100:170]
        # Half a turn brings the axis onto itself; a mirror does not.
        assert np.abs(left + right).max() < 0.1 * outline.width
        assert np.abs(left - right).max() > 0.1 * outline.width


@pytest.mark.skipif(not SILHOUETTES.is_dir(), reason="the outlines of real valves are not here")
def test_most_real_valves_have_a_drawn_outline_near_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    from shapes import WITHIN, coverage

    figures = coverage(SILHOUETTES, draws=5000, seed=0)
    assert len(figures) == 89
    assert sum(found["distance"] <= WITHIN for found in figures.values()) >= 85
