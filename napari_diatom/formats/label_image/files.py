"""Label images, one per image, read and written by :mod:`napari_diatom.formats.label_image.codec`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.formats.label_image import codec as label_tiff
from napari_diatom.formats.label_image.painting import masks_or_filled_boxes
from napari_diatom.formats.shared.file_sets import each_file, read_each
from napari_diatom.formats.shared.image_index import Pictures, size_needed
from napari_diatom.images.slide_image import open_images

TITLE: Final = "Label image"


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write a file per image into the new folder ``path``, or the one image into the file ``path``.

    What lies beyond an image's edge is left out.

    Raises
    ------
    InputError
        When sizes or names of images are missing.
    OutputError
        When something cannot be written.
    """
    size_needed(annotations, TITLE)
    each_file(path, annotations, label_tiff.SUFFIXES, TITLE, _write)


def _write(path: Path, part: Annotations) -> None:
    """Write the file of one image."""
    height, width = part.height or 0, part.width or 0
    masks = tuple(mask.within(0, 0, width, height) for mask in masks_or_filled_boxes(part.detections, (height, width)))
    label_tiff.write(path, replace(part.detections, masks=masks), height, width, pixel_size_um=part.pixel_size_um)


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read a file, or all files in a folder.

    Raises
    ------
    InputError
        With the problems of the first few files that have any.
    """
    read = read_each(path, label_tiff.SUFFIXES, TITLE, lambda file: _read(file, pictures))
    return [part for several in read for part in several]


def _read(file: Path, pictures: Pictures) -> list[Annotations]:
    """Read the file of one image, or of the fields of one, a page each."""
    pixel_size = open_images(file)[0].pixel_size_um
    parts = []
    for number, (size, found) in enumerate(label_tiff.read_pages(file), start=1):
        image, _ = pictures.known(file.stem if number == 1 else f"{file.stem}#{number}", size, file)
        part = Annotations.of(found, shapes=["polygon"] * len(found), image=image, pixel_size_um=pixel_size)
        parts.append(replace(part, height=size[0], width=size[1]))
    return parts
