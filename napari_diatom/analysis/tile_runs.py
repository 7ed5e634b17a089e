"""The tiles of an image, at all its scales, run through a network, but for those that are provably empty."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Generic, NamedTuple, TypeVar

from napari_diatom.core.progress import Progress, ProgressMonitor
from napari_diatom.images.slide_image import SlideImage
from napari_diatom.tiling.empty_tiles import EmptyTiles
from napari_diatom.tiling.tiles import Tile, Window, prefetch

_Output = TypeVar("_Output")
_Item = TypeVar("_Item")


class TileCount(NamedTuple):
    """How many tiles an image has at all scales, and how many of them were empty, so that no network saw them."""

    tiles: int
    empty: int


class TileRun(Generic[_Output]):
    """Runs an image's tiles through a network, reports each, and stops when asked.

    Parameters
    ----------
    image : SlideImage
        The image.
    plans : Mapping of float to sequence of Window
        Its tiles, by scale.
    compute : callable
        The network: takes tiles, and yields ``(tile.index, output)`` in their order.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"tiles"``.
    all_tiles : bool
        Whether the network sees empty tiles, too.
    """

    def __init__(
        self,
        image: SlideImage,
        plans: Mapping[float, Sequence[Window]],
        compute: Callable[[Iterable[Tile]], Iterator[tuple[int, _Output]]],
        monitor: ProgressMonitor,
        all_tiles: bool,
    ) -> None:
        self._image, self._plans, self._compute, self._monitor = image, plans, compute, monitor
        self._judge = None if all_tiles else EmptyTiles(image)
        self._total = sum(map(len, plans.values()))
        self._done = self._empty = 0

    @property
    def count(self) -> TileCount:
        """The tiles so far."""
        return TileCount(self._done, self._empty)

    def begin(self) -> None:
        """Report the number of tiles."""
        self._monitor.report(Progress("tiles", 0, self._total, self._image.name))
        self._monitor.check()

    def outputs(self, scale: float) -> Generator[tuple[Window, _Output | None], None, None]:
        """Yield the tiles of a scale with what the network gives, None for empty ones, in their order."""
        windows = self._plans[scale]
        skipped: deque[int] = deque()
        judge = self._judge
        is_empty = None if judge is None else lambda pixels: judge.is_empty(pixels, scale)

        def seen(tiles: Iterable[Tile]) -> Iterator[Tile]:
            for tile in tiles:
                if tile.empty:
                    skipped.append(tile.index)
                    self._empty += 1
                    self._step()
                else:
                    yield tile

        with closing(prefetch(self._image, windows, scale, is_empty=is_empty)) as tiles:
            with _closed(self._compute(seen(tiles))) as computed:
                for index, output in computed:
                    while skipped and skipped[0] < index:
                        yield windows[skipped.popleft()], None
                    yield windows[index], output
                    self._step()
            for index in skipped:
                yield windows[index], None

    def _step(self) -> None:
        """Report another tile."""
        self._done += 1
        self._monitor.report(Progress("tiles", self._done, self._total, self._image.name))
        self._monitor.check()


@contextmanager
def _closed(items: Iterator[_Item]) -> Iterator[Iterator[_Item]]:
    """Close a generator at the end of the block, so that its threads and queues end there and not some time later."""
    try:
        yield items
    finally:
        if isinstance(items, Generator):
            items.close()
