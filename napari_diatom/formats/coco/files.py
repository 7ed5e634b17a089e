"""COCO files of anybody: checked for what :mod:`napari_diatom.formats.coco.codec` takes on trust, then read by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from napari_diatom.core.annotations import Annotations
from napari_diatom.core.errors import InputError
from napari_diatom.core.mask_polygons import FARTHEST, MOST_POINTS, check_span
from napari_diatom.core.text import quoted
from napari_diatom.core.text_files import read_json
from napari_diatom.formats.coco import codec as coco
from napari_diatom.formats.shared.field_values import size_of
from napari_diatom.formats.shared.image_index import Pictures, size_needed, with_sizes
from napari_diatom.formats.shared.parsed_specimens import Problems, Size, tidy

TITLE: Final = "COCO"

MOST: Final = 2**40
"""Pixels that an image may have."""


def write(path: Path, annotations: Sequence[Annotations], pictures: Pictures) -> None:
    """Write all images to ``path``; see :func:`napari_diatom.formats.coco.codec.write`.

    Raises
    ------
    InputError
        When the size of an image is unknown, or a mask reaches beyond it.
    OutputError
        When the file cannot be written.
    """
    size_needed(annotations, TITLE)
    coco.write(path, annotations)


def read(path: Path, pictures: Pictures) -> list[Annotations]:
    """Read all images of a file, in their order.

    Raises
    ------
    InputError
        When it cannot be read, is no COCO, or holds damaged annotations; the first few are named.
    """
    return parse_coco(read_json(path, TITLE), path, pictures)


def parse_coco(
    data: Any,
    path: Path,
    pictures: Pictures,
    change: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> list[Annotations]:
    """Return the annotations of COCO's data; ``change`` may change each of them before it is read.

    Raises
    ------
    InputError
        When the data is no COCO, an id is missing or given twice, or annotations are damaged.
    """
    lists = ("images", "annotations")
    missing = [f'"{name}"' for name in lists if not isinstance(data, dict) or not isinstance(data.get(name), list)]
    if missing:
        raise InputError(f"{path} is not {TITLE}: it lacks the list{'s' * (len(missing) > 1)} {' and '.join(missing)}.")
    problems = Problems()
    sizes: dict[Any, Size] = {}
    names: set[str] = set()
    for position, image in enumerate(data["images"], start=1):
        with problems.at(f"image {position}"):
            number, size = _image(image)
            name = str(image.get("file_name") or "")
            if number in sizes:
                raise InputError(f"has the id {quoted(number)}, like an earlier one")
            if name and name in names:
                raise InputError(f"is named {quoted(name)}, like an earlier one")
            sizes[number] = size
            names.add(name)
    for position, category in enumerate(_list(data.get("categories")), start=1):
        with problems.at(f"category {position}"):
            _id(category)
    seen: set[Any] = set()
    items = []
    for position, item in enumerate(data["annotations"], start=1):
        with problems.at(f"annotation {position}"):
            _annotation(item, sizes, seen)
            items.append(item if coco.is_crowd(item) else change(item))
    problems.check(path)
    try:
        found = coco.of_data({**data, "annotations": items}, str(path))
    except MemoryError:
        raise InputError(f"{path} has a mask that is larger than this computer's memory.") from None
    return with_sizes([tidy(part, path) for part in found], pictures, path)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(item: Any, key: str = "id") -> int | str:
    """Return the id of an item, or another number that it names."""
    number = item.get(key) if isinstance(item, dict) else None
    if not isinstance(number, int | str):
        raise InputError(f"has no {key}")
    return number


def _image(image: Any) -> tuple[int | str, Size]:
    """Return the id and size of an image."""
    number = _id(image)
    size = size_of(image.get("height"), image.get("width"))
    if size is None or size[0] * size[1] > MOST:
        raise InputError(f"has the height {quoted(image.get('height'))} and the width {quoted(image.get('width'))}")
    _check_numbers(image.get("pixel_size_um"), "pixel_size_um")
    image["height"], image["width"] = size
    return number, size


def _annotation(item: Any, sizes: dict[Any, Size], seen: set[Any]) -> None:
    """Check one annotation; ``seen`` has the ids before it."""
    image, _ = _id(item, "image_id"), _id(item, "category_id")
    if image not in sizes:
        raise InputError(f"is in the image {quoted(image)}, which the file does not list")
    number = item.get("id")
    if isinstance(number, int | str):
        if number in seen:
            raise InputError(f"has the id {quoted(number)}, like an earlier one")
        seen.add(number)
    elif number is not None:
        raise InputError(f"has the id {quoted(number)}")
    if coco.is_crowd(item):
        return
    for key in ("segmentation", "bbox", "score"):
        _check_numbers(item.get(key), key)
    if isinstance(item.get("attributes"), dict):
        _check_numbers(item["attributes"].get("oriented_box"), "oriented_box")


def _check_numbers(value: Any, key: str) -> None:
    """Refuse numbers that cannot be coordinates, at any depth of lists, and what would be an absurdly large mask."""
    flat = [value]
    while flat:
        one = flat.pop()
        if not isinstance(one, list):
            one = [one]
        elif any(isinstance(number, list) for number in one):
            flat.extend(one)
            continue
        if len(one) > 2 * MOST_POINTS:
            raise InputError(f"has a {key} of {len(one):,} numbers, which is absurdly many")
        numbers = [number for number in one if isinstance(number, int | float)]
        if not all(abs(number) <= FARTHEST for number in numbers):
            raise InputError(f"has a {key} with NaN, infinite or absurdly large numbers")
        if key == "segmentation" and len(numbers) > 2:
            across, down = numbers[::2], numbers[1::2]
            check_span(max(across) - min(across), max(down) - min(down))
