"""A scene: one place at one time, with its focus planes and channels; and how planes become scenes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many
from napari_diatom.images.tiff_directories import MOST_PAGES

_SERIES_KINDS: Final = (
    *("shaped", "lsm", "mmstack", "ome", "imagej", "ndtiff", "fluoview", "stk", "sis", "svs", "scn", "qpi", "ndpi"),
    *("bif", "avs", "eer", "philips", "scanimage", "nih", "mdgel", "uniform"),
)
_CHANNEL_AXES: Final = "CE"
PHOTOGRAPHS: Final = ("label", "macro", "thumbnail", "map", "overview", "probability")
"""What scanners call the pictures of the slide that they add."""
MOST_COMPARED: Final = 1000
"""Pages up to which pyramids are looked for among them: tifffile compares each with all others."""
_MOST_SAMPLES: Final = 1000
LARGEST_SIZE: Final = 2**40
_MOST_LEVELS: Final = 32
_COLOURED: Final = (2, 3, 5, 6, 8)
"""Photometric interpretations whose samples are colours: RGB, palette, CMYK, YCbCr, Lab."""


@dataclass(frozen=True, eq=False)
class Part:
    """Where one channel of one plane is.

    Attributes
    ----------
    pages : tuple of tifffile.TiffPage
        The page, then its reduced copies, largest first.
    within : int
        Which plane, where a page is followed by the raw planes of a stack.
    depth : int
        Which plane, where a page has a depth.
    sample : int or None
        Which sample of a pixel, None for all.
    """

    pages: tuple[Any, ...]
    within: int = 0
    depth: int = 0
    sample: int | None = None


@dataclass(frozen=True, eq=False)
class Scene:
    """One place at one time.

    Attributes
    ----------
    stack : tuple of tuple of Part
        Focus planes, and the channels of each.
    pixel_size_um : float or None
        Micrometres per pixel as the metadata of the stack tell it.
    image : int or None
        Number of its OME image.
    notices : tuple of str
        What the user should know of it.
    """

    stack: tuple[tuple[Part, ...], ...]
    pixel_size_um: float | None = None
    image: int | None = None
    notices: tuple[str, ...] = ()

    def is_even(self) -> bool:
        """Whether all planes and channels have one size and type."""
        kinds = {_size(part.pages[0]) for plane in self.stack for part in plane}
        return len(kinds) == 1 and len({len(plane) for plane in self.stack}) == 1


class AmbiguousAxesError(Exception):
    """What is said of the axes cannot be used, and why."""


def see_only(file: Any, kind: str) -> None:
    """Have tifffile see one kind of file; some of the others open files beside this one."""
    for name in _SERIES_KINDS:
        setattr(file, f"is_{name}", name == kind)


def pages_of(file: Any) -> Iterator[Any]:
    """Yield the pages of the main chain in full."""
    for number in range(len(file.pages)):
        yield file.pages.get(number, aspage=True)


def _size(page: Any) -> tuple[Any, ...]:
    """Return what planes of one stack have in common."""
    key = page.keyframe or page
    return key.imagelength, key.imagewidth, key.dtype


def copies_of(file: Any, page: Any) -> list[Any]:
    """Return the reduced copies of a page that its sub-directories hold, largest first."""
    import tifffile

    found: list[Any] = []
    last = page
    for number, offset in enumerate((page.subifds or ())[:_MOST_LEVELS]):
        if not 8 <= offset < file.filehandle.size:
            continue
        file.filehandle.seek(offset)
        copy = tifffile.TiffPage(file, (page.index, number))
        ratios = [
            large / small if small else math.inf
            for large, small in ((last.imagewidth, copy.imagewidth), (last.imagelength, copy.imagelength))
        ]
        # A level is smaller by one factor both ways, but for the rounding of its sides.
        if min(ratios) > 1.2 and max(ratios) < 1.25 * min(ratios) and copy.dtype == page.dtype:
            found.append(copy)
            last = copy
    return found


def depth_of(page: Any) -> int:
    """Return how many planes a page holds one behind the other."""
    depth = max(int((page.keyframe or page).imagedepth), 1)
    if depth > MOST_PAGES:
        raise InputError(f"{page.parent.filehandle.path} claims {depth:,} planes in one page, which cannot be right.")
    return depth


def planes_that_fit(page: Any, number: int) -> range:
    """Return which planes of a raw stack can lie between its first one and the end of the file."""
    fitting = int((page.parent.filehandle.size - page.dataoffsets[0]) // max(page.nbytes, 1))
    if min(number, fitting) > MOST_PAGES:
        raise InputError(
            f"{page.parent.filehandle.path} has more than {MOST_PAGES:,} planes; split it into several files."
        )
    return range(min(number, fitting))


def outer_axes(axes: str, shape: Sequence[int], page: Any) -> list[tuple[str, int]]:
    """Return the axes of a stack that are not within a page, with their lengths."""
    inside = math.prod(page.shape)
    for number in range(len(axes) + 1):
        if math.prod(shape[number:]) == inside:
            return list(zip(axes[:number], shape[:number], strict=True))
    raise AmbiguousAxesError("What it says of its planes does not fit its pages, so each page was used as a field.")


def grouped(
    outer: Sequence[tuple[str, int]], entries: Sequence[tuple[tuple[Any, ...], int]], inner: str
) -> list[Scene]:
    """Return the scenes of planes that lie in the order of their outer axes, the last axis changing fastest."""
    where: dict[tuple[Any, ...], dict[tuple[Any, ...], dict[tuple[Any, ...], Part]]] = {}
    expected = math.prod(size for _, size in outer)
    for at, (pages, within) in zip(_positions([size for _, size in outer], len(entries)), entries, strict=False):
        z, channel, other = (
            tuple(index for (axis, _), index in zip(outer, at, strict=True) if _role(axis) == role)
            for role in ("Z", "C", "")
        )
        for depth in range(depth_of(pages[0])):
            for sample in samples_of(pages[0], "C" in inner):
                part = Part(pages, within, depth, sample)
                where.setdefault(other, {}).setdefault((*z, depth), {})[(*channel, sample or 0)] = part
    notices = odds(expected, min(len(entries), expected), max(len(entries) - expected, 0))
    return [scene_of(planes, notices=notices) for _, planes in sorted(where.items())]


def odds(expected: int, found: int, unnamed: int) -> tuple[str, ...]:
    """Return the notice for a file that names planes that it lacks, or has pages that it does not name."""
    notices = []
    if found < expected:
        notices.append(f"The file holds {found:,} of the {many(expected, 'plane')} that it names.")
    if unnamed:
        pages = "1 page that is" if unnamed == 1 else f"{unnamed:,} pages that are"
        notices.append(f"The file holds {pages} not named as a plane and not counted.")
    return tuple(notices)


def _positions(sizes: Sequence[int], number: int) -> Iterator[tuple[int, ...]]:
    """Yield the first positions in an array, the last axis changing fastest."""
    for flat in range(number):
        at, rest = [], flat
        for size in reversed(sizes):
            at.append(rest % size)
            rest //= size
        if rest:
            return
        yield tuple(reversed(at))


def scene_of(planes: dict[tuple[Any, ...], dict[tuple[Any, ...], Part]], **facts: Any) -> Scene:
    """Return a scene; a plane that lacks a channel is left out where another one has all."""
    most = max(len(channels) for channels in planes.values())
    whole = [channels for _, channels in sorted(planes.items()) if len(channels) == most]
    return Scene(tuple(tuple(part for _, part in sorted(channels.items())) for channels in whole), **facts)


def _role(axis: str) -> str:
    """Return what an axis is: focus, channel, or neither."""
    return "Z" if axis == "Z" else "C" if axis in _CHANNEL_AXES else ""


def samples_of(page: Any, named: bool) -> list[int | None]:
    """Return the samples of a pixel that are channels of their own; None stands for all of them together."""
    key = page.keyframe or page
    number = int(key.samplesperpixel)
    if not named or not 2 <= number <= _MOST_SAMPLES or key.photometric in _COLOURED:
        return [None]
    extra = list(key.extrasamples)
    clear = number - len(extra)
    return [at for at in range(number) if at < clear or extra[at - clear] == 0]
