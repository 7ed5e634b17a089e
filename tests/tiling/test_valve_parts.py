"""Halves of valves go, and whatever only looks like one stays."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from helpers.fakes import BlobEngine, card
from napari_diatom.analysis.pipeline import AnalysisOptions, analyse
from napari_diatom.core import geometry
from napari_diatom.core.detections import Detections
from napari_diatom.images.slide_image import from_array
from napari_diatom.tiling.valve_parts import without_parts

DEGREE = math.pi / 180
VALVE = (1000.0, 800.0, 300.0, 80.0, 0.3)
ROUND = (1000.0, 800.0, 200.0, 195.0, 0.3)


def part_of(
    valve: tuple[float, ...] = VALVE,
    along: float = 0.0,
    across: float = 0.0,
    length: float = 1.0,
    width: float = 1.0,
    turn: float = 0.0,
) -> list[float]:
    """Return a box in a valve's frame: its place and sizes as shares of the valve's, its turn in degrees."""
    x, y, whole, wide, angle = valve
    cos, sin = math.cos(angle), math.sin(angle)
    u, v = along * whole, across * wide
    return [x + u * cos - v * sin, y + u * sin + v * cos, length * whole, width * wide, angle + turn * DEGREE]


def left(*boxes: object, scores: object = None) -> list[int]:
    """Return which boxes stay, the first being the surest where no scores are given."""
    some = np.linspace(0.9, 0.5, len(boxes)) if scores is None else scores
    found = Detections.of(boxes, class_ids=np.arange(len(boxes)), scores=some, classes=[str(k) for k in boxes])
    return without_parts(found).class_ids.tolist()


HALVES = {
    "one side of the raphe": part_of(across=0.25, width=0.5),
    "the other side, a little askew": part_of(across=-0.25, width=0.5, length=0.95, turn=-3),
    "one side, a little beyond the margin": part_of(across=0.3, width=0.5),
    "a middle strip": part_of(width=0.4, length=0.9),
    "two thirds of the length": part_of(along=0.16, length=0.66, width=0.9),
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a_less_sure_half_goes(half: list[float]) -> None:
    assert left(VALVE, half) == [0]
    assert left(half, VALVE, scores=[0.4, 0.8]) == [1]
    assert left(half, VALVE, scores=[0.8, 0.8]) == [1]


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a_surer_half_stays_and_so_does_its_whole(half: list[float]) -> None:
    assert left(VALVE, half, scores=[0.6, 0.7]) == [0, 1]


OTHERS = {
    "a cell beside it in a ribbon": part_of(across=1.0),
    "a cell beside it, its box overlapping a fifth": part_of(across=0.8),
    "a narrow cell beside it, its box overlapping a third": part_of(across=0.58, width=0.5),
    "a crossing needle": part_of(length=0.9, width=0.1, turn=40),
    "a needle crossing at a small angle": part_of(length=0.9, width=0.1, turn=14),
    "the next cell of a step chain": part_of(along=0.88, across=0.5),
    "the next cell of a chain, its tip inside": part_of(along=0.7, across=0.1, width=0.8),
    "a small valve on it": part_of(along=0.2, length=0.3, width=0.4, turn=60),
    "a small valve on it, of the same direction": part_of(along=0.1, length=0.5, width=0.5),
    "a round valve on it": part_of(length=0.26, width=0.95),
    "half of it, across": part_of(along=0.25, length=0.5, width=0.9),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_neighbour_stays(other: list[float]) -> None:
    assert left(VALVE, other) == [0, 1]


def test_the_cells_of_a_ribbon_stay_whatever_their_scores() -> None:
    cells = [part_of(across=0.9 * k, along=0.02 * (-1) ** k) for k in range(-4, 5)]
    scores = np.random.default_rng(3).uniform(0.2, 0.9, len(cells))
    assert left(*cells, scores=scores) == list(range(len(cells)))


def ribbon(cells: int, turn: float = 0.3, narrowing: float = 1.0) -> list[list[float]]:
    """Return the box of a whole ribbon and those of its cells, each of which is that much as wide as the last."""
    widths = 20 * narrowing ** np.arange(cells)
    sides = np.concatenate([[0], np.cumsum(widths)])
    whole = (500.0, 500.0, 100.0, float(sides[-1]), turn)
    middles = (sides[:-1] + sides[1:]) / 2 / sides[-1] - 0.5
    parts = zip(middles, widths / sides[-1], strict=True)
    slip = [0.02 * (-1) ** k for k in range(cells)]
    boxes = [part_of(whole, slip[k], middle, 0.97, width) for k, (middle, width) in enumerate(parts)]
    return [list(geometry.canonical([whole])[0]), *boxes]


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.4, -0.8])
@pytest.mark.parametrize("cells", [3, 4, 5, 6, 9])
def test_the_cells_of_a_ribbon_boxed_as_one_stay(cells: int, turn: float) -> None:
    assert left(*ribbon(cells, turn)) == list(range(cells + 1))


def test_two_halves_and_strips_of_unlike_width_are_not_a_ribbon() -> None:
    assert left(*ribbon(2)) == [0]
    assert left(*ribbon(3, narrowing=0.65)) == [0]
    whole, cell, *_ = ribbon(3)
    assert left(whole, cell, [*cell[:3], 1.1 * cell[3], cell[4]], [*cell[:3], 0.9 * cell[3], cell[4]]) == [0]


def test_what_is_hardly_sure_is_not_counted_as_a_cell() -> None:
    boxes = ribbon(3)
    found = Detections.of(boxes, scores=[0.9, 0.8, 0.7, 0.08])
    assert len(without_parts(found, counts_from=0.05)) == 4
    assert len(without_parts(found, counts_from=0.1)) == 1


def test_crossed_needles_stay() -> None:
    needle = (500.0, 500.0, 1000.0, 25.0, 0.8)
    assert left(needle, part_of(needle, turn=90), part_of(needle, turn=20)) == [0, 1, 2]


@pytest.mark.parametrize("turn", [0, 35, 90, 160])
def test_half_of_a_round_valve_goes_at_any_angle(turn: float) -> None:
    half = part_of(ROUND, length=0.95, width=0.5, turn=turn)
    towards = half[4] + math.pi / 2
    half[0], half[1] = half[0] + 45 * math.cos(towards), half[1] + 45 * math.sin(towards)
    assert left(ROUND, half) == [0]


@pytest.mark.parametrize("turn", [0, 35, 90, 160])
def test_small_valves_on_a_round_one_stay(turn: float) -> None:
    assert left(ROUND, part_of(ROUND, length=0.7, width=0.2, turn=turn)) == [0, 1]
    assert left(ROUND, part_of(ROUND, length=0.65, width=0.65, turn=turn)) == [0, 1]


def test_what_went_makes_nothing_go() -> None:
    # Half of the half lies in the valve by less than three quarters: its own margin is beyond the valve's.
    half, quarter = part_of(across=0.35, width=0.5, length=0.9), part_of(across=0.48, width=0.2, length=0.8)
    assert left(half, quarter) == [0]
    assert left(VALVE, quarter) == [0, 1]
    assert left(VALVE, half, quarter) == [0, 2]


def test_nothing_and_one_stay() -> None:
    assert len(without_parts(Detections.empty())) == 0
    assert left(VALVE) == [0]


@st.composite
def scenes(draw: st.DrawFn) -> Detections:
    """Valves and what lies about them in their frames: halves, neighbours, crossing ones."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    boxes: list[list[float]] = []
    for _ in range(draw(st.integers(1, 4))):
        length = float(rng.uniform(60, 400))
        place = rng.uniform(0, 900, 2).tolist()
        valve = (*place, length, length / float(rng.uniform(1, 12)), float(rng.uniform(-1.5, 1.5)))
        boxes.append(list(valve))
        for _ in range(int(rng.integers(0, 5))):
            turn = float(rng.choice([0, 5, 11, 13, 60])) + float(rng.normal(0, 0.3))
            sizes = {"length": float(rng.uniform(0.3, 1)), "width": float(rng.uniform(0.2, 1))}
            along, across = rng.uniform(-0.3, 0.3), rng.uniform(-1, 1)
            boxes.append(part_of(valve, along=along, across=across, turn=turn, **sizes))
    if draw(st.booleans()):
        boxes += ribbon(int(rng.integers(2, 6)), float(rng.uniform(-1.5, 1.5)))
    scores = rng.permutation(np.linspace(0.1, 0.9, len(boxes)))
    return numbered(np.array(boxes), scores)


