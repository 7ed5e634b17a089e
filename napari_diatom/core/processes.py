"""Python in processes of its own, which takes no modules from the folder that it is started in."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any


def python(*arguments: str) -> list[str]:
    """Return the command that runs this Python with such arguments, as ``-c CODE`` or ``-m MODULE``.

    Without ``-P`` a ``torch.py`` that lies in the working folder, beside somebody's images, would be run for torch.
    """
    return [sys.executable, "-P", *arguments]


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in a process that finds modules where this one found them."""
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; sys.argv = {['', *arguments]!r}; import runpy; "
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    return python("-c", code)


def apart() -> dict[str, Any]:
    """Return what keeps a child from ending with this process's terminal, and a console from popping up on Windows."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True, "env": os.environ | {"PYTHONUNBUFFERED": "1"}}


def _quiet_flags() -> dict[str, Any]:
    """Return what keeps a console from popping up on Windows."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {}
