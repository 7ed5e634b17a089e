"""Processes that meet hostile inputs, watched from outside: what they run, reach, take and lose.

A worker process (:mod:`hostile_inputs.worker`) meets one input after the other; what takes too long or too much memory
is ended, and a new process goes on with the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

HANG_SECONDS: Final = 20.0
MEMORY_BYTES: Final = 2 * 2**30
FAULTS: Final = ("executed", "network", "traceback", "hang", "memory", "lost")
"""What must never happen."""

_CWD: Final = Path(__file__).parents[1]


@dataclass
class Ledger:
    """What came of a part.

    Attributes
    ----------
    tried : int
        Inputs that were given to the program.
    outcomes : Counter
        By the words of the part: ``"read"``, ``"refused"`` and so on.
    faults : Counter
        By :data:`FAULTS`.
    examples : list of str
        The first few faults, with the number that makes them again.
    seconds : float
        That the part took.
    """

    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, fault: str, number: int, detail: str) -> None:
        """Note a fault."""
        self.faults[fault] += 1
        if len(self.examples) < 20:
            self.examples.append(f"{fault}, number {number}: {detail}")


class Fault(Exception):
    """What a part found to be wrong by itself.

    Parameters
    ----------
    kind : str
        One of :data:`FAULTS`.
    detail : str
        What happened.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


def run(
    part: str, count: int, seed: int, minutes: float, workers: int = 2, hang_seconds: float = HANG_SECONDS
) -> Ledger:
    """Give the program many inputs of a part.

    Parameters
    ----------
    part : str
        Module of this package.
    count : int
        How many inputs.
    seed : int
        Of all that chance decides: the same number and seed make the same input.
    minutes : float
        After which no further input is begun.
    workers : int
        Processes at once.
    hang_seconds : float
        After which an input is taken for one that never ends.
    """
    ledger = Ledger()
    started = time.monotonic()
    lock = threading.Lock()
    lanes = [
        threading.Thread(
            target=_lane,
            args=(part, range(lane, count, workers), seed, started + 60 * minutes, hang_seconds, ledger, lock),
        )
        for lane in range(workers)
    ]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    ledger.seconds = time.monotonic() - started
    return ledger


def _lane(
    part: str,
    numbers: Sequence[int],
    seed: int,
    deadline: float,
    hang_seconds: float,
    ledger: Ledger,
    lock: threading.Lock,
) -> None:
    """Work through some numbers, with a new process after each that had to be ended."""
    position = 0
    while position < len(numbers) and time.monotonic() < deadline:
        with tempfile.TemporaryDirectory(prefix="napari-diatom-hostile-") as folder:
            try:
                position += _process(part, numbers[position:], seed, deadline, hang_seconds, ledger, lock, Path(folder))
            finally:
                _unmount(Path(folder).resolve())


def _process(
    part: str,
    numbers: Sequence[int],
    seed: int,
    deadline: float,
    hang_seconds: float,
    ledger: Ledger,
    lock: threading.Lock,
    folder: Path,
) -> int:
    """Watch one process until it has done all numbers or has to be ended; return how many it has begun."""
    command = [sys.executable, "-m", "hostile_inputs.worker", part, str(seed), str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NAPARI_DIATOM_MODELS": str(folder / "models")}
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=_CWD,
        env=environment,
        start_new_session=True,
    )
    assert process.stdin is not None
    heard: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_listen, args=(process, heard), daemon=True).start()
    begun = 0
    try:
        ready = heard.get()
        if ready is None:
            raise RuntimeError(f"{part}: the worker did not start; run {' '.join(command)} to see why")
        for number in numbers:
            if time.monotonic() > deadline:
                break
            begun += 1
            process.stdin.write(f"{number}\n".encode())
            process.stdin.flush()
            said, fault = _wait(process, heard, hang_seconds)
            with lock:
                ledger.tried += 1
                if said is not None:
                    ledger.outcomes[said["outcome"]] += 1
                    for kind, detail in said["faults"]:
                        ledger.add(kind, number, detail)
                if fault is not None:
                    ledger.add(*fault[:1], number, fault[1])
            if said is None:
                break
    finally:
        # With the processes that it has started.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return begun


def _unmount(folder: Path) -> None:
    """Take away the disks that a worker has mounted below a folder and that were there when it was ended."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return
    places = [line.split()[1] for line in mounts.read_text(encoding="utf-8").splitlines()]
    for place in reversed(places):
        if folder in Path(place).parents:
            subprocess.run(["umount", "--lazy", place], check=False, stderr=subprocess.DEVNULL)


def _wait(
    process: subprocess.Popen[bytes], heard: queue.Queue[dict[str, Any] | None], hang_seconds: float
) -> tuple[dict[str, Any] | None, tuple[str, str] | None]:
    """Wait for what a process says; None where it had to be ended, or ended itself, with the fault."""
    watched = psutil.Process(process.pid)
    before, peak, began = _memory(watched), 0, time.monotonic()
    while True:
        try:
            said = heard.get(timeout=0.05)
        except queue.Empty:
            peak = max(peak, _memory(watched) - before)
            if peak > MEMORY_BYTES:
                return None, ("memory", f"{peak / 2**30:.1f} GB")
            if time.monotonic() - began > hang_seconds:
                return None, ("hang", f"{hang_seconds:.0f} s")
            continue
        if said is None:
            return None, ("traceback", f"the process ended itself with {process.wait()}")
        if said["grown"] > MEMORY_BYTES:
            return said, ("memory", f"{said['grown'] / 2**30:.1f} GB")
        return said, None


def _memory(watched: psutil.Process) -> int:
    """Return the memory of a process and its children in bytes; what they share counts once, as after a fork."""
    try:
        found = [each.memory_full_info() for each in (watched, *watched.children(recursive=True))]
        return sum(getattr(each, "pss", each.rss) for each in found)
    except psutil.Error:
        return 0


def _listen(process: subprocess.Popen[bytes], heard: queue.Queue[dict[str, Any] | None]) -> None:
    """Pass on what a process says, and None at its end."""
    assert process.stdout is not None
    for line in process.stdout:
        heard.put(json.loads(line))
    heard.put(None)