def numbered(boxes: NDArray[np.float64], scores: NDArray[np.floating]) -> Detections:
    """Return boxes whose classes are their numbers."""
    names = [str(k) for k in range(len(boxes))]
    return Detections.of(boxes, class_ids=np.arange(len(boxes)), scores=scores, classes=names)


def settled(found: Detections) -> bool:
    """Tell whether no pair is so near to a limit that rounding decides."""
    i, j = np.triu_indices(len(found), 1)
    a, b = found.boxes[i].astype(np.float64), found.boxes[j].astype(np.float64)
    turn = np.abs(np.mod(a[:, 4] - b[:, 4] + np.pi / 2, np.pi) - np.pi / 2)
    lengths = np.minimum(a[:, 2], b[:, 2]) / np.maximum(a[:, 2], b[:, 2])
    widths = np.minimum(a[:, 3], b[:, 3]) / np.maximum(a[:, 3], b[:, 3])
    areas = geometry.box_areas(a) / geometry.box_areas(b)
    ratios = (found.boxes[:, 2] / found.boxes[:, 3]).astype(np.float64)
    near = [
        (geometry.intersections(a, b) / np.minimum(geometry.box_areas(a), geometry.box_areas(b)), 0.75),
        (turn / DEGREE, 12),
        (lengths, 0.55),
        (lengths, 0.8),
        (widths, 0.75),
        (areas, 1),
        (ratios, 1.2),
        (ratios, 1.05),
    ]
    return all((np.abs(values / limit - 1) > 1e-3).all() for values, limit in near)


