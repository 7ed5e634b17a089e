"""How right the sizes of masks are: ellipses and rendered outlines of valves at many angles and scales."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import shapely
from fields import SET_UP
from numpy.typing import NDArray

from diatom_training.synthesis.families import CLASSIC_FAMILIES as FAMILIES
from diatom_training.synthesis.families import draw_girdle_outline, draw_valve_outline, draw_width
from napari_diatom.core.detections import Detections
from napari_diatom.core.mask_polygons import fill
from napari_diatom.measurement.measurements import measure
from napari_diatom.measurement.morphometry import oriented_box

LENGTHS = (62.0, 90.0, 140.0, 230.0, 400.0)
"""Pixels."""
TARGETS = {"length": 1.0, "width": 2.0, "area": 1.0}
"""Median errors in percent that may not be exceeded."""
QUANTITIES = ("length", "width", "area", "perimeter")

Points = NDArray[np.float64]


def main() -> int:
    """Measure masks of known outlines and print how far off the sizes are."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="measurement.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--angles", type=int, default=36, help="how many, over half a turn (%(default)s)")
    parser.add_argument("--speed", type=int, default=1000, help="masks of about 80 px that are timed (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the outlines and their places (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    kinds = ("ellipse", *FAMILIES, "girdle")
    errors = {kind: np.array([_errors(rng, kind, length, angle) for length in LENGTHS for angle in _angles(options)])
              for kind in kinds}  # fmt: skip
    errors["valves"] = np.concatenate([errors[family] for family in FAMILIES])
    figures = {kind: dict(zip(QUANTITIES, np.median(np.abs(found), axis=0).tolist(), strict=True))
               for kind, found in errors.items()}  # fmt: skip
    print(
        f"median error in percent (median signed error), {len(LENGTHS)} scales of {LENGTHS[0]:g} to {LENGTHS[-1]:g} px"
    )
    print(f"{'':14}{'n':>6}" + "".join(f"{name:>18}" for name in QUANTITIES))
    for kind, found in errors.items():
        off, signed = np.median(np.abs(found), axis=0), np.median(found, axis=0)
        cells = "".join(f"{a:9.2f} ({b:+6.2f})" for a, b in zip(off, signed, strict=True))
        print(f"{kind:14}{len(found):6d}{cells}")
    missed = [
        f"{name} of {kind}"
        for kind in ("ellipse", "valves")
        for name, most in TARGETS.items()
        if not figures[kind][name] <= most
    ]
    print("targets " + ", ".join(f"{name} {most:g} %" for name, most in TARGETS.items()) + ": ", end="")
    print("missed by " + ", ".join(missed) if missed else "met")
    figures["speed"] = _speed(rng, options.speed)
    print(f"{figures['speed']['masks']:.0f} masks in {figures['speed']['seconds']:.2f} s")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


def _angles(options: argparse.Namespace) -> Points:
    """Return angles over half a turn; none along the pixels alone."""
    return np.arange(options.angles) * (math.pi / options.angles) + math.radians(1.3)


def _outline(rng: np.random.Generator, kind: str, length: float) -> Points:
    """Return an outline along x, shape (K, 2)."""
    if kind == "ellipse":
        turns = np.linspace(0, 2 * math.pi, 720, endpoint=False)
        return np.column_stack([length / 2 * np.cos(turns), length / rng.uniform(2, 12) * np.sin(turns)])
    if kind == "girdle":
        return draw_girdle_outline(rng, "naviculoid", length, length * rng.uniform(0.15, 0.8)).polygon()
    return draw_valve_outline(rng, kind, length, draw_width(rng, kind, length)).polygon()


def _placed(rng: np.random.Generator, outline: Points, angle: float) -> Points:
    """Return an outline turned, at a place anywhere between the pixels."""
    cos, sin = math.cos(angle), math.sin(angle)
    return outline @ np.array([[cos, sin], [-sin, cos]]) + 500 + rng.uniform(0, 1, 2)


def _errors(rng: np.random.Generator, kind: str, length: float, angle: float) -> Points:
    """Return the errors of one mask in percent, in the order of :data:`QUANTITIES`."""
    outline = _outline(rng, kind, length)
    mask = fill(((_placed(rng, outline, angle),),))
    table = measure(Detections.of([oriented_box(mask)], masks=[mask]), None)
    found = [table.length_px[0], table.width_px[0], table.area_px[0], table.perimeter_px[0]]
    drawn = shapely.Polygon(outline)
    truth = [*np.ptp(outline, axis=0), drawn.area, drawn.length]
    return 100 * (np.array(found) / np.array(truth) - 1)


def _speed(rng: np.random.Generator, count: int) -> dict[str, float]:
    """Return how long masks of about 80 px take, boxes included."""
    families = [family for family in FAMILIES if family != "needle"]
    masks = [
        fill(((_placed(rng, _outline(rng, families[i % len(families)], 80.0), rng.uniform(0, math.pi)),),))
        for i in range(count)
    ]
    began = time.perf_counter()
    measure(Detections.of([oriented_box(mask) for mask in masks], masks=masks), None)
    return {"masks": count, "seconds": time.perf_counter() - began}


if __name__ == "__main__":
    raise SystemExit(main())
