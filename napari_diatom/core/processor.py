"""The processor that a run has: its name, and how many threads it may take."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

_LINUX: Final = Path("/proc/cpuinfo")
_PATIENCE_SECONDS: Final = 5


def usable_threads() -> int:
    """Return how many threads there are for this process; ``OMP_NUM_THREADS`` asks for fewer."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(there, int(asked)) if asked.isascii() and asked.isdecimal() and int(asked) > 0 else there


def processor_name() -> str:
    """Return the name of the processor's model as its maker gives it, or what the system says of it."""
    return _maker_name() or platform.processor() or platform.machine() or "unknown"


def _maker_name() -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        if sys.platform == "darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=True)
            return done.stdout.strip()
        if sys.platform == "win32":
            import winreg

            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0") as key:
                return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()
        for line in _LINUX.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return ""
