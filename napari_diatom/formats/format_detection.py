"""The format of a file or folder, detected from its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from napari_diatom.core.errors import InputError
from napari_diatom.core.text_files import parse_json, read_bytes, read_text
from napari_diatom.formats import dota, imagej
from napari_diatom.formats.registry import FORMATS, Format, Layout, by_name
from napari_diatom.formats.shared.parsed_specimens import some_of
from napari_diatom.formats.yolo import dataset_layout
from napari_diatom.images.tiff_reader import is_tiff

_SUFFIXES: Final = frozenset(
    suffix for format_ in FORMATS if format_.layout is Layout.FILE_PER_IMAGE for suffix in format_.suffixes
)


class UnknownFormat(InputError):
    """A file or folder is of no format that is known, or a folder holds files of several."""


def detect(path: Path) -> Format:
    """Return the format of a file or folder.

    Raises
    ------
    UnknownFormat
        When it cannot be detected, or a folder holds several.
    InputError
        When it is not there, or damaged.
    """
    if not path.exists():
        raise InputError(f"{path} is not there.")
    name = _of_folder(path) if path.is_dir() else _of_file(path)
    if name is None:
        known = ", ".join(format_.name for format_ in FORMATS)
        raise UnknownFormat(f"The format of {path} cannot be detected: name one of {known}.")
    return by_name(name)


def _of_folder(folder: Path) -> str | None:
    """Return the name of a folder's format."""
    if (folder / dataset_layout.DATA).is_file():
        return _of_dataset(folder / dataset_layout.DATA)
    if (folder / dota.FOLDER).is_dir():
        return "dota"
    seen: set[str] = set()
    for suffix in sorted(_SUFFIXES):
        # Of many files of a kind the first one speaks for all.
        first = min((file for file in folder.iterdir() if file.suffix.lower() == suffix), default=None)
        name = _of_file(first) if first is not None else None
        if name is not None and by_name(name).layout is Layout.FILE_PER_IMAGE:
            seen.add(name)
    if len(seen) > 1:
        raise UnknownFormat(f"{folder} holds files of several formats: name one of {', '.join(sorted(seen))}.")
    return next(iter(seen), None)


def _of_file(path: Path) -> str | None:
    """Return the name of a file's format."""
    data = read_bytes(path)
    if is_tiff(data[:32]):
        return "label-tiff"
    if data.startswith((b"Iout", b"PK")):
        return _of_regions(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    start, name = text.lstrip()[:1], None
    if start == "<":
        name = {"annotation": "voc", "annotations": "cvat"}.get(_root(data))
    elif start in ("{", "["):
        name = _of_json(text, path)
    elif path.suffix.lower() in (".yaml", ".yml"):
        name = _of_dataset(path)
    return name or next((format_.name for format_ in FORMATS if format_.recognises(text)), None)


def _of_regions(data: bytes) -> str | None:
    """Tell whether a file holds regions of ImageJ."""
    return "imagej" if data.startswith(b"Iout") or imagej.holds_regions(data) else None


def _root(data: bytes) -> str:
    """Return the first tag of an XML file, empty where there is none."""
    found: list[str] = []

    def begin(tag: str, _: object) -> None:
        found.append(tag)

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    try:
        parser.Parse(data[:4096], False)
    except (expat.ExpatError, ValueError, LookupError):
        return found[0] if found else ""
    return found[0] if found else ""


def _of_json(text: str, path: Path) -> str | None:
    """Return the name of JSON's format.

    Raises
    ------
    InputError
        When the text is damaged JSON.
    """
    try:
        data: Any = parse_json(text, path, "JSON")
    except InputError as error:
        raise InputError(str(error).replace(" is not JSON", " is damaged or not JSON", 1)) from None
    if isinstance(data, list):
        return (
            "geojson"
            if data and all(isinstance(item, dict) and item.get("type") == "Feature" for item in data)
            else None
        )
    if data.get("type") in ("FeatureCollection", "Feature"):
        return "geojson"
    if isinstance(data.get("shapes"), list):
        return "labelme"
    lists = {name for name in ("images", "annotations", "categories") if isinstance(data.get(name), list)}
    if "images" not in lists and len(lists) < 2:
        return None
    first = next(iter(data["images"]), None) if "images" in lists else None
    return "biigle-coco" if isinstance(first, dict) and {"longitude", "latitude"} <= set(first) else "coco"


def _of_dataset(file: Path) -> str:
    """Return the name of a dataset's format by the lengths of its rows.

    Raises
    ------
    InputError
        When it cannot be read, or its rows are of several formats or none.
    """
    first: dict[int, str] = {}
    for label in dataset_layout.label_files(file):
        for number, line in enumerate(read_text(label, "a label file").splitlines(), start=1):
            first.setdefault(len(line.split()), f"{label} line {number}")
    lengths = first.keys() - {0}
    if lengths <= {5, 6}:
        return "yolo"
    if lengths <= {9, 10}:
        return "yolo-obb"
    if min(lengths) >= 7:
        return "yolo-seg"
    found = some_of([str(length) for length in sorted(lengths)])
    places = some_of([f"{length} in {first[length]}" for length in sorted(lengths)])
    raise InputError(
        f"{file} has label rows of {found} numbers ({places}), and all rows must be of one kind: boxes have 5, "
        f"oriented "
        "boxes 9, polygons 7 or more. Correct these rows, or name the format."
    )
