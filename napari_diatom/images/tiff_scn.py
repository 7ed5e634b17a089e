"""Scenes of Leica SCN files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from napari_diatom.core import text_files
from napari_diatom.core.errors import InputError
from napari_diatom.images.tiff_scenes import AmbiguousAxesError, Part, Scene, scene_of
from napari_diatom.images.xml_elements import children, whole_number

_OVERVIEW: Final = 4.0
"""A picture whose pixels are so many times larger than the finest ones shows the slide and not the specimens."""


def of_scn(path: Path, file: Any) -> list[Scene]:
    """Return the scenes of a Leica SCN file; the picture of the whole slide is left out."""
    try:
        root = text_files.parse_xml(file.pages.first.description, path, "Leica XML")
    except InputError:
        raise AmbiguousAxesError("Its Leica XML cannot be read, so each page was used as a field.") from None
    pages = len(file.pages)
    found: list[Scene] = []
    for image in (item for collection in children(root, "collection") for item in children(collection, "image")):
        pixels, view = next(children(image, "pixels"), None), next(children(image, "view"), None)
        if pixels is None:
            continue
        levels: dict[tuple[int, int], dict[int, int]] = {}
        for dimension in children(pixels, "dimension"):
            number = whole_number(dimension, "ifd", pages)
            if number < pages:
                place = whole_number(dimension, "z", 0), whole_number(dimension, "c", 0)
                levels.setdefault(place, {})[whole_number(dimension, "r", 0)] = number
        planes: dict[tuple[Any, ...], dict[tuple[Any, ...], Part]] = {}
        for (z, channel), copies in levels.items():
            chosen = tuple(file.pages.get(number, aspage=True) for _, number in sorted(copies.items()))
            planes.setdefault((z,), {})[(channel,)] = Part(chosen)
        if planes:
            across, over = whole_number(pixels, "sizeX"), whole_number(view, "sizeX", 0) if view is not None else 0
            # Lengths are in nanometres.
            found.append(scene_of(planes, pixel_size_um=over / across / 1000 if over and across else None))
    finest = min((scene.pixel_size_um for scene in found if scene.pixel_size_um), default=None)
    if finest is None:
        return found
    return [scene for scene in found if (scene.pixel_size_um or finest) <= _OVERVIEW * finest]
