"""What annotations are after a round trip through every format: boxes, angles and masks, worst case.

Random boxes at all angles, and masks with holes and islands that do not overlap, are written and read again. Where a
format has no angles, a box is compared with its upright bounds. Seconds are those of one processor core.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_diatom.core import geometry
from napari_diatom.core.annotations import Annotations
from napari_diatom.core.detections import CroppedMask, Detections
from napari_diatom.formats.label_image.painting import masks_or_filled_boxes
from napari_diatom.formats.registry import FORMATS, Capability, Format
from napari_diatom.measurement.morphometry import oriented_box

SET_UP = """\
set-up, from a clone of the repository:
  python -m venv .venv
  .venv/bin/pip install -e '.[benchmark]'
  .venv/bin/python benchmarks/roundtrip.py
"""
HEIGHT, WIDTH = 3000, 4000
"""Of an image in pixels."""
CELL = 50
"""Side of the square that a mask has for itself."""
PER_IMAGE = 1000
MASKED = 0.1
"""Share of the specimens that are masks."""
TARGET = 0.01
"""Pixels, and degrees, that a box may be off."""


def main() -> int:
    """Write and read many specimens in every format and print how far off they are."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=SET_UP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--specimens", type=int, default=10_000, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the specimens (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    masked = int(MASKED * options.specimens)
    boxes = [_boxes(rng, n, f"boxes{i}.png") for i, n in enumerate(_shares(options.specimens - masked))]
    masks = [_masks(rng, n, f"masks{i}.png") for i, n in enumerate(_shares(masked))]
    print(f"{'format':14}{'specimens':>10}{'worst px':>12}{'worst degree':>14}{'masks equal':>14}{'seconds':>9}")
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        images.mkdir()
        for part in (*boxes, *masks):
            Image.new("1", (WIDTH, HEIGHT)).save(images / part.image)
        for format_ in FORMATS:
            found = figures[format_.name] = _trip(format_, [*boxes, *masks], Path(folder), images)
            equal = "-" if found["masks"] is None else f"{found['equal']} of {found['masks']}"
            print(
                f"{format_.name:14}{found['specimens']:10d}{_shown(found['px']):>12}{_shown(found['degrees']):>14}"
                f"{equal:>14}{found['seconds']:9.1f}"
            )
    missed = [name for name, found in figures.items() if not _met(found)]
    met = f"all boxes within {TARGET:g} px and {TARGET:g} degrees, all masks equal"
    print("missed by " + ", ".join(missed) if missed else met)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 1 if missed else 0


def _shares(count: int) -> list[int]:
    """Return how many specimens each image has."""
    return [min(PER_IMAGE, count - begin) for begin in range(0, count, PER_IMAGE)]


def _boxes(rng: np.random.Generator, count: int, image: str) -> Annotations:
    """Return boxes of all sizes and angles; some reach beyond the edge."""
    centres = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
    length = np.exp(rng.uniform(np.log(5), np.log(600), count))
    width = np.maximum(length * rng.uniform(0.02, 1, count), 1)
    table = np.column_stack([centres, length, width, rng.uniform(-np.pi, np.pi, count)])
    found = Detections.of(table, rng.integers(0, 3, count), classes=("Navicula", "Nitzschia", "Cyclotella"))
    return Annotations.of(found, image=image, height=HEIGHT, width=WIDTH)


def _masks(rng: np.random.Generator, count: int, image: str) -> Annotations:
    """Return blots of noise with holes and islands, each in a square of its own."""
    columns = WIDTH // CELL
    masks = []
    for cell in range(count):
        height, width = rng.integers(3, CELL, 2)
        noise = ndimage.gaussian_filter(rng.standard_normal((height, width)), rng.uniform(1.5, 5))
        pixels = noise >= np.quantile(noise, rng.uniform(0.2, 0.8))
        masks.append(CroppedMask(pixels, CELL * (cell % columns), CELL * (cell // columns)).trimmed())
    found = Detections.of(
        [oriented_box(mask) for mask in masks],
        rng.integers(0, 3, count),
        classes=("Navicula", "Nitzschia", "Cyclotella"),
        masks=masks,
    )
    return Annotations.of(found, image=image, height=HEIGHT, width=WIDTH)


def _trip(format_: Format, written: list[Annotations], folder: Path, images: Path) -> dict[str, Any]:
    """Return how far off specimens are after they were written and read."""
    taken = (
        written
        if Capability.BOXES in format_.capabilities
        else [part for part in written if part.detections.masks is not None]
    )
    by_file = format_.layout.name == "ONE_FILE"
    path = folder / (format_.name + format_.suffixes[0] if by_file else format_.name)
    began = time.process_time()
    format_.write(path, taken, images)
    read = {part.image: part for part in format_.read(path, images)}
    seconds = time.process_time() - began
    px, degrees, equal, masks = [0.0], [0.0], 0, 0
    for part in taken:
        back = read[part.image].detections
        if part.detections.masks is None:
            off, turned = _off(part.detections.boxes, back.boxes, Capability.ROTATION in format_.capabilities)
            px.append(off)
            degrees.append(turned)
        elif Capability.MASKS in format_.capabilities:
            pairs = list(zip(part.detections.masks, masks_or_filled_boxes(back), strict=True))
            equal += sum(_same(mask, other) for mask, other in pairs)
            masks += len(pairs)
    boxed, turns = Capability.BOXES in format_.capabilities, Capability.ROTATION in format_.capabilities
    return {
        "specimens": sum(map(len, taken)),
        "px": max(px) if boxed else None,
        "degrees": max(degrees) if boxed and turns else None,
        "masks": masks if Capability.MASKS in format_.capabilities else None,
        "equal": equal,
        "seconds": seconds,
    }


def _off(written: NDArray[np.float32], read: NDArray[np.float32], rotated: bool) -> tuple[float, float]:
    """Return the greatest differences of positions and sizes (px), and of angles (degrees)."""
    a, b = written.astype(np.float64), read.astype(np.float64)
    if not rotated:
        x0, y0, x1, y1 = geometry.bounds(a).T
        a = geometry.canonical(np.column_stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0, np.zeros(len(a))]))
    turn = np.degrees(np.abs(a[:, 4] - b[:, 4]))
    return float(np.abs(a[:, :4] - b[:, :4]).max(initial=0)), float(np.minimum(turn, 180 - turn).max(initial=0))


def _same(a: CroppedMask, b: CroppedMask) -> bool:
    """Tell whether two masks have the same pixels."""
    first, second = a.trimmed(), b.trimmed()
    return first.bounds == second.bounds and np.array_equal(first.pixels, second.pixels)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1e}"


def _met(found: dict[str, Any]) -> bool:
    """Tell whether a format keeps what it holds."""
    near = all(found[key] is None or found[key] <= TARGET for key in ("px", "degrees"))
    return near and (found["masks"] is None or found["equal"] == found["masks"])


if __name__ == "__main__":
    sys.exit(main())
