"""What a folder of results says of the run that made it, for those who go on with it, look at it or review it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from napari_diatom.analysis.pipeline import AnalysisOptions
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_json
from napari_diatom.counting import tables
from napari_diatom.counting.batch import can_resume
from napari_diatom.counting.batch_options import Batch
from napari_diatom.counting.image_states import CountState, ImageState
from napari_diatom.counting.written_files import SETTINGS
from napari_diatom.formats.shared.name_index import split_page
from napari_diatom.images.image_files import RESULTS_MARK
from napari_diatom.images.planes import BEST, checked_z
from napari_diatom.measurement.counting_protocol import DEFAULT_COUNTED, Protocol


def is_count_folder(folder: Path) -> bool:
    """Return whether a folder is one of ``count``, whatever is in it."""
    return (folder / tables.RUN_JSON).is_file() or (folder / RESULTS_MARK).is_dir()


def is_finished(out: Path) -> bool:
    """Return whether a folder holds the tables of a finished run."""
    return (out / tables.RUN_JSON).is_file() and (out / tables.SPECIMENS_CSV).is_file()


def holds_results(out: Path) -> bool:
    """Return whether a folder holds results of a run, finished or not."""
    return is_finished(out) or can_resume(out)


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
    specimens : int
        How many were found.
    """

    name: str
    sample: str
    file: str
    annotations: str
    sha256: str
    pixel_size_um: float | None
    specimens: int


@dataclass(frozen=True)
class EarlierRun:
    """A run of ``count``, as its folder of results tells of it.

    Attributes
    ----------
    folder : Path
        The folder of results.
    images : tuple of CountedImage
        In the order of the tables.
    skipped : tuple of (str, str)
        Names of the images that were skipped, and why.
    z : str
        What the run took of focus series.
    counted : tuple of str
        Statuses that count.
    options : Mapping of str to object
        The other options, as they are recorded.
    """

    folder: Path
    images: tuple[CountedImage, ...]
    skipped: tuple[tuple[str, str], ...] = ()
    z: str = BEST
    counted: tuple[str, ...] = DEFAULT_COUNTED
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record of a run, or what an interrupted one has finished.

        Raises
        ------
        InputError
            When the folder holds no results of ``count``, or its record is damaged.
        """
        path = folder / tables.RUN_JSON
        if not is_count_folder(folder):
            raise InputError(f"{folder} is not a results folder of count: it has no {tables.RUN_JSON}.")
        data = read_json(path, "the record of a run") if path.is_file() else {"images": _finished(folder)}
        try:
            options = dict(data.get("options") or {})
            images = tuple(map(_image, data["images"]))
            skipped = tuple((str(item["image"]), str(item["reason"])) for item in data.get("skipped") or ())
            z = checked_z(options.get("z", BEST))
        except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(folder) from error
        if not images:
            raise InputError(f"{folder} has no results of images: run count again.")
        return cls(folder, images, skipped, z, _counted(data), options)

    def states(self) -> tuple[ImageState, ...]:
        """Return what has become of the images of a finished run, those that were skipped last.

        Raises
        ------
        InputError
            When its table of counts is missing or damaged.
        """
        found: Counter[str] = Counter()
        try:
            with (self.folder / tables.COUNTS_CSV).open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    found[row["image"]] += int(row["count"])
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise _damaged(self.folder) from error
        skipped = (ImageState(name, name, "", "", CountState.SKIPPED, reason=reason) for name, reason in self.skipped)
        return (*(_state(image, found[image.name]) for image in self.images), *skipped)

    def batch(self) -> Batch:
        """Return how the run has read its images, as far as it matters for reading them again.

        Raises
        ------
        InputError
            When its options are damaged.
        """
        try:
            size = AnalysisOptions(pixel_size_um=self.options["pixel_size_um"])
            megabytes = int(self.options["max_decode_mb"])
            return Batch((), self.folder, size, z=self.z, max_decode_mb=megabytes)
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise _damaged(self.folder) from error


def _finished(folder: Path) -> list[Any]:
    """Return what an interrupted run says of the images that it has finished."""
    facts: list[Any] = []
    for path in sorted((folder / RESULTS_MARK).glob("*.json")):
        if path.name == SETTINGS:
            continue
        data: Any = read_json(path, "the stored result of an image")
        if isinstance(data, dict) and isinstance(data.get("facts"), dict):
            facts.append(data["facts"])
    return sorted(facts, key=lambda entry: str(entry.get("image")))


def _image(entry: Mapping[str, Any]) -> CountedImage:
    """Return an image of a record; raises TypeError, ValueError, KeyError or AttributeError when it is damaged."""
    name, specimens = entry["image"], entry["specimens"]
    if not isinstance(name, str) or not name or type(specimens) is not int or specimens < 0:
        raise ValueError
    size = entry.get("pixel_size_um")
    number = float(size) if isinstance(size, int | float) and not isinstance(size, bool) and 0 < size < 1e6 else None
    texts = {
        key: entry[key] if isinstance(entry.get(key), str) else ""
        for key in ("sample", "file", "annotations", "sha256")
    }
    return CountedImage(name=name, pixel_size_um=number, specimens=specimens, **texts)


def _counted(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the statuses that count by the protocol of a record."""
    protocol: Any = record.get("protocol")
    counted: Any = protocol.get("counted") if isinstance(protocol, dict) else None
    try:
        return Protocol.of([str(name) for name in counted or ()]).counted
    except (InputError, TypeError):
        return DEFAULT_COUNTED


def _state(image: CountedImage, counted: int) -> ImageState:
    """Return an image of a finished run, of whose specimens so many count."""
    source, page = split_page(image.name)
    return ImageState(
        image=image.name,
        source=source,
        file=image.file,
        sample=image.sample,
        state=CountState.KEPT,
        number=page or 1,
        specimens=image.specimens,
        counted=counted,
        pixel_size_um=image.pixel_size_um,
        annotations=image.annotations,
    )


def _damaged(out: Path) -> InputError:
    return InputError(f"The record or the tables in {out} are damaged: go on with the run to write them again.")
