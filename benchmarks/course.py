"""The pictures and figures of the course, made by this program on its own sample slides.

Each chapter has a script in ``lessons``. Its pictures go to ``DEST/CHAPTER-NAME.png``, and its figures to
``results/course.json``, from which the pages cite. ``--steps 2`` trains for two steps only, to see that a script works.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

import torch
from command import run

CHAPTERS: Final = (
    "neuron",
    "convolution",
    "features",
    "attention",
    "finding",
    "shapes",
    "data",
    "losses",
    "descent",
    "fitting",
    "transfer",
)
"""In the order of the course."""
ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = ROOT / "docs" / "images" / "course"
FIGURES: Final = Path(__file__).parent / "results" / "course.json"


def teach(chapter: str, dest: Path, steps: int | None) -> dict[str, float]:
    """Make the pictures of a chapter, and return its figures."""
    lesson = importlib.import_module(f"lessons.{chapter}")
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, float] = lesson.teach(Path(folder), steps)
        dest.mkdir(parents=True, exist_ok=True)
        for path in sorted(Path(folder).iterdir()):
            shutil.copyfile(path, dest / f"{chapter}-{path.name}")
    return {name: float(f"{value:.4g}") for name, value in figures.items() if math.isfinite(value)}


def _run(options: argparse.Namespace) -> int:
    """Make what is asked for."""
    torch.set_num_threads(1)
    known = json.loads(options.figures.read_text(encoding="utf-8")) if options.figures.exists() else {}
    for chapter in options.only or CHAPTERS:
        began = time.perf_counter()
        known[chapter] = teach(chapter, options.dest, options.steps)
        print(f"{chapter}: {time.perf_counter() - began:.1f} s", json.dumps(known[chapter]), flush=True)
        options.figures.parent.mkdir(parents=True, exist_ok=True)
        ordered = {name: known[name] for name in CHAPTERS if name in known}
        options.figures.write_text(json.dumps(ordered, indent=2) + "\n", encoding="utf-8")
    return 0


def main() -> int:
    """Make the pictures and figures, and return an exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CHAPTERS, metavar="CHAPTER", help=", ".join(CHAPTERS))
    parser.add_argument("--dest", type=Path, default=PICTURES, help="folder of the pictures (docs/images/course)")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="file of the figures (results/course.json)")
    parser.add_argument("--steps", type=int, help="train for so many steps only")
    return run(parser, _run)


if __name__ == "__main__":
    raise SystemExit(main())