@given(scenes(), st.floats(-3.1, 3.1), st.floats(0.2, 5), st.floats(-2000, 2000), st.floats(-2000, 2000))
def test_turned_moved_and_scaled_the_same_stay(
    found: Detections, turn: float, scale: float, dx: float, dy: float
) -> None:
    assume(settled(found))
    boxes = found.boxes.astype(np.float64)
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = boxes[:, 0].copy(), boxes[:, 1].copy()
    boxes[:, 0], boxes[:, 1] = scale * (x * cos - y * sin) + dx, scale * (x * sin + y * cos) + dy
    boxes[:, 2:4] *= scale
    boxes[:, 4] += turn
    elsewhere = without_parts(numbered(boxes, found.scores))
    assert elsewhere.class_ids.tolist() == without_parts(found).class_ids.tolist()


@given(scenes(), st.integers(0, 10**6), st.booleans())
def test_the_order_does_not_matter_and_stays(found: Detections, seed: int, equally_sure: bool) -> None:
    if equally_sure:
        found = numbered(found.boxes, np.full(len(found), 0.5))
    order = np.random.default_rng(seed).permutation(len(found))
    one, other = without_parts(found), without_parts(found[order])
    kept = set(one.class_ids.tolist())
    assert one.class_ids.tolist() == sorted(kept)
    assert other.class_ids.tolist() == [k for k in order.tolist() if k in kept]


@given(scenes(), st.floats(0.05, 0.95), st.floats(0, 1))
def test_a_threshold_before_gives_what_a_threshold_after_gives(
    found: Detections, counts_from: float, share: float
) -> None:
    threshold = share * counts_from
    before = without_parts(found.above(threshold), counts_from).class_ids
    after = without_parts(found, counts_from).above(threshold).class_ids
    assert before.tolist() == after.tolist()


@given(scenes())
def test_each_that_goes_lies_in_a_surer_and_larger_one_that_stays(found: Detections) -> None:
    stays = without_parts(found)
    kept = set(stays.class_ids.tolist())
    assert int(np.argmax(found.scores)) in kept
    for gone in set(found.class_ids.tolist()) - kept:
        hosts = stays.boxes[stays.scores >= found.scores[gone]]
        hosts = hosts[geometry.box_areas(hosts) >= geometry.box_areas(found.boxes[[gone]])]
        piece = np.repeat(found.boxes[[gone]], len(hosts), axis=0)
        assert (geometry.intersections(piece, hosts) >= 0.749 * geometry.box_areas(piece)).any()


def test_time_grows_with_the_neighbours_not_with_all_pairs() -> None:
    rng = np.random.default_rng(0)
    number = 30_000
    length = np.exp(rng.uniform(np.log(30), np.log(600), number))
    width = np.maximum(length / np.exp(rng.uniform(0, np.log(15), number)), 4)
    places = rng.uniform(0, 250 * np.sqrt(number), (number, 2))
    boxes = np.column_stack([places, length, width, rng.uniform(-np.pi / 2, np.pi / 2, number)])
    found = Detections.of(boxes, scores=rng.uniform(0.1, 0.9, number))
    began = time.process_time()
    assert len(without_parts(found)) > 0.8 * number
    assert time.process_time() - began < 5


class HalvingEngine(BlobEngine):
    """Finds the same valve in every tile, and a half of it that is less sure."""

    def blobs(self, pixels: NDArray[np.uint8]) -> Detections:
        boxes = [[150, 100, 160, 50, 0], [150, 112, 156, 25, 0]]
        return Detections.of(boxes, scores=[0.9, 0.8], classes=self.card.classes)


@pytest.mark.parametrize(("task", "number"), [("oriented-boxes", 1), ("boxes", 2)])
def test_every_run_drops_halves_but_of_upright_boxes(task: str, number: int) -> None:
    engine = HalvingEngine(card(tile_size=400).model_copy(update={"task": task}))
    field = from_array(np.zeros((300, 300), np.uint8), "field")
    for threshold in (0.1, 0.5):
        assert len(analyse(field, engine, AnalysisOptions(threshold=threshold, all_tiles=True)).detections) == number
