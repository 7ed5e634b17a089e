"""Scenes of the series that tifffile tells apart: pyramids of slide scanners, stacks of microscopes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from napari_diatom.images.tiff_scenes import (
    MOST_COMPARED,
    PHOTOGRAPHS,
    AmbiguousAxesError,
    Scene,
    grouped,
    outer_axes,
    planes_that_fit,
    see_only,
)

_NDPI_MAGNIFICATION: Final = 65421


def is_photograph(series: Any) -> bool:
    """Return whether a series is a label, a macro photograph or another picture of the slide."""
    return str(series.name).lower().startswith(PHOTOGRAPHS) or is_small(series.keyframe)


def is_small(page: Any) -> bool:
    """Return whether a page of an NDPI file is its macro photograph or map."""
    magnification = page.tags.valueof(_NDPI_MAGNIFICATION)
    return isinstance(magnification, float) and magnification < 0


def of_kind(file: Any, kind: str) -> list[Scene]:
    """Return the scenes of the series of a microscope's or scanner's own kind of TIFF."""
    see_only(file, kind)
    try:
        series = list(file.series) if len(file.pages) <= MOST_COMPARED or kind in ("lsm", "stk", "fluoview") else ()
    except Exception:
        raise AmbiguousAxesError(
            f"What its {kind.upper()} metadata say of planes and channels cannot be read, so each page was used as a "
            f"field."
        ) from None
    pictures = [item for item in series if not is_photograph(item)] or list(series)
    if kind == "lsm":
        # The second series holds the thumbnails.
        pictures = pictures[:1]
    elif pyramids := [item for item in pictures if item.is_pyramidal]:
        pictures = pyramids
    notices: tuple[str, ...] = ()
    if kind == "bif":
        notices = (
            "The tiles of a Ventana file overlap; they were placed side by side, so sizes at their seams are wrong.",
        )
    return [replace(scene, notices=notices) for item in pictures for scene in of_series(item, kind)]


def of_series(series: Any, kind: str) -> list[Scene]:
    """Return the scenes of one of tifffile's series."""
    axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
    key = series.keyframe
    outer = outer_axes(axes, shape, key)
    number = math.prod(size for _, size in outer)
    if number > 1 and key.is_final and series.dataoffset is not None:
        entries = [((key,), within) for within in planes_that_fit(key, number)]
    else:
        entries = []
        for place in range(len(series)):
            page = series[place]
            if page is None:
                continue
            levels = [level[place] for level in series.levels if place < len(level) and level[place] is not None]
            # tifffile corrects the tables of LSM files in its frames; those of others are read whole again.
            entries.append((tuple(levels if kind == "lsm" else [level.aspage() for level in levels]), 0))
    return grouped(outer, entries, axes[len(outer) :])
