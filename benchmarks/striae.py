"""How right striae in 10 µm are, on rendered valves of known density and on girdle bands without striae.

Valves are drawn with 5 to 35 striae in 10 µm at 6 to 20 px per µm, at any angle, half of them curved or sigmoid. A
valve should be answered when the amplitude of its striae, after the blur of optics and pixels, is at least twice the
standard deviation of the noise, and they are at least 2.5 px apart.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fields import SET_UP
from numpy.typing import NDArray
from striated_valves import StriatedValve, draw_girdle, draw_valve

from napari_diatom.measurement.morphometry import oriented_box
from napari_diatom.measurement.striae import (
    LEAST_PERIOD_PX,
    Striae,
    StriaeProfile,
    measure_striae,
    striae_profile,
)

MEDIAN_ERROR, WITHIN_ONE, ANSWERED, REFUSED = 0.02, 0.95, 0.85, 0.95
"""At most, as a share of the density; and at least."""
LEAST_CONTRAST = 2.0


def main() -> int:
    """Measure rendered specimens and print how right the densities are."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="striae.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--valves", type=int, default=300, help="how many (%(default)s)")
    parser.add_argument("--girdles", type=int, default=200, help="how many girdle bands (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (%(default)s)")
    parser.add_argument("--boxes", action="store_true", help="give the boxes alone, without outlines")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw the first twelve and their profiles there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    drawn = [
        draw_valve(rng, float(rng.uniform(5, 35)), float(rng.uniform(6, 20))) if k < options.valves
        else draw_girdle(rng, float(rng.uniform(6, 20)))
        for k in range(options.valves + options.girdles)
    ]  # fmt: skip
    found = [_measured(item, options.boxes) for item in drawn]
    figures = _figures(drawn, found)
    for name, value in figures.items():
        print(f"{name:34}{value:10.4g}")
    for item, striae in zip(drawn, found, strict=True):
        if item.density is not None and not striae.reason and abs(striae.whole - item.density) > 1:
            print(f"wrong: {item.kind}, {item.density:.1f} read as {striae.whole:.1f}, quality {striae.quality:.2f}")
    met = (
        figures["median error"] <= MEDIAN_ERROR
        and figures["within 1 per 10 µm"] >= WITHIN_ONE
        and figures["clear valves answered"] >= ANSWERED
        and figures["girdle bands refused"] >= REFUSED
    )
    print("targets: " + ("met" if met else "missed"))
    if options.picture:
        cv2.imwrite(str(options.picture), _picture(drawn[:9] + drawn[options.valves : options.valves + 3]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if met else 1


def _measured(item: StriatedValve, boxed: bool) -> Striae:
    """Return the striae that are read."""
    mask = None if boxed else item.mask
    return measure_striae(item.pixels, [oriented_box(item.mask)], [mask], item.pixel_size_um)[0]


def is_clear(item: StriatedValve) -> bool:
    """Return whether a valve should be answered."""
    if item.density is None or 10 / item.density / item.pixel_size_um < LEAST_PERIOD_PX:
        return False
    return item.contrast >= LEAST_CONTRAST * item.noise


def _figures(drawn: list[StriatedValve], found: list[Striae]) -> dict[str, float]:
    """Return the shares and errors."""
    pairs = list(zip(drawn, found, strict=True))
    told = [(item.density, striae.whole) for item, striae in pairs if item.density is not None and not striae.reason]
    errors = np.array([read - density for density, read in told])
    relative = np.abs(errors) / np.array([density for density, _ in told])
    clear = [not striae.reason for item, striae in pairs if is_clear(item)]
    bands = [bool(striae.reason) for item, striae in pairs if item.density is None]
    return {
        "valves": float(sum(item.density is not None for item in drawn)),
        "valves answered": float(len(told)),
        "median error": float(np.median(relative)),
        "95th percentile of errors": float(np.quantile(relative, 0.95)),
        "within 1 per 10 µm": float((np.abs(errors) <= 1).mean()),
        "clear valves": float(len(clear)),
        "clear valves answered": float(np.mean(clear)),
        "girdle bands": float(len(bands)),
        "girdle bands refused": float(np.mean(bands)) if bands else 1.0,
    }


def _picture(items: list[StriatedValve]) -> NDArray[np.uint8]:
    """Return specimens beside the profiles along their midlines and their spectra."""
    rows = [_row(item) for item in items]
    return np.concatenate(rows)


def _row(item: StriatedValve) -> NDArray[np.uint8]:
    """Return a specimen, its profile and its spectrum side by side."""
    height, width = 260, 520
    row = np.full((height, 300 + 2 * width), 255, np.uint8)
    scale = min(280 / item.pixels.shape[1], (height - 10) / item.pixels.shape[0])
    small: Any = cv2.resize(item.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    row[: small.shape[0], : small.shape[1]] = small
    profile = striae_profile(item.pixels, oriented_box(item.mask), item.mask, item.pixel_size_um)
    density = "none" if item.density is None else f"{item.density:.1f}"
    if isinstance(profile, StriaeProfile):
        _curve(row, profile.brightness, 300, width, height)
        _curve(row, profile.power, 300 + width, width, height)
        text = f"true {density}, read {profile.striae.whole:.1f}, quality {profile.striae.quality:.2f}"
        cv2.putText(row, text, (310, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 0, 1, cv2.LINE_AA)
    return row


def _curve(row: NDArray[np.uint8], values: NDArray[np.float64], left: int, width: int, height: int) -> None:
    """Draw a curve into a part of a row."""
    low, high = float(values.min()), float(values.max())
    x = left + 5 + np.linspace(0, width - 10, len(values))
    y = height - 5 - (values - low) / max(high - low, 1e-9) * (height - 30)
    cv2.polylines(row, [np.column_stack([x, y]).astype(np.int32)], False, 60, 1, cv2.LINE_AA)


if __name__ == "__main__":
    raise SystemExit(main())
