"""The images of a file, each with its levels, as they come of its focus planes and channels.

Whatever the format, a place is a stack of focus planes with channels. What is taken of it, and which of its reduced
copies can be used, is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import many
from napari_diatom.images import orientation
from napari_diatom.images.pixel_size import NOT_STATED, PixelSize
from napari_diatom.images.planes import (
    BEST,
    EACH,
    MAX,
    MOST_CHANNELS,
    PAGES,
    Brightest,
    Composed,
    Focus,
    Pixels,
    Ranges,
    Sharpest,
)

_ROUNDING_PX: Final = 2.0
_ROUNDING: Final = 0.01
"""By how much the sides of a reduced copy may differ from those of the image, in pixels or in parts of a side."""

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class ImageField:
    """One image of a file.

    Attributes
    ----------
    levels : tuple of Pixels
        The image, then smaller copies of it where the file has them, largest first.
    pixel_size : PixelSize
        Of the first level.
    notices : tuple of str
        What the user should know of how it was read.
    orientation : int
        Of the stored pixels, which the levels hand out as they are; see :mod:`napari_diatom.images.orientation`.
    focus : Focus or None
        Which plane was taken of a focus series, where the sharpest is.
    """

    levels: tuple[Pixels, ...]
    pixel_size: PixelSize
    notices: tuple[str, ...] = ()
    orientation: int = orientation.AS_STORED
    focus: Focus | None = None


@dataclass(frozen=True)
class FieldFacts:
    """What is known of a place before its pixels are opened; the attributes are those of :class:`ImageField`."""

    pixel_size: PixelSize = NOT_STATED
    notices: tuple[str, ...] = ()
    orientation: int = orientation.AS_STORED


def image_fields_of(
    path: Path,
    stack: Sequence[Sequence[Part]],
    z: str,
    opened: Callable[[Part], Sequence[Pixels]],
    facts: FieldFacts,
) -> list[ImageField]:
    """Return the images that a place comes to: one, or one for each of its focus planes.

    Parameters
    ----------
    path : Path
        The file.
    stack : sequence of sequence
        Focus planes, and the channels of each, as its reader describes them.
    z : str
        What is taken of focus series; see :func:`napari_diatom.images.planes.checked_z`.
    opened : callable
        Opens a channel of a plane: its pixels, then its reduced copies, largest first.
    facts : FieldFacts
        What is known of the place.

    Raises
    ------
    InputError
        When the stack has no plane of that number, or ``opened`` fails.
    """
    notices = list(facts.notices)
    deep, channels = len(stack), len(stack[0])
    if deep > 1 and z.isdigit():
        if int(z) > deep:
            raise InputError(f"{path} has a stack of {deep} focus planes, so plane {z} does not exist (--z).")
        notices.append(f"Plane {z} of {deep} was used from the focus series (--z {z}).")
        stack = (stack[int(z) - 1],)
    elif deep > 1 and z == MAX:
        notices.append(f"The brightest of {many(deep, 'focus plane')} was used at each pixel (--z max).")
    if channels > MOST_CHANNELS:
        notices.append(f"The first {MOST_CHANNELS} of {channels} channels were used, as red, green and blue.")
    elif channels > 1:
        notices.append(f"Its {channels} channels were used as one colour picture.")
    chosen = [plane[:MOST_CHANNELS] for plane in stack]
    groups = [[plane] for plane in chosen] if z in (EACH, PAGES) else [chosen]
    fields = []
    for group in groups:
        parts = [[opened(plane[channel]) for plane in group] for channel in range(len(group[0]))]
        count = min(len(levels) for planes in parts for levels in planes)
        # By level, the planes of each channel.
        pixels = [[tuple(levels[level] for levels in planes) for planes in parts] for level in range(count)]
        pixels, ignored = _agreeing(pixels)
        focus = Focus(tuple(pixels[0])) if len(group) > 1 and z == BEST else None
        merged = [[_merged(planes, focus) for planes in of_channels] for of_channels in pixels]
        ranges = Ranges(merged[0], str(path))
        shown = [level[0] if len(level) == 1 else Composed(level, str(path), ranges) for level in merged]
        said = (*notices, *ignored)
        fields.append(ImageField(tuple(shown), facts.pixel_size, said, facts.orientation, focus))
    return fields


def _agreeing(levels: list[list[tuple[Pixels, ...]]]) -> tuple[list[list[tuple[Pixels, ...]]], tuple[str, ...]]:
    """Return the levels that are smaller copies of the first one, and a notice of those that cannot be."""
    first = levels[0][0][0]
    kept, odd = [levels[0]], []
    for level in levels[1:]:
        sizes = {(item.height, item.width) for planes in level for item in planes}
        (height, width), *others = sizes
        expected = first.height * width / first.width
        fits = abs(height - expected) <= max(_ROUNDING_PX, _ROUNDING * expected)
        if fits and not others and width < kept[-1][0][0].width:
            kept.append(level)
        else:
            odd.append(f"{width} x {height}")
    if not odd:
        return kept, ()
    copies, used = ("A reduced copy", "was") if len(odd) == 1 else (f"{len(odd)} reduced copies", "were")
    size = f"{first.width} x {first.height} px"
    return kept, (f"{copies} ({', '.join(odd[:3])} px) did not fit the image ({size}) and {used} not used.",)


def _merged(planes: Sequence[Pixels], focus: Focus | None) -> Pixels:
    """Return what is taken of the planes of one channel."""
    if len(planes) == 1:
        return planes[0]
    return Brightest(planes) if focus is None else Sharpest(planes, focus)
