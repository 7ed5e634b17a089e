"""Datasets as Ultralytics trains on them: ``data.yaml``, ``images/<split>/`` and ``labels/<split>/``.

Images are hard links of the originals where the disk allows it, else copies. ``path`` in ``data.yaml`` is absolute,
because Ultralytics takes a relative one from wherever it is started; a dataset that was moved is read all the same.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.annotations import Annotations, class_names
from napari_diatom.core.atomic_files import write_atomically
from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import read_text
from napari_diatom.formats.shared.file_sets import new_folder
from napari_diatom.formats.shared.image_index import Pictures, names_needed, size_needed
from napari_diatom.formats.shared.name_index import image_stem
from napari_diatom.formats.shared.parsed_specimens import Problems, Sheet, assembled, some_of
from napari_diatom.formats.yolo.codec import Kind, parsed, rows
from napari_diatom.formats.yolo.dataset_layout import DATA, SPLITS, DatasetImage, data_of, file_of, members
from napari_diatom.images.slide_image import open_images

_ALIASES: Final = {"validation": "val", "valid": "val"}


def write(
    path: Path,
    annotations: Sequence[Annotations],
    pictures: Pictures,
    kind: Kind,
    split: Mapping[str, str] | None = None,
) -> None:
    """Write a dataset into a new folder, whole or not at all.

    Parameters
    ----------
    path : Path
        The folder.
    annotations : sequence of Annotations
        With the sizes of their images.
    pictures : Pictures
        Where the images are; without them only the labels are written.
    kind : Kind
        Boxes, oriented boxes or polygons.
    split : Mapping of str to str, optional
        Name of each image to ``"train"``, ``"val"`` or ``"test"``; without it all are in ``train``, which is ``val``,
        too.

    Raises
    ------
    InputError
        When sizes, names or splits are missing.
    OutputError
        When something cannot be written.
    """
    names = names_needed(annotations, kind.title)
    sizes = size_needed(annotations, kind.title)
    parts = _splits([part.image for part in annotations], split)
    files = [pictures.path(part.image) for part in annotations]
    paged = [
        part.image
        for part, file in zip(annotations, files, strict=True)
        if file is not None and file.stem != image_stem(part.image)
    ]
    if paged:
        raise InputError(f"{kind.title} needs a file for each image; {some_of(paged)} is a page of a file of several.")
    classes = class_names(annotations)
    with new_folder(path) as folder:
        for name, part, size, where, file in zip(names, annotations, sizes, parts, files, strict=True):
            for kept in ("images", "labels"):
                (folder / kept / where).mkdir(parents=True, exist_ok=True)
            (folder / "labels" / where / f"{name}.txt").write_text(rows(part, kind, classes, size), encoding="utf-8")
            if file is not None:
                _place(file, folder / "images" / where / file.name)
        write_atomically(folder / DATA, _data(path, set(parts), classes))


def _splits(images: Sequence[str], split: Mapping[str, str] | None) -> list[str]:
    """Return the split of each image."""
    if split is None:
        return [SPLITS[0]] * len(images)
    missing = [name for name in images if name not in split]
    if missing:
        raise InputError(f"The split does not name the image {some_of(missing)}.")
    parts = [_ALIASES.get(split[name], split[name]) for name in images]
    odd = sorted(set(parts) - set(SPLITS))
    if odd:
        raise InputError(f"The split {some_of(odd)} is unknown; use {', '.join(SPLITS)}.")
    if SPLITS[0] not in parts:
        raise InputError("No image of the split is in train.")
    return parts


def _place(source: Path, target: Path) -> None:
    """Link an image, or copy it where it cannot be linked."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _data(path: Path, parts: set[str], classes: Sequence[str]) -> str:
    """Return the text of ``data.yaml``."""
    import yaml

    data: dict[str, Any] = {"path": str(path.resolve()), "train": "images/train"}
    data["val"] = "images/val" if "val" in parts else "images/train"
    if "test" in parts:
        data["test"] = "images/test"
    return str(yaml.safe_dump({**data, "names": dict(enumerate(classes))}, sort_keys=False, allow_unicode=True))


def read(path: Path, pictures: Pictures, kind: Kind) -> list[Annotations]:
    """Read all splits of a dataset.

    Parameters
    ----------
    path : Path
        ``data.yaml``, or its folder.
    pictures : Pictures
        Where the images are, if not in the dataset.
    kind : Kind
        Boxes, oriented boxes or polygons.

    Raises
    ------
    InputError
        When the dataset cannot be read or holds damaged rows; the first few are named with file and line.
    """
    file = file_of(path)
    classes = _classes(data_of(file).get("names"), file)
    problems = Problems()
    sheets = [_sheet(member, kind, classes, problems) for member in members(path, pictures)]
    problems.check(file)
    return assembled(sheets, classes)


def _sheet(member: DatasetImage, kind: Kind, classes: tuple[str, ...], problems: Problems) -> Sheet:
    """Read the labels of an image; without a file it has none."""
    shown = open_images(member.image)[0]
    size = shown.height, shown.width
    sheet = Sheet(member.name, size)
    if member.label is not None:
        for position, line in enumerate(read_text(member.label, "a label file").splitlines(), start=1):
            if line.strip():
                with problems.at(f"{member.label.name} line {position}"):
                    sheet.specimens.append(parsed(line, kind, classes, size))
    return sheet


def _classes(names: Any, file: Path) -> tuple[str, ...]:
    """Return the names of classes in the order of their numbers."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or set(names) != set(range(len(names))):
        raise InputError(f"{file} does not list the names of its classes from 0 on.")
    classes = tuple(str(names[i]) for i in range(len(names)))
    if len(set(classes)) < len(classes) or not all(classes):
        raise InputError(f"{file} has several classes of one name, or one without a name.")
    return classes
