"""The images that specimens were found in, opened one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, ProgressMonitor
from napari_diatom.counting.earlier_run import EarlierRun
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.images.slide_image import SlideImage, open_images
from napari_diatom.project.image_identity import find_moved, image_file, open_image_page
from napari_diatom.project.project import Project
from napari_diatom.review.counted_images import counted_file, moved_files
from napari_diatom.samples.specimen_sources import TallySource

Opener = Callable[[], SlideImage]
"""Opens an image. Raises InputError when that is not possible."""


def find_specimen_images(
    source: TallySource, places: Sequence[Path] = (), monitor: ProgressMonitor = UNWATCHED
) -> dict[str, Opener]:
    """Return how the images of a source are opened, by their names; those whose files are not found are left out.

    Parameters
    ----------
    source : TallySource
        A project, or a results folder of ``count``.
    places : sequence of Path
        Folders in which moved images are looked for by their content, with their subfolders.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`.

    Raises
    ------
    InputError
        When a place is not a folder.
    """
    return _of_project(source.folder, places) if source.kind == "project" else _of_run(source, places, monitor)


def _of_project(folder: Path, places: Sequence[Path]) -> dict[str, Opener]:
    with Project.open(folder) as project:
        images = {image.id: image for image in project.images}
    paths = {id_: path for id_, image in images.items() if (path := image_file(folder, image)).is_file()}
    if places:
        paths |= find_moved([image for id_, image in images.items() if id_ not in paths], places)

    def opener(id_: str) -> Opener:
        return lambda: open_image_page(paths[id_], images[id_].page, images[id_].division)

    return {id_: opener(id_) for id_ in paths}


def _of_run(source: TallySource, places: Sequence[Path], monitor: ProgressMonitor) -> dict[str, Opener]:
    try:
        run = EarlierRun.read(source.folder)
    except InputError:
        # Its tables are there, and say nothing of files.
        return {}
    paths = {image.name: path for image in run.images if (path := counted_file(run.folder, image)) is not None}
    lost = [image for image in run.images if image.name not in paths and image.sha256]
    if places:
        paths |= moved_files(lost, places, monitor)

    def opener(name: str) -> Opener:
        return lambda: open_images(paths[name], z=run.z)[(split_page(name)[1] or 1) - 1]

    return {name: opener(name) for name in paths}
