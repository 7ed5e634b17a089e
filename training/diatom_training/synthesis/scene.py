"""Which specimens lie where: single ones, step chains, ribbons, filaments, and colonies."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from diatom_training.synthesis.colonies import draw_colony
from diatom_training.synthesis.eyepiece import FieldStop
from diatom_training.synthesis.families import draw_girdle_outline
from diatom_training.synthesis.noise_maps import Points
from diatom_training.synthesis.options import FieldOptions
from diatom_training.synthesis.specimens import LaidSpecimen, draw_specimen, moved
from napari_diatom.core import geometry
from napari_diatom.core.cropped_masks import draw_polygon

_TRIES = 8


@dataclass
class Crowding:
    """A coarse map of what is taken, so that most specimens find free room."""

    options: FieldOptions

    def __post_init__(self) -> None:
        """Start with an empty slide."""
        self._cell = max(2.0, max(self.options.height, self.options.width) / 256)
        shape = (
            math.ceil(self.options.height / self._cell),
            math.ceil(self.options.width / self._cell),
        )
        self._taken = np.zeros(shape, np.uint8)

    def overlap(self, polygons: list[Points]) -> float:
        """Share of the polygons' visible cells that are taken; 1 when nothing is visible."""
        mask = self._drawn(polygons)
        visible = int(mask.sum())
        return float((mask & self._taken).sum() / visible) if visible else 1.0

    def take(self, polygons: list[Points]) -> None:
        """Mark the polygons' cells as taken."""
        self._taken |= self._drawn(polygons)

    def _drawn(self, polygons: list[Points]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        mask = np.zeros_like(self._taken)
        for polygon in polygons:
            draw_polygon(mask, polygon / self._cell)
        return mask


def draw_scene(rng: np.random.Generator, options: FieldOptions, stop: FieldStop | None = None) -> list[LaidSpecimen]:
    """Draw the specimens of a field and where they lie.

    Parameters
    ----------
    rng
        Source of chance.
    options
        What the field shows.
    stop
        Round edge of the visible field, if it has one.

    Returns
    -------
    list of LaidSpecimen
        Not more than the upper end of ``options.specimens``.
    """
    wanted = int(rng.integers(options.specimens[0], options.specimens[1] + 1))
    crowding = Crowding(options)
    scene: list[LaidSpecimen] = []
    # Specimens of one slide resemble each other: a few kinds make up most of a field.
    kinds = rng.dirichlet(np.full(len(options.families), 0.7))
    kinds[[family == "needle" for family in options.families]] = 0
    kinds = kinds / kinds.sum() if kinds.any() else np.full(len(kinds), 1 / len(kinds))
    seen = 0
    # Groups may come to lie outside; a bound keeps odd descriptions from running on.
    for _ in range(3 * wanted):
        if seen >= wanted:
            break
        group = _draw_group(rng, options, kinds, wanted - seen)
        placed = _placed(rng, group, options, crowding, stop)
        crowding.take([s.polygon() for s in placed])
        scene += placed
        seen += sum(_in_frame(s, options, stop) for s in placed)
    return scene


def _in_frame(specimen: LaidSpecimen, options: FieldOptions, stop: FieldStop | None) -> bool:
    """Whether enough of a specimen lies in the frame to count it."""
    whole = specimen.polygon()
    inside = geometry.clip_polygon(whole, -0.5, -0.5, options.width - 0.5, options.height - 0.5)
    if stop is not None and len(inside) > 2:
        inside = stop.clipped(inside)
    return len(inside) > 2 and geometry.polygon_area(inside) > 0.2 * geometry.polygon_area(whole)


def _draw_group(
    rng: np.random.Generator,
    options: FieldOptions,
    kinds: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    room: int,
) -> list[LaidSpecimen]:
    """Draw a single specimen or a chain of at most ``room`` cells, around the origin."""
    if options.colony_share and rng.random() < options.colony_share:
        kind = options.colonies[int(rng.integers(len(options.colonies)))]
        return draw_colony(rng, kind, _draw_length(rng, options), options, room)
    needle = bool(rng.random() < options.needle_share)
    family = "needle" if needle else options.families[int(rng.choice(len(options.families), p=kinds))]
    specimen = draw_specimen(rng, family, _draw_length(rng, options), options)
    chained = room > 1 and bool(rng.random() < options.chain_share)
    if not chained or specimen.status in ("broken", "teratological"):
        return [specimen]
    if needle and rng.random() < 0.85:
        return _step_chain(rng, specimen, min(room, int(rng.integers(2, 6))))
    if family in ("fragilarioid", "eunotioid", "nitzschioid", "naviculoid", "needle"):
        return _ribbon(rng, specimen, min(room, int(rng.integers(2, 11))))
    if family == "centric":
        return _filament(rng, specimen, min(room, int(rng.integers(2, 9))))
    return [specimen]


def _draw_length(rng: np.random.Generator, options: FieldOptions) -> float:
    """Draw a length in pixels; no diatom is much longer than half a millimetre."""
    shortest, longest = options.length_px
    longest = max(shortest, min(longest, 500 / options.pixel_size_um))
    return math.exp(rng.uniform(math.log(shortest), math.log(longest)))


def _step_chain(rng: np.random.Generator, cell: LaidSpecimen, count: int) -> list[LaidSpecimen]:
    """Needles joined by their overlapping tips, as in Pseudo-nitzschia."""
    overlap = rng.uniform(0.04, 0.16)
    side = cell.outline.width * rng.uniform(0.15, 0.55) * (1 if rng.random() < 0.5 else -1)
    alternate = rng.random() < 0.5
    pitch = cell.outline.length * (1 - overlap)
    bend = rng.normal(0, 0.004)
    chain = []
    for i in range(count):
        k = i - (count - 1) / 2
        across = side * (0.5 * (-1) ** i if alternate else k) + rng.normal(0, 0.4)
        across += 0.5 * bend * pitch * k * k
        mirrored = replace(cell, strength=cell.strength * float(rng.uniform(0.85, 1.15)))
        chain.append(moved(mirrored, k * pitch, across, bend * k + rng.normal(0, 0.002)))
    return chain


def _ribbon(rng: np.random.Generator, cell: LaidSpecimen, count: int) -> list[LaidSpecimen]:
    """Cells side by side, mostly in girdle view."""
    if rng.random() < 0.75 and cell.status != "girdle":
        depth = cell.outline.width * rng.uniform(0.45, 1.1)
        depth = min(cell.outline.length, max(6.0, depth))
        outline = draw_girdle_outline(rng, "fragilarioid", cell.outline.length, depth)
        cell = replace(cell, outline=outline, status="girdle")
    pitch = cell.outline.width * rng.uniform(0.95, 1.04)
    slip = rng.normal(0, 0.02) * cell.outline.length
    return [
        moved(
            cell,
            slip * (i - (count - 1) / 2) + rng.normal(0, 0.01) * cell.outline.length,
            pitch * (i - (count - 1) / 2),
            rng.normal(0, 0.01),
        )
        for i in range(count)
    ]


def _filament(rng: np.random.Generator, cell: LaidSpecimen, count: int) -> list[LaidSpecimen]:
    """Centric frustules in girdle view, valve to valve."""
    diameter = cell.outline.length
    depth = diameter * rng.uniform(0.35, 0.95)
    pieces = []
    for i in range(count):
        outline = draw_girdle_outline(rng, "centric", diameter, depth)
        member = replace(cell, outline=outline, status="girdle")
        step = depth * rng.uniform(1.0, 1.03) * (i - (count - 1) / 2)
        pieces.append(moved(member, 0.0, step, rng.normal(0, 0.01)))
    return pieces


def _placed(
    rng: np.random.Generator,
    group: list[LaidSpecimen],
    options: FieldOptions,
    crowding: Crowding,
    stop: FieldStop | None,
) -> list[LaidSpecimen]:
    """Put a group where it overlaps little; some fall across others all the same."""
    tolerance = 0.02 if rng.random() < 0.8 else 0.4
    best: list[LaidSpecimen] = []
    least = math.inf
    for _ in range(_TRIES):
        # A little beyond the frame, so that edges cut some.
        x = rng.uniform(-0.06, 1.06) * options.width
        y = rng.uniform(-0.06, 1.06) * options.height
        if stop is not None:
            away, turn = 1.02 * stop.radius * math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
            x, y = stop.x + away * math.cos(turn), stop.y + away * math.sin(turn)
        tried = [replace(s, x=s.x + float(x), y=s.y + float(y)) for s in group]
        overlap = crowding.overlap([s.polygon() for s in tried])
        if overlap < least:
            best, least = tried, overlap
        if least <= tolerance:
            break
    return best
