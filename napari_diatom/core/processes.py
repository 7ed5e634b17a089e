"""Python in processes of its own, which find modules where this process does, and not in the folder they start in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any, Final

from napari_diatom.core.progress import ProgressMonitor

_POLL_SECONDS: Final = 0.05

_BEGIN: Final = """
import importlib, json, runpy, sys

sys.path[:] = json.loads(sys.argv[1])
module, _, function = sys.argv[2].partition(":")
del sys.argv[1:3]
if function:
    getattr(importlib.import_module(module), function)(*sys.argv[1:])
else:
    runpy.run_module(module, run_name="__main__")
"""


def command_of(target: str, *arguments: str) -> list[str]:
    """Return the command that runs a module, or calls a function, in a separate process.

    Without ``-P`` a ``torch.py`` that lies in the working folder, beside somebody's images, would be run for torch.

    Parameters
    ----------
    target : str
        ``module``, which runs as with ``python -m``, or ``module:function``.
    *arguments : str
        The module finds them in ``sys.argv``; the function is called with them.
    """
    return [sys.executable, "-P", "-c", _BEGIN, json.dumps(sys.path), target, *arguments]


def start(target: str, *arguments: str, apart: bool = False, **streams: Any) -> subprocess.Popen[bytes]:
    """Start a process as :func:`command_of` says; on Windows no console pops up.

    Parameters
    ----------
    target, *arguments : str
        As for :func:`command_of`.
    apart : bool
        Whether it goes on when the terminal of this process is closed or interrupted.
    **streams
        ``stdin``, ``stdout`` and ``stderr``, as for :class:`subprocess.Popen`.

    Raises
    ------
    OSError
        When it cannot be started.
    """
    return subprocess.Popen(command_of(target, *arguments), **streams, **_ways(apart))


def run(target: str, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a process as :func:`command_of` says, wait for its end, and return what it wrote.

    Raises
    ------
    OSError
        When it cannot be started.
    subprocess.TimeoutExpired
        When it takes longer than ``timeout`` seconds.
    """
    command = command_of(target, *arguments)
    ways = _ways(apart=False)
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, **ways
    )


def _ways(apart: bool) -> dict[str, Any]:
    """Return how a process is started: without a console on Windows, and apart from this terminal where asked for."""
    if sys.platform == "win32":
        group = subprocess.CREATE_NEW_PROCESS_GROUP if apart else 0
        return {"creationflags": subprocess.CREATE_NO_WINDOW | group}
    return {"start_new_session": True, "env": os.environ | {"PYTHONUNBUFFERED": "1"}} if apart else {}


def wait_or_stop(process: subprocess.Popen[bytes], monitor: ProgressMonitor) -> int:
    """Return the exit code of a process when it has ended. It is killed when a stop is asked for.

    Raises
    ------
    Stopped
        When a stop was asked for.
    """
    try:
        while process.poll() is None:
            monitor.check()
            time.sleep(_POLL_SECONDS)
    finally:
        process.kill()
        process.wait()
    return process.returncode
