"""How long stitching takes, and what becomes of needles that share one upright box."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fields import SET_UP
from numpy.typing import NDArray

from napari_diatom.core.detections import CUT_BY_TILE, Detections
from napari_diatom.tiling.stitching import stitch


def main() -> int:
    """Time the stitching of many boxes and print what is left of them."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="stitching.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--boxes", type=int, default=100_000, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of their places and shapes (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    scenes: dict[str, Callable[[np.random.Generator, int], Detections]] = {
        "four copies of each specimen": _copies,
        "anywhere": _anywhere,
    }
    figures = {}
    print(f"{'boxes':32}{'before':>9}{'after':>9}{'seconds':>9}")
    for name, scene in scenes.items():
        boxes = scene(np.random.default_rng(options.seed), options.boxes)
        began = time.perf_counter()
        left = stitch(boxes)
        seconds = time.perf_counter() - began
        figures[name] = {"before": len(boxes), "after": len(left), "seconds": seconds}
        print(f"{name:32}{len(boxes):9d}{len(left):9d}{seconds:9.2f}")
    crossed = Detections.of([[500, 500, 1000, 25, np.pi / 4], [500, 500, 1000, 25, -np.pi / 4]], scores=[0.9, 0.8])
    twice = Detections.concatenate([crossed, crossed.moved(2, 1)])
    figures["crossed needles"] = {"before": len(twice), "after": len(stitch(twice))}
    print(f"{'two crossed needles, seen twice':32}{len(twice):9d}{figures['crossed needles']['after']:9d}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def _specimens(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Return boxes of 30 to 600 px, up to 15 times as long as wide, about as dense as on a well-filled slide."""
    length = np.exp(rng.uniform(np.log(30), np.log(600), count))
    width = np.maximum(length / np.exp(rng.uniform(0, np.log(15), count)), 4)
    places = rng.uniform(0, 125 * np.sqrt(count), (count, 2))
    return np.column_stack([places, length, width, rng.uniform(-np.pi / 2, np.pi / 2, count)])


def _copies(rng: np.random.Generator, count: int) -> Detections:
    """Return four copies of each specimen as neighbouring tiles see it, a quarter of them cut."""
    boxes = np.repeat(_specimens(rng, count // 4), 4, axis=0)
    boxes[:, :2] += rng.normal(0, 1, (len(boxes), 2))
    boxes[:, 2:4] *= np.exp(rng.normal(0, 0.02, (len(boxes), 2)))
    boxes[:, 4] += rng.normal(0, 0.01, len(boxes))
    cut = np.arange(len(boxes)) % 4 == 3
    boxes[cut, 2] *= rng.uniform(0.4, 0.9, cut.sum())
    return Detections.of(boxes, scores=rng.uniform(0.1, 1, len(boxes)), cut=cut * CUT_BY_TILE)


def _anywhere(rng: np.random.Generator, count: int) -> Detections:
    return Detections.of(_specimens(rng, count), scores=rng.uniform(0.1, 1, count))


if __name__ == "__main__":
    raise SystemExit(main())
