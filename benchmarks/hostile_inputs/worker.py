"""A process that gives the program hostile inputs and says on its standard output what came of each.

An audit hook notes what asks the system to run something or to reach the network.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any, Final

import psutil

from hostile_inputs.watch import Fault

_RUNS: Final = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen", "pty.spawn")
_REACHES: Final = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")


class _Audit:
    """What a process asked the system for since it was last asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _RUNS and not _is_own(arguments):
            self.seen.append(("executed", f"{event} {arguments!r}"[:300]))
        elif event in _REACHES:
            self.seen.append(("network", f"{event} {arguments!r}"[:300]))

    def take(self) -> list[tuple[str, str]]:
        """Return what was noted, and forget it."""
        found, self.seen = self.seen, []
        return found


def _is_own(arguments: tuple[Any, ...]) -> bool:
    """Tell whether it is this Python that is started: the program's own workers, and what ``platform`` asks."""
    started = str(arguments[0]) if arguments else ""
    return started == sys.executable or Path(started).name in ("uname", "lscpu", "ldconfig", "file")


def _worker(part: str, seed: int, folder: Path) -> None:
    """Try the numbers that come in on standard input; say what came of each."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What the program prints is not an answer.
    module = importlib.import_module(f"hostile_inputs.{part}")
    if hasattr(module, "prepare"):
        module.prepare(folder)
    audit = _Audit()
    print(json.dumps("ready"), file=answers, flush=True)
    own = psutil.Process()
    for line in sys.stdin:
        number, place = int(line), folder / "case"
        place.mkdir(parents=True)
        audit.take()
        before = own.memory_info().rss
        faults: list[tuple[str, str]] = []
        try:
            outcome = str(module.attempt(number, seed, place))
        except Fault as fault:
            outcome, faults = "wrong", [(fault.kind, str(fault)[:400])]
        except BaseException:  # a traceback is what is looked for
            outcome, faults = "traceback", [("traceback", traceback.format_exc()[-600:])]
        grown = max(0, own.memory_info().rss - before)
        answer = {"outcome": outcome, "faults": faults + audit.take(), "grown": grown}
        print(json.dumps(answer), file=answers, flush=True)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    _worker(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
