"""Whether a map made of tiles is the map of the whole image: the same field in tiles and in one pass."""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from command import run
from fields import SET_UP, rendered
from numpy.typing import NDArray

from napari_diatom import engines
from napari_diatom.analysis.pipeline import Analysis, AnalysisOptions, analyse
from napari_diatom.core.errors import ModelError
from napari_diatom.engines.protocols import MapEngine
from napari_diatom.images.slide_image import SlideImage, from_array
from napari_diatom.models import library


@dataclass(frozen=True, eq=False)
class Run:
    """A field analysed in one way."""

    analysis: Analysis
    seconds: float
    peak_mb: float


def main() -> int:
    """Map the field both ways and print where they differ."""
    return run(_parser(), _compare)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="seams.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="diatom-deeplab", help="name, folder or file of a model (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--side", type=int, default=6000, help="of the field in px (%(default)s)")
    parser.add_argument("--piece", type=int, default=2000, help="side of the fields it is laid of (%(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="at which the network sees it (%(default)s)")
    parser.add_argument("--overlap", type=float, default=0.25, help="of the tiles, as a share (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what it shows (%(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="that render (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


def _compare(options: argparse.Namespace) -> int:
    engine = engines.load(library.resolve_model(options.model), options.device)
    if not isinstance(engine, MapEngine):
        raise ModelError(f"Model {engine.card.name} finds specimens; seams are those of models that give maps.")
    image = from_array(field(options.side, options.piece, options.seed, options.processes), "field", rgb=True)
    settings = AnalysisOptions(overlap=options.overlap, map_scales=(options.scale,))
    tiles = _run(image, engine, settings)
    # One tile that holds all of the field: the engine is the same in all else.
    engine.card = engine.card.model_copy(update={"tile_size": round(options.side * options.scale) + 1})
    whole = _run(image, engine, settings)
    figures = compared(tiles, whole)
    for name, value in figures.items():
        print(f"{name:34}{value:14.4f}" if isinstance(value, float) else f"{name:34}{value:14d}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def field(side: int, piece: int, seed: int, processes: int) -> NDArray[np.uint8]:
    """Return a square field laid of rendered ones, RGB."""
    rows = -(-side // piece)
    canvas = np.zeros((rows * piece, rows * piece, 3), dtype=np.uint8)
    for number, part in enumerate(rendered(rows * rows, seed, piece, piece, processes)):
        y, x = piece * (number // rows), piece * (number % rows)
        canvas[y : y + piece, x : x + piece] = part.image.read(0, 0, piece, piece)
    return canvas[:side, :side]


def compared(tiles: Run, whole: Run) -> dict[str, Any]:
    """Return the figures of both ways and of their difference."""
    one, other = tiles.analysis, whole.analysis
    assert one.class_map is not None
    assert other.class_map is not None
    differing = one.class_map != other.class_map
    return {
        "differing pixels, percent": 100 * float(differing.mean()),
        "specimens in tiles": len(one.kept),
        "specimens in one pass": len(other.kept),
        "foreground in one pass, percent": 100 * float((other.class_map > 0).mean()),
        "seconds in tiles": tiles.seconds,
        "seconds in one pass": whole.seconds,
        "peak memory in tiles, MB": tiles.peak_mb,
        "peak memory in one pass, MB": whole.peak_mb,
    }


def _run(image: SlideImage, engine: MapEngine, options: AnalysisOptions) -> Run:
    began = time.perf_counter()
    analysis = analyse(image, engine, options)
    seconds = time.perf_counter() - began
    return Run(analysis, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    raise SystemExit(main())
