"""Where the images and labels of a YOLO dataset are, found as Ultralytics finds them.

``data.yaml`` names folders, which are searched with their subfolders, or lists of images (``.txt``). The labels of an
image lie where the last ``images`` of its path is ``labels``, else beside it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.errors import InputError
from napari_diatom.core.text import quoted
from napari_diatom.core.text_files import read_text, read_yaml
from napari_diatom.formats.shared.image_index import Pictures
from napari_diatom.formats.shared.parsed_specimens import Problems
from napari_diatom.images.image_files import SUFFIXES

SPLITS: Final = ("train", "val", "test")
DATA: Final = "data.yaml"
_NO_LABELS: Final = re.compile(r"classes|labels|names|notes|predefined_classes|readme.*", re.IGNORECASE)
"""Text files that labelling programs leave among labels; of an image of such a name they are labels all the same."""


@dataclass(frozen=True)
class DatasetImage:
    """An image of a dataset.

    Attributes
    ----------
    name : str
        Of its file, with as many folders as it takes to tell it from the others.
    splits : tuple of str
        All of :data:`SPLITS` that name it.
    image : Path
        Its file.
    label : Path or None
        Its label file; None where it has none, and no specimens.
    """

    name: str
    splits: tuple[str, ...]
    image: Path
    label: Path | None


@dataclass(frozen=True)
class _Source:
    """A folder or list of images that ``data.yaml`` names as ``text``."""

    split: str
    text: str
    place: Path


@dataclass(frozen=True)
class _Entry:
    """An image, known by itself, by its labels or by a list; ``where`` names it in errors."""

    split: str
    where: str
    place: Path
    label: Path | None


def file_of(path: Path) -> Path:
    """Return the ``data.yaml`` of a dataset that is named by it or by its folder."""
    return path / DATA if path.is_dir() else path


def data_of(file: Path) -> dict[str, Any]:
    """Return what ``data.yaml`` says.

    Raises
    ------
    InputError
        When it cannot be read or describes no dataset.
    """
    data = read_yaml(file, "a YOLO dataset")
    if not isinstance(data, dict) or "names" not in data:
        raise InputError(f"{file} is not a YOLO dataset: it does not list class names.")
    return data


def label_files(file: Path) -> list[Path]:
    """Return the label files of all splits of a ``data.yaml``.

    Raises
    ------
    InputError
        When it or a list cannot be read, or a split is neither a folder nor a list.
    """
    found = (entry.label for source in _sources(data_of(file), file) for entry in _entries(source))
    return sorted({label for label in found if label is not None})


def members(path: Path, pictures: Pictures) -> list[DatasetImage]:
    """Return the images of all splits by their names, each of them once.

    Parameters
    ----------
    path : Path
        ``data.yaml``, or its folder.
    pictures : Pictures
        Where the images are, if not in the dataset.

    Raises
    ------
    InputError
        When no split or an image is not there, or labels have no image.
    """
    file = file_of(path)
    problems = Problems()
    found: dict[Path, tuple[list[str], Path | None]] = {}
    sources = _sources(data_of(file), file)
    missing = [source for source in sources if pictures.folder is None and not _exists(source.place)]
    if len(missing) == len(sources):
        raise InputError(f"{file} names the folder or list {quoted(missing[0].text)}, which is not there.")
    pictures.remarks += [
        f"{file} names {quoted(source.text)} for {source.split}, which is not there: nothing was read for "
        f"{source.split}."
        for source in missing
    ]
    for source in (source for source in sources if source not in missing):
        for entry in _entries(source):
            image = _own(entry, problems) if pictures.folder is None else _elsewhere(entry, pictures, problems)
            if image is None:
                continue
            splits, label = found.setdefault(image, ([], entry.label))
            if label != entry.label:
                problems.add(f"{label or image} and {entry.label or entry.place} are for one image, {image.name}")
            elif entry.split not in splits:
                splits.append(entry.split)
    problems.check(file)
    names = _names(list(found))
    listed = [
        DatasetImage(name, tuple(splits), image, label)
        for name, (image, (splits, label)) in zip(names, found.items(), strict=True)
    ]
    return sorted(listed, key=lambda member: member.name)


def _own(entry: _Entry, problems: Problems) -> Path | None:
    """Return the image of an entry where the dataset has it."""
    if _is_file(entry.place):
        return entry.place
    problems.add(entry.where)
    return None


def _elsewhere(entry: _Entry, pictures: Pictures, problems: Problems) -> Path | None:
    """Return the image of an entry in another folder."""
    name = entry.place.stem if entry.place.suffix.lower() in SUFFIXES else entry.place.name
    found: Path | None = None
    with problems.at(f"{(entry.label or entry.place).name}:"):
        found = pictures.path((entry.place.parent / name).as_posix())
    return found


def _names(images: Sequence[Path]) -> list[str]:
    """Return the names of files, with the folders below the one that all share where two are called the same."""
    names = [image.name for image in images]
    twice = {name for name, times in Counter(names).items() if times > 1}
    if not twice:
        return names
    try:
        shared = os.path.commonpath([image.parent for image in images])
        whole = [image.relative_to(shared).as_posix() for image in images]
    except ValueError:
        whole = [image.as_posix() for image in images]
    return [longer if name in twice else name for name, longer in zip(names, whole, strict=True)]


def _sources(data: Mapping[str, Any], file: Path) -> list[_Source]:
    """Return the folders and lists of all splits."""
    given = Path(str(data.get("path") or "."))
    roots = [file.parent / given, file.parent]
    found: list[_Source] = []
    for split in SPLITS:
        listed = data.get(split)
        for text in listed if isinstance(listed, list) else [listed] if listed else []:
            if not isinstance(text, str):
                raise InputError(f"{file} has a {split} that is neither a folder nor a list of images.")
            found.append(_Source(split, text, _place(text, roots)))
    if not found:
        raise InputError(f"{file} does not name a folder of images ({', '.join(SPLITS)}).")
    return found


def _place(text: str, roots: Sequence[Path]) -> Path:
    """Return where a folder or list is that is named from one of some folders; the last of them where it is not."""
    # Roboflow writes "../train/images" into a file that lies beside "train"; Ultralytics leaves out the "../" as well.
    tried = [Path(os.path.normpath(root / name)) for root in roots for name in (text, text.removeprefix("../"))]
    return next((place for place in tried if _exists(place) or _exists(_labels(place))), tried[-2])


def _is_file(path: Path) -> bool:
    """Tell whether a file is there; a name that no system takes is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_folder(path: Path) -> bool:
    """Tell whether a folder is there; a name that no system takes is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _exists(path: Path) -> bool:
    """Tell whether a file or folder is there."""
    return _is_file(path) or _is_folder(path)


def _labels(path: Path) -> Path:
    """Return a path with its last ``images`` as ``labels``; itself where it has none."""
    parts = list(path.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts)


def _entries(source: _Source) -> Iterator[_Entry]:
    """Yield the images of a folder or list, and the labels without an image."""
    if source.place.suffix.lower() == ".txt" and _is_file(source.place):
        yield from _of_list(source)
        return
    folder, labels = source.place, _labels(source.place)
    images = _files(folder, SUFFIXES)
    used: set[Path] = set()
    for image in images:
        # A folder "images" may lie within the one that is named, or the other way round.
        asked = dict.fromkeys((_labels(image), labels / image.relative_to(folder)))
        label = next((path for path in (each.with_suffix(".txt") for each in asked) if _is_file(path)), None)
        used |= {label} if label else set()
        yield _Entry(source.split, image.name, image, label)
    if labels != folder or not images:
        for label in _files(labels, (".txt",)):
            if label not in used and not _NO_LABELS.fullmatch(label.stem):
                place = (folder / label.relative_to(labels)).with_suffix("")
                yield _Entry(source.split, f"{label.name} has no image", place, label)


def _of_list(source: _Source) -> Iterator[_Entry]:
    """Yield the images that a list names, a line each, from the list's folder."""
    lines = read_text(source.place, "a list of images").splitlines()
    for number, line in enumerate(lines, start=1):
        if line.strip():
            place = Path(os.path.normpath(source.place.parent / line.strip().replace("\\", "/")))
            label = _labels(place.parent / f"{place.stem}.txt")
            where = f"{source.place.name} line {number} names the image {quoted(line.strip())}, which is not there"
            yield _Entry(source.split, where, place, label if _is_file(label) else None)


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files of some kinds in a folder and its subfolders; hidden ones are skipped."""
    if not _is_folder(folder):
        return []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and file.is_file()
    )
