"""The images of a run of ``count`` for a review: where their files are now, and what was found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.counting.earlier_run import CountedImage, EarlierRun
from napari_diatom.counting.result_names import earlier_stems
from napari_diatom.counting.written_files import ANNOTATIONS
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.images.image_content import content_digest, image_exists
from napari_diatom.project.image_identity import images_below
from napari_diatom.review.send_report import NotSent
from napari_diatom.review.sent_image import SentImage

_PLACES: Final = ("", "..", "../..")
"""Folders, from that of the results, from which the paths of a run may start."""


def _annotations_files(run: EarlierRun) -> dict[str, Path]:
    """Return the file of annotations of each image, by its name; those that are missing are left out."""
    stems = earlier_stems([split_page(image.name)[0] for image in run.images])
    found: dict[str, Path] = {}
    for image, stem in zip(run.images, stems, strict=True):
        page = image.name.removeprefix(split_page(image.name)[0])
        path = run.folder / (image.annotations or f"{ANNOTATIONS}/{stem}{page}{geojson.SUFFIX}")
        if ".." not in Path(image.annotations).parts and path.is_file():
            found[image.name] = path
    return found


def sent_images(
    run: EarlierRun, places: Sequence[Path] = (), monitor: ProgressMonitor = UNWATCHED
) -> tuple[list[SentImage], list[NotSent]]:
    """Return the images of a run with what was found in them, and those that cannot be reviewed.

    A file that is not where the run found it, or was changed, is looked for by its content.

    Parameters
    ----------
    run : EarlierRun
        The run, finished or not.
    places : sequence of Path
        Folders to look for moved images in, with their subfolders; by default the folder that the results are in.
    monitor : ProgressMonitor
        See :mod:`napari_diatom.core.progress`; reports ``"files"``.

    Raises
    ------
    InputError
        When a place is not a folder.
    Stopped
        When a stop was asked for.
    """
    annotations = _annotations_files(run)
    files = {image.name: path for image in run.images if (path := counted_file(run.folder, image)) is not None}
    lost = [image for image in run.images if image.name not in files and image.sha256]
    files |= moved_files(lost, places or [run.folder.absolute().parent], monitor)
    sent: list[SentImage] = []
    left_out: list[NotSent] = []
    for image in run.images:
        if image.name not in annotations:
            left_out.append(NotSent(image.name, "Its file of annotations is missing in the results folder."))
        elif image.name not in files:
            why = f"{image.file or 'Its file'} was not found. Name the folder that it is in now."
            left_out.append(NotSent(image.name, why, is_missing=True))
        else:
            sent.append(
                SentImage(
                    image.name,
                    files[image.name],
                    partial(_read, annotations[image.name], image.name),
                    split_page(image.name)[1],
                    run.z,
                    image.sample,
                    image.sha256,
                    image.pixel_size_um,
                    annotations[image.name],
                )
            )
    return sent, left_out


def counted_file(folder: Path, image: CountedImage) -> Path | None:
    """Return where the file of an image is, if it is where the run found it, and as it was."""
    if not image.file:
        return None
    named = Path(image.file)
    candidates = [named] if named.is_absolute() else [named, *(folder / place / named for place in _PLACES)]
    for path in candidates:
        try:
            if image_exists(path) and (not image.sha256 or content_digest(path)[0] == image.sha256):
                return path.resolve()
        except (OSError, ValueError, InputError):
            continue
    return None


def _read(path: Path, name: str) -> Annotations:
    """Return the annotations of an image. Raises InputError when they are damaged."""
    return replace(geojson.read(path), image=name)


def moved_files(images: Sequence[CountedImage], places: Sequence[Path], monitor: ProgressMonitor) -> dict[str, Path]:
    """Return where the files of images are now, by their names."""
    if not images:
        return {}
    wanted: dict[str, list[str]] = {}
    for image in images:
        wanted.setdefault(image.sha256, []).append(image.name)
    found: dict[str, Path] = {}
    files = [path for place in places for path in images_below(place)]
    for number, path in enumerate(files):
        monitor.report(Progress("files", number, len(files), path.name))
        monitor.check()
        if len(found) == len(images):
            break
        try:
            digest, _ = content_digest(path)
        except InputError:
            continue
        found.update(dict.fromkeys(wanted.get(digest, ()), path))
    monitor.report(Progress("files", len(files), len(files)))
    return found
