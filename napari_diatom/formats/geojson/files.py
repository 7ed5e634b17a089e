"""GeoJSON files, one per image, read and written by :mod:`napari_diatom.formats.geojson.codec`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.text_files import read_bytes
from napari_diatom.formats.geojson import codec as geojson
from napari_diatom.formats.shared.file_sets import read_each, write_each
from napari_diatom.formats.shared.image_index import Pictures, with_sizes
from napari_diatom.formats.shared.parsed_specimens import tidy

TITLE: Final = "GeoJSON"


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write a file per image into the new folder ``path``, or the one image into the file ``path``.

    Raises
    ------
    InputError
        When images have no names of their own.
    OutputError
        When something cannot be written.
    """
    write_each(path, annotations, geojson.SUFFIX, TITLE, geojson.dumps)


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read a file, or all files in a folder; an image that a file does not name has the file's name.

    Raises
    ------
    InputError
        With the problems of the first few files that have any.
    """
    return with_sizes(read_each(path, (geojson.SUFFIX,), TITLE, _read), pictures, path)


def _read(file: Path) -> Annotations:
    """Read the file of one image."""
    data = geojson.parsed(read_bytes(file), str(file))
    part = geojson.of_data(data, str(file), masks=False, only_specimens=False)
    return tidy(part if part.image else replace(part, image=file.stem), file)
