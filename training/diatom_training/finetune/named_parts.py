"""Slides and single images that a person names for the parts of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import Final

from diatom_training.data.annotated_slides import Part
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import first_few

MOST: Final = 20
"""Names that a message lists."""


def named_images(parts: Mapping[Part, Sequence[str]], slides: Mapping[str, str]) -> dict[str, Part]:
    """Return the part of each image that is in one.

    Parameters
    ----------
    parts : mapping of str to sequence of str
        Slides, with all their images, and single images of each part, with or without the suffix of an image file. A
        name that a slide and an image have is the slide's.
    slides : mapping of str to str
        The slide of each image, by the names of the images.

    Raises
    ------
    InputError
        When there is nothing of a name, several have it, or an image is in two parts.
    """
    of_slides: dict[str, list[str]] = {}
    for image, slide in slides.items():
        of_slides.setdefault(slide, []).append(image)
    known = (_Known(of_slides), _Known({image: [image] for image in slides}))
    home: dict[str, Part] = {}
    for part, names in parts.items():
        for image in (image for name in names for image in _images_of(name, *known)):
            if home.setdefault(image, part) != part:
                raise InputError(f"split.parts: {image} is in two parts, {home[image]} and {part}.")
    return home


class _Known:
    """Slides or images by their whole and their shorter names.

    Parameters
    ----------
    images : mapping of str to list of str
        What belongs to each.
    """

    def __init__(self, images: Mapping[str, list[str]]) -> None:
        self.images = images
        self.shorter: dict[str, list[str]] = {}
        for key in images:
            for short in {PurePath(key).name, PurePath(key).stem, _bare(key)}:
                self.shorter.setdefault(short, []).append(key)

    def fitting(self, name: str) -> list[str]:
        """Return what is meant by a name without its suffix or its folder, or else with another suffix."""
        bare = next((stem for stem in (PurePath(name).stem, _bare(name)) if stem in self.images), None)
        return self.shorter.get(name) or ([bare] if bare is not None else [])

    def __str__(self) -> str:
        return first_few(list(self.images), MOST)


def _bare(name: str) -> str:
    """Return a name without its folder and suffix; that of OME-TIFF has two parts."""
    path = PurePath(PurePath(name).stem)
    return path.stem if path.suffix.lower() == ".ome" else path.name


def _images_of(name: str, slides: _Known, images: _Known) -> list[str]:
    """Return the images of a slide of a name, or the image of that name."""
    for known in (slides, images):
        if name in known.images:
            return known.images[name]
    for known in (slides, images):
        fits = known.fitting(name)
        if len(fits) == 1:
            return known.images[fits[0]]
        if fits:
            raise InputError(f"split.parts: {name} may be {' or '.join(fits)}: write the whole name.")
    meant = {short: keys[0] for known in (images, slides) for short, keys in known.shorter.items()}
    close = list(dict.fromkeys(meant[short] for short in get_close_matches(name, meant, n=3)))
    hint = f" Do you mean {' or '.join(close)}?" if close else ""
    # Where every image is a slide of its own, one list says it all.
    more = "" if slides.images.keys() == images.images.keys() else f" The images are {images}."
    raise InputError(f"split.parts: there is no slide or image {name}.{hint} The slides are {slides}.{more}")
