"""The image files of a project: described when they come in, looked at again, and found where they were moved to."""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many, printable
from napari_diatom.images.image_content import content_digest, content_size, image_exists
from napari_diatom.images.image_files import find_images
from napari_diatom.images.planes import PAGES
from napari_diatom.images.slide_image import SlideImage, open_images, open_page
from napari_diatom.project.settings import Division, ProjectImage, Settings, free_id

Condition = Literal["as it was", "missing", "changed"]


@dataclass(frozen=True)
class Described:
    """Images as they come into a project.

    Attributes
    ----------
    images : tuple of ProjectImage
        An image per file, or page of one.
    pixel_sizes_um : dict of str to float
        Micrometres per pixel of the slides whose images all have the same.
    """

    images: tuple[ProjectImage, ...]
    pixel_sizes_um: dict[str, float]


def describe(
    project: Path,
    paths: Iterable[Path],
    others: Sequence[ProjectImage] = (),
    monitor: ProgressMonitor = UNWATCHED,
) -> Described:
    """Describe image files; those that the project has already are skipped.

    Slide and sample of an image are called as the folder that it lies in.

    Parameters
    ----------
    project : Path
        The project's folder.
    paths : iterable of Path
        The files.
    others : sequence of ProjectImage
        Those that the project has.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"``.

    Raises
    ------
    InputError
        When a file cannot be read or is not an image.
    """
    listed = list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))
    known = {(item.path, item.page) for item in others}
    taken = [item.id for item in others]
    images: list[ProjectImage] = []
    sizes: dict[str, set[float | None]] = defaultdict(set)
    for number, path in enumerate(listed):
        monitor.report(Progress("images", number, len(listed), path.name))
        monitor.check()
        place = _place(project, path)
        pages = open_images(path)
        division: Division = "pages" if len(open_images(path, z=PAGES)) == len(pages) else "fields"
        digest, size = content_digest(path)
        for page, image in enumerate(pages, start=1):
            if (place, page) in known:
                continue
            found = free_id(path.stem if len(pages) == 1 else f"{path.stem}-page{page}", taken)
            taken.append(found)
            sizes[path.parent.name].add(image.pixel_size_um)
            images.append(_new_image(found, (path, place), (page, division), (digest, size), image))
    monitor.report(Progress("images", len(listed), len(listed)))
    agreed = {slide: next(iter(found)) for slide, found in sizes.items() if len(found) == 1}
    return Described(tuple(images), {slide: size for slide, size in agreed.items() if size is not None})


def describe_page(project: Path, path: Path, page: int | None, z: str, taken: Iterable[str]) -> Described:
    """Describe one image of a file.

    Slide and sample are called as the folder that the file lies in.

    Parameters
    ----------
    project : Path
        The project's folder.
    path : Path
        The file.
    page : int or None
        Number of the image in the file, from 1; None where the file has only one.
    z : str
        How images of the file are counted, as for :func:`napari_diatom.images.slide_image.open_images`.
    taken : iterable of str
        Ids that other images have.

    Raises
    ------
    InputError
        When the file cannot be read or is not an image, has no such image, or a project cannot show it.
    """
    path = Path(os.path.abspath(path))
    place = _place(project, path)
    number, division, image = _meant_page(path, page, z)
    digest, size = content_digest(path)
    folder = path.parent.name
    id_ = free_id(path.stem if page is None else f"{path.stem}-page{number}", taken)
    described = _new_image(id_, (path, place), (number, division), (digest, size), image)
    return Described((described,), {} if image.pixel_size_um is None else {folder: image.pixel_size_um})


def _new_image(
    id_: str, file: tuple[Path, str], page: tuple[int, Division], content: tuple[str, int], image: SlideImage
) -> ProjectImage:
    """Return an image whose slide and sample are called as the folder of its file.

    ``file`` is the path and how the project writes it, ``page`` the number and the division, ``content`` the digest and
    the size in bytes.
    """
    folder = file[0].parent.name
    return ProjectImage(
        id=id_,
        path=file[1],
        page=page[0],
        division=page[1],
        sha256=content[0],
        size=content[1],
        height=image.height,
        width=image.width,
        slide=folder,
        sample=folder,
    )


