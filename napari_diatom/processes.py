"""Python in processes of its own, which takes no modules from the folder that it is started in."""

from __future__ import annotations

import sys


def python(*arguments: str) -> list[str]:
    """Return the command that runs this Python with such arguments, as ``-c CODE`` or ``-m MODULE``.

    Without ``-P`` a ``torch.py`` that lies in the working folder, beside somebody's images, would be run for torch.
    """
    return [sys.executable, "-P", *arguments]
