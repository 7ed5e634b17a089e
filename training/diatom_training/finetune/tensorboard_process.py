"""TensorBoard in a process that ends when the one that started it is gone, however that ended."""

from __future__ import annotations

import os
import runpy
import sys
import threading

import psutil


def serve(parent: str, *options: str) -> None:
    """Run TensorBoard with its command line's options until the process with the number ``parent`` ends."""
    threading.Thread(target=_follow, args=(int(parent),), daemon=True).start()
    sys.argv[1:] = options
    runpy.run_module("tensorboard.main", run_name="__main__")


def _follow(parent: int) -> None:
    """End this process with its parent."""
    try:
        psutil.Process(parent).wait()
    finally:
        os._exit(0)
