"""Several processes, each with its own GPU, that train one network together."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import torch

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED

if TYPE_CHECKING:
    from diatom_training.learning.fitting import Fitting

_HOST: Final = "127.0.0.1"


def check_devices(device: str, devices: int) -> None:
    """Refuse more GPUs than there are.

    Raises
    ------
    InputError
        When there are fewer, or the device is only ever one.
    """
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, devices)
    if devices > there:
        raise InputError(f"{devices} devices were requested, and {there} {'is' if there == 1 else 'are'} available.")


@contextlib.contextmanager
def together(task: Fitting, batch: int) -> Iterator[None]:
    """Run the other processes of a training while this one, the first, does its own part; they end with the block."""
    if task.devices == 1:
        yield
        return
    with socket.socket() as free:
        free.bind((_HOST, 0))
        port = free.getsockname()[1]
    spawn = multiprocessing.get_context("spawn")
    others = [
        spawn.Process(target=_take_part, args=(task, batch, rank, port), daemon=False)
        for rank in range(1, task.devices)
    ]
    before = dict(os.environ)
    try:
        for other in others:
            other.start()
        _say_rank(0, task.devices, port)
        yield
        for other in others:
            other.join()
    finally:
        for other in others:
            if other.is_alive():
                other.kill()
        os.environ.clear()
        os.environ.update(before)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _take_part(task: Fitting, batch: int, rank: int, port: int) -> None:
    """Do the part of a process other than the first."""
    from diatom_training.learning.fitting import fit, unseen

    threading.Thread(target=_end_with_first, daemon=True).start()
    _say_rank(rank, task.devices, port)
    fit(task, batch, UNWATCHED, unseen)


def _end_with_first() -> None:
    """Wait for the first process to end, and end this one at once, whatever it waits for."""
    first = multiprocessing.parent_process()
    assert first is not None
    first.join()
    os._exit(1)


def _say_rank(rank: int, ranks: int, port: int) -> None:
    """Tell Lightning which process this is: it starts none itself then."""
    os.environ |= {
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": _HOST,
        "MASTER_PORT": str(port),
    }
