"""Annotations from one format to another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import parse_lines, read_text
from napari_diatom.formats.format_detection import detect
from napari_diatom.formats.lossiness import Losses, losses
from napari_diatom.formats.registry import Format, by_name
from napari_diatom.formats.shared.image_index import Pictures, with_sizes
from napari_diatom.formats.shared.parsed_specimens import some_of

SPLIT_COLUMNS: Final = ("image", "split")
"""Of the table that says which image is for what."""


@dataclass(frozen=True, eq=False)
class Conversion:
    """Annotations that were read and may be written.

    Attributes
    ----------
    source, target : Format
        Their format, and the one that they get.
    annotations : list of Annotations
        An image each, with the names and sizes that the images have.
    losses : Losses
        What the target cannot hold of them.
    remarks : tuple of str
        What of the source was skipped.
    """

    source: Format
    target: Format
    annotations: list[Annotations]
    losses: Losses
    remarks: tuple[str, ...] = ()

    @property
    def specimens(self) -> int:
        """Number of specimens."""
        return sum(len(part) for part in self.annotations)


def prepare(path: Path, target: str, source: str | None = None, images: Path | None = None) -> Conversion:
    """Read annotations and find what another format cannot hold of them.

    Parameters
    ----------
    path : Path
        File or folder of the annotations.
    target, source : str
        Names of formats; the source's is detected from the content by default.
    images : Path, optional
        Folder of the images.

    Raises
    ------
    InputError
        When a name is unknown, the format cannot be detected, or the annotations are damaged.
    """
    to = by_name(target)
    from_, annotations, remarks = read(path, source, images)
    require_distinct(annotations, path)
    return Conversion(from_, to, annotations, losses(to, annotations), remarks)


def require_distinct(annotations: Sequence[Annotations], source: Path | str) -> None:
    """Raise InputError where two parts are of one image; ``source`` is where they come from."""
    twice = [name for name, times in Counter(part.image for part in annotations).items() if times > 1 and name]
    if twice:
        raise InputError(f"{source} has annotations of {some_of(twice)} in several places: join them first.")


def read(
    path: Path, source: str | None = None, images: Path | None = None
) -> tuple[Format, list[Annotations], tuple[str, ...]]:
    """Read annotations of any format.

    Parameters
    ----------
    path : Path
        File or folder of the annotations.
    source : str, optional
        Name of the format; detected from the content by default.
    images : Path, optional
        Folder of the images, from which names and sizes are taken.

    Returns
    -------
    format : Format
        The one that was read.
    annotations : list of Annotations
        An image each.
    remarks : tuple of str
        What was skipped.

    Raises
    ------
    InputError
        When the name is unknown, the format cannot be detected, or the annotations are damaged.
    """
    from_ = detect(path) if source is None else by_name(source)
    remarks: list[str] = []
    annotations = with_sizes(from_.read(path, images, remarks), Pictures(images))
    return from_, annotations, tuple(remarks)


def write(
    conversion: Conversion, out: Path, images: Path | None = None, split: Mapping[str, str] | None = None
) -> None:
    """Write what was prepared; see :meth:`napari_diatom.formats.registry.Format.write`.

    Raises
    ------
    InputError
        When something is missing that the format needs.
    OutputError
        When something cannot be written.
    """
    conversion.target.write(out, conversion.annotations, images, split)


def read_split(path: Path) -> dict[str, str]:
    """Read a table of images and what each is for, with the columns :data:`SPLIT_COLUMNS`.

    Raises
    ------
    InputError
        When it cannot be read, lacks a column, or names an image twice.
    """
    (_, head), *lines = parse_lines(read_text(path, "a table of a split"), path, "a table") or [(0, [])]
    if not set(SPLIT_COLUMNS) <= set(head):
        raise InputError(f"{path} lacks the columns {' and '.join(SPLIT_COLUMNS)}.")
    split: dict[str, str] = {}
    for line, cells in lines:
        row = dict(zip(head, cells, strict=False))
        image, name = (row.get(column, "") for column in SPLIT_COLUMNS)
        if split.setdefault(image, name) != name:
            raise InputError(f"{path} line {line} names {image!r} a second time.")
    return split
