"""Whether a count that is killed again and again ends with the bytes of one that is not.

A folder is counted in shards, by several processes, and by Dask workers whose scheduler is a process, too. At random
moments one of all these processes is killed (SIGKILL); then the command is given again with ``--resume``, or as a
shard. ``--damaged`` counts a folder of many images of which one is damaged instead.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import psutil
from command import run
from counted_bytes import counted_bytes
from fields import SET_UP

IMAGES, SIDE, SHARDS = 6, 320, 3
PATIENCE_S: Final = 300.0
COUNT: Final = (sys.executable, "-m", "napari_diatom.cli", "count")


def main() -> int:
    """Kill counts, and print what was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=SET_UP.format(script="count_kills.py").replace("[benchmark]", "[benchmark,cluster]"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=300, help="how often (%(default)s)")
    parser.add_argument("--longest", type=float, default=12.0, help="until a kill, in s (%(default)s)")
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS), help="%(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of all that chance decides (%(default)s)")
    parser.add_argument("--damaged", type=int, metavar="N", help="count N images of which one is damaged instead")
    return run(parser, _run)


def _run(options: argparse.Namespace) -> int:
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="napari-diatom-benchmark-") as name:
        work = Path(name)
        if options.damaged:
            return damaged(work, options.damaged)
        write(work / "images", IMAGES)
        _end(subprocess.Popen([*COUNT, str(work / "images"), "-o", str(work / "whole"), "--threads", "1"]))
        expected = counted_bytes(work / "whole")
        wrong = 0
        for number in range(options.kills):
            way = options.ways[number % len(options.ways)]
            out = work / f"out-{number}"
            killed = WAYS[way](work / "images", out, rng, options.longest)
            same = counted_bytes(out) == expected
            wrong += not same
            print(f"{number + 1:4} {way:10} {killed:10} {'same bytes' if same else 'OTHER BYTES'}", flush=True)
    print(f"{options.kills} kills, {wrong} with other bytes")
    return int(wrong > 0)


def in_shards(images: Path, out: Path, rng: random.Random, longest: float) -> str:
    """Kill one of some shards, count it again, and merge."""
    commands = [
        [*COUNT, str(images), "-o", str(out), "--threads", "1", "--shard", f"{k + 1}/{SHARDS}"] for k in range(SHARDS)
    ]
    running = [_start(command) for command in commands]
    victim = rng.randrange(SHARDS)
    time.sleep(rng.uniform(0, longest))
    killed = _kill(running[victim].pid)
    for process in running:
        process.wait(PATIENCE_S)
    _end(_start(commands[victim]))
    _end(_start([*COUNT, str(out), "--merge"]))
    return killed


def by_processes(images: Path, out: Path, rng: random.Random, longest: float) -> str:
    """Kill the run or one of its processes, and go on."""
    command = [*COUNT, str(images), "-o", str(out), "--threads", "2", "--workers", "2"]
    return _killed_and_resumed(command, rng, longest, ())


def by_dask(images: Path, out: Path, rng: random.Random, longest: float) -> str:
    """Kill the run, a worker or the scheduler, and go on with others."""
    with cluster() as (address, processes):
        command = [*COUNT, str(images), "-o", str(out), "--threads", "1", "--scheduler", address]
        killed = _killed_and_resumed(command, rng, longest, processes, ["--threads", "1"])
    return killed


WAYS: Final = {"shards": in_shards, "processes": by_processes, "Dask": by_dask}


@contextmanager
def cluster() -> Iterator[tuple[str, Sequence[int]]]:
    """Start a scheduler and two workers; yields its address, and the processes."""
    with tempfile.TemporaryDirectory() as name:
        told = Path(name) / "scheduler.json"
        run_of = {
            "scheduler": [
                *(sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"),
                *("--no-dashboard", "--scheduler-file", str(told)),
            ],
            "worker": [
                *(sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(told)),
                *("--nthreads", "1", "--no-dashboard", "--local-directory", name),
            ],
        }
        started = [_start(run_of["scheduler"])]
        end = time.monotonic() + PATIENCE_S
        while not told.is_file() and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(0.2)
        started += [_start(run_of["worker"]) for _ in range(2)]
        try:
            yield json.loads(told.read_text(encoding="utf-8"))["address"], [process.pid for process in started]
        finally:
            for process in started:
                for child in _tree(process.pid):
                    with suppress(psutil.Error):
                        child.kill()
                process.wait(PATIENCE_S)


def damaged(work: Path, number: int) -> int:
    """Count images of which one is damaged, and tell whether all others are counted and the one is named."""
    write(work / "images", number)
    victim = sorted((work / "images").iterdir())[number // 2]
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 2])
    command = [*COUNT, str(work / "images"), "-o", str(work / "out"), "--workers", "2", "--no-overlays"]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
    record = json.loads((work / "out" / "run.json").read_text(encoding="utf-8"))
    skipped = [item["image"] for item in record["skipped"]]
    print(f"{len(record['images']):,} counted; skipped: {', '.join(skipped)}; exit code {code}")
    return int(len(record["images"]) != number - 1 or skipped != [f"{victim.name}"] or code != 3)


def write(folder: Path, number: int) -> None:
    """Write small images, each with dark ellipses on a grey ground."""
    folder.mkdir()
    for k in range(number):
        rng = np.random.default_rng(k)
        pixels = rng.normal(180, 4, (SIDE, SIDE)).clip(0, 255).astype(np.uint8)
        for _ in range(3):
            x, y = rng.integers(60, SIDE - 60, 2)
            cv2.ellipse(pixels, (int(x), int(y)), (44, 12), float(rng.uniform(0, 180)), 0, 360, 90, 2)
        cv2.imwrite(str(folder / f"field-{k:05}.png"), pixels)


def _killed_and_resumed(
    command: list[str], rng: random.Random, longest: float, others: Sequence[int], again: Sequence[str] = ()
) -> str:
    """Kill a command, one of its processes or one of the others; then give the command again until it is done."""
    running = _start(command)
    time.sleep(rng.uniform(0, longest))
    mine = [running.pid] if running.poll() is None else []
    with suppress(psutil.Error):
        mine += [child.pid for child in psutil.Process(running.pid).children()]
    victims = [*mine, *others]
    killed = _kill(rng.choice(victims)) if victims else "nothing"
    with suppress(subprocess.TimeoutExpired):
        running.wait(PATIENCE_S)
    for child in _tree(running.pid):
        child.kill()
    out = Path(command[command.index("-o") + 1])
    if not (out / "run.json").exists():
        local = [*command[: command.index("-o") + 2], *(again or command[command.index("-o") + 2 :])]
        _end(_start([*local, "--resume"]))
    return killed


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a command that has to succeed."""
    if process.wait(PATIENCE_S):
        raise SystemExit(f"{process.args!r} ended with {process.returncode}.")


def _tree(pid: int) -> list[psutil.Process]:
    """Return a process and all that it has started."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return [*process.children(recursive=True), process]
    return []


def _kill(pid: int) -> str:
    """Kill a process, and return what it was."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        words = " ".join(process.cmdline())
        process.kill()
        names = {"dask_scheduler": "scheduler", "dask_worker": "nanny", "cli count": "run"}
        return next((name for part, name in names.items() if part in words), "process")
    return "nothing"


if __name__ == "__main__":
    raise SystemExit(main())
