"""Arrays of any layout as images: grey, colour, channels and focus planes, by the names of their axes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.images.planes import (
    BEST,
    MAX,
    MOST_CHANNELS,
    Brightest,
    Composed,
    Focus,
    Pixels,
    Sharpest,
    checked_z,
)
from napari_diatom.images.slide_image import SlideImage, from_array

LETTERS: Final = "YXCZ"
_COLOURS: Final = (3, 4)


def image_from_array(
    array: Any, name: str, pixel_size_um: float | None = None, axes: str | None = None, z: str = BEST
) -> SlideImage:
    """Return an array as an image.

    Without ``axes``, an array of two axes is grey, and one whose third and last axis has 3 or 4 values is RGB or RGBA,
    as in napari. Axes of length 1 in front of these are left out. The shape shows nothing else: a first
    axis of 3 may be channels or planes, and a first axis of 20 may be planes, times or positions.

    Parameters
    ----------
    array : array-like, shape (Y, X), (Y, X, 3 or 4), or as ``axes`` says
        Numbers of any type; dask and zarr arrays are computed window by window.
    name : str
        Name of the image.
    pixel_size_um : float, optional
        Micrometres per pixel.
    axes : str, optional
        A letter an axis: ``Y`` and ``X``, in this order, ``C`` for channels or colours and ``Z`` for focus planes, such
        as ``"CYX"`` or ``"ZCYX"``.
    z : str
        What is taken of focus planes: ``"best"``, ``"max"``, or the number of a plane from 1.

    Raises
    ------
    InputError
        When the layout is not clear or is none of these.
    """
    if not hasattr(array, "shape") or not hasattr(array, "dtype"):
        raise InputError(
            f"{name} is of type {type(array).__name__}; the path of one file, one image from open_images, or an array "
            "is needed (numpy.asarray makes arrays of pictures)."
        )
    shape = tuple(int(length) for length in array.shape)
    letters = _guessed(shape, name) if axes is None else _checked(axes, shape, name)
    if 0 in shape:
        raise InputError(f"{name} has no pixels: its shape is {shape}.")
    lengths = dict(zip(letters, shape, strict=True))
    coloured = letters.endswith("C") and lengths["C"] in _COLOURS
    channels = 1 if coloured else lengths.get("C", 1)
    if channels > MOST_CHANNELS:
        raise InputError(
            f"{name} has {channels} channels, and a picture shows up to {MOST_CHANNELS}: choose those that show the "
            "diatoms."
        )
    images = [
        [
            from_array(_part(array, letters, channel, plane, coloured), name, pixel_size_um, rgb=coloured)
            for plane in range(lengths.get("Z", 1))
        ]
        for channel in range(channels)
    ]
    parts = tuple(tuple(image.levels[0] for image in planes) for planes in images)
    picture, focus = _chosen(parts, name, z)
    return replace(images[0][0], levels=(picture,), focus=focus)


def _guessed(shape: tuple[int, ...], name: str) -> str:
    """Return the axes of an array by its shape; ``1`` stands for one that is left out."""
    extra = 0
    while len(shape) - extra > 2 and shape[extra] == 1:
        extra += 1
    rest = shape[extra:]
    if len(rest) == 2:
        return "1" * extra + "YX"
    if len(rest) == 3 and rest[2] in _COLOURS:
        return "1" * extra + "YXC"
    first = "3 channels, or 3 planes" if rest[:1] == (3,) else "channels, focus planes, times or positions"
    advice = "say which with axes='CYX' or axes='ZYX', or choose one image of it, such as array[0]"
    if len(rest) == 3:
        raise InputError(
            f"{name} has the shape {shape}, which does not show whether its first axis is {first}: {advice}."
        )
    raise InputError(
        f"{name} has the shape {shape}, which does not show what its axes are: name them, such as axes='ZCYX', or "
        "choose one image of it."
    )


def _checked(axes: Any, shape: tuple[int, ...], name: str) -> str:
    """Return the axes as they were named; ``1`` stands for one that is left out."""
    if not isinstance(axes, str):
        raise InputError(f"axes is {quoted(axes)}; give a letter for each axis, such as axes='CYX'.")
    asked = axes.upper().replace("S", "C")
    if len(asked) != len(shape):
        raise InputError(f"axes={axes!r} names {len(asked)} axes, and {name} has {len(shape)}: its shape is {shape}.")
    lengths = zip(asked, shape, strict=True)
    letters = "".join("1" if letter not in LETTERS and length == 1 else letter for letter, length in lengths)
    known = letters.replace("1", "")
    ordered = known.replace("C", "").replace("Z", "") == "YX"
    if not ordered or len(set(known)) < len(known):
        raise InputError(
            f"axes={axes!r} cannot be used: name Y and X in this order, and also C for channels and Z for focus "
            "planes. Give one time or position at a time."
        )
    return letters


def _part(array: Any, letters: str, channel: int, plane: int, coloured: bool) -> Any:
    """Return one channel and plane of an array, or all colours of a plane."""
    at: dict[str, Any] = {"1": 0, "Z": plane, "C": slice(None) if coloured else channel}
    return array[tuple(at.get(letter, slice(None)) for letter in letters)]


def _chosen(channels: tuple[tuple[Pixels, ...], ...], name: str, z: str) -> tuple[Pixels, Focus | None]:
    """Return the picture that is made of the planes of each channel, and how its plane is chosen."""
    taken, planes = checked_z(z), len(channels[0])
    focus: Focus | None = None
    shown: list[Pixels]
    if planes == 1:
        shown = [part[0] for part in channels]
    elif taken == MAX:
        shown = [Brightest(part) for part in channels]
    elif taken == BEST:
        focus = Focus(channels)
        shown = [Sharpest(part, focus) for part in channels]
    elif taken.isdigit() and int(taken) <= planes:
        shown = [part[int(taken) - 1] for part in channels]
    else:
        raise InputError(f"{name} has {planes} focus planes, and z={z!r} does not choose one of them.")
    return (shown[0] if len(shown) == 1 else Composed(shown, name)), focus
