"""How much memory the analysis of a large tiled TIFF takes, against that of a small one."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fields import SET_UP
from numpy.typing import NDArray

TILE = 512
"""Side of the TIFF's tiles in pixels."""


def main() -> int:
    """Analyse both images, each in a separate process, and print their peaks of memory."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="memory.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="diatom-obb", help="name, folder or file of a model (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    parser.add_argument("--sides", type=int, nargs=2, default=(4000, 16000), help="of the images in px (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what they show (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measure(options.measure, options.model, options.device)))
        return 0
    figures = {}
    print(f"{'image':>16}{'file':>10}{'peak memory':>14}{'specimens':>11}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as folder:
        content = _content(options.seed)
        for side in options.sides:
            path = Path(folder) / f"{side}.tif"
            _write_slide(path, side, content, options.seed)
            child = [sys.executable, __file__, "--measure", str(path), "--model", options.model]
            done = subprocess.run([*child, "--device", options.device], stdout=subprocess.PIPE, text=True, check=True)
            figures[side] = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{f'{side} x {side}':>16}{path.stat().st_size / 1e6:7.0f} MB{figures[side]['peak_mb']:11.0f} MB"
                f"{figures[side]['specimens']:11d}{figures[side]['seconds']:9.1f}",
                flush=True,
            )
    small, large = (figures[side]["peak_mb"] for side in options.sides)
    print(f"ratio {large / small:.3f}")
    if options.json:
        options.json.write_text(
            json.dumps({"sides": figures, "ratio": large / small}, indent=1) + "\n", encoding="utf-8"
        )
    return 0


def _measure(path: Path, model: str, device: str) -> dict[str, float]:
    """Analyse an image and return the peak of this process's memory."""
    from napari_diatom import engines
    from napari_diatom.analysis.pipeline import analyse
    from napari_diatom.images.slide_image import open_images
    from napari_diatom.models import library

    engine = engines.load(library.resolve_model(model), device)
    [image] = open_images(path)
    began = time.perf_counter()
    analysis = analyse(image, engine)
    seconds = time.perf_counter() - began
    return {"peak_mb": peak_mb(), "specimens": len(analysis.kept), "seconds": seconds}


def peak_mb() -> float:
    """Return the most memory that this process held."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux counts what the parent held before the program started into ru_maxrss.
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _content(seed: int) -> NDArray[np.uint8]:
    """Return a rendered field of 2048 x 2048 pixels to cut the slides' tiles from."""
    from dataclasses import replace

    from diatom_training.synthesis import draw_options, render_field

    options = draw_options(np.random.default_rng(seed), 2048, 2048, modality="dic", subject="classic")
    options = replace(
        options, colour=True, bit_depth=8, contrast=1.0, noise=0.01, specimens=(30, 40), length_px=(40.0, 800.0)
    )
    return np.asarray(render_field(options, seed).image, dtype=np.uint8)


def _write_slide(path: Path, side: int, content: NDArray[np.uint8], seed: int) -> None:
    """Write a tiled TIFF, tile by tile; each tile is a piece of the content, turned at random."""
    import tifffile

    rng = np.random.default_rng(seed)

    def tiles() -> Iterator[NDArray[np.uint8]]:
        for _ in range((-(-side // TILE)) ** 2):
            x, y = rng.integers(0, content.shape[0] - TILE, 2)
            yield np.ascontiguousarray(np.rot90(content[y : y + TILE, x : x + TILE], int(rng.integers(4))))

    tifffile.imwrite(
        path,
        tiles(),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        photometric="rgb",
        compression="jpeg",
        compressionargs={"level": 90},
        metadata=None,
    )


if __name__ == "__main__":
    raise SystemExit(main())
