"""A new project: what its folder of images holds, looked at before it is made, and the project itself."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_diatom.core.errors import DiatomError, InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text import many
from napari_diatom.formats import conversion
from napari_diatom.formats.registry import FORMATS
from napari_diatom.images.image_files import SUFFIXES, search
from napari_diatom.images.slide_image import open_images
from napari_diatom.project.annotation_import import ImportReport, import_files
from napari_diatom.project.annotation_reading import FileReport
from napari_diatom.project.project import OWN_ENTRIES, Project
from napari_diatom.project.settings import PROJECT_FILE
from napari_diatom.project.taxon_list import read_taxa

FOLDER_NAME: Final = "diatom-project"
"""Name of the folder of a project that is made where its images are."""
MOST_FILES: Final = 2000
"""Annotation files that are looked at."""


@dataclass(frozen=True)
class FoundSlide:
    """The images of a slide, by their folder.

    Attributes
    ----------
    name : str
        Name of the slide.
    images : int
        Number of images; each page of a file counts.
    pixel_sizes_um : tuple of float
        The different pixel sizes that the files give, in µm per pixel.
    unknown : int
        Number of images that give none.
    """

    name: str
    images: int
    pixel_sizes_um: tuple[float, ...]
    unknown: int

    def sizes_text(self) -> str:
        """Return the pixel sizes in words."""
        if self.unknown == self.images:
            return "unknown"
        sizes = ", ".join(f"{size:.4g} µm" for size in self.pixel_sizes_um)
        return f"{sizes}; unknown for {many(self.unknown, 'image')}" if self.unknown else sizes


@dataclass(frozen=True)
class FoundData:
    """What was found for a new project.

    Attributes
    ----------
    slides : tuple of FoundSlide
        The images, by slide.
    annotations : tuple of FileReport
        Annotation files beside the images.
    passed_over : tuple of str
        Files that are not used, and why.
    """

    slides: tuple[FoundSlide, ...]
    annotations: tuple[FileReport, ...]
    passed_over: tuple[str, ...]

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(item.images for item in self.slides)

    def lines(self) -> list[str]:
        """Return it in sentences."""
        said = [f"{many(self.images, 'image')} of {many(len(self.slides), 'slide')}."]
        for slide in self.slides:
            said.append(f"Slide {slide.name}: {many(slide.images, 'image')}; pixel size {slide.sizes_text()}.")
        if not self.annotations:
            said.append("No annotations were found beside the images.")
        for item in self.annotations:
            found = f"{many(item.specimens, 'specimen')} in {many(item.images, 'image')}"
            said.append(f"Annotations {item.path.name} ({item.format}): {found}.")
        return said + [f"Skipped: {line}" for line in self.passed_over]


def look(images: Sequence[str], monitor: ProgressMonitor = UNWATCHED) -> FoundData:
    """Look at the images of a new project, and at the annotations beside them; nothing is written.

    Parameters
    ----------
    images : sequence of str
        Image files, folders with their subfolders, or patterns.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"images"`` and ``"annotations"``.

    Raises
    ------
    InputError
        When there are no images.
    """
    found = search(images)
    slides: dict[str, list[float | None]] = {}
    passed_over = [f"{item.path}: {item.reason}" for item in found.passed_over]
    for number, path in enumerate(found.images):
        monitor.report(Progress("images", number, len(found.images), path.name))
        monitor.check()
        try:
            pages = open_images(path)
        except InputError as error:
            passed_over.append(str(error))
            continue
        slides.setdefault(path.absolute().parent.name, []).extend(page.pixel_size_um for page in pages)
    listed = tuple(
        FoundSlide(name, len(sizes), tuple(sorted({size for size in sizes if size is not None})), sizes.count(None))
        for name, sizes in slides.items()
    )
    return FoundData(listed, tuple(_annotations(images, found.images, monitor)), tuple(passed_over))


def make(
    folder: Path,
    images: Sequence[str],
    classes: Path | None = None,
    annotations: Sequence[Path] = (),
    default_classes: Sequence[str] = (),
    annotator: str | None = None,
    monitor: ProgressMonitor = UNWATCHED,
) -> tuple[ImportReport | None, tuple[str, ...]]:
    """Make a project with everything in it, or nothing.

    Parameters
    ----------
    folder : Path
        Of the project; may exist.
    images : sequence of str
        Image files, folders with their subfolders, or patterns.
    classes : Path, optional
        A taxon list.
    annotations : sequence of Path
        Files to import; the project gets their classes, too.
    default_classes : sequence of str
        Classes of a project that gets none otherwise.
    annotator : str, optional
        Who works in it; by default the user of the computer.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Returns
    -------
    report : ImportReport or None
        What was imported.
    passed_over : tuple of str
        Files that were not used, and why.

    Raises
    ------
    InputError
        When something cannot be read; nothing is left of the project then.
    OutputError
        When the folder cannot be written.
    Stopped
        When a stop was asked for; nothing is left of the project then.
    """
    taxa = read_taxa(classes) if classes is not None else () if annotations else tuple(default_classes)
    found = search(images)
    # Some formats have neither sizes nor names of images: those come from the folder of the images.
    folders = [Path(name) for name in images if Path(name).is_dir()]
    place = folders[0] if len(images) == len(folders) == 1 else None
    with (
        _removed_on_failure(folder),
        Project.create(folder, found.images, taxa, annotator, monitor) as project,
    ):
        report = import_files(project, annotations, images=place, monitor=monitor) if annotations else None
    return report, tuple(f"{item.path}: {item.reason}" for item in found.passed_over)


def place_beside(images: Sequence[str]) -> Path | None:
    """Return the folder for a project of images: beside them, under a name that is free."""
    if not images:
        return None
    first = Path(os.path.abspath(images[0]))
    parent = first if first.is_dir() else first.parent
    names = (FOLDER_NAME, *(f"{FOLDER_NAME}-{number}" for number in range(2, 1000)))
    return next((parent / name for name in names if not (parent / name).exists()), None)


def _annotations(given: Sequence[str], images: Sequence[Path], monitor: ProgressMonitor) -> Iterator[FileReport]:
    """Look for annotation files in the folders of the images, and in those that were given."""
    places = dict.fromkeys(
        Path(os.path.abspath(path)) for path in (*map(Path, given), *(image.parent for image in images))
    )
    suffixes = tuple({suffix for form in FORMATS for suffix in form.suffixes if suffix not in SUFFIXES} - set(SUFFIXES))
    files = [
        path
        for place in places
        if place.is_dir()
        for path in sorted(place.iterdir())
        if path.name.lower().endswith(suffixes) and path.name != PROJECT_FILE and path.is_file()
    ]
    for number, path in enumerate(files[:MOST_FILES]):
        monitor.report(Progress("annotations", number, len(files), path.name))
        monitor.check()
        # Tables and settings of other programs have the same endings.
        with contextlib.suppress(DiatomError):
            form, found, remarks = conversion.read(path)
            yield FileReport(path, form.title, len(found), sum(map(len, found)), remarks)


@contextlib.contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Take a project that is made in the block away again when the block fails; what was there before stays."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    before = set(folder.iterdir()) if folder.is_dir() else set()
    try:
        yield
    except BaseException:
        if folder / PROJECT_FILE not in before:
            for name in OWN_ENTRIES:
                if folder / name not in before:
                    _remove(folder / name)
            # Whatever else lies there by now stays, and its folder with it.
            with contextlib.suppress(OSError):
                for place in missing:
                    place.rmdir()
        raise


def _remove(path: Path) -> None:
    """Remove a file or folder; never hides the error that led here."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
