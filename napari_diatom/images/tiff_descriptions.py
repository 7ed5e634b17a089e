"""Scenes of stacks that ImageJ's or tifffile's own description tells of."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError
from napari_diatom.images.tiff_scenes import (
    LARGEST_SIZE,
    AmbiguousAxesError,
    Part,
    Scene,
    copies_of,
    grouped,
    outer_axes,
    pages_of,
    planes_that_fit,
    see_only,
)
from napari_diatom.images.tiff_series import of_series

_MOST_AXES: Final = 16


def of_imagej(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of a file that ImageJ wrote, whose stacks may be one page and raw planes behind it."""
    metadata = file.imagej_metadata or {}
    counts = [metadata.get(name, 1) for name in ("frames", "slices", "channels")]
    if not all(isinstance(count, int) and 0 < count < LARGEST_SIZE for count in counts):
        raise AmbiguousAxesError("What ImageJ says of its planes cannot be read, so each page was used as a field.")
    images = metadata.get("images", 1)
    see_only(file, "imagej")
    series = file.series
    if not series or series[0].kind != "imagej":
        if len(file.pages) == 1 and isinstance(images, int) and images > 1:
            raise InputError(f"{path} is truncated: ImageJ names {images:,} planes, and the file ends before they do.")
        # ImageJ's own order; planes that are not there are named as missing.
        outer = [("T", counts[0]), ("Z", counts[1]), ("C", counts[2])]
        return grouped(outer, [((page,), 0) for page in pages_of(file)], "")
    return of_series(series[0], "imagej")


def of_tifffile(path: Path, file: Any, first: Any) -> list[Scene]:
    """Return the scenes of a file that tifffile or a program that uses it wrote; each series has axes of its own."""
    if _description(first, path) is None:
        return []
    every = list(pages_of(file))
    found: list[Scene] = []
    at = 0
    while at < len(every):
        page = every[at]
        said = _description(page, path)
        if page.is_reduced and found:
            found[-1] = _with_copy(found[-1], page)
            at += 1
            continue
        inside = math.prod(page.shape)
        axes, shape, is_truncated = said or ("", (), False)
        number, rest = divmod(math.prod(shape), inside) if inside else (1, 1)
        if said is None or rest or number < 1:
            found.append(Scene(((Part((page, *copies_of(file, page))),),)))
            at += 1
            continue
        outer = outer_axes(axes, shape, page)
        following = every[at : at + number]
        if number > 1 and page.is_final and (is_truncated or len(following) < number):
            # The stack is one page with the other planes behind it.
            entries = [((page,), within) for within in planes_that_fit(page, number)]
            at += 1
        else:
            entries = [((plane, *copies_of(file, plane)), 0) for plane in following]
            at += len(following)
        found += grouped(outer, entries, axes[len(outer) :])
    return found


def _with_copy(scene: Scene, copy: Any) -> Scene:
    """Return a scene with one more reduced copy, where it is one of its only plane."""
    if len(scene.stack) != 1 or len(scene.stack[0]) != 1:
        return scene
    [[part]] = scene.stack
    last = part.pages[-1]
    if copy.imagewidth >= last.imagewidth or copy.imagelength >= last.imagelength or copy.dtype != last.dtype:
        return scene
    return replace(scene, stack=((replace(part, pages=(*part.pages, copy)),),))


def _description(page: Any, path: Path) -> tuple[str, tuple[int, ...], bool] | None:
    """Return what tifffile wrote into a page's description: axes, shape, and whether a stack has one page only."""
    text = page.shaped_description
    if not text:
        return None
    try:
        said = text_files.parse_json(text, path, "tifffile's description")
        shape, axes, is_truncated = said["shape"], said.get("axes"), bool(said.get("truncated"))
    except (InputError, KeyError, TypeError, AttributeError):
        return None
    if not isinstance(shape, list) or not 2 <= len(shape) <= _MOST_AXES:
        return None
    if not all(isinstance(size, int) and 0 < size < LARGEST_SIZE for size in shape):
        return None
    if not isinstance(axes, str) or len(axes) != len(shape):
        axes = "Q" * len(shape)
    return axes, tuple(shape), is_truncated
