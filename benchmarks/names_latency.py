"""How long it takes, after one more name, until what is shown is ranked anew; and other waits while naming.

Vectors are drawn: taxa with means and a covariance of their own, of known size two thirds of the time. Each run names
one more specimen, renames one and forgets one, and ranks what is shown after each. The time that the processor worked
for it stands beside the time that passed; other programs on the machine hardly change it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fields import SET_UP

from napari_diatom.naming.method_choice import choose_methods
from napari_diatom.naming.name_learner import NameLearner
from napari_diatom.naming.named_vectors import NamedVectors
from napari_diatom.naming.similarity import most_similar
from napari_diatom.naming.vectors import unit_vectors

SIZES = 2


def main() -> int:
    """Time it and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="names_latency.py"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--named", type=int, default=10_000, help="named specimens (%(default)s)")
    parser.add_argument("--taxa", type=int, default=300, help="their taxa (%(default)s)")
    parser.add_argument("--dimensions", type=int, default=100, help="of a vector (%(default)s)")
    parser.add_argument("--shown", type=int, default=400, help="specimens that are ranked anew (%(default)s)")
    parser.add_argument("--all", type=int, default=100_000, help="vectors among which similar ones are searched")
    parser.add_argument("--runs", type=int, default=21, help="of which the median is taken (%(default)s)")
    parser.add_argument("--background", action="store_true", help="also choose the method and calibrate, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    means = rng.normal(0, 1, (options.taxa, options.dimensions)) / np.sqrt(options.dimensions)
    mixing = rng.normal(0, 1, (options.dimensions, options.dimensions)) / options.dimensions

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ids = rng.integers(0, options.taxa, number)
        vectors = means[ids] + rng.normal(0, 1, (number, options.dimensions)) @ mixing
        sizes = ids[:, None] / options.taxa + rng.normal(0, 0.1, (number, SIZES))
        sizes[rng.random(number) < 1 / 3] = np.nan
        return vectors, sizes, ids

    vectors, sizes, ids = drawn(options.named)
    slides = [f"slide {k % 20}" for k in range(options.named)]
    named = NamedVectors.of(vectors, [f"taxon {k}" for k in ids], sizes=sizes, slides=slides)
    learner = NameLearner.of(named)
    shown, their_sizes, _ = drawn(options.shown)
    new, new_sizes, new_ids = drawn(options.runs)

    figures: dict[str, list[tuple[float, float]]] = {}

    def timed(name: str, act: Callable[[int], object], runs: int = options.runs) -> None:
        figures[name] = []
        for run in range(runs):
            wall, processor = time.perf_counter(), time.process_time()
            act(run)
            figures[name].append((time.perf_counter() - wall, time.process_time() - processor))

    def rank() -> None:
        learner.rank(shown, sizes=their_sizes)

    def name(run: int) -> None:
        learner.name(f"new {run}", f"taxon {new_ids[run]}", new[run], sizes=new_sizes[run])
        rank()

    def rename(run: int) -> None:
        learner.rename(f"new {run}", "taxon 0")
        rank()

    def forget(run: int) -> None:
        learner.forget(f"new {run}")
        rank()

    rank()
    timed("one more name", name)
    timed("another name", rename)
    timed("a name taken back", forget)
    everything = unit_vectors(rng.normal(0, 1, (options.all, options.dimensions)).astype(np.float32))
    timed("show more like this", lambda run: most_similar(everything, [run], 100))
    if options.background:
        timed("method and calibration", lambda run: choose_methods(learner.named()), 1)
    rows = {
        what: {
            "median": 1000 * statistics.median(wall for wall, _ in found),
            "worst": 1000 * max(wall for wall, _ in found),
            "processor": 1000 * statistics.median(processor for _, processor in found),
        }
        for what, found in figures.items()
    }
    print(f"{'milliseconds':28}{'median':>9}{'worst':>9}{'processor':>11}")
    for what, row in rows.items():
        print(f"{what:28}{row['median']:9.1f}{row['worst']:9.1f}{row['processor']:11.1f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
