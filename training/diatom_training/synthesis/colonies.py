"""Colonies: chains, ribbons, stars, zigzags and sliding bundles; each cell is a specimen of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diatom_training.synthesis.noise_maps import Points
from diatom_training.synthesis.options import Colony, FieldOptions
from diatom_training.synthesis.outlines import Outline
from diatom_training.synthesis.plastids import draw_plastids
from diatom_training.synthesis.profiles import superellipse
from diatom_training.synthesis.specimens import LaidSpecimen, Look, defocused, draw_specimen, moved

_T = -np.cos(np.linspace(0.0, math.pi, 181))


def draw_colony(
    rng: np.random.Generator, kind: Colony, length_px: float, options: FieldOptions, room: int
) -> list[LaidSpecimen]:
    """Draw a colony around the origin, in any direction.

    Parameters
    ----------
    rng
        Source of chance.
    kind
        One of ``COLONIES``.
    length_px
        Longest extent of a cell in pixels.
    options
        What the field shows.
    room
        Most cells.

    Returns
    -------
    list of LaidSpecimen
        One for each cell.
    """
    cells = _KINDS[kind](rng, length_px, options, room)
    turn = float(rng.uniform(-math.pi, math.pi))
    cos, sin = math.cos(turn), math.sin(turn)
    middle = 0.5 * (np.min([(c.x, c.y) for c in cells], axis=0) + np.max([(c.x, c.y) for c in cells], axis=0))
    turned = []
    for cell in cells:
        x, y = cell.x - middle[0], cell.y - middle[1]
        turned.append(replace(cell, x=cos * x - sin * y, y=sin * x + cos * y, angle=cell.angle + turn))
    return turned


def _cell(
    rng: np.random.Generator,
    family: str,
    outline: Outline,
    options: FieldOptions,
    *,
    status: str = "girdle",
    look: Look = "plain",
    living: bool | None = None,
) -> LaidSpecimen:
    """Return a cell at the origin along x, in focus, empty or living as often as the field's are."""
    alive = bool(rng.random() < options.living_share) if living is None else living
    strength = float(np.clip(rng.lognormal(0, 0.3), 0.4, 2.2))
    kin = int(rng.integers(2**31))
    return LaidSpecimen(family, status, outline, 0.0, 0.0, 0.0, living=alive, strength=strength, look=look, kin=kin)


def _member(rng: np.random.Generator, cell: LaidSpecimen, x: float, y: float, angle: float) -> LaidSpecimen:
    """Return a colony's cell at its place, a little brighter or fainter than the others."""
    strength = cell.strength * float(rng.uniform(0.85, 1.15))
    return replace(cell, x=float(x), y=float(y), angle=float(angle), strength=strength)


def _focused(
    rng: np.random.Generator, cells: list[LaidSpecimen], options: FieldOptions, width_px: float
) -> list[LaidSpecimen]:
    """Put a colony into the depth of the slide: flat, or tilted so that a part of it is out of focus."""
    reach = (min(40.0, 0.4 * width_px + 4)) * options.defocus
    level = float(rng.normal(0, 0.6) * reach)
    tilt = float(rng.normal(0, 1.5) * reach) if rng.random() < 0.5 else 0.0
    last = max(1, len(cells) - 1)
    return [defocused(cell, level + tilt * (i / last - 0.5)) for i, cell in enumerate(cells)]


def _margins(shape: Points, length_px: float, width_px: float, middle: Points | float = 0.0) -> Outline:
    half = 0.5 * width_px * shape / shape.max()
    return Outline(0.5 * length_px * _T, middle + half, middle - half)


def _box(rng: np.random.Generator, length_px: float, depth_px: float, power: tuple[float, float]) -> Outline:
    """Return a girdle view: a rectangle with rounded corners."""
    shape = superellipse(_T, math.exp(rng.uniform(*np.log(power))), rng.uniform(0.35, 0.55))
    return _margins(shape, length_px, depth_px)


