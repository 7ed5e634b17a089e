"""A function in a process of its own, so that a window beside it feels nothing and need not load what it uses.

Reading a file of 50,000 specimens holds Python's global lock for a second and more; torch alone takes seconds to load.
"""

from __future__ import annotations

import importlib
import json
import os
import pickle
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from napari_diatom.core import errors
from napari_diatom.core.errors import DiatomError, Stopped
from napari_diatom.core.processes import start
from napari_diatom.core.progress import Progress, ProgressMonitor

WRITING: Final = "writing"
"""Stage of work that is not stopped any more: whoever reports it first asks whether it may begin."""

_POLL_SECONDS: Final = 0.05
_OPEN: Final = "open"
"""A file that is there until it is decided, by renaming it, whether the function writes or is ended before."""
_DECIDED: Final = "decided"
GRACE_SECONDS: Final = 5.0


def call_in_process(
    target: str, monitor: ProgressMonitor, *, background: bool = False, grace_s: float = GRACE_SECONDS, **arguments: Any
) -> Any:
    """Return what ``function(monitor=..., **arguments)`` gives in a process of its own.

    Parameters
    ----------
    target : str
        ``module:function``.
    monitor : ProgressMonitor
        Gets the reports of the function, and may stop it.
    background : bool
        Whether others on a machine with few cores come first.
    grace_s : float
        How long the function may take to stop by itself. Then it is ended, unless it has reported :data:`WRITING`.
    **arguments
        For the function; anything that can be pickled.

    Raises
    ------
    Stopped
        When a stop was asked for.
    DiatomError
        What the function raised, or the last words of a process that died.
    """
    with tempfile.TemporaryDirectory(prefix="napari-diatom-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "task.pickle").write_bytes(pickle.dumps((target, arguments)))
        (folder / _OPEN).touch()
        with (folder / "log.txt").open("wb") as log:
            process = start(
                "napari_diatom.core.process_call:serve_task",
                name,
                "background" if background else "",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert process.stdout is not None
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(process.stdout, lines), daemon=True).start()
        try:
            _wait(process, lines, folder, monitor, grace_s)
        finally:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()
        out = folder / "out.pickle"
        if not out.exists():
            monitor.check()
            words = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise DiatomError(f"This could not be done: {words[-1] if words else process.returncode}")
        # Written by our own process, a moment ago, in a folder of this user alone.
        problem, result = pickle.loads(out.read_bytes())
    if problem is not None:
        kind, text = problem
        raise getattr(errors, kind, DiatomError)(text)
    return result


def serve_task(name: str, way: str) -> None:
    """Do the task in a folder, and write what it gives, or what is wrong, beside it."""
    if way == "background" and hasattr(os, "nice"):
        os.nice(5)
    folder = Path(name)
    # Whoever called deletes this folder, also when it ends this process in the middle of its work.
    tempfile.tempdir = name
    threading.Thread(target=_end_with_parent, daemon=True).start()
    target, arguments = pickle.loads((folder / "task.pickle").read_bytes())
    module, _, function = target.partition(":")
    call: Callable[..., Any] = getattr(importlib.import_module(module), function)
    said: tuple[tuple[str, str] | None, Any]
    try:
        reports = _Reports(folder)
        said = None, call(monitor=ProgressMonitor(reports.tell, reports.should_stop), **arguments)
    except DiatomError as error:
        said = (type(error).__name__, str(error)), None
    (folder / "writing.pickle").write_bytes(pickle.dumps(said))
    (folder / "writing.pickle").replace(folder / "out.pickle")


def _end_with_parent() -> None:
    """Wait until the window is gone, which nobody sees on the pipe before, and end: a killed task leaves no harm."""
    # Not through sys.stdin: a forked worker, such as a data loader's, closes that and would wait for its lock.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(1)


class _Reports:
    """What the function says to the window, and the window to the function.

    Parameters
    ----------
    folder : Path
        Of the task.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writes = False

    def should_stop(self) -> bool:
        """Return whether the function is to stop; never once it writes."""
        return not self._writes and (self._folder / "stop").exists()

    def tell(self, progress: Progress) -> None:
        """Pass a report on. Raises Stopped if the function is about to write, and a stop was asked for before."""
        if progress.stage == WRITING and not self._writes:
            if self.should_stop() or not _decide(self._folder):
                raise Stopped("Stopped as asked.")
            self._writes = True
        print(json.dumps(progress.to_json()), flush=True)


def _decide(folder: Path) -> bool:
    """Decide whether the function writes or is ended, and return whether that was still open."""
    try:
        (folder / _OPEN).rename(folder / _DECIDED)
    except OSError:
        return False
    return True


def _listen(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    with stream:
        for line in stream:
            lines.put(line)


def _wait(
    process: subprocess.Popen[bytes],
    lines: queue.SimpleQueue[bytes],
    folder: Path,
    monitor: ProgressMonitor,
    grace_s: float,
) -> None:
    """Pass reports on until the process has ended; what has begun to be written is written to its end."""
    deadline: float | None = None
    while process.poll() is None:
        if deadline is None and monitor.should_stop():
            (folder / "stop").touch()
            deadline = time.monotonic() + grace_s
        if deadline is not None and time.monotonic() > deadline and _decide(folder):
            raise Stopped("Stopped as asked.")
        # The latest report says all that the earlier ones did.
        latest = b""
        while not lines.empty():
            latest = lines.get()
        if latest:
            monitor.report(Progress(**json.loads(latest)))
        time.sleep(_POLL_SECONDS)
