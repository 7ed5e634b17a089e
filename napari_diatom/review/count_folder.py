"""A folder of results of ``count``, as it is read for a review: its images, where their files are, what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.progress import UNWATCHED, Progress, ProgressMonitor
from napari_diatom.core.text_files import read_json
from napari_diatom.counting.result_names import earlier_stems
from napari_diatom.counting.tables import RUN_JSON
from napari_diatom.counting.written_files import ANNOTATIONS, SETTINGS
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.images.image_files import RESULTS_MARK
from napari_diatom.images.planes import BEST
from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED, Protocol
from napari_diatom.project.image_identity import file_digest, images_below
from napari_diatom.review.send_report import NotSent
from napari_diatom.review.sent_image import SentImage

_PLACES: Final = ("", "..", "../..")
"""Folders, from that of the results, from which the paths of a run may start."""


@dataclass(frozen=True)
class CountedImage:
    """An image that a run has counted.

    Attributes
    ----------
    name : str
        In the tables.
    sample : str
        Its sample.
    file : str
        Its path as the run had it; may start from the folder in which the run was started.
    annotations : str
        File of its annotations, below the folder of results; empty where the run does not say.
    sha256 : str
        Of the file, in hexadecimal; empty where unknown.
    pixel_size_um : float or None
        Micrometres per pixel.
    """

    name: str
    sample: str
    file: str
    annotations: str
    sha256: str
    pixel_size_um: float | None


@dataclass(frozen=True)
class CountFolder:
    """What a run of ``count`` has left.

    Attributes
    ----------
    folder : Path
        The folder of results.
    images : tuple of CountedImage
        In the order of the tables.
    z : str
        What the run took of focus series.
    counted : tuple of str
        Statuses that count.
    """

    folder: Path
    images: tuple[CountedImage, ...]
    z: str = BEST
    counted: tuple[str, ...] = DEFAULT_COUNTED

    @classmethod
    def read(cls, folder: Path) -> CountFolder:
        """Read the record of a run, or what an interrupted one has finished.

        Raises
        ------
        InputError
            When the folder holds no results of ``count``, or its record is damaged.
        """
        folder = folder.absolute()
        if not is_count_folder(folder):
            raise InputError(f"{folder} is not a results folder of count: it has no {RUN_JSON}.")
        record: Any = {}
        if (folder / RUN_JSON).is_file():
            record = read_json(folder / RUN_JSON, "the record of a run")
        entries = record.get("images") if isinstance(record, dict) else None
        listed = entries if isinstance(entries, list) else _finished(folder)
        images = [_image(entry) for entry in listed if isinstance(entry, dict)]
        if not images or None in images:
            raise InputError(f"{folder} has no results of images, or its {RUN_JSON} is damaged: run count again.")
        return cls(folder, tuple(filter(None, images)), _z(record), _counted(record))

    def annotations_files(self) -> dict[str, Path]:
        """Return the file of annotations of each image, by its name; those that are missing are left out."""
        stems = earlier_stems([split_page(image.name)[0] for image in self.images])
        found: dict[str, Path] = {}
        for image, stem in zip(self.images, stems, strict=True):
            page = image.name.removeprefix(split_page(image.name)[0])
            path = self.folder / (image.annotations or f"{ANNOTATIONS}/{stem}{page}{geojson.SUFFIX}")
            if ".." not in Path(image.annotations).parts and path.is_file():
                found[image.name] = path
        return found

    def sent_images(
        self, places: Sequence[Path] = (), monitor: ProgressMonitor = UNWATCHED
    ) -> tuple[list[SentImage], list[NotSent]]:
        """Return the images with what was found in them, and those that cannot be reviewed.

        A file that is not where the run found it, or was changed, is looked for by its content.

        Parameters
        ----------
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
        annotations = self.annotations_files()
        files = {image.name: path for image in self.images if (path := self._file(image)) is not None}
        lost = [image for image in self.images if image.name not in files and image.sha256]
        files |= _moved(lost, places or [self.folder.parent], monitor)
        sent: list[SentImage] = []
        left_out: list[NotSent] = []
        for image in self.images:
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
                        self.z,
                        image.sample,
                        image.sha256,
                        image.pixel_size_um,
                    )
                )
        return sent, left_out

    def _file(self, image: CountedImage) -> Path | None:
        """Return where the file of an image is, if it is where the run found it, and as it was."""
        if not image.file:
            return None
        named = Path(image.file)
        candidates = [named] if named.is_absolute() else [named, *(self.folder / place / named for place in _PLACES)]
        for path in candidates:
            try:
                if path.is_file() and (not image.sha256 or file_digest(path)[0] == image.sha256):
                    return path.resolve()
            except (OSError, ValueError, InputError):
                continue
        return None


def is_count_folder(folder: Path) -> bool:
    """Return whether a folder holds results of ``count``."""
    return (folder / RUN_JSON).is_file() or (folder / RESULTS_MARK).is_dir()


def _finished(folder: Path) -> list[dict[str, Any]]:
    """Return what an interrupted run says of the images that it has finished."""
    facts: list[dict[str, Any]] = []
    for path in sorted((folder / RESULTS_MARK).glob("*.json")):
        if path.name == SETTINGS:
            continue
        data: Any = read_json(path, "the stored result of an image")
        if isinstance(data, dict) and isinstance(data.get("facts"), dict):
            facts.append(data["facts"])
    return sorted(facts, key=lambda entry: str(entry.get("image")))


def _image(entry: Mapping[str, Any]) -> CountedImage | None:
    """Return an image of a record, None where the record is damaged."""
    name, size = entry.get("image"), entry.get("pixel_size_um")
    if not isinstance(name, str) or not name:
        return None
    text = {
        key: entry[key] if isinstance(entry.get(key), str) else ""
        for key in ("sample", "file", "annotations", "sha256")
    }
    number = float(size) if isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < 1e6 else None
    return CountedImage(name=name, pixel_size_um=number, **text)


def _z(record: Any) -> str:
    options = record.get("options") if isinstance(record, dict) else None
    z = options.get("z") if isinstance(options, dict) else None
    return z if isinstance(z, str) else BEST


def _counted(record: Any) -> tuple[str, ...]:
    protocol = record.get("protocol") if isinstance(record, dict) else None
    counted = protocol.get("counted") if isinstance(protocol, dict) else None
    try:
        return Protocol.of([str(name) for name in counted or ()]).counted
    except InputError:
        return DEFAULT_COUNTED


def _read(path: Path, name: str) -> Annotations:
    """Return the annotations of an image. Raises InputError when they are damaged."""
    return replace(geojson.read(path), image=name)


def _moved(images: Sequence[CountedImage], places: Sequence[Path], monitor: ProgressMonitor) -> dict[str, Path]:
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
            digest, _ = file_digest(path)
        except InputError:
            continue
        found.update(dict.fromkeys(wanted.get(digest, ()), path))
    monitor.report(Progress("files", len(files), len(files)))
    return found
