"""What the pages of a TIFF file are to each other: places, times, focus planes, channels.

TIFF itself only has pages. What they mean stands in OME-XML, in ImageJ's or tifffile's description, or in what a
microscope's own program adds. All of it becomes scenes here, each of one place at one time. A page that nothing is said
of is a scene by itself.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from napari_diatom.images.tiff_descriptions import of_imagej, of_tifffile
from napari_diatom.images.tiff_ome import of_ome
from napari_diatom.images.tiff_scenes import (
    MOST_COMPARED,
    AmbiguousAxesError,
    Part,
    Scene,
    copies_of,
    depth_of,
    pages_of,
    see_only,
)
from napari_diatom.images.tiff_scn import of_scn
from napari_diatom.images.tiff_series import is_photograph, is_small, of_kind

_FROM_SERIES: Final = ("lsm", "stk", "fluoview", "sis", "svs", "qpi", "ndpi", "bif", "avs", "philips")
"""Kinds whose series tifffile tells."""


def scenes(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of an open TIFF file; label and macro photographs of slide scanners are left out.

    Parameters
    ----------
    path : Path
        Its name, for errors.
    file : tifffile.TiffFile
        The file.

    Raises
    ------
    InputError
        When a stack is cut off.
    """
    first = file.pages.first
    notices: tuple[str, ...] = ()
    try:
        found = _named(path, file, first)
    except AmbiguousAxesError as unclear:
        found, notices = [], (str(unclear),)
    if found and not all(scene.is_even() for scene in found):
        found = []
        notices = ("Its planes or channels are not of one size and type, so each page was used as a field.",)
    return [replace(scene, notices=notices + scene.notices) for scene in found or each_page(file)]


def each_page(file: Any) -> list[Scene]:
    """Return every page of an open TIFF file as a scene; reduced copies of pages are levels of theirs."""
    see_only(file, "")
    try:
        compared = file.series if len(file.pages) <= MOST_COMPARED else ()
        pyramids = [series for series in compared if series.is_pyramidal]
    except Exception:  # tifffile meets what it does not expect with errors of many kinds
        pyramids = []
    found: list[Scene] = []
    for series in (item for item in pyramids if not is_photograph(item)):
        for number in range(len(series.levels[0])):
            copies = [level[number].aspage() for level in series.levels if number < len(level)]
            found.append(Scene(((Part(tuple(copies)),),)))
    if found:
        return found
    every = list(pages_of(file))
    whole = [page for page in every if not page.is_reduced and not is_small(page)]
    found = []
    for page in whole or every:
        levels = (page, *copies_of(file, page))
        # The depth of a page is its focus in files of any program.
        found.append(Scene(tuple((Part(levels, depth=depth),) for depth in range(depth_of(page)))))
    return found


def _named(path: Path, file: Any, first: Any) -> list[Scene]:
    """Return the scenes as the file names them, none where it says nothing."""
    if file.is_ome:
        return of_ome(path, file)
    if file.is_imagej:
        return of_imagej(path, file)
    if file.is_scn:
        return of_scn(path, file)
    kind = next((name for name in _FROM_SERIES if getattr(first, f"is_{name}", False)), None)
    if kind == "lsm" and len(file.pages) < 2:
        return []
    if kind is not None:
        return of_kind(file, kind)
    return of_tifffile(path, file, first)
