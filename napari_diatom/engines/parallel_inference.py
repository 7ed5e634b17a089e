"""Running a network on a processor: several inputs at once, each computed by one thread.

Sums that several threads share depend on how many there are, in the fourth decimal of a score. So more threads compute
more inputs at once, and every input is computed as if there were one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

_Item = TypeVar("_Item")
_Output = TypeVar("_Output")


def in_order(
    compute: Callable[[_Item], _Output],
    items: Iterable[_Item],
    threads: int,
    initializer: Callable[[], None] | None = None,
) -> Generator[_Output, None, None]:
    """Yield what ``compute`` makes of each item, in their order, in so many threads at once.

    Parameters
    ----------
    compute : callable
        Is called from several threads at once.
    items : iterable
        Read ahead as far as there are threads.
    threads : int
        How many items are computed at once.
    initializer : callable, optional
        Called in each thread before all else.
    """
    flying: deque[Future[_Output]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="network", initializer=initializer)
    try:
        for item in items:
            flying.append(pool.submit(compute, item))
            if len(flying) > threads:
                yield flying.popleft().result()
        while flying:
            yield flying.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def in_streams(
    compute: Callable[[_Item], _Output], items: Iterable[_Item], device: str, threads: int
) -> Generator[_Output, None, None]:
    """Yield what ``compute`` makes of each item, in their order.

    Parameters
    ----------
    compute : callable
        Runs the network; is called from several threads at once on a processor.
    items : iterable
        Read ahead as far as there are threads.
    device : str
        On others than ``"cpu"`` one item is computed after the other.
    threads : int
        How many items are computed at once.
    """
    if device != "cpu":
        yield from map(compute, items)
        return
    import torch

    def alone() -> None:
        torch.set_num_threads(1)

    before = torch.get_num_threads()
    try:
        # Of this thread, too: some of torch's libraries have one number for all.
        alone()
        with closing(in_order(compute, items, threads, alone)) as outputs:
            yield from outputs
    finally:
        torch.set_num_threads(before)
