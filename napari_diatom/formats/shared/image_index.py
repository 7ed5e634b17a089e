"""The images that annotations belong to: found by name, measured without being decoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import folded, printable, quoted
from napari_diatom.formats.shared.name_index import NameIndex, base_name, image_stem, is_plain, split_page
from napari_diatom.formats.shared.parsed_specimens import Size, some_of
from napari_diatom.images.image_files import find_images
from napari_diatom.images.slide_image import open_images, open_page

LONGEST_NAME: Final = 300
"""Characters of a name that a message shows; a file may have 255 of them."""


class Pictures:
    """The images in a folder and its subfolders, or none.

    Parameters
    ----------
    folder : Path, optional
        Where they are; without it nothing is known but what the annotations say.

    Attributes
    ----------
    folder : Path or None
        As given.
    remarks : list of str
        What readers skipped, or had to guess, in sentences that name the file: warnings for the user.

    Raises
    ------
    InputError
        When the folder is not there or holds no image.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.remarks: list[str] = []
        found = find_images([str(folder)]) if folder is not None else []
        self._files = frozenset(path.resolve() for path in found)
        self._index = NameIndex((path.as_posix(), path) for path in found)

    def has_file(self, path: Path) -> bool:
        """Return whether a file is one of the images."""
        return path.resolve() in self._files

    def path(self, name: str) -> Path | None:
        """Return the file of an image by its name, or by its name without suffix; None without a folder.

        Letters that Unicode can write in two ways, and capitals, make no difference where only one image can be meant.

        Raises
        ------
        InputError
            When the folder has no such image, or several.
        """
        if self.folder is None:
            return None
        found = self._index.find(*dict.fromkeys((name, split_page(name)[0])))
        whole = quoted(printable(base_name(name)), LONGEST_NAME)
        if not found:
            raise InputError(f"{self.folder} has no image named {whole}")
        if len(found) > 1:
            raise InputError(f"{self.folder} has several images named {whole}: give them different names")
        return found[0]

    def fields(self, name: str) -> int | None:
        """Return how many images the file of an image holds; None without a folder.

        Raises
        ------
        InputError
            When it cannot be found or read.
        """
        path = self.path(name)
        return None if path is None else len(open_images(path))

    def known(self, name: str, stated: Size | None, source: Path | None = None) -> tuple[str, Size | None]:
        """Return an image's name with its suffix, and its height and width.

        Parameters
        ----------
        name : str
            Of the image, with or without suffix.
        stated : Size or None
            What the annotations say.
        source : Path, optional
            Their file, for errors.

        Raises
        ------
        InputError
            When the image cannot be found or read, or is of another size than stated.
        """
        try:
            return self._known(name, stated)
        except InputError as error:
            if source is None:
                raise
            raise InputError(f"{source}: {error}") from None

    def _known(self, name: str, stated: Size | None) -> tuple[str, Size | None]:
        """Return the name and size of an image."""
        path = self.path(name)
        if path is None:
            return name, stated
        whole = base_name(name)
        page = (split_page(whole)[1] if whole != path.name else None) or 1
        image = open_page(path, page)
        size = (image.height, image.width)
        if stated is not None and stated != size:
            raise InputError(
                f"{path} has {size[1]} x {size[0]} pixels, but its annotations are for {stated[1]} x {stated[0]}"
            )
        if whole.startswith(path.name):
            return name, size
        return path.name + (f"#{page}" if page > 1 else ""), size


def with_sizes(annotations: Sequence[Annotations], pictures: Pictures, source: Path | None = None) -> list[Annotations]:
    """Return annotations, of the file ``source``, with the names and sizes of their images as far as these are there.

    Raises
    ------
    InputError
        When images are not in their folder, or are of other sizes; the first few are named.
    """
    out: list[Annotations] = []
    problems: list[str] = []
    meant: dict[str, str] = {}
    for part in annotations:
        stated = (part.height, part.width) if part.height is not None and part.width is not None else None
        try:
            name, size = pictures.known(part.image, stated)
        except InputError as error:
            problems.append(str(error).rstrip("."))
            continue
        if pictures.folder is not None and meant.setdefault(name, part.image) != part.image:
            both = f"{quoted(meant[name], LONGEST_NAME)} and {quoted(part.image, LONGEST_NAME)}"
            problems.append(f"{both} both match the image {name}")
        height, width = size or (None, None)
        out.append(replace(part, image=name, height=height, width=width))
    if problems:
        raise InputError(f"{source}: " * (source is not None) + some_of(problems, "; ") + ".")
    return out


def size_needed(annotations: Sequence[Annotations], title: str) -> list[Size]:
    """Return the height and width of every image.

    Raises
    ------
    InputError
        When some are unknown; ``title`` is the format that needs them.
    """
    unknown = [part.image or "an image" for part in annotations if part.height is None or part.width is None]
    if unknown:
        raise InputError(
            f"{title} needs the sizes of the images, and that of {some_of(unknown)} is unknown: name the folder of the "
            "images."
        )
    return [(part.height or 0, part.width or 0) for part in annotations]


def file_names(annotations: Sequence[Annotations], title: str) -> list[str]:
    """Return names for the files of the images, each its own.

    That is the name without folders and suffix; images that differ in nothing but their suffix, as ``a.png`` and
    ``a.jpg``, or ``a`` and ``a.png``, keep it. Names are their own on every disk: many disks tell neither capitals nor
    the ways in which Unicode composes a letter apart.

    Raises
    ------
    InputError
        When an image has no name, or two have the same or would have on such a disk.
    """
    names = names_needed(annotations, title, unique=False)
    whole = [base_name(part.image) for part in annotations]
    while clashing := {name for group in _clashing(names) for name in group}:
        longer = [full if name in clashing else name for name, full in zip(names, whole, strict=True)]
        if longer == names:
            break
        names = longer
    _check_unique(names, title)
    return names


def names_needed(annotations: Sequence[Annotations], title: str, whole: bool = False, unique: bool = True) -> list[str]:
    """Return names for the files of the images: without folders and suffixes or, if ``whole``, with suffixes.

    Raises
    ------
    InputError
        When an image has no name or, if they have to be ``unique``, two have the same or would have on a disk that
        does not tell capitals apart.
    """
    names = [base_name(part.image) if whole else image_stem(part.image) for part in annotations]
    unnamed = [str(position) for position, name in enumerate(names, start=1) if not name.strip(". ")]
    if unnamed:
        raise InputError(f"{title} names files by their images, and image {some_of(unnamed)} has no name.")
    odd = [quoted(printable(name), LONGEST_NAME) for name in names if not is_plain(name)]
    if odd:
        raise InputError(
            f"{title} names files by their images, and {some_of(odd)} cannot be the name of a file on every system: it "
            "has control characters, or bytes that are not UTF-8. Rename the image."
        )
    if unique:
        _check_unique(names, title)
    return names


def _check_unique(names: Sequence[str], title: str) -> None:
    """Refuse names that several images have, or would have on a disk that does not tell capitals apart."""
    groups = _clashing(names)
    twice = [group[0] for group in groups if len(set(group)) < len(group)]
    if twice:
        raise InputError(f"{title} needs a name for each image, and several are named {some_of(twice)}.")
    if groups:
        alike = [" and ".join(group) for group in groups]
        raise InputError(
            f"{title} names files by their images, and on many disks {some_of(alike, '; ')} are the same name: rename "
            "one of the images."
        )


def _clashing(names: Sequence[str]) -> list[list[str]]:
    """Return the names that are one name on a disk which tells neither capitals nor composed letters apart."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(folded(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]