def _meant_page(path: Path, page: int | None, z: str) -> tuple[int, Division, SlideImage]:
    """Return number, division and image of a page that was counted as ``z`` says."""
    fields, pages = open_images(path), open_images(path, z=PAGES)
    counted = pages if z == PAGES else open_images(path, z=z)
    if page is None and len(counted) > 1:
        raise InputError(f"{path} has {many(len(counted), 'image')}, and it is not known which one is meant.")
    number = 1 if page is None else page
    if not 1 <= number <= len(counted):
        raise InputError(f"{path} has {many(len(counted), 'image')}, and no image {number}.")
    if len(counted) == len(pages):
        # Each image is a page of the file, whatever its planes are called.
        return number, "pages", pages[number - 1]
    if len(counted) == len(fields) or number > len(fields):
        return number, "fields", open_page(path, number)
    raise InputError(f"{path} has planes and channels in one file: save plane {number} as a file of its own.")


def _place(project: Path, path: Path) -> str:
    """Return the path of an image from the project's folder, if a project file can hold it."""
    place = relative(project, path)
    if (shown := printable(place)) != place:
        raise InputError(
            f"{shown} has control characters, or bytes that are not UTF-8, in its name: rename the file or its folder."
        )
    return place


def relative(project: Path, path: Path) -> str:
    """Return a path from the project's folder with ``/``; one on another drive of Windows stays absolute."""
    try:
        return Path(os.path.relpath(path, project)).as_posix()
    except ValueError:
        return path.as_posix()


def image_file(project: Path, image: ProjectImage) -> Path:
    """Return where an image is, or should be."""
    return Path(os.path.normpath(project / image.path))


def open_image_page(path: Path, page: int, division: Division = "fields") -> SlideImage:
    """Return one page of an image file, counted from 1, of its pages or its fields.

    Raises
    ------
    InputError
        When the file cannot be read, or has no such page.
    """
    if division == "fields":
        return open_page(path, page)
    pages = open_images(path, z=PAGES)
    if page > len(pages):
        raise InputError(f"{path} has no page {page}.")
    return pages[page - 1]


def condition(project: Path, image: ProjectImage) -> Condition:
    """Return whether the file of an image is the one that was annotated; reads all of it."""
    path = image_file(project, image)
    if not image_exists(path):
        return "missing"
    if content_digest(path) != (image.sha256, image.size):
        return "changed"
    # The same file may be read otherwise than when it was annotated, such as upright.
    with contextlib.suppress(InputError):
        found = open_image_page(path, image.page, image.division)
        if (found.height, found.width) != (image.height, image.width):
            return "changed"
    return "as it was"


def find_moved(images: Iterable[ProjectImage], folders: Iterable[Path]) -> dict[str, Path]:
    """Look for moved images by length and hash, whatever they are called now.

    Parameters
    ----------
    images : iterable of ProjectImage
        Those that are looked for.
    folders : iterable of Path
        Where to look, with their subfolders.

    Returns
    -------
    dict of str to Path
        Where those are that were found, by their ids.

    Raises
    ------
    InputError
        When a folder does not exist or cannot be looked into.
    """
    wanted: dict[int, list[ProjectImage]] = defaultdict(list)
    for image in images:
        wanted[image.size].append(image)
    found: dict[str, Path] = {}
    for path in (file for folder in folders for file in images_below(folder)):
        try:
            asked = [image for image in wanted.get(content_size(path), ()) if image.id not in found]
        except OSError:
            continue
        if asked:
            digest, _ = content_digest(path)
            found.update({image.id: path for image in asked if image.sha256 == digest})
    return found


def with_moved(settings: Settings, project: Path, found: Mapping[str, Path]) -> Settings:
    """Return settings with the places of images that were found, by their ids."""
    places = {id_: relative(project, path.absolute()) for id_, path in found.items()}
    return settings.replace(
        images=tuple(image.replace(path=places[image.id]) if image.id in places else image for image in settings.images)
    )


def images_below(folder: Path) -> list[Path]:
    """Return the images in a folder and its subfolders; none is not an error.

    Raises
    ------
    InputError
        When it is not a folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder to look for images in.")
    try:
        return find_images([str(folder)])
    except InputError:
        return []
