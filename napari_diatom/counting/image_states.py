"""What has become of each image of a run so far, for those who watch it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from napari_diatom.core.text import many
from napari_diatom.counting.image_result import ImageResult

_MINUTE: Final = 60
_HOUR: Final = 3600


class CountState(StrEnum):
    """What has become of an image."""

    WAITING = "waiting"
    COUNTED = "counted"
    KEPT = "kept"
    """Counted by an earlier run, whose result is taken."""
    SKIPPED = "skipped"


@dataclass(frozen=True)
class ImageState:
    """An image of a run, and what has become of it.

    Attributes
    ----------
    image : str
        Name of the image in the tables.
    source : str
        Name of its file in the tables, the same for all fields of a stack.
    file : str
        Path of the file.
    sample : str
        The sample it belongs to.
    state : CountState
        What has become of it.
    number : int
        Which image of its file it is, from 1.
    specimens, counted : int
        How many specimens were found, and how many of them count.
    pixel_size_um : float or None
        Micrometres per pixel, None where unknown.
    annotations : str
        Path of its GeoJSON file below the folder of results, empty while there is none.
    reason : str
        Why it was skipped, empty otherwise.
    """

    image: str
    source: str
    file: str
    sample: str
    state: CountState = CountState.WAITING
    number: int = 1
    specimens: int = 0
    counted: int = 0
    pixel_size_um: float | None = None
    annotations: str = ""
    reason: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state is not CountState.WAITING


Watch = Callable[[tuple[ImageState, ...]], None]
"""Gets images when they are first known of, when their file is opened, and when something has become of them."""


def unwatched(states: tuple[ImageState, ...]) -> None:
    """Take the states of images, and show nothing."""


def result_facts(result: ImageResult) -> dict[str, Any]:
    """Return what an :class:`ImageState` tells of the result of an image."""
    return {
        "specimens": int(result.facts["specimens"]),
        "counted": sum(result.counts.values()),
        "pixel_size_um": result.facts.get("pixel_size_um"),
        "annotations": result.facts.get("annotations") or "",
    }


def merged_states(rows: Sequence[ImageState], news: Iterable[ImageState]) -> list[ImageState]:
    """Return rows of images with their news.

    An image that is known gets its new state. Those of a file that was opened take the place of the file's one row, and
    others go to the end.
    """
    latest = {state.image: state for state in news}
    # A busy window may hear of a file and of the images in it at the same time: the file comes first.
    found = _merged(rows, {name: state for name, state in latest.items() if name == state.source})
    return _merged(found, {name: state for name, state in latest.items() if name != state.source})


def _merged(rows: Sequence[ImageState], latest: Mapping[str, ImageState]) -> list[ImageState]:
    """Return rows of images with their latest states, of files or of the images in them."""
    files: dict[str, list[ImageState]] = {}
    known = {row.image for row in rows}
    for state in latest.values():
        if state.image not in known:
            files.setdefault(state.source, []).append(state)
    found: list[ImageState] = []
    for row in rows:
        if row.image in latest:
            found.append(latest[row.image])
        elif row.image == row.source and row.source in files and not row.finished:
            found += files.pop(row.source)
        else:
            found.append(row)
    return [*found, *(state for states in files.values() for state in states)]


@dataclass
class RunTally:
    """How far a run is, and how long it may still take.

    Only images that this run counts tell how long one takes: results of an earlier run are taken in an instant.

    Attributes
    ----------
    clock : callable
        Returns the time in seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _states: dict[str, ImageState] = field(default_factory=dict)
    _files: set[str] = field(default_factory=set)
    _fresh: int = 0
    _done: int = 0
    _specimens: int = 0
    _begun: float | None = None

    @property
    def done(self) -> int:
        """How many images are finished."""
        return self._done

    @property
    def total(self) -> int:
        """How many images are known of."""
        return len(self._states)

    def take(self, states: Iterable[ImageState]) -> None:
        """Note what has become of images."""
        for state in states:
            before = self._states.get(state.image)
            if state.image != state.source and (file := self._states.get(state.source)) and not file.finished:
                del self._states[state.source]
            self._states[state.image] = state
            if not state.finished:
                continue
            if before is None or not before.finished:
                self._done += 1
                self._fresh += state.state is CountState.COUNTED
            self._specimens += state.specimens - (before.specimens if before else 0)
            if state.state is CountState.KEPT:
                self._begun = self.clock()
        if self._begun is None:
            self._begun = self.clock()

    def seconds_left(self) -> float | None:
        """Return how long the rest may take in seconds, None while that is unknown."""
        if not self._fresh or self._begun is None:
            return None
        return (self.clock() - self._begun) / self._fresh * (self.total - self.done)

    def text(self) -> str:
        """Return how far the run is, in one line."""
        parts = [f"Image {min(self.done + 1, self.total):,} of {self.total:,}", many(self._specimens, "specimen")]
        left = self.seconds_left()
        if left is not None and self.done < self.total:
            parts.append(time_left(left))
        return ", ".join(parts)


def time_left(seconds: float) -> str:
    """Return a time that something may still take in words, as exact as an estimate is."""
    if seconds < _MINUTE:
        return "less than a minute left"
    if seconds < 2 * _HOUR:
        return f"about {many(round(seconds / _MINUTE), 'minute')} left"
    return f"about {many(round(seconds / _HOUR), 'hour')} left"


def pixel_size_note(states: Iterable[ImageState]) -> str:
    """Return that counted images have different pixel sizes, as a sentence; empty where all have the same."""
    sizes: dict[float | None, int] = {}
    for state in states:
        if state.state in (CountState.COUNTED, CountState.KEPT):
            sizes[state.pixel_size_um] = sizes.get(state.pixel_size_um, 0) + 1
    if len(sizes) < 2:
        return ""
    known = sorted((size, number) for size, number in sizes.items() if size is not None)
    parts = [f"{size:g} µm ({many(number, 'image')})" for size, number in known]
    if None in sizes:
        parts.append(f"unknown ({many(sizes[None], 'image')})")
    return f"The images have different pixel sizes: {', '.join(parts)}. Each is measured with its own."
