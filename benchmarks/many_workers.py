"""How much several processes, and Dask workers, add to one process on this machine.

The same rendered fields are counted by the command line in three ways, in turn, as often as asked: one process with
two threads, ``--workers 2``, and ``--scheduler local --workers 2``. What a run costs besides its fields (starting,
loading) is taken from runs of few fields, so the time of a field can be told from it. With these costs a simulation
says what is left of 64 workers: each needs its start, its own reading and computing, and the scheduler one task at a
time. The same simulation tells the times of one and two workers, which are measured.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from command import run
from counted_bytes import counted_bytes
from fields import SET_UP, rendered

WAYS: Final = {
    "one worker": ("--threads", "1", "--scheduler", "local", "--workers", "1"),
    "one process": ("--threads", "2"),
    "two processes": ("--threads", "2", "--workers", "2"),
    "two Dask workers": ("--threads", "2", "--scheduler", "local", "--workers", "2"),
}
IMAGES_A_TASK: Final = 8
SCHEDULING_S: Final = 0.002
"""What a scheduler of Dask takes for a task at most, by its documentation; one after the other."""
SIMULATED: Final = 64
WITHIN: Final = 0.1


def main() -> int:
    """Count in each way, and print the ratios and the simulation."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="many_workers.py").replace("[benchmark]", "[benchmark,cluster]"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--fields", type=int, default=200, help="of 1024 x 768, to count (%(default)s)")
    parser.add_argument("--few", type=int, default=8, help="to tell what a run costs besides (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other fields (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-") as name:
        work = Path(name)
        for part, number in (("few", options.few), ("all", options.fields)):
            _write(work / part, number, options.seed)
        seconds: dict[str, dict[str, list[float]]] = {part: {way: [] for way in WAYS} for part in ("few", "all")}
        made = set()
        for turn in range(options.rounds):
            for way in list(WAYS)[:: 1 if turn % 2 == 0 else -1]:
                for part in seconds:
                    out = work / f"{part}-out"
                    seconds[part][way].append(_count(work / part, out, WAYS[way]))
                    if part == "all":
                        made.add(json.dumps(sorted(map(str, counted_bytes(out).items()))))
    wrong = int(len(made) != 1)
    print("the bytes of all runs are the same" if not wrong else "MISSED: the bytes of the runs differ")
    figures: dict[str, float] = {}
    for way in WAYS:
        whole, few = (statistics.median(seconds[part][way]) for part in ("all", "few"))
        each = (whole - few) / (options.fields - options.few)
        figures |= {f"{way}: seconds": whole, f"{way}: a field": each, f"{way}: besides": whole - each * options.fields}
        print(f"{way:18}{whole:8.1f} s, {each:6.3f} s a field, {whole - each * options.fields:6.1f} s besides")
    ratios = {
        "two processes against one": ("one process", "two processes", 1.0),
        "two Dask workers against two processes": ("two processes", "two Dask workers", 0.95),
    }
    for title, (slow, fast, asked) in ratios.items():
        ratio = figures[f"{slow}: seconds"] / figures[f"{fast}: seconds"]
        figures[title] = ratio
        wrong |= int(ratio < asked)
        print(f"{title}: {ratio:.2f} times as fast, asked {asked:.2f}")
    wrong |= _simulate(figures, options.fields)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return wrong


def _simulate(figures: dict[str, float], fields: int) -> int:
    """Print what the costs of one worker foretell of more, and return whether two are told wrongly."""
    each, besides = figures["one worker: a field"], figures["one worker: besides"]
    wrong = 0
    for workers, measured in ((1, "one worker"), (2, "two Dask workers")):
        told = besides + simulated(fields, workers, each)
        off = told / figures[f"{measured}: seconds"] - 1
        figures[f"{workers} simulated"] = told
        wrong |= int(abs(off) > WITHIN)
        print(f"{workers} simulated: {told:.1f} s, {off:+.0%} of what was measured")
    many = fields * SIMULATED
    efficiency = many * each / (SIMULATED * simulated(many, SIMULATED, each))
    figures[f"efficiency of {SIMULATED} workers"] = efficiency
    print(f"efficiency of {SIMULATED} workers on {many:,} fields, simulated: {efficiency:.2f}")
    return wrong


def simulated(fields: int, workers: int, each: float) -> float:
    """Return the seconds that workers take for fields, in tasks of some, which one scheduler hands out."""
    size = max(1, min(IMAGES_A_TASK, fields // (4 * workers)))
    tasks = [size] * (fields // size) + ([fields % size] if fields % size else [])
    free = [0.0] * workers
    scheduler = 0.0
    for task in tasks:
        began = max(heapq.heappop(free), scheduler)
        scheduler = began + SCHEDULING_S
        heapq.heappush(free, scheduler + task * each)
    return max(free)


def _count(images: Path, out: Path, arguments: tuple[str, ...]) -> float:
    began = time.perf_counter()
    command = [sys.executable, "-m", "napari_diatom.cli", "count", str(images), "-o", str(out), "--overwrite"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    subprocess.run([*command, *arguments], check=True, capture_output=True, env=environment)
    return time.perf_counter() - began


def _write(folder: Path, number: int, seed: int) -> None:
    folder.mkdir()
    for field in rendered(number, seed, 768, 1024, os.cpu_count() or 1):
        pixels = field.image.read(0, 0, field.image.width, field.image.height)
        cv2.imwrite(str(folder / f"{field.image.name}.jpg"), np.ascontiguousarray(pixels[..., ::-1]))


if __name__ == "__main__":
    raise SystemExit(main())