def _living_chain(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Long living needles that overlap at their tapered tips, as in Pseudo-nitzschia."""
    count = min(room, int(rng.integers(1, 8)))
    width = max(6.0, length / math.exp(rng.uniform(math.log(14), math.log(50))))
    shape = superellipse(_T, math.exp(rng.uniform(math.log(1.4), math.log(9))), rng.uniform(0.7, 1.0))
    tip = rng.uniform(0.12, 0.35) * np.sqrt(np.clip((1 - np.abs(_T)) * length / width, 0, 1))
    bend = float(rng.normal(0, 0.03)) if rng.random() < 0.7 else 0.0
    outline = _margins(np.maximum(shape, tip), length, width, -0.125 * bend * length * (_T**2 - 0.5))
    pitch = length * (1 - rng.uniform(0.05, 0.28))
    side = width * rng.uniform(0.25, 0.75) * rng.choice((-1.0, 1.0))
    alternate = rng.random() < 0.4
    plain = _cell(rng, "needle", outline, options, status="frustule", living=True)
    cells = []
    for i in range(count):
        k = i - (count - 1) / 2
        turn = -bend * k * pitch / length
        step = side * (0.5 * (-1) ** i if alternate else k)
        cell = plain if rng.random() < 0.88 else replace(plain, living=False, status="valve")
        if cell.living:
            row = options.modality == "fluorescence" and rng.random() < 0.5
            cell = replace(cell, plastids=draw_plastids(rng, "discs" if row else "two"))
        along, across = k * pitch, 0.5 * turn * k * pitch + step + rng.normal(0, 0.02) * width
        cells.append(_member(rng, cell, along, across, turn + rng.normal(0, 0.004)))
    return _focused(rng, cells, options, width)


def _filament(
    rng: np.random.Generator, cell: LaidSpecimen, options: FieldOptions, count: int, gap: float
) -> list[LaidSpecimen]:
    """Stack cells in girdle view, valve to valve, along a line that may be bent."""
    depth = cell.outline.width
    bend = float(rng.normal(0, 0.05)) if rng.random() < 0.5 else 0.0
    cells, x, y, heading = [], 0.0, 0.0, 0.0
    kind = draw_plastids(rng, "discs")
    for _ in range(count):
        member = replace(cell, plastids=kind if cell.living else None)
        if rng.random() < 0.1:
            member = replace(member, living=False, plastids=None)
        cells.append(_member(rng, member, x, y, heading))
        step = depth * gap
        heading += bend + float(rng.normal(0, 0.008))
        x, y = x - math.sin(heading) * step, y + math.cos(heading) * step
    return _focused(rng, cells, options, min(depth, cell.outline.length))


def _aulacoseira(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a filament of tall cylinders with rows of pits."""
    ratio = math.exp(rng.uniform(math.log(0.8), math.log(3.5)))
    depth = length if ratio > 1 else length * ratio
    outline = _box(rng, depth / ratio, depth, (14.0, 50.0))
    cell = _cell(rng, "centric", outline, options, look="pitted")
    return _filament(rng, cell, options, min(room, int(rng.integers(2, 15))), rng.uniform(1.0, 1.03))


def _melosira(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a filament of short cylinders or barrels with many discs in them."""
    ratio = math.exp(rng.uniform(math.log(0.5), math.log(1.5)))
    depth = length if ratio > 1 else length * ratio
    # Barrels bulge towards the girdle: their corners are round.
    outline = _box(rng, depth / ratio, depth, (2.6, 16.0))
    cell = _cell(rng, "centric", outline, options)
    return _filament(rng, cell, options, min(room, int(rng.integers(2, 15))), rng.uniform(0.99, 1.02))


def _fragilaria(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a ribbon of many narrow cells side by side; they may touch in the middle only."""
    count = min(room, int(rng.integers(4, 31)))
    width = max(6.0, length / math.exp(rng.uniform(math.log(5), math.log(24))))
    shape = superellipse(_T, rng.uniform(10.0, 40.0), rng.uniform(0.35, 0.6))
    taper = rng.uniform(0.0, 0.45) if rng.random() < 0.5 else 0.0
    shape = shape * (1 - taper * np.abs(_T) ** 0.7 + 0.5 * taper * np.abs(_T) ** 6)
    cell = _cell(rng, "fragilarioid", _margins(shape, length, width), options)
    bend, slip = float(rng.normal(0, 0.006)), float(rng.normal(0, 0.02) * length)
    pitch = width * rng.uniform(0.97, 1.02)
    cells = []
    for i in range(count):
        k = i - (count - 1) / 2
        member = replace(cell, plastids=draw_plastids(rng, "two") if cell.living else None)
        along = slip * k - 0.5 * bend * pitch * k * k + rng.normal(0, 0.006) * length
        cells.append(_member(rng, member, along, pitch * k, bend * k + rng.normal(0, 0.004)))
    return _focused(rng, cells, options, width)


def _asterionella(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a star, or a part of one, of slender cells that hang together at their broader feet."""
    count = min(room, int(rng.integers(3, 13)))
    width = max(6.0, length / rng.uniform(9, 20))
    foot, head = rng.uniform(1.3, 2.1), rng.uniform(1.0, 1.5)
    shape = 1 + (foot - 1) * np.exp(-(((_T + 0.93) / 0.09) ** 2)) + (head - 1) * np.exp(-(((_T - 0.94) / 0.06) ** 2))
    shape = shape * superellipse(_T, 60.0, 0.5)
    cell = _cell(rng, "fragilarioid", _margins(shape, length, width), options)
    step = float(np.clip(2 * math.pi / count * rng.uniform(0.8, 1.0), 0.35, 1.0))
    # The feet touch at their corners.
    hub = 0.5 * width / math.tan(0.5 * step) * rng.uniform(0.85, 1.1)
    cells = []
    for i in range(count):
        turn = step * i + rng.normal(0, 0.03)
        away = hub + 0.5 * length * rng.uniform(0.99, 1.01)
        member = replace(cell, plastids=draw_plastids(rng, "two") if cell.living else None)
        cells.append(_member(rng, member, away * math.cos(turn), away * math.sin(turn), turn))
    return _focused(rng, cells, options, width)


def _zigzag(rng: np.random.Generator, cell: LaidSpecimen, options: FieldOptions, count: int) -> list[LaidSpecimen]:
    """Join cells in girdle view at their corners, on alternate sides."""
    length, depth = cell.outline.length, cell.outline.width
    lean = math.radians(float(rng.uniform(48, 84)))
    cells: list[LaidSpecimen] = []
    corner, place, turn, side = np.zeros(2), np.zeros(2), 0.0, -1
    for _ in range(count):
        # Now and then two cells stay side by side.
        beside = bool(cells) and rng.random() < 0.12
        if not beside:
            side = -side
            turn = side * lean + float(rng.normal(0, 0.08))
        along = np.array([math.cos(turn), math.sin(turn)])
        across = side * np.array([math.sin(turn), -math.cos(turn)])
        half = 0.49 * length * along + 0.47 * depth * across
        place = place + depth * across if beside else corner + half
        member = replace(cell, plastids=draw_plastids(rng, "discs") if cell.living else None)
        cells.append(_member(rng, member, place[0], place[1], turn))
        corner = place + half
    return _focused(rng, cells, options, depth)


def _tabellaria(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a zigzag of tablets with septa."""
    outline = _box(rng, length, length / math.exp(rng.uniform(math.log(1.05), math.log(4.5))), (20.0, 60.0))
    return _zigzag(rng, _cell(rng, "fragilarioid", outline, options), options, min(room, int(rng.integers(2, 13))))


def _diatoma(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a zigzag of cells with ribs."""
    outline = _box(rng, length, max(7.0, length / math.exp(rng.uniform(math.log(1.5), math.log(6.5)))), (12.0, 40.0))
    cell = _cell(rng, "fragilarioid", outline, options, look="costate")
    return _zigzag(rng, cell, options, min(room, int(rng.integers(2, 13))))


def _bacillaria(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Draw a bundle of rods, each slid along its neighbour."""
    count = min(room, int(rng.integers(3, 20)))
    width = max(6.0, length / math.exp(rng.uniform(math.log(8), math.log(20))))
    shape = superellipse(_T, rng.uniform(6.0, 24.0), rng.uniform(0.5, 0.8))
    cell = _cell(rng, "nitzschioid", _margins(shape, length, width), options, status="valve")
    slide = float(rng.uniform(-0.75, 0.75))
    turnover = int(rng.integers(2, 9)) if rng.random() < 0.5 else count + 1
    pitch = width * rng.uniform(0.98, 1.08)
    cells, along = [], 0.0
    for i in range(count):
        k = i - (count - 1) / 2
        member = replace(cell, plastids=draw_plastids(rng, "two") if cell.living else None)
        cells.append(_member(rng, member, along, pitch * k, rng.normal(0, 0.006)))
        if i % turnover == turnover - 1:
            slide = -slide
        along += length * float(np.clip(slide + rng.normal(0, 0.12), -0.9, 0.9))
    return _focused(rng, cells, options, width)


def _crossed(rng: np.random.Generator, length: float, options: FieldOptions, room: int) -> list[LaidSpecimen]:
    """Two valves that lie across each other."""
    families = [family for family in options.families if family not in ("centric", "three-armed")] or ["naviculoid"]
    cells = []
    for turn in (0.0, rng.choice((-1, 1)) * rng.uniform(0.7, 1.6))[:room]:
        family = str(rng.choice(families))
        cell = draw_specimen(rng, family, length * rng.uniform(0.75, 1.2), options)
        along, across = rng.normal(0, 0.08, 2) * length
        cells.append(moved(replace(cell, angle=0.0), float(along), float(across), float(turn)))
    return cells


_KINDS: dict[Colony, Callable[[np.random.Generator, float, FieldOptions, int], list[LaidSpecimen]]] = {
    "living-chain": _living_chain,
    "aulacoseira": _aulacoseira,
    "melosira": _melosira,
    "fragilaria": _fragilaria,
    "asterionella": _asterionella,
    "tabellaria": _tabellaria,
    "diatoma": _diatoma,
    "bacillaria": _bacillaria,
    "crossed": _crossed,
}
