"""All annotation formats: what each holds; found by name, or from the content of files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations, left_out
from napari_diatom.core.errors import InputError
from napari_diatom.core.text import printable, quoted
from napari_diatom.formats import cvat, dota, imagej, labelme, voc
from napari_diatom.formats.biigle import coco_files as biigle_coco
from napari_diatom.formats.biigle import csv_files as biigle_csv
from napari_diatom.formats.coco import codec as coco
from napari_diatom.formats.coco import files as coco_files
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.geojson import files as geojson_files
from napari_diatom.formats.label_image import codec as label_tiff
from napari_diatom.formats.label_image import files as label_files
from napari_diatom.formats.shared.image_index import Pictures, with_sizes
from napari_diatom.formats.yolo import codec as yolo_rows
from napari_diatom.formats.yolo import files as yolo
from napari_diatom.images.image_files import SUFFIXES

Reader = Callable[[Path, Pictures], list[Annotations]]
Writer = Callable[..., None]
"""Takes the path, the annotations and the pictures; that of a format with splits takes ``split``, too."""


def _never(text: str) -> bool:
    """Return that a text is not of the format."""
    return False


def _same(name: str) -> str:
    """Return a class as it is."""
    return name


class Layout(StrEnum):
    """How images and files belong together."""

    FILE_PER_IMAGE = "a file per image"
    ONE_FILE = "one file for many images"
    FOLDER = "a folder with the images"


class Capability(StrEnum):
    """A property of specimens or images that a format can store."""

    BOXES = "boxes"
    ROTATION = "rotation"
    MASKS = "masks"
    HOLES = "holes"
    ISLANDS = "islands"
    OVERLAPS = "overlaps"
    CLASSES = "classes"
    NAMES = "classes as they are spelt"
    SCORES = "scores"
    STATUS = "status"
    ORIGIN = "origin and review"
    IDS = "ids and annotators"
    TAXA = "named taxa"
    CUT = "cut marks"
    SIZE = "image size"
    PIXEL_SIZE = "pixel size"
    EMPTY = "images without specimens"
    BEYOND = "specimens far beyond the edge"
    SPLITS = "splits"


@dataclass(frozen=True)
class Format:
    """One annotation format.

    Attributes
    ----------
    name : str
        As it is asked for, such as ``"yolo-obb"``.
    title : str
        Name for people.
    suffixes : tuple of str
        Of its files.
    layout : Layout
        How images and files belong together.
    capabilities : frozenset of Capability
        What of the specimens it can hold.
    reader, writer : callable
        What :meth:`read` and :meth:`write` call.
    spelling : callable
        Returns a class as the format spells it; formats that hold :attr:`Capability.NAMES` return it as it is.
    recognises : callable
        Returns whether the text of a file is in this format. It is asked of files that are not known by their first
        bytes, such as ``{`` or ``<``, or by the entries of their JSON or XML.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    layout: Layout
    capabilities: frozenset[Capability]
    reader: Reader
    writer: Writer
    spelling: Callable[[str], str] = _same
    recognises: Callable[[str], bool] = _never

    def read(self, path: Path, images: Path | None = None, remarks: list[str] | None = None) -> list[Annotations]:
        """Read the specimens of all images.

        Parameters
        ----------
        path : Path
            The file, or the folder of files.
        images : Path, optional
            Folder of the images, from which names and sizes are taken; sizes are compared with those in the files.
        remarks : list of str, optional
            Gets a sentence for everything that was skipped.

        Raises
        ------
        InputError
            With the first few problems of the files.
        """
        if not path.exists():
            raise InputError(f"{path} is not there.")
        if path.is_dir() and self.layout is Layout.ONE_FILE:
            raise InputError(f"{path} is a folder, and {self.title} is a file: name the file.")
        pictures = Pictures(images)
        found = self.reader(path, pictures)
        if remarks is not None:
            said = list(dict.fromkeys(pictures.remarks))
            besides = left_out(found)
            if besides:
                said.append(f"{path} also has {besides}: only boxes and outlines of specimens were read.")
            remarks += map(printable, said)
        return found

    def write(
        self,
        path: Path,
        annotations: Sequence[Annotations],
        images: Path | None = None,
        split: Mapping[str, str] | None = None,
    ) -> None:
        """Write the specimens of all images, whole or not at all.

        Parameters
        ----------
        path : Path
            The file, or the new folder.
        annotations : sequence of Annotations
            An image each.
        images : Path, optional
            Folder of the images, from which names and sizes are taken.
        split : Mapping of str to str, optional
            Name of each image to ``"train"``, ``"val"`` or ``"test"``, for formats with splits.

        Raises
        ------
        InputError
            When something is missing that the format needs.
        OutputError
            When something cannot be written.
        """
        pictures = Pictures(images)
        if path.is_file() and (pictures.has_file(path) or _is_other_image(path, self.suffixes)):
            raise InputError(f"{path} is an image, which annotations do not replace: give another name.")
        named = with_sizes(annotations, pictures)
        if split is None:
            self.writer(path, named, pictures)
        elif Capability.SPLITS in self.capabilities:
            self.writer(path, named, pictures, split=split)
        else:
            raise InputError(f"{self.title} has no splits.")


def _is_other_image(path: Path, suffixes: tuple[str, ...]) -> bool:
    """Return whether a file is called like an image, and is none that a format with these suffixes wrote."""
    name = path.name.lower()
    if name.endswith(label_tiff.SUFFIXES) and name.endswith(suffixes):
        return not label_tiff.is_written_here(path)
    return name.endswith(SUFFIXES) and not name.endswith(suffixes)


_ATTRIBUTES: Final = frozenset({Capability.SCORES, Capability.STATUS, Capability.ORIGIN, Capability.CUT})
_PLAIN: Final = frozenset(
    {Capability.BOXES, Capability.OVERLAPS, Capability.CLASSES, Capability.NAMES, Capability.BEYOND}
)
_ALL: Final = frozenset(Capability) - {Capability.SPLITS, Capability.IDS, Capability.TAXA}
_OUTLINES: Final = frozenset({Capability.ROTATION, Capability.MASKS, Capability.HOLES, Capability.ISLANDS})
_IMAGES: Final = frozenset({Capability.SIZE, Capability.EMPTY})
_DATASET: Final = (_PLAIN - {Capability.BEYOND}) | _IMAGES | {Capability.SPLITS}


def _yolo(name: str, kind: yolo_rows.Kind, more: frozenset[Capability]) -> Format:
    """Return a format of Ultralytics' datasets."""
    read, write = partial(yolo.read, kind=kind), partial(yolo.write, kind=kind)
    return Format(name, kind.title, (".yaml", ".yml"), Layout.FOLDER, _DATASET | more, read, write)


FORMATS: Final = (
    Format(
        "geojson",
        geojson_files.TITLE,
        (geojson.SUFFIX,),
        Layout.FILE_PER_IMAGE,
        _ALL | {Capability.IDS, Capability.TAXA},
        geojson_files.read,
        geojson_files.write,
    ),
    Format("coco", coco_files.TITLE, (coco.SUFFIX,), Layout.ONE_FILE, _ALL, coco_files.read, coco_files.write),
    _yolo("yolo", yolo_rows.UPRIGHT, frozenset()),
    _yolo("yolo-obb", yolo_rows.ORIENTED, frozenset({Capability.ROTATION})),
    _yolo("yolo-seg", yolo_rows.POLYGONS, _OUTLINES),
    Format(
        "dota",
        dota.TITLE,
        (dota.SUFFIX,),
        Layout.FILE_PER_IMAGE,
        (_PLAIN - {Capability.NAMES}) | {Capability.ROTATION, Capability.EMPTY},
        dota.read,
        dota.write,
        dota.word,
        dota.recognises,
    ),
    Format(
        "voc",
        voc.TITLE,
        (voc.SUFFIX,),
        Layout.FILE_PER_IMAGE,
        (_PLAIN - {Capability.NAMES}) | _IMAGES,
        voc.read,
        voc.write,
        voc.spelling,
    ),
    Format(
        "labelme",
        labelme.TITLE,
        (labelme.SUFFIX,),
        Layout.FILE_PER_IMAGE,
        _ALL - {Capability.PIXEL_SIZE},
        labelme.read,
        labelme.write,
    ),
    Format(
        "biigle-coco",
        biigle_coco.TITLE,
        (biigle_coco.SUFFIX,),
        Layout.ONE_FILE,
        _PLAIN | _OUTLINES | _IMAGES,
        biigle_coco.read,
        biigle_coco.write,
    ),
    Format(
        "biigle-csv",
        biigle_csv.TITLE,
        (biigle_csv.SUFFIX,),
        Layout.ONE_FILE,
        _PLAIN | _OUTLINES | {Capability.SIZE},
        biigle_csv.read,
        biigle_csv.write,
        recognises=biigle_csv.recognises,
    ),
    Format("cvat", cvat.TITLE, (cvat.SUFFIX,), Layout.ONE_FILE, _ALL - {Capability.PIXEL_SIZE}, cvat.read, cvat.write),
    Format(
        "label-tiff",
        label_files.TITLE,
        label_tiff.SUFFIXES,
        Layout.FILE_PER_IMAGE,
        _IMAGES
        | {
            Capability.MASKS,
            Capability.HOLES,
            Capability.ISLANDS,
            Capability.PIXEL_SIZE,
            Capability.NAMES,
            Capability.BEYOND,
        },
        label_files.read,
        label_files.write,
    ),
    Format(
        "imagej",
        imagej.TITLE,
        (imagej.SUFFIX, imagej.SINGLE),
        Layout.FILE_PER_IMAGE,
        _ALL - {Capability.SIZE, Capability.PIXEL_SIZE},
        imagej.read,
        imagej.write,
    ),
)
"""All formats."""


def by_name(name: str) -> Format:
    """Return the format of a name.

    Raises
    ------
    InputError
        When there is none; the choices are listed, those alike first.
    """
    known = {format_.name: format_ for format_ in FORMATS}
    if isinstance(name, str) and name in known:
        return known[name]
    alike = difflib.get_close_matches(str(name).lower(), known, n=3)
    meant = f" Did you mean {' or '.join(alike)}?" if alike else ""
    raise InputError(f"There is no format {quoted(name)}.{meant} Known formats: {', '.join(known)}.")
